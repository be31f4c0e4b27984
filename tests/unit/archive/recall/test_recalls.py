"""Studies that come back: what is looked at first, who is next, and what those are told who wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.archive.archived import AWAY, PART, WHOLE, is_archived, peek_archived
from node.archive.expiring import expire_study
from node.archive.lifecycle.facts import Tier
from node.archive.lifecycle.known import EARLY
from node.archive.lifecycle.totals import tier_totals
from node.archive.package.restoring import restore_into
from node.archive.recall import portions as cutting
from node.archive.recall import recalling
from node.archive.recall.asking import MOST_EACH, MOST_SENT, PRIORS, ask_recall, send_next
from node.archive.recall.awaited import READER_WAITS, bring_for
from node.archive.recall.recalling import bring, recall_study
from node.archive.recall.tickets import end_ticket, open_tickets
from node.archive.tier import READERS
from node.catalogue.search import instances_of
from node.clock import MINUTE, SECOND
from node.database.port import Statement
from node.errors import Conflict, NotReady
from node.events import StudyRecalled, event_type
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.archived_study import archive, expire, lies_in_archive, read_everything, slices
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY, STUDY, associate, complete, findings, ingest
from tests.kit.notes_of_rejection import make_note
from tests.kit.planting import planted

FIRST, SECOND_SERIES, KEY_OBJECTS = f"{STUDY}.1", f"{STUDY}.2", f"{STUDY}.9"
OF_INTEREST = "113000"


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    """A node with a study of two series and a Key Object Selection, in the archive alone."""
    node = two_stores(tmp_path, clock)
    marked = make_note([f"{SECOND_SERIES}.3"], code=OF_INTEREST, sop_uid=f"{KEY_OBJECTS}.1")
    associate(node, *slices(2), *slices(3, series=2), marked)
    ingest(node)
    complete(node)
    archive(node)
    expire(node, clock)
    yield node
    node.close()


def online(node: Node) -> set[str]:
    """Give the instances that are online."""
    rows = instances_of(node.database, KEY, chosen_only=False)
    return {row.sop_uid for row in rows if not is_archived(row.pack)}


def how_much(node: Node) -> int:
    found = peek_archived(node.database, KEY)
    assert found is not None
    return found.online


def came(node: Node) -> list[int]:
    """Give how many instances came online each time."""
    rows = node.database.read(
        "SELECT body FROM journal WHERE type = ? ORDER BY seq", (event_type(StudyRecalled),)
    )
    return [int(msgspec.json.decode(str(row["body"]))["instances"]) for row in rows]


def bytes_of(node: Node) -> dict[Tier, tuple[int, int]]:
    return {one.tier: (one.studies, one.original_bytes) for one in tier_totals(node.database)}


def test_a_series_comes_alone_and_what_is_said_of_the_study_is_true(node: Node, clock: FrozenClock) -> None:
    assert how_much(node) == AWAY
    bring(node, KEY, who="Dr. Li", why="viewed", series_uid=SECOND_SERIES)
    assert online(node) == {f"{SECOND_SERIES}.{n}" for n in (1, 2, 3)}
    assert how_much(node) == PART
    rows = instances_of(node.database, KEY, SECOND_SERIES, chosen_only=False)
    assert bytes_of(node)[Tier.BOTH] == (1, sum(row.data_bytes for row in rows))
    bring(node, KEY, who="", why="viewed")
    assert how_much(node) == WHOLE
    assert came(node) == [3, 3]
    assert findings(node) == []


def test_a_part_that_is_online_expires_again(node: Node, clock: FrozenClock) -> None:
    before = read_everything(node)
    expire(node, clock)
    bring(node, KEY, who="", why="viewed", series_uid=FIRST)
    expire(node, clock)
    assert lies_in_archive(node)
    assert how_much(node) == AWAY
    assert read_everything(node) == before


def test_what_was_marked_comes_first_then_the_first_series_then_the_rest(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "SPLIT_BYTES", 0)
    seen = watch_moves(node, monkeypatch)
    bring(node, KEY, who="", why="asked")
    marked = {f"{SECOND_SERIES}.3", f"{KEY_OBJECTS}.1"}
    first = {f"{FIRST}.1", f"{FIRST}.2"}
    assert [sorted(one) for one in seen] == [sorted(one) for one in (marked, marked | first, online(node))]
    assert how_much(node) == WHOLE
    (row,) = node.database.read("SELECT state, instances, done FROM recall WHERE why = 'asked'")
    assert row == {"state": "done", "instances": 6, "done": 6}


def watch_moves(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Keep what is online after each move of rows."""
    moved, seen = recalling.move_rows, list[set[str]]()

    def move_then_look(*said: Any) -> None:
        moved(*said)
        seen.append(online(node))

    monkeypatch.setattr(recalling, "move_rows", move_then_look)
    return seen


def test_a_small_study_comes_in_one_go(node: Node) -> None:
    bring(node, KEY, who="", why="asked")
    assert came(node) == [6]


def test_a_study_that_grows_between_its_portions_comes_all_the_same(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "SPLIT_BYTES", 0)
    filled, grown = recalling._filled, list[int]()

    def grow_after_reading(*said: Any, **named: Any) -> Any:
        places = filled(*said, **named)
        grown.append(1)
        if len(grown) == 2:
            associate(node, slices(3)[2])
            ingest(node)
        return places

    monkeypatch.setattr(recalling, "_filled", grow_after_reading)
    bring(node, KEY, who="", why="asked")
    assert len(online(node)) == 7
    assert came(node) == [2, 2, 2]
    assert findings(node) == []


def test_a_series_that_is_asked_for_is_brought_under_its_ticket(node: Node) -> None:
    ticket = ask_recall(node, OPERATOR, KEY, who="Dr. Li", asker="li", series_uid=FIRST)
    assert (ticket.series_uid, ticket.instances) == (FIRST, 2)
    assert ask_recall(node, OPERATOR, KEY, who="Dr. Li", asker="li", series_uid=FIRST).id == ticket.id
    whole = ask_recall(node, OPERATOR, KEY, who="Dr. Li", asker="li")
    assert (whole.id != ticket.id, whole.instances) == (True, 6)
    run_jobs(node)
    assert states(node, "li") == ["done", "done"]
    with pytest.raises(Conflict, match="all of it is online"):
        ask_recall(node, OPERATOR, KEY, who="Dr. Li", asker="li", series_uid=FIRST)


def run_jobs(node: Node) -> None:
    """Run the jobs that bring studies, in the order in which workers take them."""
    done: set[str] = set()
    while rows := [
        row
        for row in node.database.read(
            "SELECT id, args FROM job WHERE name = 'recall_study' ORDER BY priority, at, id"
        )
        if row["id"] not in done
    ]:
        done.add(str(rows[0]["id"]))
        recall_study(node, **msgspec.json.decode(str(rows[0]["args"])))


def states(node: Node, asker: str) -> list[str]:
    rows = node.database.read("SELECT state FROM recall WHERE asker = ? ORDER BY id", (asker,))
    return [str(row["state"]) for row in rows]


def test_whoever_reads_what_another_brings_is_told_when_it_takes_too_long(
    node: Node, clock: FrozenClock
) -> None:
    with node.archive.alone(f"recall-{KEY.origin}-{KEY.study_uid}"):
        with pytest.raises(NotReady, match=r"put off for 60 s: it is on its way back") as told:
            bring_for(node, KEY, who="Dr. Li", asker="li", why="viewed", waits=SECOND // 20)
        assert told.value.ready_at == node.now() + MINUTE
        with pytest.raises(NotReady):  # its next instance does not wait as long again
            bring_for(node, KEY, who="Dr. Li", asker="li", why="viewed", waits=10**12)
    assert states(node, "li") == ["waiting"]
    run_jobs(node)
    bring_for(node, KEY, who="Dr. Li", asker="li", why="viewed")
    assert not lies_in_archive(node)


def test_whoever_has_too_many_on_their_way_is_told_that_instead(node: Node) -> None:
    for n in range(MOST_EACH):
        wait(node, f"a{n:03}", "li", at=n)
    node.archive.note_late(KEY.subject, now=node.now())
    with pytest.raises(NotReady, match="100 studies are on their way for you already"):
        bring_for(node, KEY, who="Dr. Li", asker="li", why="viewed")


def test_a_study_that_takes_too_long_is_left_to_a_worker_in_words(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = node.packs.names()
    slowly(clock, monkeypatch)
    with pytest.raises(NotReady, match="goes on by itself"):
        bring_for(node, KEY, who="Dr. Li", asker="li", why="viewed")
    assert lies_in_archive(node)
    assert node.packs.names() == packs
    assert states(node, "li") == ["waiting"]
    run_jobs(node)
    assert not lies_in_archive(node)


def slowly(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each instance take longer than a reader waits."""

    def restore_slowly(*said: Any, **named: Any) -> Iterator[Any]:
        for one in restore_into(*said, **named):
            clock.advance(READER_WAITS + 1)
            yield one

    monkeypatch.setattr(recalling, "restore_into", restore_slowly)


def test_only_a_few_lie_with_workers_and_the_next_is_whose_turn_it_is(node: Node) -> None:
    for n in range(20):
        wait(node, f"a{n:02}", "li", at=n)
    send_next(node)
    assert len(sent(node)) == MOST_SENT
    wait(node, "b00", "wang", at=30)
    wait(node, "c00", "", at=1, priority=EARLY)
    assert [one.id for one in open_tickets(node.database)][MOST_SENT : MOST_SENT + 2] == ["b00", "a04"]
    assert open_tickets(node.database)[-1].id == "c00"
    end_ticket(node, "a00", state="done", words="")
    send_next(node)
    assert sent(node) == ["a01", "a02", "a03", "b00"]


def wait(node: Node, ticket: str, asker: str, *, at: int, priority: int = 1) -> None:
    """Let somebody wait for a study, whichever."""
    row = Statement(
        "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at, asker)"
        " VALUES (?, 'alpha', ?, ?, 'asked', ?, 'waiting', 1, 1, ?, ?)",
        (ticket, f"2.25.9{ticket[1:]}{ord(ticket[0])}", asker, priority, at, asker),
    )
    node.write([row])


def sent(node: Node) -> list[str]:
    rows = node.database.read(
        "SELECT id FROM recall WHERE sent_at IS NOT NULL AND state IN ('waiting', 'running') ORDER BY sent_at"
    )
    return [str(row["id"]) for row in rows]


def test_planted_first_come_first_served_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "recall-first-come")
    for n in range(20):
        wait(node, f"a{n:02}", "li", at=n)
    wait(node, "b00", "wang", at=30)
    assert open_tickets(node.database)[-1].id == "b00"


def test_whoever_has_a_hundred_open_is_refused_in_words_and_others_are_not(node: Node) -> None:
    for n in range(MOST_EACH):
        wait(node, f"a{n:03}", "li", at=n)
    with pytest.raises(Conflict, match="100 studies are on their way for you already"):
        ask_recall(node, OPERATOR, KEY, who="Dr. Li", asker="li")
    assert ask_recall(node, OPERATOR, KEY, who="Dr. Wang", asker="wang").state == "waiting"


def test_a_prior_that_a_person_asks_for_is_hers_and_comes_sooner(node: Node) -> None:
    for n in range(MOST_SENT):
        wait(node, f"a{n:02}", "li", at=n)
    send_next(node)
    early = ask_recall(node, None, KEY, who="", why=PRIORS, priority=EARLY)
    wait(node, "b00", "wang", at=node.now() + 1)
    assert [one.id for one in open_tickets(node.database)][-2:] == ["b00", early.id]
    hers = ask_recall(node, OPERATOR, KEY, who="Dr. Li", asker="chen")
    assert (hers.id, hers.asker, hers.why, hers.priority) == (early.id, "chen", "asked", 1)
    assert [one.id for one in open_tickets(node.database)][-2:] == [early.id, "b00"]


def test_what_nobody_waits_for_yet_takes_one_place_of_four(node: Node) -> None:
    for n in range(5):
        wait(node, f"c{n:02}", "", at=n, priority=EARLY)
    send_next(node)
    assert sent(node) == ["c00"]
    for n in range(5):
        wait(node, f"a{n:02}", "li", at=n)
    send_next(node)
    assert sent(node) == ["c00", "a00", "a01", "a02"]


def test_only_a_few_readers_bring_studies_for_themselves_at_once(node: Node) -> None:
    with ExitStack() as others:
        for _ in range(READERS):
            others.enter_context(node.archive.turn(wait_s=0))
        with pytest.raises(NotReady):
            bring_for(node, KEY, who="Dr. Li", asker="li", why="viewed", waits=SECOND // 20)
        assert lies_in_archive(node)
    run_jobs(node)
    assert not lies_in_archive(node)


def test_a_recall_that_fails_lets_the_next_one_go(node: Node, tmp_path: Path) -> None:
    ask_recall(node, OPERATOR, KEY, who="Dr. Li", asker="li")
    for n in range(MOST_SENT):
        wait(node, f"a{n:02}", "wang", at=n)
    for store in (tmp_path / "archive").glob("store-*"):
        (store / ".meridian-store").unlink()
    (job,) = node.database.read(
        "SELECT args FROM job WHERE name = 'recall_study' AND args LIKE ?", (f'%{STUDY}"%',)
    )
    with pytest.raises(Exception, match="no store has it now"):
        recall_study(node, **msgspec.json.decode(str(job["args"])))
    assert states(node, "li") == ["failed"]
    assert len(sent(node)) == MOST_SENT


def test_expiring_is_refused_while_nothing_changes_for_a_part(node: Node) -> None:
    bring(node, KEY, who="", why="viewed", series_uid=FIRST)
    node.write([Statement("INSERT INTO hold VALUES (?, ?, 'teaching', 'case-1', NULL)", (KEY.origin, STUDY))])
    with pytest.raises(Conflict, match="somebody holds it"):
        expire_study(node, KEY, reason="due")
    assert how_much(node) == PART
