"""An instance as a DICOM file in explicit VR little endian, made while it is sent.

Source: DICOM PS3.18 8.7.3.5, PS3.10 7.1.
"""

from __future__ import annotations

from functools import partial

from node.catalogue.exits import read_leaving
from node.catalogue.fresh import read_fresh
from node.catalogue.search import InstanceRow
from node.dicom.header import Header
from node.dicom.part10 import PREAMBLE, write_file_meta
from node.dicom.syntax import EXPLICIT_LITTLE
from node.errors import InvalidRequest, NotFound
from node.imaging import transcode
from node.imaging.pixels import NoPicture
from node.node import Node
from web.dicomweb.stream import Made, Piece
from web.threads import Threads

KEPT_BYTES = 64 << 10
"""Longer values stay where they lie until their turn comes."""


def explicit_file(node: Node, held: InstanceRow, heavy: Threads) -> list[Piece]:
    """Give it in pieces; its frames are decoded in ``heavy``, each when its turn comes, the first one at once.

    Raises
    ------
    NoPicture
        It cannot be decoded.
    """
    meta = write_file_meta(sop_class=held.sop_class, sop_uid=held.sop_uid, transfer_syntax=EXPLICIT_LITTLE)
    header = read_fresh(node.database, held, partial(read_leaving, node))
    found: list[Piece] = []
    gathered = [PREAMBLE, meta]
    proven = False
    for piece in _pieces(header):
        if isinstance(piece, transcode.Made):
            made = (
                piece.make if proven else partial(_given, piece.make())
            )  # what fails, fails before an answer begins
            proven = True
            found += [b"".join(gathered), Made(length=piece.size, make=made, threads=heavy)]
            gathered = []
        elif len(piece) > KEPT_BYTES:
            found += [b"".join(gathered), Made(length=len(piece), make=partial(bytes, piece), threads=heavy)]
            gathered = []
        else:
            gathered.append(bytes(piece))
    return [*found, b"".join(gathered)]


def _pieces(header: Header) -> list[transcode.Piece]:
    """Give the data set; what cannot be taken apart is no mistake in the request."""
    try:
        return transcode.as_explicit(header)
    except (InvalidRequest, NotFound) as error:
        raise NoPicture(error.message) from error


def _given(content: bytes) -> bytes:
    return content
