"""Studies restated: what corrections make of them, once all that they are about is registered.

The same derivation as when somebody corrects (`node.catalogue.restating`). A peer's study is as the newest event of it says
that its origin told; the words stand in a text, which earlier versions did not keep.
"""

from __future__ import annotations

from federation.correction_arrivals import CorrectionsTold
from node.catalogue.contents import StoredContents
from node.catalogue.corrected_growth import TOLD
from node.catalogue.correction_facts import facts_of_study
from node.catalogue.overlays import Overlay, decode_overlay, encode_overlay, write_overlay
from node.catalogue.rejection_notes import KEY_OBJECT_SELECTION, NOTE_BYTES, read_note
from node.catalogue.resolving import Resolution
from node.catalogue.restating import Present, read_present, resolve_present, restate, restated_statements
from node.catalogue.search import InstanceRow, peek_study
from node.clock import Micros
from node.database.port import Row, integer, read_as, text
from node.errors import GridError
from node.events import decode
from node.failpoints import planted
from node.names import Digest, NodeId, StudyKey, StudyUID, Subject, study_of
from node.node import Node

_ABOUT = (
    "SELECT origin, study_uid FROM correction WHERE study_uid <> '' UNION SELECT identity.origin, identity.study_uid"
    " FROM study_identity AS identity JOIN correction ON correction.study_uid = '' AND correction.origin = identity.origin"
    " AND correction.patient_issuer = identity.patient_issuer AND correction.patient_id = identity.patient_id"
)
_NEWEST_TOLD = (
    "SELECT subject, at, type, body FROM journal AS one WHERE type = 'corrections-told/1' AND NOT EXISTS (SELECT 1"
    " FROM journal AS later WHERE later.subject = one.subject AND later.type = one.type AND later.version > one.version)"
)


def restate_own(node: Node, contents: StoredContents) -> int:
    """Restate every study of this node that a fact is about; give how many."""
    rows = [] if planted("rebuild-forgets-corrections") else node.database.read(f"{_ABOUT} ORDER BY 1, 2")
    for key in map(_key, rows):
        if peek_study(node.database, key) is None:
            continue  # rejected before it came
        present = read_present(node, key, every_instance=True)
        facts = facts_of_study(node.database, key, {patient.key for patient in present.patients})
        _write(node, key, present, resolve_present(present, facts), contents)
    return len(rows)


def restate_told(node: Node, contents: StoredContents) -> dict[StudyKey, Micros]:
    """Restate peers' studies as their origins told; give those of which that cannot be known, and up to when it was."""
    unknown: dict[StudyKey, Micros] = {}
    for row in node.database.read(f"{_NEWEST_TOLD} ORDER BY subject"):
        key = study_of(Subject(text(row, "subject")))
        event = decode((CorrectionsTold,), text(row, "type"), text(row, "body"))
        assert event is not None  # the type was asked for
        overlay = _told(node, Digest(event.overlay))
        if overlay is None:
            unknown[key] = integer(row, "at") - 1
            continue
        node.database.write([write_overlay(key, overlay if overlay != Overlay() else None)], node.new_id())
        if overlay != Overlay() and peek_study(node.database, key) is not None:
            present = read_present(node, key, every_instance=True)
            _write(node, key, present, Resolution(overlay=overlay, red=False, facts=(TOLD,)), contents)
    return unknown


def write_lost_notes(node: Node, contents: StoredContents) -> int:
    """Keep what rejection notes say of which the journal tells nothing; give how many that were."""
    found = 0
    sql = (
        "SELECT * FROM instance AS note WHERE sop_class = ? AND origin = ? AND NOT EXISTS (SELECT 1 FROM correction"
        " WHERE kind = 'note' AND correction.at = note.received_at)"
    )
    for row in read_as(node.database, InstanceRow, sql, (KEY_OBJECT_SELECTION, node.id)):
        try:
            arrival = contents.arrival(row) if row.data_bytes <= NOTE_BYTES else None
            notes = [] if arrival is None else list(read_note(node, arrival, contents.data_set(row)))
        except GridError:
            continue  # it was listed when it was read first
        for note in notes:
            subject = note.fact.study.subject
            version = node.journal.version(subject)
            told = node.journal.append(subject, [note.event()], after=version, cause=note.cause)
            node.database.write([*told, *note.statements(node)], node.new_id())
            found += 1
    return found


def _write(
    node: Node, key: StudyKey, present: Present, resolution: Resolution, contents: StoredContents
) -> None:
    restated = restate(present, resolution, contents=contents)
    node.database.write(restated_statements(key, present, restated, resolution), node.new_id())


def _told(node: Node, digest: Digest) -> Overlay | None:
    """Give the overlay that an event names; None when its text is not here."""
    if digest == encode_overlay(Overlay())[0]:
        return Overlay()
    rows = node.database.read("SELECT body FROM text WHERE digest = ?", (digest,))
    return decode_overlay(text(rows[0], "body")) if rows else None


def _key(row: Row) -> StudyKey:
    return StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
