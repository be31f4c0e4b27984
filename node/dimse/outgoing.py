"""An instance on its way out: its bytes, written anew only as far as the remote AE needs it.

Source: DICOM PS3.4 B.3 (transfer syntaxes an SCU may send in).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.catalogue.exits import data_set_pieces
from node.catalogue.search import InstanceRow
from node.dicom.header import scan
from node.dicom.native import Piece
from node.dicom.part10 import read_part10
from node.dicom.recode import recode
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.errors import InvalidRequest
from node.node import Node
from node.store.regions import view_of, whole_of

NATIVE = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""What every AE takes one of; explicit first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One instance, read when its turn comes."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str
    read: Callable[[], Sequence[bytes | memoryview]]
    """Gives the data set in pieces, as this node would hand it out."""

    @property
    def syntaxes(self) -> tuple[str, ...]:
        """What it can go in, as stored first."""
        from node.imaging.decompress import can_be_native  # numpy, for whoever sends only

        others = NATIVE if can_be_native(self.transfer_syntax) else ()
        return (self.transfer_syntax, *(one for one in others if one != self.transfer_syntax))


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A data set as it goes."""

    pieces: Sequence[Piece]
    warning: str = ""
    """What could not be done for the remote AE."""


def outgoing_of(
    node: Node, row: InstanceRow, *, find: Callable[[InstanceRow], InstanceRow] | None = None
) -> Outgoing:
    """Give an instance of the catalogue, as it is corrected, as one to send.

    Parameters
    ----------
    find
        As `sending.InstanceSender` takes it.
    """

    def read() -> Sequence[bytes | memoryview]:
        return [view_of(piece) for piece in data_set_pieces(node, row if find is None else find(row))]

    return Outgoing(
        sop_class=row.sop_class,
        sop_uid=row.sop_uid,
        transfer_syntax=row.transfer_syntax,
        read=read,
    )


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
    InvalidRequest, NotFound
        It cannot be read or decompressed; of its frames the first one is tried.
    Unavailable
        The disk has no room, or no process to decode in is free.
    """
    read = one.read()
    warning = ""
    if charset:
        recoded = recode(whole_of(read, directory), one.transfer_syntax, charset)
        read = recoded.pieces if recoded.changed else read
        if not recoded.held:
            warning = f"its texts do not fit into {charset} and went as they are"
    if syntax == one.transfer_syntax:
        return Written(pieces=read, warning=warning)
    from node.imaging.decompress import native_pieces

    header = scan(whole_of(read, directory), one.transfer_syntax)
    return Written(pieces=native_pieces(header, explicit=syntax == EXPLICIT_LITTLE), warning=warning)
