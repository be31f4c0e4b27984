"""An instance as a DICOM file in explicit VR little endian, made while it is sent.

Source: DICOM PS3.18 8.7.3.5, PS3.10 7.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from node.catalogue.exits import read_leaving
from node.catalogue.fresh import read_fresh
from node.catalogue.search import InstanceRow
from node.dicom import native
from node.dicom.header import Header
from node.dicom.part10 import PREAMBLE, write_file_meta
from node.dicom.syntax import EXPLICIT_LITTLE
from node.errors import InvalidRequest, NotFound
from node.imaging.decompress import native_pieces
from node.imaging.pixels import NoPicture
from node.node import Node
from node.store import regions
from web.dicomweb.gathering import CHUNK_BYTES
from web.dicomweb.pieces import Made, Piece
from web.threads import Threads


def explicit_file(node: Node, held: InstanceRow, heavy: Threads) -> list[Piece]:
    """Give it in pieces; its frames are decoded in ``heavy``, each when its turn comes, the first one at once.

    Raises
    ------
    NoPicture
        It cannot be decoded.
    """
    meta = write_file_meta(sop_class=held.sop_class, sop_uid=held.sop_uid, transfer_syntax=EXPLICIT_LITTLE)
    header = read_fresh(node, held, partial(read_leaving, node))
    found: list[Piece] = [PREAMBLE + meta]
    for piece in _pieces(header):
        match piece:
            case regions.Made():
                found.append(Made(length=piece.length, make=piece.make, threads=heavy))
            case memoryview():
                found += _in_parts(piece, heavy)
            case _:
                found.append(piece)
    return found


def _pieces(header: Header) -> list[native.Piece]:
    """Give the data set; what cannot be taken apart is no mistake in the request."""
    try:
        return native_pieces(header, explicit=True)
    except (InvalidRequest, NotFound) as error:
        raise NoPicture(error.message) from error


def _in_parts(value: memoryview, heavy: Threads) -> Iterator[Made]:
    """Give a long value in parts that are copied from where it lies, each when its turn comes."""
    for at in range(0, len(value), CHUNK_BYTES):
        part = value[at : at + CHUNK_BYTES]
        yield Made(length=len(part), make=partial(bytes, part), threads=heavy)
