"""An index is written again from packages that are sealed, damaged, or that nothing means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.archive.archived import PART, WHOLE, peek_archived
from node.archive.archiving import archive_study
from node.archive.copies import open_package
from node.archive.lifecycle.known import in_part
from node.archive.stores.encrypted import EncryptedStore
from node.archive.tier import ArchiveTier
from node.clock import MINUTE
from node.errors import Unavailable
from node.keys.archive_keys import ArchiveKeys
from node.node import Node
from ops.compose import open_archive
from ops.verify import verify
from tests.kit.lost_index import (
    ARCHIVED_ALONE,
    ARCHIVED_TOO,
    TickingClock,
    begin,
    complete,
    differences,
    exported,
    key,
    live,
    lose_database,
    opened,
    read_all,
    rebuilt,
    seal,
    send,
    slice_,
    wrong_in,
)
from tests.kit.merging import rows_of
from tests.kit.planting import planted


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


def online_of(state: Path, clock: TickingClock, study: int) -> int:
    """Say how much of an archived study is online."""
    node = opened(state, clock)
    archived = peek_archived(node.database, key(study))
    node.close()
    assert archived is not None
    return archived.online


def test_a_study_of_which_a_part_is_online_says_so_again(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    send(node, clock, ARCHIVED_ALONE, slice_(ARCHIVED_ALONE, 9))
    complete(node, clock)
    node.write([in_part(key(ARCHIVED_ALONE))])  # as who follows the journal does
    seal(node, clock)
    node.close()
    before = [online_of(state, clock, study) for study in (ARCHIVED_ALONE, ARCHIVED_TOO)]
    assert before == [PART, WHOLE]
    lose_database(state)
    rebuilt(state, clock)
    assert [online_of(state, clock, study) for study in (ARCHIVED_ALONE, ARCHIVED_TOO)] == before


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
