"""An instance on its way out: its bytes, written anew only as far as the remote AE needs it.

Source: DICOM PS3.4 B.3 (transfer syntaxes an SCU may send in).
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.dicom.header import scan
from node.dicom.part10 import read_part10
from node.dicom.plain import write_plain
from node.dicom.recode import recode
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.errors import InvalidRequest, Unavailable

Piece = bytes | memoryview
PLAIN = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""What every AE takes one of; explicit first."""
_IN_MEMORY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One instance, read when its turn comes."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str
    read: Callable[[], Sequence[Piece]]
    """Gives the data set in pieces, as this node would hand it out."""

    @property
    def syntaxes(self) -> tuple[str, ...]:
        """What it can go in, as stored first."""
        from node.imaging.decompress import can_be_plain  # numpy, for whoever sends only

        others = PLAIN if can_be_plain(self.transfer_syntax) else ()
        return (self.transfer_syntax, *(one for one in others if one != self.transfer_syntax))


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A data set as it goes."""

    pieces: Sequence[Piece]
    warning: str = ""
    """What could not be done for the remote AE."""


def outgoing_file(file: bytes) -> Outgoing:
    """Give a DICOM file as an instance to send.

    Raises
    ------
    InvalidRequest
        It is none, or does not say its SOP class and instance.
    """
    read = read_part10(file)
    if not (read.sop_class and read.sop_uid):
        raise InvalidRequest(
            "Sending a file was refused: it does not say its SOP class and instance. Export it again."
        )
    return Outgoing(
        sop_class=read.sop_class,
        sop_uid=read.sop_uid,
        transfer_syntax=read.transfer_syntax,
        read=lambda: (read.data_set,),
    )


def write_for(one: Outgoing, *, syntax: str, charset: str, directory: Path) -> Written:
    """Write an instance in the syntax and character set of a remote AE, changing nothing that need not be.

    Parameters
    ----------
    directory
        Where what is too large for memory lies meanwhile, in files without names.

    Raises
    ------
    InvalidRequest
        It cannot be read or decompressed.
    Unavailable
        The disk has no room, or decoding takes too long.
    """
    pieces = one.read()
    warning = ""
    if charset:
        recoded = recode(_whole(pieces, directory), one.transfer_syntax, charset)
        pieces = recoded.pieces if recoded.changed else pieces
        if not recoded.held:
            warning = f"its texts do not fit into {charset} and went as they are"
    if syntax != one.transfer_syntax:
        from node.imaging.decompress import decompressed

        header = scan(_whole(pieces, directory), one.transfer_syntax)
        replaced = decompressed(header, directory)
        pieces = tuple(write_plain(header, explicit=syntax == EXPLICIT_LITTLE, replaced=replaced))
    return Written(pieces=pieces, warning=warning)


def _whole(pieces: Sequence[Piece], directory: Path) -> Piece:
    """Give pieces as one: a single one as it is, small ones joined, large ones in a file."""
    if len(pieces) == 1:
        return pieces[0]
    if sum(map(len, pieces)) <= _IN_MEMORY_BYTES:
        return b"".join(pieces)
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            size = os.fstat(file.fileno()).st_size
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    except OSError as error:
        raise Unavailable(
            f"Sending an instance failed: the disk does not take it ({error.strerror}). Free some space, try again."
        ) from error
