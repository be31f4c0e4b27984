"""The instances that Key Object Selections of a study list, read where those lie; none of them is brought for that.

Source: DICOM PS3.3 A.35.4, C.17.6.2 (Key Object Document).
"""

from __future__ import annotations

from node.archive.archived import is_archived
from node.archive.reading import peek_described
from node.catalogue.rejection_notes import KEY_OBJECT_SELECTION, evidence_of
from node.catalogue.search import InstanceRow
from node.database.port import Database, read_as, text
from node.dicom.header import Header, scan
from node.errors import GridError
from node.names import StudyKey
from node.node import Node

MOST_BYTES = 16 << 20
MOST_OBJECTS = 20


def key_images(node: Node, key: StudyKey) -> frozenset[str]:
    """Give the SOP Instance UIDs that a study's Key Object Selections list, and their own; what cannot be read lists none."""
    rows = read_as(
        node.database,
        InstanceRow,
        "SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND sop_class = ? AND state = 'chosen'"
        " ORDER BY received_at DESC LIMIT ?",
        (key.origin, key.study_uid, KEY_OBJECT_SELECTION, MOST_OBJECTS),
    )
    found: set[str] = set()
    for row in rows:
        found.add(row.sop_uid)
        try:
            header = _header(node, row)
            evidence = {} if header is None else evidence_of(header)
        except GridError:
            continue
        found.update(evidence.get(key.study_uid, ()))
    return frozenset(found)


def first_series(database: Database, key: StudyKey) -> str:
    """Give the series that is shown first: of the lowest number."""
    rows = database.read(
        "SELECT series_uid FROM series WHERE origin = ? AND study_uid = ?"
        " ORDER BY number IS NULL, number, series_uid LIMIT 1",
        (key.origin, key.study_uid),
    )
    return text(rows[0], "series_uid") if rows else ""


def _header(node: Node, row: InstanceRow) -> Header | None:
    if is_archived(row.pack):
        return peek_described(node, row)
    if row.data_bytes > MOST_BYTES:
        return None
    try:
        return scan(node.packs.read_data_set(row.location), row.transfer_syntax)
    except FileNotFoundError:
        return None
