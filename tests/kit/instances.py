"""Small valid DICOM data sets, written by hand so that a test can also write invalid ones.

`make_ct` gives a data set without meta information, `part10` a whole file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPEG_BASELINE, RLE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
UNDEFINED = 0xFFFFFFFF
_WIDTH = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "AT": "H"}

Value = str | bytes | int | float | Iterable[int | float]
Element = tuple[int, str, Value]
"""Tag, VR and value; the value of an SQ is the bytes of its items."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written."""

    explicit: bool = True
    little: bool = True

    @property
    def sign(self) -> str:
        return "<" if self.little else ">"

    def element(
        self, tag: int, vr: str, value: Value, *, charset: str = "ascii", length: int | None = None
    ) -> bytes:
        """Write one element; ``length`` overrides the true one, to lie with."""
        raw = self._bytes(vr, value, charset)
        said = len(raw) if length is None else length
        head = struct.pack(f"{self.sign}HH", tag >> 16, tag & 0xFFFF)
        if not self.explicit:
            return head + struct.pack(f"{self.sign}L", said) + raw
        if vr in LONG:
            return head + vr.encode() + b"\0\0" + struct.pack(f"{self.sign}L", said) + raw
        return head + vr.encode() + struct.pack(f"{self.sign}H", said) + raw

    def item(self, *elements: bytes, delimited: bool = False) -> bytes:
        """Write an item of a sequence, or a fragment."""
        body = b"".join(elements)
        if delimited:
            return self.mark(0xE000, UNDEFINED) + body + self.mark(0xE00D)
        return self.mark(0xE000, len(body)) + body

    def mark(self, number: int, length: int = 0) -> bytes:
        """Write an item tag or a delimiter."""
        return struct.pack(f"{self.sign}HHL", 0xFFFE, number, length)

    def sequence(self, tag: int, *items: bytes, delimited: bool = False, vr: str = "SQ") -> bytes:
        """Write a sequence of ready items."""
        body = b"".join(items)
        if delimited:
            return self.element(tag, vr, body + self.mark(0xE0DD), length=UNDEFINED)
        return self.element(tag, vr, body)

    def _bytes(self, vr: str, value: Value, charset: str) -> bytes:
        if isinstance(value, str):
            raw = value.encode(charset)
            return raw + (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)
        if isinstance(value, bytes):
            return value
        numbers = [value] if isinstance(value, int | float) else list(value)
        return b"".join(struct.pack(self.sign + _WIDTH[vr], number) for number in numbers)


LITTLE = Encoding()


def encoding_of(transfer_syntax: str) -> Encoding:
    """Give how a syntax writes elements."""
    return Encoding(explicit=transfer_syntax != IMPLICIT, little=transfer_syntax != BIG)


def make_ct(
    *,
    study_uid: str = "2.25.1",
    series_uid: str = "2.25.1.1",
    sop_uid: str = "2.25.1.1.1",
    number: int = 1,
    patient_id: str = "A-17",
    patient_name: str = "Zhang^San",
    accession: str = "",
    description: str = "Chest",
    study_date: str = "20260302",
    charset: str = "",
    python_charset: str = "ascii",
    transfer_syntax: str = EXPLICIT,
    rows: int = 4,
    columns: int = 4,
    pixels: bytes | None = None,
    change: Mapping[int, tuple[str, Value] | None] | None = None,
) -> bytes:
    """Make a CT slice's data set.

    Parameters
    ----------
    python_charset
        The codec in which texts are written; ``charset`` is what (0008,0005) says.
    change
        Elements to set, or to leave out (None), by tag.
    """
    elements: dict[int, tuple[str, Value] | None] = {
        0x00080005: ("CS", charset) if charset else None,
        0x00080016: ("UI", CT_IMAGE),
        0x00080018: ("UI", sop_uid),
        0x00080020: ("DA", study_date),
        0x00080030: ("TM", "101500"),
        0x00080050: ("SH", accession),
        0x00080060: ("CS", "CT"),
        0x00080090: ("PN", "Li^Si"),
        0x00081030: ("LO", description),
        0x0008103E: ("LO", "Axial"),
        0x00100010: ("PN", patient_name),
        0x00100020: ("LO", patient_id),
        0x00100030: ("DA", "19610405"),
        0x00100040: ("CS", "M"),
        0x00101010: ("AS", "064Y"),
        0x00180015: ("CS", "CHEST"),
        0x0020000D: ("UI", study_uid),
        0x0020000E: ("UI", series_uid),
        0x00200011: ("IS", "2"),
        0x00200013: ("IS", str(number)),
        0x00280002: ("US", 1),
        0x00280010: ("US", rows),
        0x00280011: ("US", columns),
        0x00280100: ("US", 16),
        0x00280101: ("US", 12),
        0x00280102: ("US", 11),
        0x00280103: ("US", 0),
        0x7FE00010: (
            "OW",
            gradient(rows, columns, little=transfer_syntax != BIG) if pixels is None else pixels,
        ),
    }
    elements.update(change or {})
    written = ((tag, *entry) for tag, entry in sorted(elements.items()) if entry is not None)
    return encode(written, transfer_syntax, charset=python_charset)


def encode(elements: Iterable[Element], transfer_syntax: str, *, charset: str = "ascii") -> bytes:
    """Write elements in a transfer syntax."""
    how = encoding_of(transfer_syntax)
    plain = b"".join(how.element(tag, vr, value, charset=charset) for tag, vr, value in elements)
    return deflate(plain) if transfer_syntax == DEFLATED else plain


def deflate(*plain: bytes) -> bytes:
    """Deflate without a header, as PS3.5 A.5 wants it."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return b"".join(map(stream.compress, plain)) + stream.flush()


def gradient(rows: int, columns: int, *, little: bool = True) -> bytes:
    """Give 12-bit pixels that are all different in a small image."""
    sign = "<" if little else ">"
    return struct.pack(f"{sign}{rows * columns}H", *(n % 4096 for n in range(rows * columns)))


def encapsulate(*fragments: bytes, table: bytes = b"") -> bytes:
    """Give the value of encapsulated pixel data: offset table, fragments, delimiter; to write with `UNDEFINED`."""
    return b"".join(LITTLE.item(part) for part in (table, *fragments)) + LITTLE.mark(0xE0DD)


def file_meta(
    *, sop_uid: str = "2.25.1.1.1", sop_class: str = CT_IMAGE, transfer_syntax: str = EXPLICIT
) -> bytes:
    """Write file meta information with its group length."""
    rest = (
        LITTLE.element(0x00020001, "OB", b"\0\1")
        + LITTLE.element(0x00020002, "UI", sop_class)
        + LITTLE.element(0x00020003, "UI", sop_uid)
        + LITTLE.element(0x00020010, "UI", transfer_syntax)
        + LITTLE.element(0x00020012, "UI", "2.25.99")
    )
    return LITTLE.element(0x00020000, "UL", len(rest)) + rest


def part10(
    data_set: bytes,
    *,
    sop_uid: str = "2.25.1.1.1",
    sop_class: str = CT_IMAGE,
    transfer_syntax: str = EXPLICIT,
) -> bytes:
    """Write a DICOM file."""
    meta = file_meta(sop_uid=sop_uid, sop_class=sop_class, transfer_syntax=transfer_syntax)
    return bytes(128) + b"DICM" + meta + data_set
