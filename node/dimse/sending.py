"""Instances on their way out of an association: the context each fits, its bytes, and what the peer answers.

The bytes are those that `node.catalogue.exits` gives. What the peer does not
take as it is stored goes out converted, where that can be done; else it counts
as failed, with a reason.

Source: DICOM PS3.4 B.2.3, C.4.2.2, C.4.3.2; PS3.7 9.1.1.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from node.catalogue.exits import data_set_pieces
from node.catalogue.search import InstanceRow
from node.dimse.commands import SUCCESS, Command, Field, write_store_request
from node.dimse.conversation import Conversation
from node.dimse.items import Malformed, Reason
from node.errors import GridError, InvalidRequest, NotFound
from node.node import Node
from node.store.regions import Made, Piece, Region, length_of, opened

ANSWER_S = 120.0
"""How long a peer may take to store one instance."""
_WARNINGS = range(0xB000, 0xC000)
Carried = Piece | memoryview | Made


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one instance; ``words`` say why it was not taken."""

    sent: bool
    warning: bool = False
    words: str = ""


class InstanceSender:
    """Sends instances by C-STORE over an association; for the thread that serves it."""

    def __init__(
        self,
        node: Node,
        conversation: Conversation,
        contexts: Mapping[tuple[str, str], int],
        *,
        charset: str = "",
        originator: tuple[str, int] | None = None,
        otherwise: Callable[[int, Command], bool] | None = None,
        find: Callable[[InstanceRow], InstanceRow] | None = None,
    ) -> None:
        """Begin.

        Parameters
        ----------
        contexts
            Those that were agreed, by SOP class and transfer syntax.
        charset
            What the peer reads; empty: texts go as they are.
        originator
            AE title and message ID of the C-MOVE that this is done for.
        otherwise
            Takes a command that came instead of an answer, and says whether it had a place there.
        find
            Gives a row as it is by its turn, brought from the archive where it lay there alone; without it, whoever
            reads it brings its study.
        """
        self._node = node
        self._conversation = conversation
        self._contexts = contexts
        self._charset = charset
        self._originator = originator
        self._otherwise = otherwise
        self._find = find
        self._message_id = 0
        self._next: tuple[InstanceRow, _Ready | Outcome] | None = None

    def send(self, row: InstanceRow, then: InstanceRow | None = None) -> Outcome:
        """Send one instance and wait for its answer; meanwhile make ready what is sent then.

        Raises
        ------
        HungUp, TooLate, OSError, Malformed, Damaged
            The association cannot go on; with `Damaged` the instance broke off in its middle.
        """
        ready = self._take(row)
        if isinstance(ready, Outcome):
            return ready
        self._message_id = self._message_id % 0xFFFF + 1
        command = write_store_request(
            self._message_id, sop_class=row.sop_class, sop_uid=row.sop_uid, originator=self._originator
        )
        try:
            self._conversation.send_instance(
                ready.context, command, ready.reader.fill, ready.reader.size, begun=ready.begun
            )
        finally:
            ready.reader.close()
        if then is not None:
            self._next = (then, self._ready(then, ahead=True))
        status = self._answer()
        if status in _WARNINGS or status == SUCCESS:
            return Outcome(sent=True, warning=status != SUCCESS)
        return Outcome(sent=False, words=f"the peer answered with status 0x{status:04X}")

    def close(self) -> None:
        """Let go of what was made ready and is not sent."""
        waiting, self._next = self._next, None
        if waiting is not None and isinstance(waiting[1], _Ready):
            waiting[1].reader.close()

    def _take(self, row: InstanceRow) -> _Ready | Outcome:
        if self._next is not None and self._next[0] is row:
            ready, self._next = self._next[1], None
            return ready
        self.close()
        return self._ready(row, ahead=False)

    def _ready(self, row: InstanceRow, *, ahead: bool) -> _Ready | Outcome:
        try:
            context, pieces = self._carried(row)
            reader = PieceReader(pieces)
        except GridError as error:
            return Outcome(sent=False, words=str(error))
        begun = None
        if ahead and reader.lies_there:
            try:
                begun = self._conversation.read_ahead(reader.fill, reader.size)
            except BaseException:
                reader.close()
                raise
        return _Ready(context, reader, begun)

    def _carried(self, row: InstanceRow) -> tuple[int, Sequence[Carried]]:
        """Give the context that an instance goes in, and its bytes in that.

        Raises
        ------
        GridError
            The peer takes none of the ways in which it can be written, or it cannot be.
        """
        if self._find is not None:
            row = self._find(row)
        context = self._contexts.get((row.sop_class, row.transfer_syntax))
        if context is not None and not self._charset:
            return context, data_set_pieces(self._node, row)
        from node.dimse.outgoing import outgoing_of, write_for  # with NumPy, which a receiver seldom needs

        one = outgoing_of(self._node, row)
        for syntax in one.syntaxes:
            if (context := self._contexts.get((row.sop_class, syntax))) is not None:
                directory = self._node.state / "packs"
                written = write_for(one, syntax=syntax, charset=self._charset, directory=directory)
                return context, written.pieces
        raise InvalidRequest(
            "Sending an instance was refused: the peer takes neither its transfer syntax nor one it can be written in."
            " Let it take Explicit VR Little Endian."
        )

    def _answer(self) -> int:
        while True:
            context, command = self._conversation.receive(ANSWER_S)
            if command.answers(Field.C_STORE, self._message_id):
                return command.status
            if self._otherwise is None or not self._otherwise(context, command):
                raise Malformed("an answer came to something that was not asked", Reason.UNEXPECTED)


@dataclass(frozen=True, slots=True)
class _Ready:
    """An instance that can go at once."""

    context: int
    reader: PieceReader
    begun: memoryview | None
    """Its beginning, where that was read ahead."""


class PieceReader:
    """Reads pieces into places, one file open at a time."""

    def __init__(self, pieces: Iterable[Carried]) -> None:
        """Begin one.

        Raises
        ------
        NotFound
            A file is gone: said here, before a message is begun that could not be ended.
        """
        self._left = deque(pieces)
        self._descriptor: int | None = None
        if len(self._left) == 1 and isinstance(self._left[0], Region):
            self._descriptor, self._left[0] = _opened(self._left[0])
        else:
            self._left = deque(_found(piece) if isinstance(piece, Region) else piece for piece in self._left)
        self.size = sum(map(length_of, self._left))
        """In bytes."""
        self.lies_there = not any(isinstance(piece, Made) for piece in self._left)
        """Whether nothing of it must be made."""
        self._at = 0

    def fill(self, place: memoryview) -> int:
        """Put the next bytes into a place; give how many, fewer than fit only at the end.

        Raises
        ------
        Damaged
            A piece cannot be made: the message has no end.
        """
        filled = 0
        while filled < len(place) and self._left:
            piece = self._left[0]
            if isinstance(piece, Made):
                self._left[0] = piece = piece.give()
            size = length_of(piece)
            rest = place[filled : filled + size - self._at]
            count = self._copy(piece, rest) if len(rest) else 0
            if len(rest) and not count:
                return filled
            filled += count
            self._at += count
            if self._at == size:
                self.close()
                self._left.popleft()
                self._at = 0
        return filled

    def close(self) -> None:
        """Let go of the file that is open."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _copy(self, piece: Piece | memoryview, place: memoryview) -> int:
        if not isinstance(piece, Region):
            place[:] = piece[self._at : self._at + len(place)]
            return len(place)
        if self._descriptor is None:
            self._descriptor = os.open(piece.path, os.O_RDONLY | os.O_CLOEXEC)
        return os.preadv(self._descriptor, [place], piece.offset + self._at)


def _opened(region: Region) -> tuple[int, Region]:
    try:
        return opened(region)
    except FileNotFoundError as error:
        raise _gone() from error


def _found(region: Region) -> Region:
    """Give a region where it is now, without opening its file."""
    if region.path.exists():
        return region
    moved = region.again() if region.again is not None else None
    if moved is None:
        raise _gone()
    return moved


def _gone() -> NotFound:
    return NotFound("Sending an instance failed: its pack is gone. Run 'meridian verify'.")
