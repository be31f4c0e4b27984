"""A folder as a store: what is there after a power cut, a full disk, a disk that is not mounted."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from node.archive.stores.described import DescribedStore
from node.archive.stores.folder import FolderStore, forget
from node.archive.stores.opening import open_store, prepare_store
from node.archive.stores.port import MARKER
from node.errors import Conflict, InvalidRequest, NotFound, Unavailable
from tests.kit.archive_stores import content_of, file_with
from tests.kit.clock import FrozenClock
from tests.kit.planting import planted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.fixture
def store(root: Path) -> FolderStore:
    found = FolderStore("cellar", root)
    found.prepare()
    return found


def files_in(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - {MARKER}


def order_of_calls(monkeypatch: pytest.MonkeyPatch, store: FolderStore, disk: Path) -> list[str]:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append("sync folder" if name.is_dir() else f"sync {name.suffix}")
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(self, target)

    given = file_with(disk, b"x")
    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    store.put(*given)
    return calls


SYNCED = ["sync folder", "sync .part", "rename", "sync folder"]


def test_a_package_is_synced_before_it_has_its_name(
    store: FolderStore, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert order_of_calls(monkeypatch, store, disk) == SYNCED


def test_a_planted_missing_sync_of_a_store_is_caught(
    store: FolderStore, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "no-store-sync")
    assert order_of_calls(monkeypatch, store, disk) != SYNCED


@pytest.fixture
def on_a_disk() -> Iterator[Path]:
    """Give a file's place on a disk, which those of other tests need not be."""
    with TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder) / "package"


def test_reading_back_is_from_the_disk(on_a_disk: Path) -> None:
    assert not remembered_after_forgetting(on_a_disk)


def test_planted_reading_back_from_memory_is_caught(on_a_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "verify-from-cache")
    assert remembered_after_forgetting(on_a_disk)


def remembered_after_forgetting(path: Path) -> bool:
    """Say whether the kernel still has a file in memory that was to be read from the disk."""
    path.write_bytes(b"\7" * (1 << 20))
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
        forget(path)
        try:
            return os.preadv(descriptor, [bytearray(4096)], 0, os.RWF_NOWAIT) == 4096
        except BlockingIOError:
            return False
    finally:
        os.close(descriptor)


def refuse_writes(monkeypatch: pytest.MonkeyPatch, code: int, *, after_bytes: int) -> None:
    write, left = os.write, [after_bytes]

    def refused(descriptor: int, content: bytes) -> int:
        if left[0] <= 0:
            raise OSError(code, os.strerror(code))
        left[0] -= len(content)
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", refused)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so_and_keeps_nothing_of_it(
    store: FolderStore, root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    given = file_with(disk, content_of(3 << 20))
    refuse_writes(monkeypatch, code, after_bytes=1 << 20)
    with pytest.raises(Unavailable, match="'cellar' failed: it is full"):
        store.put(*given)
    assert files_in(root) == set()


def test_a_full_disk_leaves_what_had_the_name(
    store: FolderStore, root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = content_of(3 << 20)
    digest, file = file_with(disk, content)
    stored = store.put(digest, file)
    refuse_writes(monkeypatch, errno.ENOSPC, after_bytes=1 << 20)
    with pytest.raises(Unavailable):
        store.put(digest, file)
    assert files_in(root) == {f"{digest[:2]}/{digest}"}
    assert b"".join(store.read_back(stored)) == content


def test_a_disk_that_may_only_be_read_says_so_and_is_read(
    store: FolderStore, root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store.put(*file_with(disk, b"x"))
    opened = os.open

    def read_only(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(Unavailable, match="it may only be read"):
        store.put(*file_with(disk, b"y"))
    assert list(store.names()) == [stored.stored_name]
    assert b"".join(store.read_back(stored)) == b"x"


def test_a_disk_that_fails_while_it_is_read_is_unavailable(
    store: FolderStore, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store.put(*file_with(disk, b"x"))
    file = store.open(stored)

    def failing(*_: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(Unavailable, match="Input/output error"):
        file.read_at(0, 1)
    file.close()


def writes_when_not_mounted(store: FolderStore, root: Path, disk: Path) -> bool:
    """Say whether a store writes into the folder where a disk should be mounted."""
    away = root.rename(root.with_name("away"))
    root.mkdir()
    try:
        store.put(*file_with(disk, b"x"))
    except Unavailable:
        return files_in(root) != set()
    finally:
        if not files_in(root):
            root.rmdir()
            away.rename(root)
    return True


def test_nothing_is_written_where_no_disk_is_mounted(store: FolderStore, root: Path, disk: Path) -> None:
    assert not writes_when_not_mounted(store, root, disk)
    assert store.put(*file_with(disk, b"x"))


def test_a_planted_marker_that_is_ignored_is_caught(
    store: FolderStore, root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "store-marker-ignored")
    assert writes_when_not_mounted(store, root, disk)


@pytest.mark.parametrize("mount_point", ["empty", "none", "another store's"])
def test_a_store_that_is_away_says_nothing_about_what_it_holds(
    store: FolderStore, root: Path, disk: Path, mount_point: str
) -> None:
    stored = store.put(*file_with(disk, b"x"))
    away = root.rename(root.with_name("away"))
    if mount_point != "none":
        root.mkdir()
    if mount_point == "another store's":
        FolderStore("attic", root).prepare()
    asked = [
        lambda: store.open(stored),
        lambda: list(store.read_back(stored)),
        lambda: store.remove(stored.stored_name),
        lambda: list(store.names()),
        store.room,
    ]
    for ask in asked:
        with pytest.raises(Unavailable, match=r"[Mm]ount"):
            ask()
    for path in sorted(root.rglob("*")):
        path.unlink()
    if root.exists():
        root.rmdir()
    away.rename(root)
    assert b"".join(store.read_back(stored)) == b"x"


def test_a_disk_that_goes_while_it_is_listed_is_not_a_short_list(
    store: FolderStore, root: Path, disk: Path
) -> None:
    for n in range(3):
        store.put(*file_with(disk, str(n).encode()))
    listing = store.names()
    next(listing)
    root.rename(root.with_name("away"))
    root.mkdir()
    with pytest.raises(Unavailable):
        list(listing)


def test_a_store_is_prepared_once_and_never_over_another(root: Path) -> None:
    for _ in range(2):
        FolderStore("cellar", root).prepare()
    with pytest.raises(Conflict, match="is store 'cellar'"):
        FolderStore("attic", root).prepare()
    assert (root / MARKER).read_text() == "cellar\n"
    with pytest.raises(NotFound, match="Make or mount it"):
        FolderStore("cellar", root / "nothing").prepare()


def test_damage_under_a_name_is_replaced_by_putting_again(store: FolderStore, root: Path, disk: Path) -> None:
    digest, file = file_with(disk, content_of(1000))
    stored = store.put(digest, file)
    (root / digest[:2] / digest).write_bytes(b"rot")
    store.put(digest, file)
    assert b"".join(store.read_back(stored)) == content_of(1000)


def test_what_a_writer_that_died_left_is_swept_and_never_listed(
    store: FolderStore, root: Path, disk: Path
) -> None:
    digest, file = file_with(disk, content_of(3 << 20))
    script = (
        "import os, sys; from pathlib import Path; from node.archive.stores.folder import FolderStore;"
        "os.fsync = lambda _: os.kill(os.getpid(), 9) if os.path.getsize(f'/proc/self/fd/{_}') > 9999 else None;"
        "FolderStore('cellar', Path(sys.argv[1])).put(sys.argv[2], Path(sys.argv[3]))"
    )
    died = subprocess.run([sys.executable, "-c", script, str(root), digest, str(file)], check=False)
    assert died.returncode == -9
    (left,) = files_in(root)
    assert left.endswith(".part")
    assert list(store.names()) == []
    store.put(digest, file)
    assert files_in(root) == {f"{digest[:2]}/{digest}"}


def test_strange_files_in_the_folder_are_not_packages(store: FolderStore, root: Path, disk: Path) -> None:
    stored = store.put(*file_with(disk, b"x"))
    (root / "lost+found").mkdir()
    (root / "README").write_text("see the runbook")
    (root / stored.stored_name[:2] / "Thumbs.db").write_bytes(b"")
    assert list(store.names()) == [stored.stored_name]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("name", {"name": "Cellar"}),
        ("name", {"name": "a" * 17}),
        ("name", {"name": "../x"}),
        ("path", {"path": "archive"}),
        ("path", {"path": ""}),
        ("slow_minutes", {"slow_minutes": -1}),
        ("storage_class", {"storage_class": "STANDARD_IA"}),
    ],
)
def test_what_cannot_work_is_refused_by_the_field_s_name(
    tmp_path: Path, field: str, change: dict[str, str | int]
) -> None:
    given: dict[str, str | int] = {"name": "cellar", "path": str(tmp_path), **change}
    described = DescribedStore(kind="folder", **given)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match=f"Reading {field} of archive store"):
        open_store(described, tmp_path, FrozenClock())
    with pytest.raises(InvalidRequest):
        prepare_store(described, tmp_path)
