"""C-STORE to a remote AE: as stored where it takes that, else written anew; each answer told as it comes.

As many associations as the presentation contexts need. An instance whose answer
was told is done; what becomes of a failure is for the caller to decide. One that
breaks off in its middle takes its association with it, and the next ones go in another.

Source: DICOM PS3.4 B.2 (Storage), PS3.7 9.1.1, PS3.8 7.1.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from node.dicom.native import Piece
from node.dimse.calling import MOST_CONTEXTS, Called, NothingTaken, Proposal
from node.dimse.exchange import Exchange, exchange
from node.dimse.outgoing import Outgoing, write_for
from node.dimse.statuses import meaning_of
from node.errors import Damaged, GridError, Unavailable
from node.store.regions import Made, size_of

NO_CONTEXT = 0x0122
"""SOP class not supported: what we say when a remote AE takes none of our contexts. Source: PS3.7 C.5.7."""
NOT_WRITTEN = 0xC000
"""What we say when an instance cannot be written as the remote AE needs it."""
_STORED_WITH_WARNING = frozenset({0xB000, 0xB006, 0xB007})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one instance."""

    sop_uid: str
    status: int
    words: str = ""
    """Why it is not stored, or stored with a warning; never what the remote AE commented, which may name the patient."""
    bytes: int = 0

    @property
    def is_stored(self) -> bool:
        """Whether the remote AE has it, perhaps with a warning.

        Source: DICOM PS3.4 table B.2-1.
        """
        return self.status == 0 or self.status in _STORED_WITH_WARNING

    @property
    def is_warned(self) -> bool:
        return self.is_stored and bool(self.words)


def store(
    whom: Called,
    instances: Sequence[Outgoing],
    *,
    directory: Path,
    charset: str = "",
    told: Callable[[Sent], bool],
) -> None:
    """Send instances, in order.

    Parameters
    ----------
    directory
        For what is too large for memory, on a disk with room.
    charset
        What the remote AE reads; empty: texts go as they are.
    told
        Gets what became of each; False ends the sending after it.

    Raises
    ------
    Unavailable, Refused
        No association came about, or one broke; what was told before stands.
    InvalidRequest
        The AE title or the address cannot be one.
    """
    left = iter(instances)
    for proposals, count in _batches(instances):
        some = deque(islice(left, count))
        while some:
            try:
                with exchange(whom, proposals) as asking:
                    while some:
                        if not told(_store(asking, some[0], charset=charset, directory=directory)):
                            return
                        some.popleft()
            except NothingTaken:
                while some:
                    if not told(_not_taken(some.popleft())):
                        return
            except _BrokeOff as broken:
                some.popleft()
                if not told(broken.sent):
                    return


class _BrokeOff(Exception):
    """An instance could not be sent to its end, and what had begun of it cannot be taken back."""

    def __init__(self, sent: Sent) -> None:
        super().__init__()
        self.sent = sent


def _batches(instances: Sequence[Outgoing]) -> Iterator[tuple[list[Proposal], int]]:
    """Split into as many as one association has contexts for: each class in each syntax, one a context."""
    wanted: dict[tuple[str, str], None] = {}
    count = 0
    for one in instances:
        more = dict.fromkeys((one.sop_class, syntax) for syntax in one.syntaxes)
        if len(wanted | more) > MOST_CONTEXTS:
            yield [Proposal(uid, (syntax,)) for uid, syntax in wanted], count
            wanted, count = {}, 0
        wanted |= more
        count += 1
    if count:
        yield [Proposal(uid, (syntax,)) for uid, syntax in wanted], count


def _store(asking: Exchange, one: Outgoing, *, charset: str, directory: Path) -> Sent:
    context = asking.context(one.sop_class, *one.syntaxes)
    if context is None:
        return _not_taken(one)
    try:
        written = write_for(one, syntax=context.syntax, charset=charset, directory=directory)
    except Unavailable:
        raise
    except GridError as error:
        return Sent(sop_uid=one.sop_uid, status=NOT_WRITTEN, words=error.message)
    from pynetdicom.dimse_primitives import C_STORE

    request = C_STORE()
    message_id = asking.next_message_id()
    request.MessageID = message_id
    request.AffectedSOPClassUID = one.sop_class
    request.AffectedSOPInstanceUID = one.sop_uid
    request.Priority = 0
    request.DataSet = io.BytesIO(b"\0")
    size = size_of(written.pieces)
    try:
        asking.ask_with(request, context, (_given(piece) for piece in written.pieces))
    except Damaged as error:
        raise _BrokeOff(Sent(sop_uid=one.sop_uid, status=NOT_WRITTEN, words=error.message)) from error
    for answer in asking.answers(message_id, about=f"Sending to {asking.whom.who}"):
        words = "" if answer.Status == 0 else meaning_of(answer.Status)
        if answer.Status in _STORED_WITH_WARNING:
            words = f"it kept the instance, and changed or missed something (status 0x{answer.Status:04X})"
        words = words or written.warning
        return Sent(sop_uid=one.sop_uid, status=int(answer.Status), words=words, bytes=size)
    raise asking.strange(f"Sending to {asking.whom.who}")


def _given(piece: Piece) -> bytes | memoryview:
    return piece.give() if isinstance(piece, Made) else piece


def _not_taken(one: Outgoing) -> Sent:
    words = "it does not take this SOP class in any syntax that the instance can be written in"
    return Sent(sop_uid=one.sop_uid, status=NO_CONTEXT, words=words)
