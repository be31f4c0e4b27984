"""Corrections written again, from their events and texts: the same rows in the same order, and who cannot be known.

Texts of earlier versions do not say of whom a fact of patients is, who made it and when. The event's moment stands for
the last; without the first the fact is kept for its history and counts for nobody, and every study that its making or
undoing touched is one of which not all corrections are known. So is a study whose fact has lost its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from node.catalogue.correction_events import (
    ContentChosen,
    CorrectionUndone,
    InstancesRejected,
    Made,
    PatientCorrected,
    PatientsMerged,
    SeriesCorrected,
    StudyCorrected,
    StudyMoved,
    StudyRestated,
)
from node.catalogue.correction_facts import OF_PATIENTS, CorrectionRow, Kind, Words, insert_fact
from node.database.port import Statement, read_as, text
from node.errors import Damaged
from node.events import decode, event_type
from node.journal.records import Record
from node.names import Digest, NodeId, StudyKey, study_of
from node.node import Node
from ops.rebuild.journal import MADE

_READ = (*MADE, CorrectionUndone, StudyRestated)
_PLAIN: dict[type[Made], Kind] = {
    PatientsMerged: "merge", PatientCorrected: "patient", StudyMoved: "move", StudyCorrected: "study",
    SeriesCorrected: "series", ContentChosen: "choose",
}  # fmt: skip
_PAGE = 500


@dataclass(slots=True)
class Facts:
    """What was written again of them."""

    made: int = 0
    undone: int = 0
    unknown: dict[StudyKey, int] = field(default_factory=dict)
    """Studies of which a fact cannot be had whole, and when it was made."""
    lacking: set[str] = field(default_factory=set)
    """Ids of facts that cannot."""


def write_facts(node: Node) -> Facts:
    """Write every fact that the journal tells of, in its order."""
    found = Facts()
    before: list[
        tuple[str, StudyKey, int]
    ] = []  # a fact's own event comes after those of the studies it touches
    for record in _records(node):
        match decode(_READ, record.type, record.body):
            case CorrectionUndone() as event:
                found.undone += 1
                node.database.write([_undone(node, event, record)], node.new_id())
            case StudyRestated() as event:
                if event.correction in found.lacking:
                    _note(found, study_of(record.subject), record.at)
                elif not event.undone:
                    before.append((event.correction, study_of(record.subject), record.at))
            case Made() as event:
                found.made += 1
                row, whole = _row(node, event, record)
                node.database.write([insert_fact(row)], node.new_id())
                if not whole:
                    found.lacking.add(row.id)
                    if row.study_uid:
                        _note(found, study_of(record.subject), record.at)
                    for touched, key, at in before:
                        if touched == row.id:
                            _note(found, key, at)
                before.clear()
            case _:
                continue
    return found


def _note(found: Facts, key: StudyKey, at: int) -> None:
    found.unknown[key] = min(at - 1, found.unknown.get(key, at))


def _records(node: Node) -> Iterator[Record]:
    types = [event_type(one) for one in _READ]
    sql = (
        "SELECT seq, at, origin, type, subject, version, cause, body, digest FROM journal"
        f" WHERE type IN ({', '.join('?' * len(types))}) AND seq > ? ORDER BY seq LIMIT {_PAGE}"
    )
    seq = 0
    while page := read_as(node.database, Record, sql, (*types, seq)):
        yield from page
        seq = page[-1].seq


def _row(node: Node, event: Made, record: Record) -> tuple[CorrectionRow, bool]:
    """Give a fact's row, and whether all of it is known."""
    words = _words(node, Digest(event.words))
    said = Words() if words is None else words
    kind = _kind(event, record)
    issuer, patient_id = said.about or ("", "")
    of_patients = kind in OF_PATIENTS
    row = CorrectionRow(
        id=event.correction,
        n=0,
        kind=kind,
        origin=NodeId(record.subject.split("/")[1]),
        study_uid="" if of_patients else study_of(record.subject).study_uid,
        series_uid=event.series_uid if isinstance(event, SeriesCorrected | InstancesRejected) else "",
        patient_issuer=issuer,
        patient_id=patient_id,
        words=Digest(event.words),
        code=event.code if isinstance(event, InstancesRejected) else "",
        person=said.person,
        at=said.at or record.at,
        undone_at=None,
        undone_by="",
        undone_words="",
        cause=record.cause,
    )
    return row, words is not None and not (of_patients and words.about is None)


def _kind(event: Made, record: Record) -> Kind:
    if isinstance(event, InstancesRejected):
        # A person's correction is its own cause; a device's note has that of the association that brought it.
        return "reject" if record.cause == event.correction else "note"
    return _PLAIN[type(event)]


def _undone(node: Node, event: CorrectionUndone, record: Record) -> Statement:
    words = _words(node, Digest(event.words)) or Words()
    return Statement(
        "UPDATE correction SET undone_at = ?, undone_by = ?, undone_words = ? WHERE id = ?",
        (words.at or record.at, words.person, event.words, event.correction),
    )


def _words(node: Node, digest: Digest) -> Words | None:
    rows = node.database.read("SELECT body FROM text WHERE digest = ?", (digest,))
    if not rows:
        return None
    try:
        return msgspec.json.decode(text(rows[0], "body").encode(), type=Words)
    except msgspec.DecodeError as error:
        raise Damaged(
            f"Reading text {digest[:12]} failed: it is no correction's. Run 'meridian verify' on the old database."
        ) from error
