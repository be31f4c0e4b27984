"""Keys of packages wrapped by the node's archive key: rotated, wrapped again, forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.clock import SECOND
from node.errors import Conflict, Damaged, NotFound, Refused
from node.keys.aead import new_key
from node.keys.archive_keys import NAME, ArchiveKeys, rewrap, unwrap, wrap, wrapped_by
from node.keys.encoding import to_base64
from node.names import Digest
from tests.kit.clock import FrozenClock

PACKAGE, OTHER = Digest("a" * 64), Digest("b" * 64)


@pytest.fixture
def keys(tmp_path: Path, clock: FrozenClock) -> ArchiveKeys:
    return ArchiveKeys.open(tmp_path / "keys", clock)


def test_the_key_drawn_at_first_use_is_the_same_at_the_next(
    tmp_path: Path, clock: FrozenClock, keys: ArchiveKeys
) -> None:
    assert ArchiveKeys.open(tmp_path / "keys", clock).current == keys.current
    assert (tmp_path / "keys" / NAME).stat().st_mode & 0o777 == 0o600


def test_a_wrapped_key_opens_for_its_package_only(keys: ArchiveKeys) -> None:
    key = to_base64(new_key())
    wrapped = wrap(key, keys.current, package=PACKAGE)
    assert key not in wrapped
    assert unwrap(wrapped, keys.get(wrapped_by(wrapped)), package=PACKAGE) == key
    with pytest.raises(Damaged, match="another package's"):
        unwrap(wrapped, keys.current, package=OTHER)


@pytest.mark.parametrize("wrong", ["", "x", "id:", "id:AAAA", "id:====", "é"])
def test_what_is_no_wrapped_key_is_damage(keys: ArchiveKeys, wrong: str) -> None:
    with pytest.raises(Damaged):
        unwrap(wrong, keys.current, package=PACKAGE)


def test_any_changed_character_of_a_wrapped_key_is_caught(keys: ArchiveKeys) -> None:
    wrapped = wrap(to_base64(new_key()), keys.current, package=PACKAGE)
    begin = wrapped.index(":") + 1
    for at in range(begin, len(wrapped)):
        changed = wrapped[:at] + ("B" if wrapped[at] != "B" else "C") + wrapped[at + 1 :]
        with pytest.raises(Damaged):
            unwrap(changed, keys.current, package=PACKAGE)


def test_past_keys_open_until_they_are_forgotten(keys: ArchiveKeys, clock: FrozenClock) -> None:
    key, old = to_base64(new_key()), keys.current
    before = wrap(key, old, package=PACKAGE)
    clock.advance(SECOND)
    new = keys.rotate()
    assert keys.current == new != old
    assert unwrap(before, keys.get(wrapped_by(before)), package=PACKAGE) == key
    after = rewrap(before, old, new, package=PACKAGE)
    keys.forget(old.key_id)
    with pytest.raises(NotFound, match=r"Restore archive-keys\.json"):
        keys.get(wrapped_by(before))
    assert unwrap(after, keys.get(wrapped_by(after)), package=PACKAGE) == key
    with pytest.raises(Conflict, match="Rotate the key first"):
        keys.forget(new.key_id)


def test_a_rotation_by_one_process_is_seen_by_the_other(
    tmp_path: Path, clock: FrozenClock, keys: ArchiveKeys
) -> None:
    assert ArchiveKeys.open(tmp_path / "keys", clock).rotate() == keys.current


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format":"meridian-archive-keys/9","keys":[]}', b"\xff\xfe"]
)
def test_a_damaged_file_of_archive_keys_is_never_replaced(
    tmp_path: Path, clock: FrozenClock, keys: ArchiveKeys, content: bytes
) -> None:
    (tmp_path / "keys" / NAME).write_bytes(content)
    with pytest.raises(Damaged):
        ArchiveKeys.open(tmp_path / "keys", clock)
    assert (tmp_path / "keys" / NAME).read_bytes() == content


def test_archive_keys_that_others_may_read_are_not_opened(
    tmp_path: Path, clock: FrozenClock, keys: ArchiveKeys
) -> None:
    (tmp_path / "keys" / NAME).chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        ArchiveKeys.open(tmp_path / "keys", clock)


def test_an_archive_key_shows_nowhere(keys: ArchiveKeys) -> None:
    assert keys.current.key not in repr(keys.current) + repr(keys) + repr(vars(keys))


def test_a_new_archive_key_is_on_disk_before_it_is_used(
    keys: ArchiveKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append("sync folder" if name.is_dir() else "sync file")
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    keys.rotate()
    assert calls == ["sync file", "rename", "sync folder"]
