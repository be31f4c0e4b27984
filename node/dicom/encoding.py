"""Writing elements as a data set writes its own: explicit or implicit VR, either order of bytes. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from node.dicom.walk import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, UNDEFINED

_LONGEST_SHORT = 0xFFFE
_PADDED_BY_SPACE = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"]
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written.

    Source: DICOM PS3.5 7.1, 7.3, 7.5.
    """

    explicit: bool
    little: bool

    def element(self, tag: int, vr: str, value: bytes, *, length: int | None = None) -> bytes:
        """Write an element; its value is padded to an even length.

        Parameters
        ----------
        length
            ``UNDEFINED`` for a sequence that ends by its delimiter, which is then part of the value.
        """
        if length is not None:
            return self.head(tag, vr, length) + value
        even = _even(value, vr)
        return self.head(tag, vr, len(even)) + even

    def head(self, tag: int, vr: str, length: int) -> bytes:
        """Write tag, VR and length; a value too long for its VR's length is said to be UN (PS3.5 6.2.2)."""
        start = struct.pack(f"{self._sign}HH", tag >> 16, tag & 0xFFFF)
        if not self.explicit:
            return start + struct.pack(f"{self._sign}L", length)
        code = vr.encode()
        if code not in LONG_VRS and length > _LONGEST_SHORT:
            code = b"UN"
        if code in LONG_VRS:
            return start + code + b"\0\0" + struct.pack(f"{self._sign}L", length)
        return start + code + struct.pack(f"{self._sign}H", length)

    def item(self, content: bytes, *, delimited: bool = False) -> bytes:
        """Write an item of a sequence."""
        if delimited:
            return self.mark(ITEM, UNDEFINED) + content + self.mark(ITEM_END)
        return self.mark(ITEM, len(content)) + content

    def mark(self, tag: int, length: int = 0) -> bytes:
        """Write an item's tag or a delimiter."""
        return struct.pack(f"{self._sign}HHL", tag >> 16, tag & 0xFFFF, length)

    @property
    def end(self) -> bytes:
        """The delimiter of a sequence of undefined length."""
        return self.mark(SEQUENCE_END)

    def number(self, value: int) -> bytes:
        """Write a UL."""
        return struct.pack(f"{self._sign}L", value)

    @property
    def _sign(self) -> str:
        return "<" if self.little else ">"


def padding_of(vr: str) -> bytes:
    """Give the byte that makes the length of a value even.

    Source: DICOM PS3.5 6.2.
    """
    return b" " if vr in _PADDED_BY_SPACE else b"\0"


def _even(value: bytes, vr: str) -> bytes:
    return value + padding_of(vr) * (len(value) % 2)
