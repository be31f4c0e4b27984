"""What a certificate of deletion says of backups: where the last one that may hold the study is, and when none is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.archive.deletion.certificate import FORMATS, Backups, certificate_text, read_certificate
from node.archive.deletion.certificate_page import backup_lines, certificate_page
from node.archive.deletion.deletions import Deletion, get_deletion
from node.archive.deletion.erasing import certify
from node.archive.deletion.recertifying import recertify
from node.archive.tidying import CERTIFIED_EVERY, Tidying
from node.canonical import canonical_json
from node.clock import MINUTE, Micros
from node.errors import Damaged
from node.keys.encoding import to_base64
from node.names import Digest
from node.node import Node
from node.watch.backups import BackupRow, remember_backup, remember_removed
from tests.kit.archived_study import hold_study
from tests.kit.bare_node import two_stores
from tests.kit.clock import NOON, FrozenClock
from tests.kit.deleting import delete, erase_all
from tests.kit.planting import planted

DISK, BUCKET = "/mnt/backups/alpha", "s3+https://store:9000/backups/alpha"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock):
    node = two_stores(tmp_path, clock)
    hold_study(node)
    clock.advance(60 * MINUTE)
    yield node
    node.close()


def backup(node: Node, name: str, at: Micros, *, place: str = DISK) -> Digest:
    row = BackupRow(at=at, backup=Digest(name * 8), place=place, files=1, bytes=1, new_bytes=1)
    node.write([remember_backup(row)])
    return row.backup


def gone(node: Node, clock: FrozenClock, *backups: Digest) -> None:
    clock.advance(MINUTE)
    node.write(remember_removed(backups, at=clock.now()))


def said(node: Node, deletion: Deletion) -> tuple[int, tuple[Backups, ...]]:
    certificate = read_certificate(
        certificate_text(node, get_deletion(node.database, deletion.id)), key=node.keys.verify_key
    )
    return certificate.issue, certificate.backups


def deleted(node: Node, clock: FrozenClock) -> Deletion:
    """Make backups before the study came, while it was here, while it was being erased, and after; delete it."""
    backup(node, "early", NOON - MINUTE)
    backup(node, "first", NOON + MINUTE)
    backup(node, "second", NOON + 2 * MINUTE)
    backup(node, "bucket", NOON + 3 * MINUTE, place=BUCKET)
    deletion = delete(node)
    backup(node, "meanwhile", clock.now() + MINUTE, place=BUCKET)
    done = erase_all(node, deletion, clock)
    backup(node, "after", clock.now() + MINUTE)
    return done


def test_each_place_is_named_with_the_last_backup_that_may_hold_it(node: Node, clock: FrozenClock) -> None:
    done = deleted(node, clock)
    assert said(node, done) == (
        1,
        (
            Backups(place=DISK, there=2, last_at=NOON + 2 * MINUTE, removed_at=None),
            Backups(place=BUCKET, there=2, last_at=NOON + 61 * MINUTE, removed_at=None),
        ),
    )


def test_a_planted_certificate_that_is_silent_about_backups_is_caught(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "backups-not-said")
    with pytest.raises(AssertionError):
        test_each_place_is_named_with_the_last_backup_that_may_hold_it(node, clock)


def test_it_is_issued_again_when_the_last_of_them_was_removed_and_not_before(
    node: Node, clock: FrozenClock
) -> None:
    done = deleted(node, clock)
    gone(node, clock, *(Digest(name * 8) for name in ("early", "first", "second")))
    recertify(node)
    assert said(node, done)[0] == 1, "some are left"
    gone(node, clock, *(Digest(name * 8) for name in ("bucket", "meanwhile")))
    recertify(node)
    assert said(node, done) == (
        2,
        (
            Backups(place=DISK, there=0, last_at=NOON + 2 * MINUTE, removed_at=clock.now() - MINUTE),
            Backups(place=BUCKET, there=0, last_at=NOON + 61 * MINUTE, removed_at=clock.now()),
        ),
    )
    recertify(node)
    gone(node, clock, Digest("after" * 8))
    recertify(node)
    assert said(node, done)[0] == 2


def test_the_archive_s_tidying_issues_it(node: Node, clock: FrozenClock) -> None:
    tidying = Tidying(node)
    done = deleted(node, clock)
    names = ("early", "first", "second", "bucket", "meanwhile")
    gone(node, clock, *(Digest(name * 8) for name in names))
    clock.advance(CERTIFIED_EVERY)
    tidying.step()
    assert said(node, done)[0] == 2


def test_without_a_backup_it_says_that_none_is_known(node: Node, clock: FrozenClock) -> None:
    done = erase_all(node, delete(node), clock)
    certificate = read_certificate(certificate_text(node, done))
    assert certificate.backups == ()
    assert "没有该检查接收之后、清除之前的备份记录" in certificate_page(certificate, language="zh")
    assert "knows of none" in certificate_page(certificate, language="en")


def test_its_page_says_where_and_how_long_in_both_languages(node: Node, clock: FrozenClock) -> None:
    done = deleted(node, clock)
    names = ("early", "first", "second")
    gone(node, clock, *(Digest(name * 8) for name in names))
    clock.advance(MINUTE)
    # as an issue for another reason would say it by now: one place is empty, the other is not
    node.write(certify(node, get_deletion(node.database, done.id)))
    certificate = read_certificate(certificate_text(node, get_deletion(node.database, done.id)))
    page = certificate_page(certificate, language="zh")
    assert f"{DISK}：最后一次备份 2026-03-02 04:02:00Z，已于 2026-03-02 " in page
    assert f"{BUCKET}：最后一次备份 2026-03-02 05:01:00Z（共 2 份），保留至被清除为止，未设期限" in page
    lines = backup_lines(certificate)
    assert len(lines) == 3
    assert lines[0].endswith("may hold the study, until they are removed.")
    assert any(
        f"{BUCKET}: last backup at 2026-03-02 05:01:00Z (2 in all), kept until" in line for line in lines
    )


def of_version_1(node: Node, written: str) -> str:
    """Give a certificate as the version before signed it."""
    body = json.loads(written)["certificate"]
    del body["backups"]
    body["format"], body["backups_before"] = FORMATS[0], body["deed"]["deleted_at"]
    signature = to_base64(node.keys.sign(b"meridian-deletion/1" + canonical_json(body).encode()))
    return canonical_json({"certificate": body, "signature": signature})


def test_one_that_was_signed_before_verifies_as_it_was_signed(node: Node, clock: FrozenClock) -> None:
    done = deleted(node, clock)
    old = of_version_1(node, certificate_text(node, done))
    certificate = read_certificate(old, key=node.keys.verify_key)
    assert (certificate.format, certificate.backups) == ("meridian-deletion/1", ())
    assert len(backup_lines(certificate)) == 1
    assert "没有该检查" not in certificate_page(certificate, language="zh")


def test_no_version_passes_for_the_other(node: Node, clock: FrozenClock) -> None:
    written = certificate_text(node, deleted(node, clock))
    for content, other in ((written, FORMATS[0]), (of_version_1(node, written), FORMATS[1])):
        changed = json.loads(content)
        changed["certificate"]["format"] = other
        with pytest.raises(Damaged):
            read_certificate(json.dumps(changed))
    filled = json.loads(of_version_1(node, written))
    filled["certificate"]["backups"] = []
    with pytest.raises(Damaged):
        read_certificate(json.dumps(filled))
