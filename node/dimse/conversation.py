"""Messages of one association as they go out, data sets and all, and the commands that come back meanwhile.

A data set goes from its file through one buffer to the socket: fragments are
cut in place, and their headers stand between them in one system call.

Source: DICOM PS3.8 9.3.5, Annex E; PS3.7 6.3.
"""

from __future__ import annotations

from collections.abc import Callable

from node.dimse.commands import MAX_COMMAND_BYTES, Command, read_command
from node.dimse.connection import MAX_PDU_BYTES, PDU_DEADLINE_S, Bytes, Connection, HungUp
from node.dimse.items import Malformed, Reason
from node.dimse.upper_layer import COMMAND, LAST, PDU_HEADER, PDV_HEADER, Pdu, write_command
from node.errors import Damaged

MAX_IDENTIFIER_BYTES = 1 << 20
"""What is asked by a query or retrieval: a list of some 15,000 UIDs."""
BUFFER_BYTES = 1 << 20
_MOST_PIECES = 500
_UNLIMITED_PDU = MAX_PDU_BYTES
"""How long our PDUs are for a peer that takes any."""

Fill = Callable[[memoryview], int]
"""Puts the next bytes of a data set into a place; gives how many, which is fewer than fit only at the end."""


class Conversation:
    """Writes messages to a connection and reads commands from it; for the thread that serves it."""

    def __init__(self, connection: Connection, *, peer_takes: int) -> None:
        """Begin one.

        Parameters
        ----------
        peer_takes
            The longest PDU that the peer reads, in bytes; 0 for any.
        """
        self._connection = connection
        self._takes = peer_takes
        self._room = max((peer_takes or _UNLIMITED_PDU) - PDV_HEADER.size, 1)
        self._buffers: list[bytearray] = []
        """One that goes out, and one into which what comes next is read meanwhile."""

    def command(self, context: int, command: bytes) -> bytes:
        """Give a message without a data set as it goes out."""
        return write_command(context, command, self._takes)

    def written(self, context: int, command: bytes, data_set: bytes) -> bytes:
        """Give a message with a short data set as it goes out, for whoever sends several at once."""
        room = self._room
        fragments = [
            _header(context, len(data_set[at : at + room]), last=at + room >= len(data_set))
            + data_set[at : at + room]
            for at in range(0, max(len(data_set), 1), room)
        ]
        return write_command(context, command, self._takes) + b"".join(fragments)

    def send_written(self, messages: bytes | bytearray) -> None:
        """Send what `command` and `written` gave."""
        self._connection.send(messages)

    def read_ahead(self, fill: Fill, size: int) -> memoryview:
        """Read the beginning of the next data set, while the peer is busy with this one; for `send_instance`."""
        return _filled(memoryview(self._buffer(1)), fill, size)

    def send_instance(
        self, context: int, command: bytes, fill: Fill, size: int, *, begun: memoryview | None = None
    ) -> None:
        """Send a message with a data set of ``size`` bytes.

        Parameters
        ----------
        begun
            What `read_ahead` gave of it.

        Raises
        ------
        Damaged
            The data set ended too early; the association must end, since its message has no end.
        """
        if begun is not None:
            self._buffers.reverse()
        buffer = memoryview(self._buffer(0))
        pieces: list[Bytes] = [write_command(context, command, self._takes)]
        full = _header(context, self._room, last=False)
        left = size
        while left or pieces:
            chunk = begun if begun is not None else _filled(buffer, fill, left)
            begun = None
            left -= len(chunk)
            for at in range(0, max(len(chunk), 1), self._room):
                piece = chunk[at : at + self._room]
                last = not left and at + self._room >= len(chunk)
                pieces.append(
                    full if len(piece) == self._room and not last else _header(context, len(piece), last=last)
                )
                pieces.append(piece)
            self._connection.send_all(pieces)
            pieces = []

    def _buffer(self, n: int) -> bytearray:
        while len(self._buffers) <= n:
            self._buffers.append(bytearray(min(BUFFER_BYTES // self._room or 1, _MOST_PIECES) * self._room))
        return self._buffers[n]

    def has_come(self) -> bool:
        """Say whether the peer has sent something meanwhile."""
        return self._connection.has_come()

    def receive(self, within_s: float) -> tuple[int, Command]:
        """Read the next command, which must have no data set; and the context it came in.

        Raises
        ------
        HungUp, TooLate
            The peer is gone, aborted, or did not send it in time.
        Malformed
            Something else came.
        """
        self._connection.wait(within_s)
        self._connection.allow(PDU_DEADLINE_S)
        content = bytearray()
        while True:
            kind, length = PDU_HEADER.unpack(self._connection.read(PDU_HEADER.size))
            if kind == Pdu.ABORT:
                raise HungUp("the peer aborted the association")
            if kind != Pdu.DATA or length > MAX_PDU_BYTES:
                raise Malformed("a PDU came that has no place while an operation runs", Reason.UNEXPECTED)
            done = self._take(length, content)
            if done is not None:
                command = read_command(bytes(content))
                if command.has_data_set:
                    raise Malformed(
                        "a message with a data set came while an operation runs", Reason.UNEXPECTED
                    )
                return done, command

    def _take(self, left: int, content: bytearray) -> int | None:
        """Take the fragments of one P-DATA-TF; give the context when the command is whole."""
        done: int | None = None
        while left:
            if left < PDV_HEADER.size or done is not None:
                raise Malformed("fragments do not fit into their PDU, or one follows a command's end")
            length, context, control = PDV_HEADER.unpack(self._connection.read(PDV_HEADER.size))
            left -= 4 + length
            if length < 2 or left < 0 or not control & COMMAND:
                raise Malformed("a fragment came that is no command, or does not fit into its PDU")
            if len(content) + length > MAX_COMMAND_BYTES:
                raise Malformed("a command has no end")
            piece = bytearray(length - 2)
            self._connection.fill(memoryview(piece))
            content += piece
            if control & LAST:
                done = context
        return done


def _filled(buffer: memoryview, fill: Fill, left: int) -> memoryview:
    """Fill a buffer, or as much of it as is left of a data set."""
    place = buffer[: min(left, len(buffer))]
    if fill(place) != len(place):
        raise Damaged("Sending an instance failed: its pack ends too early. Run 'meridian verify'.")
    return place


def _header(context: int, length: int, *, last: bool) -> bytes:
    """Give the headers of a P-DATA-TF with one fragment of a data set."""
    return PDU_HEADER.pack(Pdu.DATA, length + PDV_HEADER.size) + PDV_HEADER.pack(
        length + 2, context, LAST if last else 0
    )
