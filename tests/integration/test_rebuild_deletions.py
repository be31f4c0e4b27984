"""An index is written again, and what was deleted for good does not come back, though its bytes lie there still."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.catalogue.search import get_study
from node.database.port import Statement
from node.errors import NotFound
from node.events import StudyChanged
from node.journal.records import record_digest
from node.names import Cause
from ops.rebuild.deleted import DELETED
from tests.kit.deleting import delete
from tests.kit.lost_index import (
    ARCHIVED_ALONE,
    TickingClock,
    differences,
    export_of,
    key,
    lose_database,
    opened,
    rebuilt,
    seal,
    send,
    slice_,
    until_of,
)


def test_what_was_deleted_does_not_come_back(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    version = node.journal.version(key(ARCHIVED_ALONE).subject)
    (statement,) = node.journal.append(
        key(ARCHIVED_ALONE).subject,
        [StudyChanged(instances=0, bytes=0, door="", device="", total=0)],
        after=version,
        cause=Cause(node.new_id()),
    )
    record = list(statement.params)
    record[2], record[6] = DELETED, "{}"
    record[7] = record_digest(
        at=record[0],
        origin=record[1],
        type_=DELETED,
        subject=record[3],
        version=record[4],
        cause=record[5],
        body="{}",
    )
    node.write([Statement(statement.sql, tuple(record))])
    seal(node, clock)
    send(node, clock, 1, slice_(1, 8))
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    node = opened(state, clock)
    with pytest.raises(NotFound):
        get_study(node.database, key(ARCHIVED_ALONE))
    assert any("its study was deleted" in line for line in done.packages.unreadable)
    node.close()


def rows_of_deletions(state: Path, clock: TickingClock) -> list[dict[str, Any]]:
    node = opened(state, clock)
    rows = [
        dict(row)
        for table in ("deletion", "deletion_step", "deletion_peer")
        for row in node.database.read(f"SELECT * FROM {table}")
    ]
    node.close()
    return rows


@pytest.mark.parametrize("study", [ARCHIVED_ALONE, 6, 4])
def test_what_was_deleted_for_good_does_not_come_back(state: Path, clock: TickingClock, study: int) -> None:
    node = opened(state, clock)
    delete(node, key(study))  # its steps are left: packs and packages lie there still
    seal(node, clock)
    node.close()
    before = export_of(state, clock)
    deleted = rows_of_deletions(state, clock)
    done = rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []
    assert rows_of_deletions(state, clock) == deleted
    assert (done.journal.fault, done.doubt.marked) == ("", 0)
    lose_database(state)
    done = rebuilt(state, clock)
    node = opened(state, clock)
    assert node.database.read("SELECT 1 AS one FROM study WHERE study_uid = ?", (f"2.25.{study}",)) == []
    assert set(until_of(node).values()) == {None}
    assert done.doubt.marked == 0
    node.close()
