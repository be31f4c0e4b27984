"""The bytes of one ZIP member as they come: deflated where that pays, and frames where one read finds them.

A member is one deflate stream. Texts are deflated and flushed to a byte's end; frames that deflate gains
nothing from are stored blocks of the same stream, five bytes before each 65,535. Any unzip reads the whole,
and a frame lies in one run of the file all the same.

Source: RFC 1951 3.2.3, 3.2.4 (stored blocks); ZIP APPNOTE 4.4.5 (methods 0 and 8).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import BinaryIO

from isal.isal_zlib import crc32

from node.archive.package.manifest import Place
from node.names import Digest

STORED, DEFLATED = 0, 8
BLOCK_BYTES = 65535
BLOCK_HEAD_BYTES = 5
LEVEL, BEST = 6, 9
_END = b"\1\0\0\xff\xff"
"""An empty last block."""

Bytes = bytes | bytearray | memoryview


class MemberStream:
    """Writes the content of one member to a file of its own; places count from that file's beginning."""

    def __init__(self, sink: BinaryIO, *, deflated: bool) -> None:
        self.places: list[Place] = []
        self.method = DEFLATED if deflated else STORED
        self.size = 0
        """As unzipped."""
        self.stored = 0
        """As written."""
        self.crc = 0
        self._sink = sink
        self._hash = hashlib.sha256()

    def text(self, content: Bytes, *, frame: bool = False, packed: bytes | None = None) -> None:
        """Write what deflate gains from; ``packed`` is `deflate_run` of it where that is known."""
        if self.method == STORED:
            self.run(content, frame=frame)
            return
        run = deflate_run(content) if packed is None else packed
        if frame:
            self._place(content, how=len(run))
        self._took(content)
        self._write(run)

    def run(self, content: Bytes, *, frame: bool = False) -> None:
        """Write what is to be read from its place."""
        if frame:
            self._place(content, how=1 if self.method == DEFLATED else 0)
        self._took(content)
        if self.method == STORED:
            self._write(content)
            return
        view = memoryview(content)
        for at in range(0, len(view), BLOCK_BYTES):
            block = view[at : at + BLOCK_BYTES]
            self._write(struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF))
            self._write(block)

    def finish(self) -> Digest:
        """End the stream and give the digest of what was written into it."""
        if self.method == DEFLATED:
            self._write(_END)
        return Digest(self._hash.hexdigest())

    def _place(self, content: Bytes, *, how: int) -> None:
        self.places.append(Place(self.stored, len(content), crc32(content), how))

    def _took(self, content: Bytes) -> None:
        self.crc = crc32(content, self.crc)
        self._hash.update(content)
        self.size += len(content)

    def _write(self, content: Bytes) -> None:
        self._sink.write(content)
        self.stored += len(content)


def deflate_run(content: Bytes, *, level: int = LEVEL) -> bytes:
    """Deflate something to a byte's end, without ending the stream."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(content) + deflate.flush(zlib.Z_FULL_FLUSH)
