"""The landing is registered, pack by pack, and left behind."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from actors import ingest
from actors.ingest import Ingest
from node.catalogue.search import find_studies, get_study
from node.errors import Conflict
from node.journal.cursors import position
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.packs import index_cursor
from tests.kit.actors import Failures, eventually
from tests.kit.instances import make_ct
from tests.kit.registering import facts, store

KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"))


def slices(count: int, *, study_uid: str = "2.25.1") -> list[bytes]:
    return [make_ct(study_uid=study_uid, sop_uid=f"{study_uid}.1.{n}", number=n) for n in range(1, count + 1)]


def problems(node: Node) -> list[str]:
    return [str(row["kind"]) for row in node.database.read("SELECT kind FROM problem ORDER BY id")]


def test_finished_pack_is_registered_and_leaves_the_landing(node: Node) -> None:
    pack = store(node, *slices(3))
    actor = Ingest(Failures(), node)
    assert actor.step() is None
    assert get_study(node.database, KEY).instance_count == 3
    actor.step()
    assert node.packs.landing() == []
    assert position(node.database, index_cursor(pack)) > 0


def test_open_pack_is_registered_as_it_grows(node: Node) -> None:
    writer = node.packs.open_writer(study_uid="2.25.1", cause=facts(node).cause)
    actor = Ingest(Failures(), node)
    for n, data_set in enumerate(slices(3), start=1):
        writer.append(facts(node), sop_class="1.2", sop_uid="1.2", file_meta=b"", data_set=data_set)
        actor.step()
        assert get_study(node.database, KEY).instance_count == n
        assert len(node.packs.landing()) == 1
    writer.close()
    actor.step()
    assert node.packs.landing() == []


def test_batches_are_bounded_and_go_on_at_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    store(node, *slices(5))
    actor = Ingest(Failures(), node)
    waits = [actor.step() for _ in range(3)]
    assert waits == [0, 0, None]
    assert get_study(node.database, KEY).instance_count == 5
    assert len(node.journal.of(KEY.subject)) == 3


def test_huge_pack_keeps_nobody_waiting(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    store(node, *slices(20))
    store(node, *slices(1, study_uid="2.25.2"), given=facts(node, study_uid="2.25.2"))
    actor = Ingest(Failures(), node)
    for _ in range(2):
        actor.step()
    assert len(find_studies(node.database)) == 2


def test_actor_that_starts_anew_goes_on_where_its_cursor_stands(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    store(node, *slices(5))
    for _ in range(4):
        Ingest(Failures(), node).step()
    assert get_study(node.database, KEY).instance_count == 5
    assert node.database.read("SELECT count(*) AS n FROM repeated")[0]["n"] == 0


def test_damaged_pack_is_shown_once_and_stops_no_other(node: Node) -> None:
    bad = store(node, *slices(3))
    with node.packs.path(bad).open("r+b") as file:
        file.seek(40)
        file.write(b"\xff")
    store(node, *slices(1, study_uid="2.25.2"), given=facts(node, study_uid="2.25.2"))
    actor = Ingest(Failures(), node)
    for _ in range(3):
        actor.step()
    Ingest(Failures(), node).step()
    assert [study.study_uid for study in find_studies(node.database)] == ["2.25.2"]
    assert problems(node) == ["damaged-pack"]


def test_what_stands_before_the_damage_is_registered(node: Node) -> None:
    pack = store(node, *slices(3))
    second = list(node.packs.marked(pack, 0))[1]
    with node.packs.path(pack).open("r+b") as file:
        file.seek(second.location.offset + 40)
        file.write(b"\xff")
    actor = Ingest(Failures(), node)
    actor.step()
    actor.step()
    assert get_study(node.database, KEY).instance_count == 1
    assert problems(node) == ["damaged-pack"]


def test_running_actor_registers_at_a_ring(node: Node) -> None:
    failed = Failures()
    ref = Ingest.start(failed, node)
    try:
        assert ref.ask("ping", timeout=5) == "ingest"
        store(node, *slices(3))
        from actors.inbox import WAKE

        ref.tell(WAKE)
        eventually(lambda: len(find_studies(node.database)) == 1)
    finally:
        ref.stop(timeout=5)
    assert failed.told == []


def test_two_of_a_kind_register_nothing_twice(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH", 3)
    for n in range(4):
        store(node, *slices(10, study_uid=f"2.25.{n}"), given=facts(node, study_uid=f"2.25.{n}"))

    def drain() -> None:
        actor = Ingest(Failures(), node)
        while node.packs.landing():
            with suppress(Conflict):
                actor.step()

    threads = [threading.Thread(target=drain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [study.instance_count for study in find_studies(node.database)] == [10] * 4
    assert node.database.read("SELECT count(*) AS n FROM repeated")[0]["n"] == 0
    assert problems(node) == []
