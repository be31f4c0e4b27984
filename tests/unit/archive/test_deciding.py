"""What was decided is read back as it was meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from node.archive.deciding import decide_due, look_again
from node.archive.lifecycle.decided import peek_decided
from node.archive.lifecycle.facts import Hold
from node.archive.lifecycle.periods import DAY
from node.database.port import Statement
from node.database.schema import MIGRATIONS
from node.database.sqlite import SqliteDatabase
from node.database.watch_tables import WATCH
from node.node import Node
from tests.kit.archived_study import archive, hold_study
from tests.kit.bare_node import open_archive
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    with open_archive(tmp_path, clock) as node:
        yield node


def test_a_hold_that_bars_an_expiry_is_told_with_who_holds(node: Node, clock: FrozenClock) -> None:
    hold_study(node)
    archive(node)
    held = Statement(
        "INSERT INTO hold (origin, study_uid, reason, who) VALUES (?, ?, 'teaching', 'Dr. Li')",
        (KEY.origin, KEY.study_uid),
    )
    node.write([held, *look_again(node, [KEY])])
    clock.advance(400 * DAY)
    decide_due(node)
    decided = peek_decided(node.database, KEY)
    assert decided is not None
    assert (decided.decision, decided.reason, decided.figures["holds"]) == ("keep", "held", 1)
    assert decided.hold == Hold(reason="teaching", who="Dr. Li")


def test_what_an_earlier_version_wrote_of_a_hold_is_decided_again(tmp_path: Path) -> None:
    file = tmp_path / "meridian.db"
    earlier = MIGRATIONS.index(WATCH)
    with patch("node.database.sqlite.MIGRATIONS", MIGRATIONS[:earlier]):
        database = SqliteDatabase(file, FrozenClock())
    row = Statement(
        "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at) VALUES ('alpha', '2.25.1', 'keep',"
        " 'held', '{\"hold\":\"teaching\"}', 5)"
    )
    database.write([row], "earlier")
    database.close()
    database = SqliteDatabase(file, FrozenClock())
    assert [row["next_at"] for row in database.read("SELECT next_at FROM lifecycle")] == [5]
    database.close()
