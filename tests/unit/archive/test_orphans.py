"""A store of any size looked through for orphans: by jobs of some names each, which go on where the last one ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.jobs.tasks import ARCHIVE
from node.archive import orphans
from node.archive.orphans import AGAIN, JOB, OLD, TRIES, ask_for_orphans, look_for_orphans
from node.archive.stores.port import ArchiveStore
from node.archive.tidying import ORPHANS_EVERY, Tidying
from node.archive.tier import QUEUE
from node.database.port import Statement
from node.errors import Unavailable
from node.names import Digest
from node.node import Node
from tests.kit.archive_stores import Around, file_with
from tests.kit.archived_study import archive, hold_study
from tests.kit.bare_node import SparingTier, bare_node
from tests.kit.clock import FrozenClock
from tests.kit.orphans import look_through, run_asked
from tests.kit.planting import planted

STRANGE = 11


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(orphans, "NAMES", 4)
    monkeypatch.setattr(orphans, "PAGE", 2)
    node = bare_node(tmp_path, "alpha", clock)
    hold_study(node)
    archive(node)
    for n in range(STRANGE):
        node.archive.stores[0].put(*file_with(tmp_path, f"nobody means {n}".encode()))
    yield node
    node.close()


def over(node: Node, store: ArchiveStore) -> Node:
    """Give the same node over a store that is not as it should be."""
    return replace(node, archive=SparingTier(node.state / "archive", [store], copies=1, yields=False))


def noted(node: Node) -> list[str]:
    return [str(row["stored"]) for row in node.database.read("SELECT stored FROM orphan_package ORDER BY 1")]


def strange(node: Node) -> list[str]:
    """Give the names that no row means."""
    rows = node.database.read("SELECT stored FROM package_copy")
    return sorted({*node.archive.stores[0].names()} - {Digest(str(row["stored"])) for row in rows})


def asked(node: Node) -> list[dict[str, object]]:
    rows = node.database.read("SELECT args, not_before FROM job WHERE name = ? AND state = 'waiting'", (JOB,))
    return [{**json.loads(str(row["args"])), "not_before": row["not_before"]} for row in rows]


def test_all_of_a_store_is_compared_some_names_a_job(node: Node) -> None:
    assert look_through(node) == 4, "12 names, 4 a job, and one that finds no more"
    assert (len(noted(node)), noted(node)) == (STRANGE, strange(node))


def test_a_planted_look_that_ends_after_the_first_names_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "orphans-first-names")
    with pytest.raises(AssertionError):
        test_all_of_a_store_is_compared_some_names_a_job(node)


def test_what_is_meant_or_gone_by_now_is_forgotten_wherever_it_stands(node: Node, tmp_path: Path) -> None:
    look_through(node)
    first, middle, last = (noted(node)[at] for at in (0, 5, -1))
    for name in (first, last):
        node.archive.stores[0].remove(Digest(name))
    columns = [
        str(row["name"]) for row in node.database.read("SELECT name FROM pragma_table_info('package_copy')")
    ]
    values = ", ".join({"stored": "?", "digest": "'other'"}.get(name, name) for name in columns)
    means = f"INSERT INTO package_copy SELECT {values} FROM package_copy LIMIT 1"
    node.write([Statement(means, (middle,))])
    look_through(node)
    assert {first, middle, last} & set(noted(node)) == set()
    assert len(noted(node)) == STRANGE - 3


def test_the_actor_asks_once_a_day_and_lists_nothing_itself(node: Node, clock: FrozenClock) -> None:
    class Slow(Around):
        def names(self, *, after: str = "") -> Iterator[Digest]:
            raise AssertionError("listed in the actor")

    watched = over(node, Slow(node.archive.stores[0]))
    tidying = Tidying(watched)
    clock.advance(ORPHANS_EVERY)
    tidying.step()
    ask_for_orphans(watched)  # by another actor, or after a restart
    (job,) = asked(node)
    assert (job["store"], job["after"], job["tries"]) == ("store-0", "", 0)
    assert ARCHIVE[JOB] is look_for_orphans
    assert node.database.read("SELECT queue FROM job WHERE name = ?", (JOB,)) == [{"queue": QUEUE}]


def test_a_job_that_is_run_twice_changes_nothing(node: Node) -> None:
    for _ in range(2):
        look_for_orphans(node, store="store-0", after="", day=1, tries=0)
    (job,) = asked(node)
    assert noted(node) == [name for name in strange(node) if name <= str(job["after"])]
    run_asked(node)
    assert noted(node) == strange(node)


def test_a_store_that_goes_away_is_gone_on_with_from_where_it_went(node: Node, clock: FrozenClock) -> None:
    look_for_orphans(node, store="store-0", after="", day=1, tries=0)
    (job,) = asked(node)

    class Away(Around):
        def names(self, *, after: str = "") -> Iterator[Digest]:
            raise Unavailable("Listing failed: the store is away.")

    away = over(node, Away(node.archive.stores[0]))
    node.write([Statement("DELETE FROM job")])
    look_for_orphans(away, store="store-0", after=str(job["after"]), day=1, tries=0)
    (again,) = asked(node)
    assert (again["after"], again["tries"], again["not_before"]) == (job["after"], 1, clock.now() + AGAIN)
    run_asked(node)
    assert noted(node) == strange(node)
    look_for_orphans(away, store="store-0", after="", day=2, tries=TRIES)
    assert asked(node) == []
    assert noted(node) == strange(node), "what is missing from a list says nothing"


def test_a_store_that_is_configured_no_more_ends_the_look(node: Node) -> None:
    look_for_orphans(node, store="elsewhere", after="", day=1, tries=0)
    assert asked(node) == []


def test_after_a_day_what_may_hold_something_stays_and_is_named(node: Node, clock: FrozenClock) -> None:
    look_through(node)
    clock.advance(OLD)
    look_through(node)
    assert len(strange(node)) == STRANGE
    (problem,) = node.database.read("SELECT kind, detail FROM problem")
    assert problem["kind"] == "archive-orphans"
    assert f"{STRANGE} packages" in str(problem["detail"])
