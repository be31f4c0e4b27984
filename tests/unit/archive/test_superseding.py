"""What no study means any more: older packages, packs of repeats, orphans in stores; each goes when it is safe, never before."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from actors.archive import Archive
from node.archive.archived import ArchivedRow, copies_of
from node.archive.lifecycle.periods import DAY, HOUR
from node.archive.superseding import supersede_some
from node.catalogue.moving import RETIRED_FOR, retire_packs
from node.catalogue.superfluous import retire_repeats
from node.clock import MINUTE, SECOND
from node.database.port import Statement, read_as
from node.node import Node
from ops.verify_archive import verify_archive
from tests.kit.actors import Failures
from tests.kit.archived_study import (
    archive,
    expire,
    grow,
    lies_in_archive,
    read_everything,
    slices,
)
from tests.kit.clock import FrozenClock
from tests.kit.merging import associate, complete, findings, ingest
from tests.kit.orphans import look_through
from tests.kit.planting import planted


@pytest.fixture
def two(node: Node, clock: FrozenClock) -> tuple[ArchivedRow, ArchivedRow]:
    """Two generations of the study's package."""
    first = archive(node)
    grow(node)
    second = archive(node)
    clock.advance(RETIRED_FOR)
    return first, second


def generations(node: Node) -> list[int]:
    rows = read_as(node.database, ArchivedRow, "SELECT * FROM archived ORDER BY generation")
    return [row.generation for row in rows]


def files(tmp_path: Path) -> list[set[str]]:
    """Give the packages that lie in each store."""
    return [
        {path.name for path in (tmp_path / "archive" / f"store-{n}").glob("??/*") if path.is_file()}
        for n in (0, 1)
    ]


def verified(node: Node) -> list[str]:
    return [finding.line for finding in verify_archive(node)]


def test_an_older_package_goes_when_the_newer_one_is_verified(
    node: Node, clock: FrozenClock, tmp_path: Path, two: tuple[ArchivedRow, ArchivedRow]
) -> None:
    _, second = two
    before = read_everything(node)
    assert supersede_some(node) == 1
    assert generations(node) == [2]
    assert files(tmp_path) == [{second.digest}] * 2
    assert [row["n"] for row in node.database.read("SELECT count(*) AS n FROM package_copy")] == [2]
    expire(node, clock)
    assert read_everything(node) == before
    assert verified(node) == []
    assert supersede_some(node) == 0


def test_the_actor_lets_it_go_by_itself(
    node: Node, tmp_path: Path, two: tuple[ArchivedRow, ArchivedRow]
) -> None:
    Archive(Failures(), node).step()
    assert generations(node) == [2]
    assert files(tmp_path) == [{two[1].digest}] * 2


def test_it_stays_ten_minutes_for_whoever_reads_it(
    node: Node, clock: FrozenClock, two: tuple[ArchivedRow, ArchivedRow]
) -> None:
    clock.advance(-1)
    assert supersede_some(node) == 0
    assert generations(node) == [1, 2]


@pytest.mark.parametrize("spoil", ["row", "file"])
def test_it_stays_until_as_many_stores_as_are_wanted_have_the_newer_one(
    node: Node, two: tuple[ArchivedRow, ArchivedRow], spoil: str
) -> None:
    _spoil_newest(node, two, spoil)
    assert supersede_some(node) == 0
    assert generations(node) == [1, 2]
    assert len(copies_of(node.database, two[0].digest)) == 2


def _spoil_newest(node: Node, two: tuple[ArchivedRow, ArchivedRow], what: str) -> None:
    if what == "row":
        damaged = "UPDATE package_copy SET state = 'damaged' WHERE digest = ? AND store = 'store-1'"
        node.write([Statement(damaged, (two[1].digest,), expect=1)])
    else:
        node.archive.store("store-1").remove(two[1].digest)


def test_a_planted_removal_before_the_newer_one_is_verified_is_caught(
    node: Node, tmp_path: Path, two: tuple[ArchivedRow, ArchivedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil_newest(node, two, "file")
    planted(monkeypatch, "superseded-unverified")
    supersede_some(node)
    assert files(tmp_path)[1] == set()  # the store has neither: what the guard stands against


def _archive_without_one(node: Node, clock: FrozenClock) -> None:
    """Make a later package that lacks what the older one has, as no command of the node does."""
    archive(node)
    grow(node)
    node.write([Statement("DELETE FROM online_instance WHERE sop_uid LIKE '%.1.1'", expect=1)])
    archive(node)
    clock.advance(RETIRED_FOR)


def test_an_older_package_that_has_more_stays(node: Node, clock: FrozenClock) -> None:
    _archive_without_one(node, clock)
    assert supersede_some(node) == 0
    assert generations(node) == [1, 2]


def test_planted_belief_that_a_later_package_has_all_is_caught(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _archive_without_one(node, clock)
    planted(monkeypatch, "superseded-unread")
    assert supersede_some(node) == 1


def test_a_study_that_still_means_the_older_name_keeps_it(
    node: Node, clock: FrozenClock, two: tuple[ArchivedRow, ArchivedRow]
) -> None:
    node.write(
        [
            Statement(
                "UPDATE online_instance SET pack = ? WHERE sop_uid LIKE '%.1.1'", (two[0].pack,), expect=1
            )
        ]
    )
    assert supersede_some(node) == 0
    node.write([Statement("UPDATE online_instance SET pack = ? WHERE pack = ?", (two[1].pack, two[0].pack))])
    row = Statement("INSERT INTO retired_pack (pack, successor, due) VALUES ('a', ?, 1)", (two[0].pack,))
    node.write([row])
    assert supersede_some(node) == 0
    node.write([Statement("DELETE FROM retired_pack")])
    assert supersede_some(node) == 1


def test_a_store_that_is_away_is_asked_again(
    node: Node, tmp_path: Path, two: tuple[ArchivedRow, ArchivedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    with ExitStack() as away:
        marker = tmp_path / "archive" / "store-1" / ".meridian-store"
        hidden = marker.rename(marker.with_suffix(".away"))
        away.callback(lambda: hidden.rename(marker))
        assert supersede_some(node) == 0, "a store that is away has nothing today"
        monkeypatch.setattr("node.archive.superseding._is_safe", lambda *_: True)
        assert supersede_some(node) == 1
        assert files(tmp_path) == [{second.digest}, {first.digest, second.digest}]
    assert supersede_some(node) == 0
    assert files(tmp_path) == [{second.digest}] * 2
    assert verified(node) == []


def test_while_a_backup_pins_files_none_goes(
    node: Node, tmp_path: Path, two: tuple[ArchivedRow, ArchivedRow]
) -> None:
    with node.packs.directory.pinned():
        supersede_some(node)
        assert two[0].digest in files(tmp_path)[0]
    supersede_some(node)
    assert two[0].digest not in files(tmp_path)[0]


def send_again(node: Node, clock: FrozenClock) -> str:
    """Let the device send all of it once more; give the pack, which no row means."""
    clock.advance(SECOND)
    pack = associate(node, *slices())
    ingest(node)
    complete(node)
    return pack


def test_a_pack_of_repeats_goes_and_its_study_stays_as_it_was(node: Node, clock: FrozenClock) -> None:
    before = read_everything(node)
    again = send_again(node, clock)
    retire_repeats(node)
    assert node.database.read("SELECT 1 AS one FROM retired_pack") == [], "it is not a day old"
    clock.advance(25 * HOUR)
    assert retire_repeats(node) == ""
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)
    assert not node.packs.path(again).exists()
    assert read_everything(node) == before
    assert findings(node) == []


def test_a_pack_of_repeats_goes_when_its_study_is_in_the_archive_alone(
    node: Node, clock: FrozenClock
) -> None:
    again = send_again(node, clock)
    before = read_everything(node)
    archive(node)
    expire(node, clock)
    clock.advance(25 * HOUR)
    retire_repeats(node)
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)
    assert node.packs.names() == []
    assert not node.packs.path(again).exists()
    assert lies_in_archive(node)
    assert read_everything(node) == before


def test_a_repeat_that_may_be_the_only_whole_copy_stays(node: Node, clock: FrozenClock) -> None:
    _repeat_of_a_damaged_pack(node, clock)
    retire_repeats(node)
    assert node.database.read("SELECT pack FROM retired_pack") == []


def _repeat_of_a_damaged_pack(node: Node, clock: FrozenClock) -> str:
    (first,) = node.packs.names()
    again = send_again(node, clock)
    raw = bytearray(node.packs.path(first).read_bytes())
    raw[len(raw) // 2] ^= 1
    node.packs.path(first).write_bytes(raw)
    clock.advance(25 * HOUR)
    return again


def test_planted_retiring_of_a_repeat_without_looking_is_caught(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = _repeat_of_a_damaged_pack(node, clock)
    planted(monkeypatch, "repeat-unlooked")
    retire_repeats(node)
    assert node.database.read("SELECT pack FROM retired_pack") == [{"pack": again}]


def test_a_pack_that_the_scrub_puts_aside_is_left_to_it(node: Node, clock: FrozenClock) -> None:
    again = send_again(node, clock)
    clock.advance(25 * HOUR)
    aside = Statement(
        "INSERT INTO scrubbed (pack, bytes, verified_at, state) VALUES (?, 1, 1, 'aside')", (again,)
    )
    node.write([aside])
    retire_repeats(node)
    assert node.database.read("SELECT pack FROM retired_pack") == []


def test_a_pack_that_the_index_has_not_read_stays(node: Node, clock: FrozenClock) -> None:
    again = send_again(node, clock)
    node.write([Statement("DELETE FROM cursor WHERE reader LIKE ?", (f"%{again}",), expect=1)])
    clock.advance(25 * HOUR)
    retire_repeats(node)
    assert node.database.read("SELECT pack FROM retired_pack") == []


def test_an_orphan_that_says_nothing_new_goes_after_a_day(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    first = archive(node)
    copies = [Statement("DELETE FROM archived"), Statement("DELETE FROM package_copy")]
    node.write(copies)
    clock.advance(MINUTE)
    second = archive(node)
    assert files(tmp_path) == [{first.digest, second.digest}] * 2
    look_through(node)
    clock.advance(DAY - 1)
    look_through(node)
    assert files(tmp_path) == [{first.digest, second.digest}] * 2
    clock.advance(1)
    look_through(node)
    assert files(tmp_path) == [{second.digest}] * 2
    assert node.database.read("SELECT 1 AS left FROM orphan_package") == []
    assert node.database.read("SELECT 1 AS shown FROM problem") == []


def test_an_orphan_that_may_hold_the_only_copy_stays_and_is_named_once(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    found = _forget_what_is_packaged(node)
    look_through(node)
    for _ in range(2):
        clock.advance(DAY)
        look_through(node)
    assert files(tmp_path) == [{found.digest}] * 2
    shown = node.database.read(
        "SELECT subject, detail FROM problem WHERE kind = 'archive-orphans' ORDER BY 1"
    )
    assert [row["subject"] for row in shown] == ["store/store-0", "store/store-1"]
    assert "1 packages" in str(shown[0]["detail"])


def _forget_what_is_packaged(node: Node) -> ArchivedRow:
    """Let rows be as before the package was made, and before its last instance came: a database that was restored."""
    found = archive(node)
    node.write(
        [
            Statement("DELETE FROM archived"),
            Statement("DELETE FROM package_copy"),
            Statement("DELETE FROM online_instance WHERE sop_uid LIKE '%.1.6'", expect=1),
        ]
    )
    return found


def test_a_planted_removal_of_an_orphan_without_opening_it_is_caught(
    node: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forget_what_is_packaged(node)
    planted(monkeypatch, "orphan-unopened")
    look_through(node)
    clock.advance(DAY)
    look_through(node)
    assert files(tmp_path) == [set(), set()]
