"""A command and its data set while they are being spoiled, and large things to spoil them with."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import cache

from node.dicom.header import scan
from node.dicom.walk import Element
from tests.kit.instances import DEFLATED, EXPLICIT, UNDEFINED, Encoding, deflate, encoding_of

PIXELS = 0x7FE00010
BOMB_BYTES = 66 << 20


@dataclass(frozen=True, slots=True)
class Spoiled:
    """What a command and its data set say."""

    transfer_syntax: str
    data_set: bytes
    sop_class: str
    sop_uid: str

    @property
    def how(self) -> Encoding:
        return encoding_of(self.transfer_syntax)

    @property
    def plain(self) -> bytes:
        """The data set, inflated."""
        if self.transfer_syntax != DEFLATED:
            return self.data_set
        return zlib.decompress(self.data_set, wbits=-zlib.MAX_WBITS)

    def elements(self) -> list[tuple[int, Element]]:
        return list(
            scan(
                self.plain, EXPLICIT if self.transfer_syntax == DEFLATED else self.transfer_syntax
            ).elements.items()
        )

    def saying(self, plain: bytes) -> Spoiled:
        """Give it with another data set, deflated where the syntax says so."""
        return replace(self, data_set=deflate(plain) if self.transfer_syntax == DEFLATED else plain)

    def inserted(self, *raw: bytes, before: int = 0x00100010) -> Spoiled:
        """Put elements where their tag belongs, or elsewhere."""
        at = next((e.start for tag, e in self.elements() if tag >= before), len(self.plain))
        return self.saying(self.plain[:at] + b"".join(raw) + self.plain[at:])


@cache
def nest(explicit: bool, little: bool, depth: int, vr: str, tag: int, delimited: bool) -> bytes:
    """Write a sequence in a sequence; heads first, so that ten thousand levels cost no more than their bytes."""
    how = Encoding(explicit=explicit, little=little)
    if depth > 100:
        heads = [how.element(tag, vr, b"", length=UNDEFINED) + how.mark(0xE000, UNDEFINED)] * depth
        if not delimited:
            one = len(how.element(tag, vr, b"")) + 8
            lengths = [one * left + 8 for left in range(depth, 0, -1)]
            heads = [
                how.element(tag, vr, b"", length=n - one + 8) + how.mark(0xE000, n - one) for n in lengths
            ]
            return b"".join(heads) + bytes(8)
        return b"".join(heads) + (how.mark(0xE00D) + how.mark(0xE0DD)) * depth
    inner = how.element(0x00100010, "PN", "A^B ")
    for _ in range(depth):
        inner = how.sequence(tag, how.item(inner, delimited=delimited), delimited=delimited, vr=vr)
    return inner


def bomb(one: Spoiled) -> bytes:
    """Deflate an instance with a very large black image: a stream goes on where another was flushed."""
    how = Encoding()
    head = b"".join(one.plain[e.start : e.offset + e.length] for t, e in one.elements() if t < PIXELS)
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    pixels = how.element(PIXELS, "OW", b"", length=BOMB_BYTES)
    return stream.compress(head + pixels) + stream.flush(zlib.Z_SYNC_FLUSH) + _zeros()


@cache
def _zeros() -> bytes:
    return deflate(*[bytes(1 << 20)] * (BOMB_BYTES >> 20))
