"""An index is written again where blocks of the journal are gone, altered or another's: which count, and what is said of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from node.errors import NotFound
from node.journal.blocks import block_path, make_block, read_block_file
from node.keys.store import KeyStore
from node.names import NodeId
from ops.verify import verify
from tests.kit.lost_index import (
    TickingClock,
    differences,
    export_of,
    lose_blocks,
    lose_database,
    opened,
    rebuilt,
    send,
    slice_,
    until_of,
)
from tests.kit.planting import planted


def test_without_blocks_every_study_says_that_its_corrections_are_unknown(
    state: Path, clock: TickingClock
) -> None:
    aside = shutil.copytree(state / "blocks", state.parent / "blocks")
    before = export_of(state, clock)
    lose_database(state)
    lose_blocks(state)
    done = rebuilt(state, clock)
    node = opened(state, clock)
    assert set(until_of(node).values()) == {0}
    assert done.doubt.marked == len(until_of(node)) == 12
    (problem,) = node.database.read("SELECT detail FROM problem WHERE kind = 'corrections-unknown'")
    assert "12 studies" in str(problem["detail"])
    said = [finding.line for finding in verify(node)]
    assert any("corrections of 12 studies: not all of them are known" in line for line in said), said
    node.close()
    lose_database(state)
    lose_blocks(state)
    shutil.copytree(aside, state / "blocks", dirs_exist_ok=True)
    rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []


def test_a_planted_showing_of_studies_as_clean_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-shows-clean")
    with pytest.raises(AssertionError):
        test_without_blocks_every_study_says_that_its_corrections_are_unknown(state, clock)


def altered(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'"v":1', b'"v":2', 1))


@pytest.mark.parametrize("spoil", ["gone", "altered"])
def test_behind_a_hole_in_the_blocks_nothing_counts_and_all_is_marked(
    state: Path, clock: TickingClock, spoil: str
) -> None:
    third = block_path(state / "blocks", 3)
    last = read_block_file(block_path(state / "blocks", 2)).records[-1]
    lose_database(state)
    if spoil == "gone":
        third.unlink()
    else:
        altered(third)
    done = rebuilt(state, clock)
    assert len(done.chain.rows) == 2
    assert "block 3" in done.journal.fault
    node = opened(state, clock)
    assert set(until_of(node).values()) == {last.at}
    assert node.database.read("SELECT count(*) AS n FROM block") == [{"n": 2}]
    said = [finding.line for finding in verify(node)]
    expected = ("no row knows this file", "not all of them", "its file has no row")
    assert [line for line in said if not any(words in line for words in expected)] == []
    node.close()


def test_a_planted_belief_in_blocks_behind_a_hole_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-believes-gaps")
    with pytest.raises((AssertionError, NotFound)):
        test_behind_a_hole_in_the_blocks_nothing_counts_and_all_is_marked(state, clock, "gone")


def forge(state: Path, folder: Path, clock: TickingClock) -> None:
    """Write the last two blocks again without one record's change, signed by another key."""
    forger = KeyStore.open(folder / "forger", NodeId("alpha"), clock)
    files = sorted((state / "blocks").glob("*.jsonl"))
    before = read_block_file(files[-3]).row
    for path in files[-2:]:
        block = make_block(forger, read_block_file(path).records, after=before, at=clock.now())
        path.write_bytes(block.to_bytes())
        before = block.row


def test_blocks_of_another_key_count_for_nothing(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    blocks = len(list((state / "blocks").iterdir()))
    forge(state, state.parent, clock)
    done = rebuilt(state, clock)
    assert len(done.chain.rows) == blocks - 2
    assert "a key that this node is not known to have had" in done.journal.fault
    assert done.doubt.marked == 12


def test_a_planted_belief_in_any_key_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-believes-keys")
    with pytest.raises(AssertionError):
        test_blocks_of_another_key_count_for_nothing(state, clock)


def test_instances_long_after_the_last_block_say_that_blocks_are_missing(
    state: Path, clock: TickingClock
) -> None:
    node = opened(state, clock)
    send(node, clock, 20, slice_(20, 1))
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert done.doubt.marked == 13
    assert "blocks are missing at its end" in done.doubt.why[0]
