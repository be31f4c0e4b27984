from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from node.dimse.spool import MEMORY_BYTES, Spool
from node.errors import Unavailable


def free(_: int) -> None:
    return


def full(_: int) -> None:
    raise Unavailable("Storing an instance was refused: the disk is full. Free some space.")


def fragments(size: int) -> list[bytes]:
    whole = hashlib.shake_128(b"phantom").digest(size)
    return [whole[at : at + 100_000] for at in range(0, size, 100_000)]


def taken(spool: Spool, parts: list[bytes]) -> bytes:
    for part in parts:
        assert spool.write(part) == len(part)
    return bytes(spool.view())


def test_a_small_data_set_stays_in_memory(tmp_path: Path) -> None:
    parts = fragments(MEMORY_BYTES)
    spool = Spool(tmp_path, full)
    assert taken(spool, parts) == b"".join(parts)
    assert spool.refusal is None


def test_a_large_data_set_goes_to_a_file_without_a_name(tmp_path: Path) -> None:
    parts = fragments(MEMORY_BYTES * 3 + 1)
    spool = Spool(tmp_path, free)
    assert taken(spool, parts) == b"".join(parts)
    assert list(tmp_path.iterdir()) == []
    assert len(spool.getvalue()) == 0


def test_the_bytes_outlive_the_spool_while_somebody_looks(tmp_path: Path) -> None:
    for size in (10, MEMORY_BYTES * 2):
        parts = fragments(size)
        spool = Spool(tmp_path, free)
        taken(spool, parts)
        view = spool.view()
        spool.close()
        del spool
        assert bytes(view) == b"".join(parts)


def test_an_empty_one_is_empty(tmp_path: Path) -> None:
    assert taken(Spool(tmp_path, full), []) == b""


def test_a_disk_at_its_reserve_is_said_and_the_rest_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, full)
    assert taken(spool, fragments(MEMORY_BYTES * 4)) == b""
    assert spool.refusal is not None
    assert spool.refusal.dimse == 0xA700
    assert spool.size == MEMORY_BYTES * 4


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "gone", free)
    assert taken(spool, fragments(MEMORY_BYTES * 2)) == b""
    assert "No such file" in str(spool.refusal)


def test_a_disk_that_fails_in_the_middle_is_said_and_the_rest_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    spool = Spool(tmp_path, free)
    for part in fragments(MEMORY_BYTES * 2):
        assert spool.write(part) == len(part)
    assert "does not take it (No space left on device)" in str(spool.refusal)
    assert bytes(spool.view()) == b""
