"""What leaves the building: sealed, unreadable without its row, and wrapped again without being moved."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from node.archive.stores.described import DescribedStore
from node.archive.stores.encrypted import EncryptedStore
from node.archive.stores.folder import FolderStore
from node.archive.stores.opening import open_store
from node.archive.stores.port import MARKER, Stored
from node.archive.stores.verifying import verify_copy
from node.errors import Damaged, NotFound, Unavailable
from node.keys.archive_keys import NAME, ArchiveKeys, rewrap
from node.keys.sealed import CHUNK_BYTES, HEADER
from tests.kit.archive_stores import Flipping, content_of, file_with
from tests.kit.clock import FrozenClock
from tests.kit.planting import planted

CONTENT = content_of(2 * CHUNK_BYTES + 1000)


@dataclass
class House:
    """A node with a store outside the building."""

    clock: FrozenClock
    disk: Path
    root: Path
    keys: ArchiveKeys
    inner: FolderStore
    store: EncryptedStore

    def put(self, content: bytes = CONTENT) -> Stored:
        return self.store.put(*file_with(self.disk, content))

    def read(self, stored: Stored) -> bytes:
        with closing(self.store.open(stored)) as file:
            return file.read_at(0, file.size)

    def outside(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file() and path.name != MARKER]


@pytest.fixture
def house(tmp_path: Path) -> House:
    clock, disk, root = FrozenClock(), tmp_path / "disk", tmp_path / "root"
    disk.mkdir()
    root.mkdir()
    keys, inner = ArchiveKeys.open(tmp_path / "keys", clock), FolderStore("cloud", root)
    inner.prepare()
    return House(clock, disk, root, keys, inner, EncryptedStore(inner, keys))


def test_nothing_readable_leaves_the_building(house: House) -> None:
    stored = house.put(CONTENT)
    (outside,) = house.outside()
    raw = outside.read_bytes()
    assert outside.name == stored.stored_name != stored.package
    assert raw.startswith(HEADER)
    assert len(raw) == stored.size_bytes > len(CONTENT)
    assert not any(CONTENT[at : at + 32] in raw for at in range(0, len(CONTENT), 40_009))
    assert stored.package.encode() not in raw


def readable_outside(house: House, tmp_path: Path) -> bool:
    """Say whether a store that is said to be outside the building gets what it could read."""
    described = DescribedStore(name="cloud", kind="folder", path=str(house.root), leaves=True)
    with closing(open_store(described, tmp_path / "keys", house.clock)) as store:
        store.put(*file_with(house.disk, CONTENT))
    return any(CONTENT[:32] in path.read_bytes() for path in house.outside())


def test_a_store_outside_the_building_is_opened_so_that_it_seals(house: House, tmp_path: Path) -> None:
    assert not readable_outside(house, tmp_path)


def test_a_planted_package_that_leaves_unsealed_is_caught(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "leaves-unsealed")
    assert readable_outside(house, tmp_path)


def test_only_the_package_stays_on_the_node_s_disk(house: House) -> None:
    house.put(CONTENT)
    assert [path.suffix for path in house.disk.iterdir()] == [".zip"]


def test_each_put_has_its_own_key_and_takes_nothing_from_the_other(house: House) -> None:
    first, again = house.put(), house.put()
    assert first.stored_name != again.stored_name
    assert first.wrapped_key != again.wrapped_key
    assert house.read(first) == house.read(again) == CONTENT


def test_who_forgets_the_wrapped_key_has_destroyed_the_copy(house: House) -> None:
    stored, other = house.put(), house.put()
    shredded = replace(stored, wrapped_key="")
    for ask in (lambda: house.store.open(shredded), lambda: list(house.store.read_back(shredded))):
        with pytest.raises(NotFound, match="its key was forgotten"):
            ask()
    with pytest.raises(NotFound):
        verify_copy(house.store, shredded, house.clock)
    # What the node still has opens nothing: neither another copy's key of the same package, nor all archive keys.
    borrowed = replace(stored, wrapped_key=other.wrapped_key)
    with pytest.raises(Damaged):
        house.store.open(borrowed)


def test_a_wrapped_key_of_another_package_opens_nothing(house: House) -> None:
    stored, other = house.put(), house.put(b"another study")
    with pytest.raises(Damaged, match="another package's"):
        house.store.open(replace(stored, wrapped_key=other.wrapped_key))
    with pytest.raises(Damaged, match="another package's"):
        house.store.open(replace(other, package=stored.package))


def test_a_rotation_moves_no_package(house: House) -> None:
    stored, old = house.put(), house.keys.current
    before = {path: path.read_bytes() for path in house.outside()}
    new = house.keys.rotate()
    assert house.read(stored) == CONTENT
    moved = replace(stored, wrapped_key=rewrap(stored.wrapped_key, old, new, package=stored.package))
    house.keys.forget(old.key_id)
    assert house.read(moved) == CONTENT
    with pytest.raises(NotFound, match=NAME):
        house.store.open(stored)
    assert {path: path.read_bytes() for path in house.outside()} == before


@pytest.mark.parametrize("at", [0, 20, len(HEADER) + CHUNK_BYTES + 40, -1])
def test_a_changed_bit_is_damage_also_in_a_range(house: House, at: int) -> None:
    stored = house.put()
    lying = EncryptedStore(Flipping(house.inner, at % stored.size_bytes), house.keys)
    with pytest.raises(Damaged):
        list(lying.read_back(stored))
    with pytest.raises(Damaged), closing(lying.open(stored)) as file:
        file.read_at(0, file.size)


@pytest.mark.parametrize("length", [0, 5, len(HEADER), len(HEADER) + CHUNK_BYTES + 16, -1])
def test_a_copy_that_was_cut_off_is_damage(house: House, length: int) -> None:
    stored = house.put()
    (outside,) = house.outside()
    outside.write_bytes(outside.read_bytes()[:length])
    with pytest.raises(Damaged):
        list(house.store.read_back(stored))
    with pytest.raises(Damaged):
        house.store.open(stored)


def test_another_sealed_file_in_its_place_is_damage(house: House) -> None:
    stored, other = house.put(), house.put()
    path = {one.name: one for one in house.outside()}
    path[stored.stored_name].write_bytes(path[other.stored_name].read_bytes())
    with pytest.raises(Damaged):
        list(house.store.read_back(stored))


def test_a_full_disk_of_the_node_leaves_nothing_anywhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, file = file_with(house.disk, CONTENT)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match="No space left"):
        house.store.put(digest, file)
    assert list(house.disk.iterdir()) == [file]
    assert house.outside() == []


def test_a_store_that_refuses_leaves_no_sealed_file_behind(house: House) -> None:
    (house.root / MARKER).unlink()
    with pytest.raises(Unavailable):
        house.put()
    assert [path.suffix for path in house.disk.iterdir()] == [".zip"]


def test_the_zero_length_range_and_the_end(house: House) -> None:
    with closing(house.store.open(house.put(b"abc"))) as file:
        assert (file.size, file.read_at(3, 0), file.read_at(1, 2)) == (3, b"", b"bc")
        with pytest.raises(Damaged, match="ends too early"):
            file.read_at(2, 2)


def test_whoever_lost_the_rows_opens_a_package_by_its_note(house: House) -> None:
    stored = house.put()
    assert list(house.store.listed()) == [stored]
    assert house.read(next(iter(house.store.listed()))) == CONTENT
    assert [path for path in house.outside() if stored.package.encode() in path.read_bytes()] == []


def test_a_forgotten_key_takes_its_note_along(house: House) -> None:
    stored = house.put()
    house.store.forget_key(stored.stored_name)
    (listed,) = house.store.listed()
    assert (listed.package, listed.wrapped_key) == ("", "")
    with pytest.raises(NotFound, match="its key was forgotten"):
        house.store.open(listed)


def test_a_removed_package_leaves_no_note(house: House) -> None:
    stored = house.put()
    notes = [path for path in (house.keys.directory / "packages").rglob("*") if path.is_file()]
    assert [path.stem for path in notes] == [stored.stored_name]
    house.store.remove(stored.stored_name)
    assert not notes[0].exists()


def test_the_key_of_one_that_was_put_before_is_noted_and_a_new_wrapping_too(house: House) -> None:
    stored = house.put()
    house.store.forget_key(stored.stored_name)
    house.store.keep_key(stored)
    assert list(house.store.listed()) == [stored]
    old, new = house.keys.current, house.keys.rotate()
    moved = replace(stored, wrapped_key=rewrap(stored.wrapped_key, old, new, package=stored.package))
    house.store.keep_key(moved)
    house.keys.forget(old.key_id)
    assert list(house.store.listed()) == [moved]
    assert house.read(moved) == CONTENT


def test_an_altered_note_is_none_and_is_written_again(house: House) -> None:
    stored = house.put()
    (note,) = (path for path in (house.keys.directory / "packages").rglob("*") if path.is_file())
    note.write_bytes(b"{}")
    (listed,) = house.store.listed()
    assert listed.package == ""
    house.store.keep_key(stored)
    assert list(house.store.listed()) == [stored]


def test_what_is_removed_from_a_store_that_is_away_opens_no_more(house: House) -> None:
    house.put()
    stored = next(iter(house.store.listed()))
    away = house.root.rename(house.root.with_name("unmounted"))
    with pytest.raises(Unavailable):
        house.store.remove(stored.stored_name)
    away.rename(house.root)
    (listed,) = house.store.listed()
    assert (listed.package, listed.wrapped_key) == ("", "")
