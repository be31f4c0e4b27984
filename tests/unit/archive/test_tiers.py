"""A study through both tiers: archived, its online copy let go, read again, and all of it as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.archive.archived import copies_of, peek_archived
from node.archive.copies import open_package
from node.archive.expiring import expire_study
from node.archive.recall import recalling
from node.archive.recall.asking import ask_recall
from node.archive.recall.recalling import bring, close_stale, recall_study
from node.catalogue.moving import retire_packs
from node.database.port import Statement
from node.errors import Conflict, Damaged, NotFound, Unavailable
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.archived_study import (
    archive,
    expire,
    lies_in_archive,
    read_everything,
    recall,
    slices,
    stores_of,
)
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY, associate, complete, findings, ingest, packs_meant, rows_of
from tests.kit.planting import planted


def test_what_is_archived_stays_online_as_it_was(node: Node) -> None:
    before = rows_of(node)
    found = archive(node)
    assert stores_of(node) == {"store-0", "store-1"}
    assert found.online
    assert found.instances == 6
    assert rows_of(node) == before


def test_an_expired_study_reads_as_before(node: Node, clock: FrozenClock) -> None:
    before, rows, packs = read_everything(node), rows_of(node), packs_meant(node)
    archive(node)
    expire(node, clock)
    assert lies_in_archive(node)
    assert not any(node.packs.path(pack).exists() for pack in packs)
    assert read_everything(node) == before
    assert not lies_in_archive(node)
    assert [row.digest for row in rows_of(node)] == [row.digest for row in rows]
    assert findings(node) == []


def test_archiving_again_without_a_change_does_nothing(node: Node) -> None:
    assert archive(node) == archive(node)


def test_a_recalled_study_expires_again_without_a_new_package(node: Node, clock: FrozenClock) -> None:
    first = archive(node)
    expire(node, clock)
    recall(node)
    assert archive(node).digest == first.digest
    expire(node, clock)
    assert lies_in_archive(node)


def test_a_new_instance_makes_a_new_generation_of_everything(node: Node, clock: FrozenClock) -> None:
    first = archive(node)
    expire(node, clock)
    associate(node, slices(7)[6])
    ingest(node)
    complete(node)
    with pytest.raises(Conflict, match="changed since it was archived"):
        expire_study(node, KEY, reason="age")
    with pytest.raises(Conflict, match="came back"):
        archive(node)
    second = archive(node)
    assert (second.generation, second.instances) == (2, 7)
    assert second.digest != first.digest
    before = read_everything(node)
    expire(node, clock)
    assert read_everything(node) == before


def test_a_hold_keeps_the_online_copy(node: Node) -> None:
    archive(node)
    hold(node, until=None)
    with pytest.raises(Conflict, match="holds it"):
        expire_study(node, KEY, reason="age")
    assert not lies_in_archive(node)


def test_a_hold_that_is_over_keeps_nothing(node: Node) -> None:
    archive(node)
    hold(node, until=node.now() - 1)
    expire_study(node, KEY, reason="age")
    assert lies_in_archive(node)


def test_a_planted_hold_that_is_not_guarded_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(node)
    hold(node, until=None)
    planted(monkeypatch, "hold-unguarded")
    expire_study(node, KEY, reason="age")
    assert lies_in_archive(node)


def test_a_consult_is_content_with_a_verified_copy(node: Node) -> None:
    archive(node)
    hold(node, until=None, reason="consult")
    expire_study(node, KEY, reason="age")
    assert lies_in_archive(node)


def hold(node: Node, *, until: int | None, reason: str = "teaching") -> None:
    row = Statement(
        "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES (?, ?, ?, 'case-1', ?)",
        (KEY.origin, KEY.study_uid, reason, until),
    )
    node.write([row])


def test_one_verified_copy_of_two_is_not_enough(node: Node) -> None:
    archive(node)
    node.write([Statement("UPDATE package_copy SET state = 'damaged' WHERE store = 'store-1'", expect=1)])
    with pytest.raises(Conflict):
        expire_study(node, KEY, reason="age")
    assert not lies_in_archive(node)


def test_a_copy_that_is_gone_from_its_store_does_not_count(node: Node) -> None:
    archive(node)
    take_away(node, "store-1")
    with pytest.raises(Conflict, match="1 of 2 stores"):
        expire_study(node, KEY, reason="age")


def test_a_copy_that_is_cut_off_does_not_count(node: Node, tmp_path: Path) -> None:
    archive(node)
    cut_off(tmp_path, "store-1")
    with pytest.raises(Conflict, match="1 of 2 stores"):
        expire_study(node, KEY, reason="age")


def test_planted_belief_in_a_copy_of_any_length_is_caught(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(node)
    cut_off(tmp_path, "store-1")
    planted(monkeypatch, "size-unlooked")
    expire_study(node, KEY, reason="age")
    assert lies_in_archive(node)


def cut_off(tmp_path: Path, store: str) -> None:
    (path,) = (tmp_path / "archive" / store).glob("??/*")
    path.write_bytes(path.read_bytes()[:-100])


def test_a_study_that_grows_while_it_is_brought_is_brought_all_the_same(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(node)
    expire(node, clock)
    moved, grown = recalling.move_rows, list[bool]()

    def grow_first(*said: Any) -> None:
        if not grown:
            grown.append(True)
            associate(node, slices(7)[6])
            ingest(node)
        moved(*said)

    monkeypatch.setattr(recalling, "move_rows", grow_first)
    recall(node)
    assert grown
    assert not lies_in_archive(node)
    assert len(rows_of(node)) == 7


def test_planted_belief_in_rows_alone_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(node)
    take_away(node, "store-1")
    planted(monkeypatch, "expire-unlooked")
    expire_study(node, KEY, reason="age")
    assert lies_in_archive(node)


def take_away(node: Node, store: str) -> None:
    found = peek_archived(node.database, KEY)
    assert found is not None
    node.archive.store(store).remove(found.digest)


def test_a_damaged_copy_is_passed_over_and_shown(node: Node, clock: FrozenClock, tmp_path: Path) -> None:
    before = read_everything(node)
    archive(node)
    expire(node, clock)
    spoil(tmp_path, "store-0")
    assert read_everything(node) == before
    states = {copy.store: copy.state for copy in copies_of(node.database, peek_digest(node))}
    assert states == {"store-0": "damaged", "store-1": "verified"}
    assert node.database.read("SELECT 1 AS shown FROM problem WHERE kind = 'archive-copy'")


def test_file_meta_that_a_copy_has_otherwise_does_not_come_back(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    assert file_meta_after_damage(node, clock, tmp_path) == {True}


def test_a_planted_member_that_is_not_compared_is_caught(
    node: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "member-uncompared")
    assert False in file_meta_after_damage(node, clock, tmp_path)


def file_meta_after_damage(node: Node, clock: FrozenClock, folder: Path) -> set[bool]:
    """Say whether file meta came back as it was, with one bit of it flipped in the nearest copy, once for each of a few bits."""
    before = file_metas(node)
    digest = archive(node).digest
    (path,) = folder.glob(f"**/store-0/{digest[:2]}/{digest}")
    whole = path.read_bytes()
    with open_package(node, digest) as package:
        at = package.content(1)[0]
    found = set()
    for offset in range(at + 56, at + 76, 4):  # among them bits that still inflate, to other file meta
        expire(node, clock)
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        bring(node, KEY, who="", why="read")
        found.add(file_metas(node) == before)
        path.write_bytes(whole)
        node.write([Statement("UPDATE package_copy SET state = 'verified'")])
    return found


def file_metas(node: Node) -> dict[str, bytes]:
    """Give the file meta of each instance as its pack has it."""
    return {
        row.sop_uid: node.packs.path(row.pack).read_bytes()[
            row.data_offset - row.meta_bytes : row.data_offset
        ]
        for row in rows_of(node)
    }


def test_both_copies_damaged_is_said_and_nothing_is_served(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    expire(node, clock)
    spoil(tmp_path, "store-0")
    spoil(tmp_path, "store-1")
    with pytest.raises(Damaged, match="no copy of it is whole"):
        bring(node, KEY, who="", why="read")
    assert lies_in_archive(node)
    (row,) = node.database.read("SELECT state, words FROM recall")
    assert row["state"] == "failed"


def test_a_planted_copy_that_is_not_read_back_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "node.archive.stores.folder.FolderStore.read_back", lambda *_: iter([b"something else"])
    )
    with pytest.raises(Unavailable, match="0 of 2 copies"):
        archive(node)
    planted(monkeypatch, "copy-unverified")
    archive(node)  # believed, and wrong: what the guard stands against


def peek_digest(node: Node) -> str:
    found = peek_archived(node.database, KEY)
    assert found is not None
    return found.digest  # type: ignore[return-value]


def spoil(tmp_path: Path, store: str) -> None:
    for path in (tmp_path / "archive" / store).glob("??/*"):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)


def test_a_study_that_was_never_archived_does_not_expire(node: Node) -> None:
    with pytest.raises(NotFound):
        expire_study(node, KEY, reason="age")


def test_old_packs_stay_while_no_copy_stands(node: Node, clock: FrozenClock) -> None:
    (pack,) = packs_meant(node)
    archive(node)
    expire_study(node, KEY, reason="age")
    node.write([Statement("UPDATE package_copy SET state = 'damaged'")])
    clock.advance(3_600_000_000)
    retire_packs(node)
    assert node.packs.path(pack).exists()
    node.write([Statement("UPDATE package_copy SET state = 'verified'")])
    clock.advance(3_600_000_000)
    retire_packs(node)
    assert not node.packs.path(pack).exists()


def test_a_recall_leaves_a_ticket(node: Node, clock: FrozenClock) -> None:
    archive(node)
    expire(node, clock)
    recall(node)
    recall(node)
    rows = node.database.read("SELECT who, why, state, instances FROM recall")
    assert rows == [{"who": "Dr. Li", "why": "asked", "state": "done", "instances": 6}]


def test_a_receiving_study_is_not_archived(node: Node) -> None:
    node.write([Statement("UPDATE study SET state = 'receiving'")])
    with pytest.raises(AssertionError):
        archive(node)


def test_a_recall_that_was_killed_is_said_to_have_failed_and_one_that_runs_is_left_alone(node: Node) -> None:
    node.write([_running("killed")])
    with node.archive.alone(f"recall-{KEY.origin}-{KEY.study_uid}"):
        close_stale(node)
        assert states_of_recalls(node) == {"killed": "running"}
    close_stale(node)
    assert states_of_recalls(node) == {"killed": "failed"}


def _running(ticket: str) -> Statement:
    return Statement(
        "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at)"
        " VALUES (?, ?, ?, 'Dr. Li', 'asked', 1, 'running', 6, 100, 1)",
        (ticket, KEY.origin, KEY.study_uid),
    )


def states_of_recalls(node: Node) -> dict[str, str]:
    return {str(row["id"]): str(row["state"]) for row in node.database.read("SELECT id, state FROM recall")}


def test_a_recall_that_was_asked_for_is_done_under_its_ticket(node: Node, clock: FrozenClock) -> None:
    archive(node)
    expire(node, clock)
    ticket = ask_recall(node, OPERATOR, KEY, who="Dr. Li").id
    (job,) = node.database.read("SELECT name, args FROM job WHERE queue = 'archive'")
    recall_study(node, **msgspec.json.decode(str(job["args"])))
    assert states_of_recalls(node) == {ticket: "done"}
    assert not lies_in_archive(node)
