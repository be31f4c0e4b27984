"""Texts that nothing names: no finding, kept for a week, then removed; whatever is named stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.tidy import Tidy
from node.archive.deletion.deleting import ask_deletion
from node.archive.deletion.deletions import deletions_of
from node.archive.deletion.erasing import erase_study
from node.catalogue.correction_drafts import draft_study
from node.catalogue.corrections import make_correction
from node.clock import SECOND, SystemClock
from node.database.port import Statement, text
from node.errors import Conflict
from node.journal import unnamed
from node.journal.blocks import block_path
from node.journal.chain import blocks_folder
from node.journal.unnamed import KEPT, LEAVING, remove_unnamed, rowless
from node.names import Cause, Digest
from node.node import Node
from ops.cli import app
from ops.verify import verify
from tests.kit.actors import Failures
from tests.kit.archived_study import hold_study
from tests.kit.bare_node import bare_node
from tests.kit.blocks import few_a_block, seal_all
from tests.kit.clock import FrozenClock
from tests.kit.deleting import WANG, ask, delete
from tests.kit.lost_index import TECHNICIAN, TickingClock, begin, opened, send, slice_
from tests.kit.merging import KEY
from tests.kit.planting import planted

run = CliRunner()
AGAIN = "Another reason"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(SystemClock().now())


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock):
    node = bare_node(tmp_path, "alpha", clock)
    hold_study(node)
    yield node
    node.close()


def refused(node: Node) -> Digest:
    """Let somebody ask for what somebody has asked already; give the text that this leaves."""
    ask(node)
    before = rowless(node)
    with pytest.raises(Conflict):
        ask_deletion(node, WANG, KEY, code="test", words=AGAIN)
    (left,) = rowless(node) - before
    return left


def age(node: Node, digest: Digest, by: int = KEPT + SECOND) -> None:
    """Let a file be older than it is."""
    at = (node.now() - by) / SECOND
    os.utime(node.texts.path(digest), (at, at))


def lines(node: Node) -> list[str]:
    return [finding.line for finding in verify(node)]


def test_a_refused_command_leaves_no_finding_and_its_words_go_after_a_week(node: Node) -> None:
    left = refused(node)
    assert lines(node) == []
    assert remove_unnamed(node) == 0
    age(node, left, KEPT - 60 * SECOND)
    assert remove_unnamed(node) == 0
    age(node, left)
    assert lines(node) == []
    assert remove_unnamed(node) == 1
    assert not node.texts.path(left).exists()
    assert node.texts.get(Digest(deletions_of(node.database, KEY)[0].words))


def test_verify_says_no_more_than_a_number_and_does_not_fail(tmp_path: Path) -> None:
    clock = TickingClock(SystemClock().now())
    state = begin(tmp_path)
    node = opened(state, clock)
    send(node, clock, 1, slice_(1, 1))
    node.texts.put("correction", "a batch that was refused")
    node.close()
    said = run.invoke(app, ["verify", str(state)])
    assert (said.exit_code, "no findings" in said.output) == (0, True), said.output
    assert "1 files of texts without a row" in said.output


def corrected(node: Node) -> Digest:
    """Let somebody correct the study; give the text that holds her words."""
    make_correction(node, TECHNICIAN, draft_study(node, KEY, {"description": "Thorax"}), reason="Wrong word")
    (row,) = node.database.read("SELECT words FROM correction")
    return Digest(text(row, "words"))


def in_an_event(node: Node) -> Digest:
    words = corrected(node)
    node.write(
        [Statement("DELETE FROM correction"), Statement("DELETE FROM text WHERE digest = ?", (words,))]
    )
    return words


def in_a_row(node: Node) -> Digest:
    words = Digest(ask(node).words)
    node.write([Statement("DELETE FROM text WHERE digest = ?", (words,))])
    return words


def in_a_block_aside(node: Node) -> Digest:
    """Let an older database come back: its newest block is set aside, and with it the event."""
    with few_a_block():
        seal_all(node)
        before = node.journal.head()
        words = in_an_event(node)
        seal_all(node)
    rows = node.database.read("SELECT n FROM block WHERE last_seq > ?", (before,))
    assert rows
    for row in rows:
        path = block_path(blocks_folder(node), int(str(row["n"])))
        path.rename(path.with_name(f"{path.stem}.0123456789abcdef.aside"))
    node.write(
        [
            Statement("DELETE FROM block WHERE last_seq > ?", (before,)),
            Statement("DELETE FROM journal WHERE seq > ?", (before,)),
            Statement("DELETE FROM overlay"),
        ]
    )
    return words


@pytest.mark.parametrize("named", [in_an_event, in_a_row, in_a_block_aside])
def test_what_something_names_stays(node: Node, named: Callable[[Node], Digest]) -> None:
    words = named(node)
    age(node, words)
    assert remove_unnamed(node) == 0
    assert node.texts.path(words).exists()


@pytest.mark.parametrize("named", [in_an_event, in_a_row])
def test_what_has_lost_its_row_is_a_finding(node: Node, named: Callable[[Node], Digest]) -> None:
    words = named(node)
    assert f"text {words[:16]}: its file has no row, and the journal or a row names it" in "\n".join(
        lines(node)
    )


def test_a_planted_removal_of_what_an_event_names_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "named-text-removed")
    with pytest.raises(AssertionError):
        test_what_something_names_stays(node, in_an_event)


def test_nothing_goes_while_corrections_of_a_study_are_unknown(node: Node) -> None:
    left = refused(node)
    age(node, left)
    node.write([Statement("UPDATE study SET corrections_until = 0")])
    assert remove_unnamed(node) == 0
    node.write([Statement("UPDATE study SET corrections_until = NULL")])
    assert remove_unnamed(node) == 1


def test_nothing_goes_while_nobody_has_looked_at_how_cases_ended(node: Node) -> None:
    left = refused(node)
    age(node, left)
    node.write(node.problem("cases-unknown", about="node/alpha", detail="2 cases.", cause=Cause("c")))
    assert remove_unnamed(node) == 0
    node.write([Statement("UPDATE problem SET seen_at = 1")])
    assert remove_unnamed(node) == 1


def said_again(node: Node) -> Statement:
    """Say the same words once more; give the row that a batch is about to write."""
    return node.texts.put("deletion-reason", AGAIN)[1]


def kept(node: Node, left: Digest, row: Statement) -> None:
    node.write([row])
    assert node.texts.path(left).read_text() == AGAIN
    assert lines(node) == []


def test_words_said_again_stay_until_their_batch_is_written(node: Node) -> None:
    left = refused(node)
    age(node, left)
    row = said_again(node)
    assert remove_unnamed(node) == 0
    kept(node, left, row)


def test_planted_words_said_again_that_stay_old_are_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "text-stays-old")
    with pytest.raises(AssertionError):
        test_words_said_again_stay_until_their_batch_is_written(node)


def test_words_said_again_while_they_are_looked_for_stay(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Statement] = []
    looked = unnamed._named

    def named(node: Node, digests: set[Digest]) -> set[Digest]:
        found = looked(node, digests)
        rows.append(said_again(node))
        return found

    left = refused(node)
    age(node, left)
    monkeypatch.setattr(unnamed, "_named", named)
    assert remove_unnamed(node) == 0
    kept(node, left, rows[0])


def test_words_said_again_on_their_way_out_are_written_anew(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Statement] = []
    looked = unnamed._is_old

    def is_old(node: Node, path: Path) -> bool:
        found = looked(node, path)
        if path.suffix == LEAVING:
            rows.append(said_again(node))
        return found

    left = refused(node)
    age(node, left)
    monkeypatch.setattr(unnamed, "_is_old", is_old)
    assert remove_unnamed(node) == 1
    kept(node, left, rows[0])


def test_what_a_crash_left_on_its_way_out_has_its_name_again(node: Node) -> None:
    words = corrected(node)
    path = node.texts.path(words)
    path.rename(path.with_suffix(LEAVING))
    assert remove_unnamed(node) == 0
    assert path.exists()
    assert list(path.parent.glob(f"*{LEAVING}")) == []
    assert lines(node) == []


def test_words_that_a_deletion_erases_are_left_to_it(node: Node) -> None:
    words = corrected(node)
    deletion = delete(node)
    node.write(
        [Statement("DELETE FROM text WHERE digest = ?", (words,))]
    )  # a crash came before the file went
    age(node, words)
    assert remove_unnamed(node) == 0
    assert [line for line in lines(node) if "its file has no row" in line] == []
    erase_study(node, deletion.id)
    assert not node.texts.path(words).exists()


def test_the_actor_looks_an_hour_after_its_start_and_then_once_a_day(node: Node, clock: FrozenClock) -> None:
    actor = Tidy(Failures(), node)
    left = refused(node)
    age(node, left)
    actor.step()
    assert node.texts.path(left).exists()
    clock.advance(3600 * SECOND)
    actor.step()
    assert not node.texts.path(left).exists()
    again = node.texts.put("correction", "one more")[0]
    age(node, again)
    clock.advance(23 * 3600 * SECOND)
    actor.step()
    assert node.texts.path(again).exists()
    clock.advance(3600 * SECOND)
    actor.step()
    assert not node.texts.path(again).exists()
