"""An index is written again from packs that are gone, damaged, repeated, merged or not whole yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.scrub.damage import look_at
from node.catalogue.moving import merge_packs
from node.catalogue.search import get_study
from node.names import Cause
from node.store.directory import is_damaged
from tests.kit.blocks import few_a_block, seal_all
from tests.kit.instances import CT_IMAGE, file_meta
from tests.kit.lost_index import (
    ARCHIVED_TOO,
    TickingClock,
    complete,
    export_of,
    exported,
    key,
    lose_database,
    opened,
    pixels,
    read_all,
    rebuilt,
    seal,
    send,
    slice_,
    wrong_in,
)
from tests.kit.merging import rows_of
from tests.kit.planting import planted
from tests.kit.registering import facts


def test_what_stands_in_two_packs_counts_once(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    before = sorted(line for line in exported(node) if '"table":"repeated"' in line)
    old = {
        pack: node.packs.path(pack).read_bytes()
        for pack in {row.pack for row in rows_of(node)}
        if "tool-" in pack
    }
    chosen = next(iter(sorted(old)))
    node.packs.directory.path("tool-00000000-0000-7000-8000-000000000001").write_bytes(old[chosen])
    node.close()
    lose_database(state)
    rebuilt(state, clock)
    assert sorted(line for line in export_of(state, clock) if '"table":"repeated"' in line) == before


def test_a_planted_counting_of_what_stands_twice_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-counts-copies")
    with pytest.raises(AssertionError):
        test_what_stands_in_two_packs_counts_once(state, clock)


def test_packs_that_were_merged_or_let_go_just_now_are_here_still_and_count_once(
    state: Path, clock: TickingClock
) -> None:
    node = opened(state, clock)
    packs = [send(node, clock, 30, slice_(30, n)) for n in (1, 2)]
    send(node, clock, 30, slice_(30, 2))  # once more
    merge_packs(node, key(30), packs)
    complete(node, clock)
    send(node, clock, 31, pixels(31, 1))
    complete(node, clock)
    archive_study(node, origin="alpha", study_uid="2.25.31")
    expire_study(node, key(31), reason="age")
    before = [line for line in exported(node) if '"table":"repeated"' in line]
    assert all(node.packs.path(pack).exists() for pack in packs)
    with few_a_block():
        seal_all(node)
    node.close()
    lose_database(state)
    rebuilt(state, clock)
    assert [line for line in export_of(state, clock) if '"table":"repeated"' in line] == before
    assert wrong_in(state, clock) == []
    node = opened(state, clock)
    assert {str(row["pack"]) for row in node.database.read("SELECT pack FROM retired_pack")} == set(packs)
    assert all(digest == content[1] for content, digest in read_all(node).items())
    node.close()


def test_a_pack_that_was_being_written_is_registered_as_far_as_it_was_answered_for(
    state: Path, clock: TickingClock
) -> None:
    node = opened(state, clock)
    given = facts(node, study_uid="2.25.40", cause=Cause(node.new_id()))
    writer = node.packs.open_writer(study_uid="2.25.40", cause=given.cause)
    writer.append(
        given,
        sop_class=CT_IMAGE,
        sop_uid="2.25.40.1.1",
        file_meta=file_meta(sop_uid="2.25.40.1.1"),
        data_set=slice_(40, 1),
    )
    node.close()  # as a process ends: the pack has no end
    lose_database(state)
    done = rebuilt(state, clock)
    assert done.records.unreadable == []
    node = opened(state, clock)
    assert get_study(node.database, key(40)).instance_count == 1
    node.close()
    del writer


def test_a_pack_that_is_gone_is_named(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    (pack,) = {row.pack for row in rows_of(node) if row.study_uid == "2.25.3"}
    node.packs.path(pack).unlink()
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert done.studies.missing == {key(3): 1}
    node = opened(state, clock)
    assert node.database.read("SELECT 1 AS one FROM problem WHERE kind = 'rebuild-missing'")
    node.close()


def test_an_unreadable_record_is_listed_and_stops_nothing(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    (pack,) = {row.pack for row in rows_of(node) if row.study_uid == "2.25.6"}
    path, second = node.packs.path(pack), max(row.offset for row in rows_of(node) if row.pack == pack)
    node.close()
    raw = bytearray(path.read_bytes())
    raw[second + 2] ^= 1
    path.write_bytes(raw)
    lose_database(state)
    done = rebuilt(state, clock)
    assert len(done.records.unreadable) == 1
    assert done.studies.studies == 12
    assert done.studies.missing == {key(6): 1}
    node = opened(state, clock)
    assert node.database.read("SELECT 1 AS one FROM problem WHERE kind = 'damaged-pack'")
    node.close()


def test_what_a_damaged_pack_does_not_give_comes_from_the_package(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    (pack,) = {row.pack for row in rows_of(node) if row.study_uid == f"2.25.{ARCHIVED_TOO}"}
    path, first = node.packs.path(pack), 0
    node.close()
    raw = bytearray(path.read_bytes())
    raw[first + 3] ^= 1
    path.write_bytes(raw)
    lose_database(state)
    done = rebuilt(state, clock)
    assert len(done.records.unreadable) == 1
    assert done.studies.missing == {}
    node = opened(state, clock)
    here = {
        content for content in read_all(node).items() if content[0][0].startswith(f"2.25.{ARCHIVED_TOO}.")
    }
    assert len(here) == 2
    assert all(digest == content[1] for content, digest in here)
    node.close()


def found_damaged(state: Path, clock: TickingClock) -> str:
    """Damage a record, and let the scrub find it; give its pack."""
    node = opened(state, clock)
    (row,) = [row for row in rows_of(node) if row.study_uid == "2.25.3"]
    path = node.packs.path(row.pack)
    raw = bytearray(path.read_bytes())
    raw[row.data_offset + row.data_bytes - 1] ^= 1
    path.write_bytes(raw)
    assert look_at(node, row.pack)
    seal(node, clock)
    node.close()
    return row.pack


def test_what_was_found_damaged_is_not_served_again(state: Path, clock: TickingClock) -> None:
    pack = found_damaged(state, clock)
    lose_database(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    (row,) = [row for row in rows_of(node) if row.study_uid == "2.25.3"]
    assert row.pack != pack
    assert is_damaged(row.pack)
    node.close()


def test_a_planted_trust_in_a_pack_that_was_found_damaged_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-trusts-all")
    with pytest.raises(AssertionError):
        test_what_was_found_damaged_is_not_served_again(state, clock)
