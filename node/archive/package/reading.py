"""A package read: what it holds, one frame of it, a member, an original again. PACKAGE.md has the format.

Stands alone: a package is read here without a node, a database or a key.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import struct
import threading
import zipfile
from bisect import bisect_right
from collections.abc import Iterator

from node.archive.package.manifest import (
    ARRIVALS,
    LARGE_BYTES,
    MANIFEST,
    ORIGINALS,
    Block,
    Instance,
    Manifest,
    member_name,
    read_manifest,
)
from node.archive.package.source import Seekable, Source, as_damaged, compare
from node.archive.package.unzipping import CHUNK_BYTES, Hashed, OriginalDigests, Unzipped, read_place
from node.archive.package.zip64 import HEAD_BYTES
from node.errors import Damaged, NotFound

MOST_MANIFEST_BYTES = 1 << 30
MOST_RECORDS_BYTES = 256 << 20
"""Of the records of one block, unpacked."""


class Package:
    """An open package; for any number of threads."""

    def __init__(self, source: Source) -> None:
        """Read its directory and manifest.

        Raises
        ------
        Damaged
            It is no whole package.
        """
        self.source = source
        with (
            as_damaged("its directory cannot be read"),
            zipfile.ZipFile(io.BufferedReader(Seekable(source))) as directory,
        ):
            self._members = {info.filename: info for info in directory.infolist()}
            self._begins = sorted(info.header_offset for info in directory.infolist())
            if self._info(MANIFEST).file_size > MOST_MANIFEST_BYTES:
                raise Damaged("Opening a package failed: its manifest is too large. Use its other copy.")
            self.manifest: Manifest = read_manifest(directory.read(MANIFEST))
        self._listed = self.manifest.numbered()
        self._lock = threading.Lock()
        self._records: tuple[Block, list[bytes]] | None = None

    @property
    def count(self) -> int:
        """How many instances it holds."""
        return len(self._listed)

    def instance(self, number: int) -> Instance:
        """Give what the manifest says of an instance, by its number from 1.

        Raises
        ------
        NotFound
            There are not so many.
        """
        if not 1 <= number <= len(self._listed):
            raise NotFound(
                f"Reading a package failed: it holds {len(self._listed)} instances. Name one of them."
            )
        return self._listed[number - 1][2]

    def find(self, sop_uid: str) -> int:
        """Give the number of the chosen content of an instance."""
        for number, _, each in self._listed:
            if each.sop_uid == sop_uid and each.state == "chosen":
                return number
        raise NotFound("Reading a package failed: it does not hold this instance. Look at its list.")

    def frame(self, number: int, frame: int) -> bytes | bytearray:
        """Give a frame as its member holds it, by one read.

        Raises
        ------
        NotFound
            There are not so many, or none lies in one run: restore the instance.
        Damaged
            It is not what was written.
        """
        places = self.instance(number).places
        if not 1 <= frame <= len(places):
            raise NotFound(f"Reading a frame failed: {len(places)} can be read alone. Restore the instance.")
        return read_place(self.source, places[frame - 1])

    def member(self, number: int) -> Iterator[bytes]:
        """Give a member as unzipped, in chunks.

        Raises
        ------
        Damaged
            At its end: it is not what was written.
        """
        read = Hashed(Unzipped(self.source, *self._content(member_name(number))))
        while chunk := read(CHUNK_BYTES):
            yield chunk
        compare(read.digest, self.instance(number).member)

    def original(self, number: int) -> Iterator[bytes]:
        """Give an original file in chunks: preamble, file meta, data set.

        Raises
        ------
        Damaged
            At its end: it is not what was archived.
        """
        from node.archive.package.members import (
            turned_back,  # with the codecs, which whoever only looks does not need
        )

        each = self.instance(number)
        read = Hashed(Unzipped(self.source, *self._content(member_name(number))))
        original = OriginalDigests(each.meta_bytes)
        for chunk in turned_back(read, self.record(number)):
            original.update(chunk)
            yield chunk
        compare(read.digest, each.member)
        compare(original.data_set, each.digest)

    def beginning(self, number: int) -> bytes:
        """Give the original up to the value of its pixel data; all of one as received that is not large.

        Nothing is decoded.

        Raises
        ------
        NotFound
            It is large, and something stands behind its pixels, or it has none: restore the instance.
        Damaged
            It is not what was written.
        """
        from node.archive.package.members import turned_beginning

        begins = self.instance(number).beginning
        content = self._content(member_name(number))
        if begins is not None:
            member = Unzipped(self.source, *content)(begins.size)
            compare(hashlib.sha256(member).hexdigest(), begins.digest)
        elif content[2] <= LARGE_BYTES:
            member = b"".join(self.member(number))
        else:
            raise NotFound("Reading a header failed: it is not apart from its pixels. Restore the instance.")
        return turned_beginning(member, self.record(number))

    def record(self, number: int) -> bytes:
        """Give what turns a member back; empty for one as received."""
        if not self.instance(number).syntax:
            return b""
        for block in self.manifest.originals:
            if block.first <= number < block.first + block.count:
                return self._block(block)[number - block.first]
        raise Damaged("Reading a package failed: a record is missing. Use its other copy.")

    def content(self, number: int) -> tuple[int, int, int, int]:
        """Give where the stored bytes of a member begin, its method, its size as unzipped, and that of its stored bytes."""
        return self._content(member_name(number))

    def extent(self, number: int) -> tuple[int, int]:
        """Give where a member begins in the file, and where what lies behind it does."""
        begin = self._info(member_name(number)).header_offset
        behind = bisect_right(self._begins, begin)
        return begin, self._begins[behind] if behind < len(self._begins) else self.source.size

    def stored_bytes(self, name: str) -> int:
        """Give how many bytes a member takes in the file."""
        return self._info(name).compress_size

    def arrivals(self) -> list[bytes]:
        """Give what was known of each instance's arrival: one JSON each."""
        raw = self._small(ARRIVALS)
        compare(hashlib.sha256(raw).hexdigest(), self.manifest.arrivals_digest)
        return raw.split(b"\n")[:-1]

    def check_originals(self) -> None:
        """Compare ``originals.xz`` with its digest; raises Damaged."""
        compare(hashlib.sha256(self._small(ORIGINALS)).hexdigest(), self.manifest.originals_digest)

    def _block(self, block: Block) -> list[bytes]:
        with self._lock:
            if self._records is None or self._records[0] != block:
                self._records = (block, self._read_block(block))
            return self._records[1]

    def _read_block(self, block: Block) -> list[bytes]:
        at, _, _, stored = self._content(ORIGINALS)
        if block.offset + block.size > stored:
            raise Damaged("Reading a package failed: its records are cut off. Use its other copy.")
        with as_damaged("its records are damaged"):
            unpack = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            raw = unpack.decompress(self.source.read_at(at + block.offset, block.size), MOST_RECORDS_BYTES)
            records, here = [], 0
            for _ in range(block.count):
                (length,) = struct.unpack_from("<L", raw, here)
                records.append(raw[here + 4 : here + 4 + length])
                here += 4 + length
        return records

    def _small(self, name: str) -> bytes:
        read = Unzipped(self.source, *self._content(name))
        return b"".join(iter(lambda: read(CHUNK_BYTES), b""))

    def _content(self, name: str) -> tuple[int, int, int, int]:
        """Give where a member's stored bytes begin, its method, its size, and theirs."""
        info = self._info(name)
        head = self.source.read_at(info.header_offset, HEAD_BYTES)
        names, extra = struct.unpack_from("<HH", head, 26)
        if head[:4] != b"PK\3\4":
            raise Damaged("Reading a package failed: its directory points elsewhere. Use its other copy.")
        at = info.header_offset + HEAD_BYTES + names + extra
        return at, info.compress_type, info.file_size, info.compress_size

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._members[name]
        except KeyError:
            raise Damaged(f"Reading a package failed: {name} is missing. Use its other copy.") from None
