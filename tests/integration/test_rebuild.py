"""The database is lost, and written again from what lies beside it: the same index, down to each row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.lost_index import (
    TickingClock,
    begin,
    export_of,
    live,
    lose_database,
    opened,
    read_all,
    rebuilt,
    until_of,
    wrong_in,
)


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def state(tmp_path: Path, clock: TickingClock) -> Path:
    state = begin(tmp_path)
    node = opened(state, clock)
    live(node, clock)
    node.close()
    return state


def differences(one: list[str], other: list[str]) -> list[str]:
    lost, new = sorted(set(one) - set(other)), sorted(set(other) - set(one))
    return [*(f"- {line}" for line in lost), *(f"+ {line}" for line in new)]


def test_a_lost_index_is_written_again_row_for_row(state: Path, clock: TickingClock) -> None:
    before = export_of(state, clock)
    assert wrong_in(state, clock) == []
    lose_database(state)
    done = rebuilt(state, clock)
    print("X", done.packages, done.records, done.studies)
    after = export_of(state, clock)
    print("\n".join(differences(before, after)))
    assert differences(before, after) == []
    assert before == after
    assert (done.journal.fault, done.doubt.marked, done.records.unreadable, done.packages.unreadable) == ("", 0, [], [])
    assert wrong_in(state, clock) == []
    node = opened(state, clock)
    assert set(until_of(node).values()) == {None}
    assert all(digest == content[1] for content, digest in read_all(node).items())
    node.close()
