"""What of a deleted study lies outside of the database is erased: packages of every generation and packs, wherever they lie and however often it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.jobs.tasks import ARCHIVE
from node.archive.archived import copies_of
from node.archive.copies import copy_row
from node.archive.deletion.certificate import certificate_text, read_certificate
from node.archive.deletion.deleting import JOB
from node.archive.deletion.deletions import get_deletion, steps_of
from node.archive.deletion.erasing import erase_study
from node.archive.lifecycle.periods import DAY
from node.archive.scrub.damage import note_damage
from node.archive.superseding import supersede_some
from node.archive.tier import QUEUE
from node.database.port import Statement, text
from node.errors import Conflict
from node.node import Node
from ops.verify import verify
from tests.kit.archive_stores import file_with
from tests.kit.archived_study import archive, expire, hold_study, slices
from tests.kit.clock import FrozenClock
from tests.kit.deleting import delete, erase, erase_all, packages_of
from tests.kit.instances import make_ct
from tests.kit.merging import KEY, associate, complete, ingest, rows_of
from tests.kit.orphans import look_through
from tests.kit.planting import planted


def test_what_lies_in_the_archive_alone_goes_with_all_its_generations(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    associate(node, slices(7)[6])
    ingest(node)
    complete(node)
    archive(node)
    assert len(packages_of(tmp_path)) == 4
    expire(node, clock)
    done = erase_all(node, delete(node), clock)
    assert (done.state, packages_of(tmp_path), node.packs.names()) == ("done", [], [])


def first_digest(node: Node) -> str:
    record = next(one for one in node.journal.of(KEY.subject) if one.type == "study-archived/1")
    return str(json.loads(record.body)["digest"])


def test_copies_of_packages_that_were_superseded_go_too(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    associate(node, slices(7)[6])
    ingest(node)
    complete(node)
    archive(node)
    marker = tmp_path / "archive" / "store-1" / ".meridian-store"
    name = marker.read_bytes()
    clock.advance(DAY)
    supersede_some(node)
    assert len(packages_of(tmp_path)) == 2
    older = Statement(
        "INSERT INTO package_copy SELECT ?, 'store-1', ?, bytes, '', 'superseded', 1 FROM package_copy LIMIT 1",
        (first_digest(node), first_digest(node)),
    )
    node.write([older])  # as if that store had been away
    node.archive.store("store-1").put(*file_with(tmp_path, b"stands for it"))
    deleted = delete(node)
    marker.unlink()
    erase_all(node, deleted, clock)
    left = {step.what for step in steps_of(node.database, deleted.id) if step.state != "done"}
    assert first_digest(node) in left
    marker.write_bytes(name)
    clock.advance(DAY)
    look_through(node)
    assert erase_all(node, deleted, clock).state == "done"


def test_a_store_that_is_away_is_tried_again_and_the_certificate_waits(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    marker = tmp_path / "archive" / "store-1" / ".meridian-store"
    name = marker.read_bytes()
    marker.unlink()
    deleted = erase_all(node, delete(node), clock)
    assert (deleted.state, deleted.certificate) == ("deleted", "")
    assert len(packages_of(tmp_path)) == 1
    with pytest.raises(Conflict, match="not mounted"):
        certificate_text(node, deleted)
    waiting = node.database.read(
        "SELECT not_before FROM job WHERE name = 'erase_study' AND state = 'waiting'"
    )
    assert max(int(str(row["not_before"])) for row in waiting) > node.now()
    assert node.database.read("SELECT kind FROM problem") == []
    clock.advance(90 * DAY)
    erase(node, deleted)
    erase(node, deleted)
    (problem,) = node.database.read("SELECT kind, detail FROM problem")
    assert (problem["kind"], "not mounted" in text(problem, "detail")) == ("deletion-waits", True)
    marker.write_bytes(name)
    done = erase_all(node, deleted, clock)
    assert (done.state, packages_of(tmp_path)) == ("done", [])
    certificate = read_certificate(certificate_text(node, done))
    confirmed = {one.place: one.at for one in certificate.removed}
    assert confirmed["store/store-1"] - confirmed["store/store-0"] >= 90 * DAY


def test_a_planted_store_that_was_away_and_counts_as_done_is_caught(
    node: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(node)
    (tmp_path / "archive" / "store-1" / ".meridian-store").unlink()
    deleted = delete(node)
    planted(monkeypatch, "away-counted-as-done")
    assert erase(node, deleted).state == "done"
    assert packages_of(tmp_path) != [], "the certificate says that it is gone, and it is there"


def test_a_damaged_pack_that_was_set_aside_goes_too(node: Node, clock: FrozenClock, tmp_path: Path) -> None:
    archive(node)
    (pack,) = {row.pack for row in rows_of(node)}
    note_damage(node, pack, rows_of(node)[:2], "a bit flipped")
    clock.advance(1_000)
    deleted = delete(node)
    node.packs.directory.set_aside(pack)
    assert len(list((tmp_path / "alpha").rglob("*.pack"))) == 1
    assert erase_all(node, deleted, clock).state == "done"
    assert list((tmp_path / "alpha").rglob("*.pack")) == []


def test_a_copy_that_is_mended_while_its_study_goes_is_not_kept(node: Node, tmp_path: Path) -> None:
    archived = archive(node)
    (first, second) = copies_of(node.database, archived.digest)
    node.write([Statement("UPDATE package_copy SET state = 'gone' WHERE store = ?", (second.store,))])
    delete(node)
    with pytest.raises(Conflict, match="deleted meanwhile"):
        node.write([copy_row(first)])
    assert list(verify(node)) == []


def test_verify_names_what_nothing_means(node: Node, tmp_path: Path) -> None:
    archived = archive(node)
    stray = Statement(
        "INSERT INTO package_copy SELECT 'feed', 'store-0', 'feed', bytes, '', state, verified_at FROM package_copy LIMIT 1"
    )
    node.write([stray])
    file_with(tmp_path, b"a package that nobody means")
    node.archive.store("store-1").put(*file_with(tmp_path, b"a package that nobody means"))
    (tmp_path / "archive" / "store-0" / archived.digest[:2] / archived.digest).unlink()
    found = [finding.what for finding in verify(node)]
    for words in ("no study has it", "is meant by no study", "is not there"):
        assert [what for what in found if words in what], (words, found)


def test_packs_that_only_repeat_what_came_go_too(node: Node, clock: FrozenClock) -> None:
    associate(node, *slices())
    associate(node, make_ct(study_uid="2.25.9", sop_uid="2.25.9.1"))
    ingest(node)
    complete(node)
    assert len(node.packs.names()) == 3
    clock.advance(1_000)
    done = erase_all(node, delete(node), clock)
    assert done.state == "done"
    assert node.packs.names() == [row.pack for row in rows_of(node)]
    assert {row.study_uid for row in rows_of(node)} == {"2.25.9"}


def test_what_comes_again_is_a_new_study_and_is_shown(node: Node, clock: FrozenClock) -> None:
    erase_all(node, delete(node), clock)
    hold_study(node)
    assert len(rows_of(node)) == 6
    (problem,) = node.database.read("SELECT kind, subject FROM problem")
    assert (problem["kind"], problem["subject"]) == ("deleted-study-came-again", KEY.subject)
    assert list(verify(node)) == []
    archive(node)
    erase_all(node, delete(node), clock)
    assert node.packs.names() == []


def test_its_job_is_one_that_workers_know(node: Node) -> None:
    deleted = delete(node)
    (row,) = node.database.read("SELECT queue, args FROM job WHERE name = ?", (JOB,))
    ARCHIVE[JOB](node, **json.loads(text(row, "args")))
    assert (row["queue"], get_deletion(node.database, deleted.id).turn) == (QUEUE, 1)


def test_a_job_that_comes_twice_changes_nothing(node: Node, clock: FrozenClock) -> None:
    done = erase_all(node, delete(node), clock)
    erase_study(node, done.id)
    assert get_deletion(node.database, done.id) == done
