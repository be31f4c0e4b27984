"""A data set written in a native syntax, whole, as a test wants it."""

from __future__ import annotations

from node.dicom.header import Header, scan
from node.dicom.native import Piece
from node.dicom.part10 import PREAMBLE, write_file_meta
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.imaging.decompress import native_pieces
from node.store.regions import Made


def joined(pieces: list[Piece]) -> bytes:
    """Make all pieces; each must be as long as it said."""
    return b"".join(piece.give() if isinstance(piece, Made) else piece for piece in pieces)


def written_native(data_set: bytes | memoryview, transfer_syntax: str, *, explicit: bool) -> bytes:
    """Write a data set anew."""
    return joined(native_pieces(scan(data_set, transfer_syntax), explicit=explicit))


def syntax_of(*, explicit: bool) -> str:
    """Give the syntax that `written_native` writes."""
    return EXPLICIT_LITTLE if explicit else IMPLICIT_LITTLE


def file_of(header: Header, data_set: bytes, transfer_syntax: str) -> bytes:
    """Write a DICOM file around a data set, its meta information as its header says."""
    meta = write_file_meta(
        sop_class=header.text(0x00080016), sop_uid=header.text(0x00080018), transfer_syntax=transfer_syntax
    )
    return PREAMBLE + meta + data_set
