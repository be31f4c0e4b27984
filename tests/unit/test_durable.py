"""A file is there whole, or what stood there before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from node.durable import put_file

IN_ORDER = ["sync .part", "rename", "sync folder"]


def order_of_effects(folder: Path, monkeypatch: pytest.MonkeyPatch, *, synced: bool = True) -> list[str]:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append("sync folder" if name == folder else f"sync {name.suffix}")
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    put_file(folder / "rules.json", b"{}", synced=synced)
    return calls


def test_bytes_are_synced_before_the_name_and_the_name_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert order_of_effects(tmp_path, monkeypatch) == IN_ORDER


def test_a_planted_file_without_its_sync_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of_effects(tmp_path, monkeypatch, synced=False) != IN_ORDER


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_disk_that_fails_leaves_what_stood_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a.pdf"
    put_file(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(*{"fsync": (os, "fsync", fail), "rename": (Path, "rename", fail)}[call])
    with pytest.raises(OSError, match="no space"):
        put_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_has_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys"
    put_file(path, b"new", mode=mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"
