"""Rows that an earlier version wrote get what studies are found by: once, at start, by steps.

A Study ID, which earlier versions did not keep, is read from the instance that gave the row its words: one read of a
pack for each study. Where that cannot be read it stays empty, as it does of a peer's study without instances here.

Each step is a batch of its own, so that what ends in the middle goes on where it was; a row that somebody changes
meanwhile is looked at again. Until it is done such a study is not found by its name or date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from node.canonical import canonical_json
from node.catalogue.search import InstanceRow, StudyRow
from node.catalogue.stored import stored_beginning, stored_whole
from node.catalogue.written import derive
from node.database.port import Database, integer, read_as, text
from node.dicom.attributes import STUDY_ID, read_attributes
from node.errors import Conflict, GridError
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node

_STEP = 500
Tell = Callable[[int, int], None]


def derive_missing(node: Node, *, tell: Tell = lambda _done, _all: None) -> int:
    """Derive what is missing; give for how many studies.

    Parameters
    ----------
    tell
        Called before each step with the number of studies that are done, and of all that were to be.
    """
    waiting, done = _count(node.database), 0
    while rows := _waiting(node.database):
        tell(done, waiting)
        classes = _classes(node.database, rows)
        statements = []
        for row in rows:
            # What registration writes with each batch; nothing else changes what is derived.
            guard = ("derived = 0 AND last_at = ? AND instance_count = ?", (row.last_at, row.instance_count))
            found = classes.get(row.key, [])
            known = replace(
                row,
                sop_classes=canonical_json(sorted({*row.sop_class_list, *found})),
                study_id=row.study_id or _study_id(node, row),
            )
            statements += derive(known, guard=guard)
        try:
            node.write(statements)
        except Conflict:
            continue
        done += len(rows)
    return done


def _count(database: Database) -> int:
    sql = "SELECT count(*) AS n FROM study INDEXED BY study_underived WHERE derived = 0"
    return integer(database.read(sql)[0], "n")


def _waiting(database: Database) -> list[StudyRow]:
    sql = "SELECT * FROM study INDEXED BY study_underived WHERE derived = 0 LIMIT ?"
    return read_as(database, StudyRow, sql, (_STEP,))


def _study_id(node: Node, row: StudyRow) -> str:
    """Read a study's ID from the instance that gave the row its words; empty when it cannot be read."""
    sql = "SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND digest = ? LIMIT 1"
    for source in read_as(node.database, InstanceRow, sql, (row.origin, row.study_uid, row.source_digest)):
        try:
            header = stored_beginning(node, source)
            if not header.covers(STUDY_ID):
                header = stored_whole(node, source)
            return read_attributes(header).study.study_id
        except (GridError, OSError):  # `meridian verify` says what is amiss; a start is not stopped by it
            return ""
    return ""


def _classes(database: Database, rows: Sequence[StudyRow]) -> dict[StudyKey, list[str]]:
    """Give the SOP classes of instances that are here."""
    keys = canonical_json([[row.origin, row.study_uid] for row in rows])
    found = database.read(
        "SELECT asked.value ->> 0 AS origin, asked.value ->> 1 AS study_uid, (SELECT json_group_array(DISTINCT"
        " sop_class) FROM (SELECT sop_class FROM online_instance WHERE origin = asked.value ->> 0"
        " AND study_uid = asked.value ->> 1 UNION SELECT sop_class FROM archived_series"
        " WHERE origin = asked.value ->> 0 AND study_uid = asked.value ->> 1)) AS classes FROM json_each(?) AS asked",
        (keys,),
    )
    return {
        StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid"))): msgspec.json.decode(
            text(row, "classes"), type=list[str]
        )
        for row in found
    }  # fmt: skip
