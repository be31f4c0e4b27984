"""Rejection notes: Key Object Selections by which a device says that instances are not to be used.

A note counts for the SOP Instances that it lists, whenever they come, and for itself; a person may restore
them. Notes of this hospital's own devices only: what a peer rejects it tells.

Source: IHE RAD TF-3 4.66 (Imaging Object Change Management); DICOM PS3.3 A.35.4, C.17.2.1; PS3.16 CID 7011.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node.canonical import digest_of
from node.catalogue.arrivals import Arrival
from node.catalogue.correction_drafts import INSTANCES_LIMIT, REJECTIONS
from node.catalogue.correction_events import InstancesRejected
from node.catalogue.correction_facts import Correction, CorrectionRow, Words, encode_words, insert_fact
from node.database.port import Statement
from node.dicom.header import Header, scan
from node.dicom.tree import Branch, Elements, Leaf, read_tree
from node.errors import InvalidRequest
from node.names import Cause, StudyKey, StudyUID, is_uid
from node.node import Node

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
NOTE_BYTES = 16 << 20
"""A larger one is registered as it is, and rejects nothing."""
_CONCEPT, _CODE, _SCHEME = 0x0040A043, 0x00080100, 0x00080102
_EVIDENCE, _SERIES, _SOPS = 0x0040A375, 0x00081115, 0x00081199
_STUDY_UID, _SOP_UID = 0x0020000D, 0x00081155


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one note says of one study."""

    fact: Correction
    cause: Cause

    @property
    def sop_uids(self) -> tuple[str, ...]:
        return self.fact.words.sop_uids

    def event(self) -> InstancesRejected:
        return InstancesRejected(
            correction=self.fact.row.id,
            words=self.fact.row.words,
            by=self.fact.words.by,
            code=self.fact.row.code,
            series_uid="",
            instances=len(self.sop_uids),
        )

    def statements(self, node: Node) -> list[Statement]:
        """Give the statements that keep the fact itself."""
        _, words = node.texts.put("correction", encode_words(self.fact.words))
        return [words, insert_fact(self.fact.row)]


def notes_in(node: Node, arrivals: Sequence[Arrival]) -> list[Note]:
    """Give what rejection notes say that come for the first time."""
    found: list[Note] = []
    seen: set[str] = set()
    for arrival in arrivals:
        if arrival.attributes.instance.sop_class != KEY_OBJECT_SELECTION or arrival.key.origin != node.id:
            continue
        if arrival.record.digest in seen or _is_held(node, arrival):
            continue
        seen.add(arrival.record.digest)
        if arrival.record.location.data_bytes <= NOTE_BYTES:
            found += read_note(node, arrival, node.packs.read_data_set(arrival.record.location))
    return found


def listed_in(header: Header) -> tuple[str, dict[str, list[str]]]:
    """Give a note's reason, and by Study UID the instances that it lists; an empty reason when it rejects nothing.

    Raises
    ------
    InvalidRequest
        The data set was not given whole.
    """
    tree = read_tree(header)
    code = next(
        (
            _text(item, _CODE)
            for item in _items(tree, _CONCEPT)
            if _text(item, _SCHEME) == "DCM" and _text(item, _CODE) in REJECTIONS
        ),
        "",
    )
    return code, _evidence(tree) if code else {}


def evidence_of(header: Header) -> dict[str, list[str]]:
    """Give by Study UID the instances that a Key Object Selection lists, whatever for.

    Raises
    ------
    InvalidRequest
        The data set was not given whole.
    """
    return _evidence(read_tree(header))


def _evidence(tree: Elements) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for study in _items(tree, _EVIDENCE):
        uids = [_text(sop, _SOP_UID) for series in _items(study, _SERIES) for sop in _items(series, _SOPS)]
        if is_uid(uid := _text(study, _STUDY_UID)):
            listed.setdefault(uid, []).extend(one for one in uids if is_uid(one))
    return listed


def read_note(node: Node, arrival: Arrival, data_set: bytes) -> Iterator[Note]:
    """Give what one note says, a study each; nothing when it rejects nothing."""
    try:
        code, listed = listed_in(scan(data_set, arrival.record.facts.transfer_syntax))
    except InvalidRequest:
        return  # it is registered as it is, and rejects nothing
    facts = arrival.record.facts
    for study_uid, uids in listed.items():
        own = [arrival.attributes.instance.sop_uid] if study_uid == arrival.key.study_uid else []
        if not uids:
            continue
        key, id_ = StudyKey(origin=arrival.key.origin, study_uid=StudyUID(study_uid)), node.new_id()
        words = Words(
            sop_uids=tuple(dict.fromkeys([*uids, *own]))[:INSTANCES_LIMIT],
            by=facts.calling,
            correction=id_,
            study=key.subject,
            at=facts.received_at,
        )
        row = CorrectionRow(
            id=id_,
            n=0,
            kind="note",
            origin=key.origin,
            study_uid=key.study_uid,
            series_uid="",
            patient_issuer="",
            patient_id="",
            words=digest_of(encode_words(words)),
            code=code,
            person="",
            at=facts.received_at,
            undone_at=None,
            undone_by="",
            undone_words="",
            cause=facts.cause,
        )
        yield Note(fact=Correction(row=row, words=words), cause=facts.cause)


def _is_held(node: Node, arrival: Arrival) -> bool:
    return bool(
        node.database.read(
            "SELECT 1 AS one FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ?",
            (
                arrival.key.origin,
                arrival.key.study_uid,
                arrival.attributes.instance.sop_uid,
                arrival.record.digest,
            ),
        )
    )


def _items(elements: Elements, tag: int) -> tuple[Elements, ...]:
    return next((one.items for one in elements if isinstance(one, Branch) and one.tag == tag), ())


def _text(elements: Elements, tag: int) -> str:
    for one in elements:
        if isinstance(one, Leaf) and one.tag == tag:
            return bytes(one.value).decode("latin-1").strip(" \0")
    return ""
