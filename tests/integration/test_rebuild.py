"""The database is lost, and written again from what lies beside it: the same index down to each row, or a word of what is not known.

About 40 seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from federation.correction_arrivals import apply_study_corrected_there
from federation.messages import AnnouncedStudy, Received, StudyCorrectedThere
from node.archive.archived import peek_archived
from node.archive.archiving import archive_study
from node.archive.copies import open_package
from node.archive.damage import look_at
from node.archive.expiring import expire_study
from node.archive.stores.encrypted import EncryptedStore
from node.archive.tier import ArchiveTier
from node.canonical import digest_of
from node.catalogue.correction_drafts import draft_merge, draft_rejection
from node.catalogue.correction_facts import PatientChange, Words
from node.catalogue.corrections import make_correction
from node.catalogue.moving import merge_packs
from node.catalogue.overlays import Overlay, encode_overlay
from node.catalogue.search import get_study
from node.catalogue.unsettled import settle_corrections, unsettled_studies
from node.catalogue.written import write_study
from node.clock import MINUTE, SECOND, SystemClock
from node.database.port import Statement
from node.database.salvage import OldDatabase
from node.database.schema import MIGRATIONS
from node.errors import Conflict, Damaged, GridError, NotFound, Refused, Unavailable
from node.events import StudyChanged
from node.journal.blocks import block_path, make_block, read_block_file
from node.journal.records import record_digest
from node.keys.archive_keys import ArchiveKeys
from node.keys.store import KeyStore
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR, create_account
from node.people.sessions import issue_bearer
from node.store.directory import is_damaged
from ops.alone import alone, running
from ops.cli import app
from ops.compose import open_archive
from ops.configuration import write_configuration
from ops.free_ports import free_ports
from ops.rebuild import rebuilding
from ops.rebuild.deleted import DELETED
from ops.rebuild.tables import CONTENT, EXPORTED
from ops.running import start_node
from ops.verify import verify
from tests.kit.blocks import few_a_block, seal_all
from tests.kit.clock import NOON
from tests.kit.consulted import TABLES as OF_CONSULTS
from tests.kit.deleting import delete
from tests.kit.http import Answer, Visitor
from tests.kit.instances import CT_IMAGE, file_meta
from tests.kit.lost_index import (
    ARCHIVED_ALONE,
    ARCHIVED_TOO,
    TECHNICIAN,
    TickingClock,
    begin,
    complete,
    export_of,
    exported,
    key,
    land,
    live,
    lose_database,
    opened,
    patient,
    pixels,
    read_all,
    rebuilt,
    seal,
    send,
    slice_,
    until_of,
    wrong_in,
)
from tests.kit.merging import ingest, rows_of
from tests.kit.registering import facts
from tests.kit.site import add_quickly, open_site

run = CliRunner()


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the state folder of a node with a past, to be copied."""
    clock = TickingClock()
    state = begin(tmp_path_factory.mktemp("past"))
    node = opened(state, clock)
    live(node, clock)
    node.close()
    return state


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock(NOON + 24 * 60 * MINUTE)


@pytest.fixture
def state(past: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(past, tmp_path / "alpha", symlinks=True))


def planted(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr("node.failpoints._PLANTED", frozenset({fault}))


def differences(one: list[str], other: list[str]) -> list[str]:
    return sorted(
        [*(f"- {line}" for line in set(one) - set(other)), *(f"+ {line}" for line in set(other) - set(one))]
    )


def tables_in(lines: list[str]) -> set[str]:
    return {json.loads(line)["table"] for line in lines}


def test_a_lost_index_is_written_again_row_for_row(state: Path, clock: TickingClock) -> None:
    before = export_of(state, clock)
    assert tables_in(before) == set(EXPORTED) - set(OF_CONSULTS)
    assert wrong_in(state, clock) == []
    lose_database(state)
    done = rebuilt(state, clock)
    after = export_of(state, clock)
    assert differences(before, after) == []
    assert before == after
    assert (done.journal.fault, done.doubt.marked) == ("", 0)
    assert (done.records.unreadable, done.packages.unreadable, done.studies.missing) == ([], [], {})
    assert wrong_in(state, clock) == []
    node = opened(state, clock)
    assert set(until_of(node).values()) == {None}
    assert all(digest == content[1] for content, digest in read_all(node).items())
    node.close()


def test_a_planted_rebuild_that_forgets_corrections_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-forgets-corrections")
    before = export_of(state, clock)
    lose_database(state)
    rebuilt(state, clock)
    changed = tables_in([line[2:] for line in differences(before, export_of(state, clock))])
    assert {"study", "overlay", "said"} <= changed


def test_queries_are_answered_as_before(state: Path, clock: TickingClock) -> None:
    def answers() -> list[Any]:
        node = opened(state, clock)
        try:
            with open_site(node) as site:
                visitor = Visitor(site.web, bearer=issue_bearer(node, OPERATOR, principal="exchange"))
                return [
                    json.loads(json.dumps(visitor.get(f"/dicomweb/{path}")).replace(site.web, ""))
                    for path in ("studies", "studies/2.25.1/series", "studies?PatientID=B-42")
                ]
        finally:
            node.close()

    before = answers()
    lose_database(state)
    rebuilt(state, clock)
    assert answers() == before
    assert len(before[0]) > 8


def test_a_rebuild_of_a_rebuild_is_the_same_again(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    rebuilt(state, clock)
    once = export_of(state, clock)
    done = rebuilt(state, clock)  # of a database that can be read: what no block holds is in it
    assert done.journal.tail > 0
    assert export_of(state, clock) == once
    assert done.kept is not None
    assert done.kept.exists()


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


def lose_blocks(state: Path) -> None:
    for path in (state / "blocks").iterdir():
        path.unlink()


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


def test_an_administrator_settles_what_she_has_looked_at(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    with pytest.raises(Refused):
        settle_corrections(node, TECHNICIAN, [key(1)])
    settle_corrections(node, OPERATOR, [key(1)])
    assert [one.study_uid for one, _ in unsettled_studies(node.database) if one == key(1)] == []
    assert node.database.read("SELECT subject FROM audit WHERE act = 'settle-corrections'") == [
        {"subject": key(1).subject}
    ]
    with pytest.raises(NotFound):
        settle_corrections(node, OPERATOR, [key(1)])
    node.close()
    assert run.invoke(app, ["corrections", "list", str(state)]).output.endswith("11 studies.\n")
    assert "Settled 1 study" in run.invoke(app, ["corrections", "settle", str(state), "2.25.2"]).output
    assert "Settled 10 studies" in run.invoke(app, ["corrections", "settle", str(state), "--all"]).output
    node = opened(state, clock)
    assert set(until_of(node).values()) == {None}
    node.close()


def test_a_mark_stays_when_an_earlier_instance_comes(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    early = TickingClock(NOON - 60 * MINUTE)
    node = opened(state, early)
    send(node, early, 2, slice_(2, 5))
    assert get_study(node.database, key(2)).corrections_until == 0
    node.close()


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


def test_a_planted_showing_of_studies_as_clean_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-shows-clean")
    with pytest.raises(AssertionError):
        test_without_blocks_every_study_says_that_its_corrections_are_unknown(state, clock)


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


def test_a_correction_that_no_block_held_marks_its_study_and_no_other(
    state: Path, clock: TickingClock
) -> None:
    node = opened(state, clock)
    make_correction(node, TECHNICIAN, draft_rejection(node, key(3)), reason="Blurred")
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    node = opened(state, clock)
    assert {uid for uid, until in until_of(node).items() if until is not None} == {"2.25.3"}
    node.close()
    assert done.doubt.marked == 1


def test_a_merge_that_no_block_held_marks_the_patient_s_studies(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    make_correction(node, TECHNICIAN, draft_merge(node, patient("F-1"), patient("D-1")), reason="Same")
    node.close()
    lose_database(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    assert {uid for uid, until in until_of(node).items() if until is not None} == {"2.25.7", "2.25.8"}
    node.close()


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


def test_what_the_journal_had_not_told_yet_is_told_and_verify_is_clean(state: Path) -> None:
    clock = TickingClock(read_block_file(sorted((state / "blocks").iterdir())[-1]).header.at)
    node = opened(state, clock)
    send(node, clock, 20, slice_(20, 1), slice_(20, 2))
    send(node, clock, 2, slice_(2, 9))
    land(node, clock, 21, slice_(21, 1))  # the index had not come to it
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert (done.studies.told, done.doubt.marked) == (4, 0)
    assert wrong_in(state, clock) == []
    node = opened(state, clock)
    ingest(node)
    assert node.packs.landing() == []
    complete(node, clock)
    assert {get_study(node.database, key(n)).state for n in (2, 20, 21)} == {"complete"}
    node.close()


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


def test_what_was_deleted_does_not_come_back(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    version = node.journal.version(key(ARCHIVED_ALONE).subject)
    (statement,) = node.journal.append(
        key(ARCHIVED_ALONE).subject,
        [StudyChanged(instances=0, bytes=0, door="", device="", total=0)],
        after=version,
        cause=node.new_id(),  # type: ignore[arg-type]
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
        body="{}",  # type: ignore[arg-type]
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


def content_of(state: Path, clock: TickingClock) -> dict[str, list[dict[str, Any]]]:
    node = opened(state, clock)
    rows = {table: node.database.read(f"SELECT * FROM {table}") for table in CONTENT}
    node.close()
    return {table: sorted(found, key=str) for table, found in rows.items() if found}


def test_content_of_an_old_database_is_copied_and_a_doubted_catalogue_is_not(
    state: Path, clock: TickingClock
) -> None:
    node = opened(state, clock)
    create_account(node, OPERATOR, user="li", name="Li", roles=["technician"])
    make_correction(node, TECHNICIAN, draft_rejection(node, key(3)), reason="Blurred")  # in no block yet
    node.close()
    before, content = export_of(state, clock), content_of(state, clock)
    assert {"account", "audit"} <= content.keys()
    node = opened(state, clock)
    node.write(
        [
            Statement("UPDATE study SET conflict = 0, state = 'receiving'"),
            Statement("DELETE FROM instance WHERE study_uid = '2.25.1'"),
            Statement("DELETE FROM overlay"),
            Statement("DELETE FROM correction"),
        ]
    )
    node.close()
    done = rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []
    assert (done.doubt.marked, done.journal.tail > 0) == (0, True)
    assert content_of(state, clock) == content
    assert wrong_in(state, clock) == []
    assert done.kept is not None
    kept = OldDatabase(done.kept)
    assert kept.read("SELECT count(*) AS n FROM correction") == [{"n": 0}]
    kept.close()


def test_a_journal_that_was_altered_in_the_old_database_gives_way_to_its_blocks(
    state: Path, clock: TickingClock
) -> None:
    before = export_of(state, clock)
    node = opened(state, clock)
    node.write([Statement("UPDATE journal SET subject = 'study/alpha/2.25.99' WHERE seq = 3")])
    node.close()
    rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []


def test_a_node_that_runs_is_not_rebuilt_and_one_that_is_rebuilt_does_not_start(
    state: Path, clock: TickingClock
) -> None:
    with running(state), running(state), pytest.raises(Conflict, match="Stop 'meridian serve'"):
        rebuilt(state, clock)
    with alone(state, act="Testing"):
        said = run.invoke(app, ["serve", str(state)])
    assert isinstance(said.exception, Conflict)
    assert "being rebuilt" in str(said.exception)


def spoil_database(state: Path, clock: TickingClock) -> None:
    """Leave a database that cannot be opened, and a log that could be replayed into another one."""
    node = opened(state, clock)
    node.write([Statement("UPDATE study SET patient_name = 'Nobody'")])
    log = (state / "meridian.db-wal").read_bytes()
    node.close()
    (state / "meridian.db-wal").write_bytes(log)
    raw = bytearray((state / "meridian.db").read_bytes())
    raw[:16] = bytes(16)
    (state / "meridian.db").write_bytes(raw)


def test_a_database_that_cannot_be_read_is_left_until_somebody_says_so(
    state: Path, clock: TickingClock
) -> None:
    before = export_of(state, clock)
    spoil_database(state, clock)
    raw = (state / "meridian.db").read_bytes(), (state / "meridian.db-wal").read_bytes()
    with pytest.raises(Damaged, match="--without-old"):
        rebuilt(state, clock)
    assert ((state / "meridian.db").read_bytes(), (state / "meridian.db-wal").read_bytes()) == raw
    done = rebuilding.rebuild(state, clock=clock, without_old=True)
    assert done.kept is not None
    assert (done.kept.read_bytes(), done.kept.with_name(f"{done.kept.name}-wal").read_bytes()) == raw
    assert differences(before, export_of(state, clock)) == []


def test_a_planted_log_that_is_left_beside_the_new_database_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-log-left")
    with pytest.raises((AssertionError, GridError)):
        test_a_database_that_cannot_be_read_is_left_until_somebody_says_so(state, clock)


def test_of_a_table_with_a_damaged_page_the_other_rows_are_copied(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    sql = "INSERT INTO audit (id, at, person, act, subject, outcome, address) VALUES (?, 1, '', 'x', ?, 'done', '')"
    node.write([Statement(sql, (f"{n:08d}", "s" * 80)) for n in range(3_000)])
    node.close()
    path = state / "meridian.db"
    raw = bytearray(path.read_bytes())
    page = raw.find(b"00001500") // 4096 * 4096
    raw[page : page + 8] = bytes(8)
    path.write_bytes(raw)
    done = rebuilt(state, clock)
    assert done.content is not None
    assert "audit" in done.content.lost
    node = opened(state, clock)
    (left,) = node.database.read(
        "SELECT count(*) AS n, min(id) AS low, max(id) AS high FROM audit WHERE act = 'x'"
    )
    assert 2_500 < int(str(left["n"])) < 3_000
    assert (left["low"], left["high"]) == ("00000000", "00002999")
    node.close()


@contextmanager
def sealed_node(state: Path, clock: TickingClock) -> Iterator[Node]:
    """Open a node whose packages are sealed in a store."""
    plain = opened(state, clock)
    (store,) = plain.archive.stores
    keys = ArchiveKeys.open(state / "keys", clock)
    archive = ArchiveTier(plain.archive.folder, [EncryptedStore(store, keys)], copies=1)
    yield replace(plain, archive=archive)
    archive.close()
    plain.close()


def sealed_lost_and_rebuilt(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[str], list[str]]:
    """Give exports before and after, and what could not be read."""
    state = begin(tmp_path)
    with sealed_node(state, clock) as node:
        live(node, clock)
        before = exported(node)
    lose_database(state)

    def sealed_archive(*given: Any) -> ArchiveTier:
        tier = open_archive(*given)
        keys = ArchiveKeys.open(state / "keys", clock)
        return ArchiveTier(tier.folder, [EncryptedStore(one, keys) for one in tier.stores], copies=1)

    monkeypatch.setattr("ops.compose.open_archive", sealed_archive)
    done = rebuilt(state, clock)
    node = opened(state, clock)
    after = exported(node)
    wrong = [finding.line for finding in verify(node)]
    if not done.packages.unreadable:
        assert all(digest == content[1] for content, digest in read_all(node).items())
    node.close()
    return before, after, [*done.packages.unreadable, *wrong]


def test_sealed_packages_are_opened_by_their_noted_keys(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after, wrong = sealed_lost_and_rebuilt(tmp_path, clock, monkeypatch)
    assert wrong == []
    assert differences(before, after) == []
    assert any('"sealed":true' in line for line in after)


def test_a_planted_package_whose_key_is_not_noted_is_caught(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "key-not-noted")
    with pytest.raises(AssertionError, match="its key is not in"):
        test_sealed_packages_are_opened_by_their_noted_keys(tmp_path, clock, monkeypatch)


def test_the_command_says_what_came_of_it_and_what_was_lost(state: Path) -> None:
    lose_database(state)
    said = run.invoke(app, ["rebuild", str(state)])
    assert said.exit_code == 0, said.output
    for words in (
        "Content: none. Accounts",
        "blocks; the last,",
        "Packages: 2",
        "Studies: 12",
        "meridian verify",
    ):
        assert words in said.output
    lines = run.invoke(app, ["export-index", str(state)]).output.splitlines()
    assert tables_in(lines) >= {"study", "instance", "journal"}
    assert run.invoke(app, ["verify", str(state)]).exit_code == 0


def test_a_backup_gives_content_and_later_blocks_the_rest(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    create_account(node, OPERATOR, user="li", name="Li", roles=["technician"])
    node.close()
    backup = state.parent / "backup.db"
    shutil.copy(state / "meridian.db", backup)
    node = opened(state, clock)
    send(node, clock, 20, slice_(20, 1, patient_id="F-1"))
    make_correction(node, TECHNICIAN, draft_merge(node, patient("F-1"), patient("D-1")), reason="Same")
    complete(node, clock)
    seal(node, clock)
    node.close()
    before = export_of(state, clock)
    lose_database(state)
    shutil.copy(backup, state / "meridian.db")
    done = rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []
    assert (done.doubt.marked, done.journal.fault) == (0, "")
    assert len(content_of(state, clock)["account"]) == 1
    assert wrong_in(state, clock) == []


def test_a_fact_of_an_earlier_version_marks_the_studies_it_touched(state: Path, clock: TickingClock) -> None:
    """Texts of earlier versions do not say of whom a merge is: the fact is kept, counts for nobody, and that is said."""
    lose_database(state)
    for path in (state / "texts").glob("??/*.txt"):
        words = json.loads(path.read_text())
        if words.get("about") == ["alpha:HIS", "A-17"]:
            path.unlink()  # an erased text lacks as much
    rebuilt(state, clock)
    node = opened(state, clock)
    marked = {uid for uid, until in until_of(node).items() if until is not None}
    assert marked == {"2.25.1", "2.25.2", "2.25.10", "2.25.11"}
    assert get_study(node.database, key(1)).patient_id == "A-17"
    assert node.database.read("SELECT 1 AS one FROM correction WHERE kind = 'merge' AND patient_id = ''")
    node.close()


def test_words_without_their_patient_are_read_and_lack_only_that() -> None:
    words = msgspec.json.decode(b'{"by":"Chen","patient":{"id":"B-42"},"reason":"Same"}', type=Words)
    assert (words.about, words.person, words.at, words.by) == (None, "", 0, "Chen")


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


BETA = NodeId("beta")
OF_BETA = StudyKey(origin=BETA, study_uid=StudyUID("2.25.50"))


def tell(node: Node, overlay: Overlay) -> None:
    """Let beta tell what it corrected of its study."""
    words = AnnouncedStudy(
        study_uid="2.25.50", patient_issuer="beta:HIS", patient_id="Z-1", patient_name="He^Jiu", sex="F", birth_date="",
        age="", study_date="", study_time="", accession_issuer="", accession="", description="", referring_physician="",
        modalities="[]", body_parts="[]", department="", series_count=1, instance_count=1, bytes=1, first_at=1, last_at=1,
    )  # fmt: skip
    message = StudyCorrectedThere(origin="beta", study=words, series=(), overlay=encode_overlay(overlay)[1])
    received = Received(sender=BETA, cause=Cause(node.new_id()), at=node.now())
    node.write(apply_study_corrected_there(node, received, message))


def peer_s(state: Path, clock: TickingClock) -> None:
    """Let an instance of beta come, corrected there."""
    node = opened(state, clock)
    given = facts(
        node, study_uid="2.25.50", door="peer", origin=BETA, cause=Cause(node.new_id()), issuer="HIS"
    )
    data_set = slice_(50, 1, patient_id="Z-1", patient_name="He^Jiu")
    writer = node.packs.open_writer(study_uid="2.25.50", cause=given.cause)
    writer.append(
        given,
        sop_class=CT_IMAGE,
        sop_uid="2.25.50.1.1",
        file_meta=file_meta(sop_uid="2.25.50.1.1"),
        data_set=data_set,
    )
    writer.close()
    ingest(node)
    tell(node, Overlay(patients={"*": PatientChange(name="He^Shi")}, at=node.now()))
    seal(node, clock)
    node.close()


def test_a_peer_s_study_shows_what_its_origin_told(state: Path, clock: TickingClock) -> None:
    peer_s(state, clock)
    before = export_of(state, clock)
    lose_database(state)
    done = rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []
    node = opened(state, clock)
    assert get_study(node.database, OF_BETA).patient_name == "He^Shi"
    node.close()
    assert done.doubt.marked == 0


def test_a_peer_s_study_whose_told_corrections_have_no_text_is_marked(
    state: Path, clock: TickingClock
) -> None:
    peer_s(state, clock)
    for path in (state / "texts").glob("??/*.txt"):
        if '"patients":{"*"' in path.read_text():
            path.unlink()
    lose_database(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    assert {uid for uid, until in until_of(node).items() if until is not None} == {"2.25.50"}
    node.close()


def test_what_a_peer_announced_is_kept_of_an_old_database(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    row = replace(
        get_study(node.database, key(3)), origin=BETA, state="announced", source_at=0, source_digest="",
        instance_count=0, bytes=0, completed_at=None,
    )  # fmt: skip
    node.write(write_study(row, before=None))
    node.close()
    before = export_of(state, clock)
    rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []


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


def test_a_database_of_an_earlier_version_gives_its_content(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr("node.database.sqlite.MIGRATIONS", MIGRATIONS[:-1])
        node = opened(state, clock)
        create_account(node, OPERATOR, user="li", name="Li", roles=["technician"])
        node.close()
    done = rebuilt(state, clock)
    assert len(content_of(state, clock)["account"]) == 1
    assert done.kept is not None
    assert OldDatabase(done.kept).version == len(MIGRATIONS) - 1, "the old one is kept as it was"


def test_only_an_administrator_settles_over_http(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    with open_site(node) as site:
        technician = site.signed_in(add_quickly(node, "li", "technician"))
        administrator = site.signed_in(add_quickly(node, "root", "administrator"))
        listed = technician.get("/api/studies")["items"]
        assert {one["correctionsUntil"] for one in listed} == {0}
        with pytest.raises(Answer) as refused:
            technician.post("/api/unsettled/alpha/2.25.3")
        assert refused.value.status == 403
        assert administrator.post("/api/unsettled/alpha/2.25.3") == {"studies": 1}
        assert technician.get("/api/studies/alpha/2.25.3")["study"]["correctionsUntil"] is None
        assert administrator.post("/api/unsettled") == {"studies": 11}
        events = technician.get("/api/studies/alpha/2.25.3/story")["events"]
        assert "settled" in {one["what"] for one in events}
    node.close()


def test_a_mark_outlives_a_later_rebuild_and_so_does_that_it_was_settled(
    state: Path, clock: TickingClock
) -> None:
    lose_database(state)
    lose_blocks(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    settle_corrections(node, OPERATOR, [key(1)])
    seal(node, clock)
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert (done.journal.fault, done.doubt.marked) == ("", 11)
    node = opened(state, clock)
    assert {uid: until for uid, until in until_of(node).items() if until is None} == {"2.25.1": None}
    assert set(until_of(node).values()) == {None, 0}
    node.close()


def test_a_planted_forgetting_of_marks_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-forgets-marks")
    with pytest.raises((AssertionError, NotFound)):
        test_a_mark_outlives_a_later_rebuild_and_so_does_that_it_was_settled(state, clock)


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


def test_a_damaged_member_is_listed_and_the_others_come(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    archived = peek_archived(node.database, key(ARCHIVED_ALONE))
    assert archived is not None
    path = state / "archive" / "store" / archived.digest[:2] / archived.digest
    with open_package(node, archived.digest) as package:
        at = package.content(1)[0]
    node.close()
    raw = bytearray(path.read_bytes())
    raw[at : at + 64] = bytes(64)
    path.write_bytes(raw)
    lose_database(state)
    done = rebuilt(state, clock)
    assert len(done.packages.unreadable) == 1
    assert "in store 'embedded': instance 2.25.10.1.1" in done.packages.unreadable[0]
    assert done.studies.missing == {key(ARCHIVED_ALONE): 1}
    node = opened(state, clock)
    assert len([row for row in rows_of(node) if row.study_uid == f"2.25.{ARCHIVED_ALONE}"]) == 3
    node.close()


def orphan(node: Node, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archive a study, and end before a row means its package."""

    def end(name: str) -> None:
        raise Unavailable(f"ended at {name}")

    with monkeypatch.context() as ended:
        ended.setattr("node.archive.archiving.failpoint", end)
        with pytest.raises(Unavailable, match="archive-stored"):
            archive_study(node, origin="alpha", study_uid=f"2.25.{n}")


def test_a_package_of_which_nothing_tells_counts_when_it_is_whole(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = opened(state, clock)
    orphan(node, 3, monkeypatch)
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert (done.packages.packages, done.packages.unreadable) == (3, [])
    node = opened(state, clock)
    archived = peek_archived(node.database, key(3))
    assert archived is not None
    assert archived.online
    node.close()
    assert wrong_in(state, clock) == []


def test_a_package_that_a_crash_left_is_listed_where_the_journal_means_another(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = opened(state, clock)
    orphan(node, 3, monkeypatch)
    clock.advance(MINUTE)
    archive_study(node, origin="alpha", study_uid="2.25.3")
    meant = peek_archived(node.database, key(3))
    seal(node, clock)
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert [line for line in done.packages.unreadable if "A crash left it; remove it" in line] == (
        done.packages.unreadable
    )
    assert len(done.packages.unreadable) == 1
    node = opened(state, clock)
    found = peek_archived(node.database, key(3))
    assert meant is not None
    assert found is not None
    assert found.digest == meant.digest
    node.close()


def test_a_lost_correction_that_does_not_say_what_it_is_about_marks_all(
    state: Path, clock: TickingClock
) -> None:
    words = '{"by":"Chen","reason":"Blurred","sop_uids":["2.25.3.1.1"]}'  # as earlier versions wrote them
    path = state / "texts" / digest_of(words)[:2] / f"{digest_of(words)}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(words)
    os.utime(path, (clock.now() / SECOND,) * 2)
    lose_database(state)
    done = rebuilt(state, clock)
    assert done.doubt.marked == 12
    assert "does not say what it is about" in done.doubt.why[0]


def test_a_text_of_a_correction_that_came_to_nothing_long_ago_marks_nothing(
    state: Path, clock: TickingClock
) -> None:
    words = f'{{"at":{NOON},"by":"Chen","reason":"Blurred","study":"study/alpha/2.25.3"}}'
    path = state / "texts" / digest_of(words)[:2] / f"{digest_of(words)}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(words)
    lose_database(state)
    assert rebuilt(state, clock).doubt.marked == 0


def test_a_node_is_stopped_rebuilt_and_serves_again(tmp_path: Path) -> None:
    dicom, web = free_ports(2)
    clock = TickingClock(SystemClock().now() - 3600 * SECOND)
    write_configuration(
        tmp_path / "alpha", id="alpha", name="Alpha", reserve_mb=1, dicom_port=dicom, web_port=web
    )
    state = tmp_path / "alpha"
    node = opened(state, clock)
    live(node, clock)
    token = issue_bearer(node, OPERATOR, principal="exchange")
    node.close()
    command = [sys.executable, "-m", "ops.cli", "rebuild", str(state)]
    serving = start_node(state)
    try:
        serving.wait_until_ready()
        listed = Visitor(serving.web, bearer=token).get("/dicomweb/studies")
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    finally:
        serving.stop()
    assert refused.returncode == 1
    assert "Stop 'meridian serve'" in refused.stderr
    lose_database(state)
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stderr
    node = opened(state, clock)
    token = issue_bearer(node, OPERATOR, principal="exchange")
    node.close()
    serving = start_node(state)
    try:
        serving.wait_until_ready()
        again = Visitor(serving.web, bearer=token).get("/dicomweb/studies")
        assert "First start: make the administrator's account" in serving.log.read_text()
    finally:
        serving.stop()
    assert again == listed
    assert len(listed) > 8


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


def rows_of_deletions(state: Path, clock: TickingClock) -> list[dict[str, Any]]:
    node = opened(state, clock)
    rows = [
        dict(row)
        for table in ("deletion", "deletion_step", "deletion_peer")
        for row in node.database.read(f"SELECT * FROM {table}")
    ]
    node.close()
    return rows
