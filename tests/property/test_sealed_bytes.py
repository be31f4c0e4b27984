"""Any read of a sealed file gives what was written; any change of its bytes is caught."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import Damaged
from node.keys.sealed import CHUNK_BYTES, SealedFile, SealedWriter, open_sealed

CONTENT = hashlib.shake_128(b"content").digest(2 * CHUNK_BYTES + 12_345)
SIZE = 16 + len(CONTENT) + 3 * 16
offsets = st.integers(0, len(CONTENT) + 10)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedFile]:
    with SealedWriter(tmp_path_factory.mktemp("sealed") / "file") as writer:
        writer.write(CONTENT)
        yield writer.finish()


def reads_whole(path: Path, key: str) -> bool:
    try:
        with open_sealed(path, key) as reader:
            return reader.read() == CONTENT
    except Damaged:
        return False


@settings(max_examples=60, deadline=None)
@given(reads=st.lists(st.tuples(offsets, st.integers(0, CHUNK_BYTES + 5)), min_size=1, max_size=5))
def test_any_reads_in_any_order_give_what_was_written(
    sealed: SealedFile, reads: list[tuple[int, int]]
) -> None:
    with open_sealed(sealed.path, sealed.key) as reader:
        for offset, size in reads:
            assert reader.read_at(offset, size) == CONTENT[offset : offset + size]
            reader.seek(offset)
            assert reader.read(size) == CONTENT[offset : offset + size]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, SIZE - 1), mask=st.integers(1, 255))
def test_any_changed_byte_is_caught(sealed: SealedFile, at: int, mask: int) -> None:
    raw = bytearray(sealed.path.read_bytes())
    raw[at] ^= mask
    changed = sealed.path.with_name("changed")
    changed.write_bytes(raw)
    assert not reads_whole(changed, sealed.key)
    assert reads_whole(sealed.path, sealed.key)


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, SIZE), length=st.integers(1, 2 * CHUNK_BYTES), to=st.integers(0, SIZE))
def test_any_bytes_cut_out_or_moved_are_caught(sealed: SealedFile, start: int, length: int, to: int) -> None:
    raw = sealed.path.read_bytes()
    piece, rest = raw[start : start + length], raw[:start] + raw[start + length :]
    for changed in (rest, rest[:to] + piece + rest[to:], raw[:to] + piece + raw[to:]):
        path = sealed.path.with_name("changed")
        path.write_bytes(changed)
        assert reads_whole(path, sealed.key) == (changed == raw)
