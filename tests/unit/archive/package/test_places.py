"""A frame read from where it lies, past the heads of the blocks that it lies in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.archive.package.manifest import Place
from node.archive.package.source import FileSource
from node.archive.package.stream import BLOCK_BYTES, MemberStream
from node.archive.package.unzipping import read_place
from node.errors import Damaged

BEFORE = b"something that lies before the frame"
SIZES = (1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 200_001, 513 * BLOCK_BYTES)
"""The last asks for more buffers than one read fills."""


class InMemory:
    """A source that is no file."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.size = len(raw)

    def read_at(self, offset: int, length: int) -> bytes:
        return self._raw[offset : offset + length]


def lay(path: Path, size: int) -> tuple[bytes, Place]:
    """Write a frame as a run of a deflated member, with something before and behind it."""
    frame = os.urandom(size)
    with path.open("wb") as sink:
        stream = MemberStream(sink, deflated=True)
        stream.run(BEFORE)
        stream.run(frame, frame=True)
        stream.run(BEFORE)
        stream.finish()
    return frame, stream.places[0]


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_in_blocks_is_the_same_from_a_file_and_from_elsewhere(tmp_path: Path, size: int) -> None:
    path = tmp_path / "member"
    frame, place = lay(path, size)
    with FileSource(path) as source:
        assert read_place(source, place) == frame
    assert read_place(InMemory(path.read_bytes()), place) == frame


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_that_is_cut_off_or_changed_is_never_given(tmp_path: Path, size: int) -> None:
    path = tmp_path / "member"
    _, place = lay(path, size)
    whole = path.read_bytes()
    last = whole.rindex(BEFORE) - 6
    for damaged in (whole[:last], whole[:last] + bytes([whole[last] ^ 1]) + whole[last + 1 :]):
        path.write_bytes(damaged)
        with FileSource(path) as source, pytest.raises(Damaged):
            read_place(source, place)
