"""What a program brings by STOW-RS: each part into its pack while it comes, in bounded memory; and what became of each.

An instance goes the way of one that a device sends (`node.dimse.store_scp`):
looked through, hashed, written, synced and marked before it counts. The data set
is kept byte for byte; preamble and file meta are this node's own. What is refused
leaves nothing, and the parts after it go on.

For one thread at a time, which reads the body. An instance that is whole is
stored by another, while the next one comes in another lane.

Source: DICOM PS3.18 10.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Protocol

from node.dicom.header import Identifiers
from node.dicom.part10 import meta_bytes, read_part10
from node.dimse.intake import Intake
from node.dimse.store_scp import Answer, Session, StoreRequest
from node.errors import GridError, InvalidRequest
from web.dicomweb.accept import DICOM, DICOM_JSON
from web.dicomweb.multipart import read_content_type
from web.errors import TooLarge

MOST_INSTANCES = 20_000
"""Of one request: what becomes of each is kept until the answer."""
UNFINISHED = GridError.dimse
"""What an instance comes to of which nothing better is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one instance; its UIDs as far as they are known."""

    sop_class: str = ""
    sop_uid: str = ""
    stored: Identifiers | None = None
    status: int = 0
    """Of C-STORE. Source: DICOM PS3.4 B.2.3; PS3.18 table 10.5.3-2 has the same ones."""
    words: str = ""


class Receiving(Protocol):
    """A part on its way."""

    def take(self, piece: memoryview) -> None:
        """Take the next bytes."""

    def end(self) -> None:
        """All has come."""

    def drop(self) -> None:
        """Leave nothing of it."""


class Described(Protocol):
    """Takes instances described as DICOM JSON, and their bulk data."""

    def part(self, media: str, parameters: Mapping[str, str], location: str) -> Receiving:
        """Begin a part of them."""

    def finish(self, deposit: Deposit) -> None:
        """Store what was described: all its parts have come."""

    def drop(self) -> None:
        """Leave nothing."""


class Lane:
    """A session of its own with packs of its own: while one lane syncs, the next instance goes into another.

    Used by one thread at a time: by whoever reads the body until an instance is whole, then by the one that stores it.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.storing: Future[None] | None = None

    def is_free(self) -> bool:
        """Say whether nothing is being stored."""
        return self.storing is None or self.storing.done()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An instance that is coming in."""

    lane: Lane
    request: StoreRequest
    intake: Intake
    place: int
    """Among the outcomes."""


class Deposit:
    """Takes all parts of one request; `outcomes` says what became of them, in their order."""

    def __init__(
        self,
        sessions: Sequence[Session],
        described: Described,
        beside: Callable[[Callable[[], None]], Future[None]],
    ) -> None:
        """Begin one.

        Parameters
        ----------
        sessions
            One for each lane.
        beside
            Runs a function in another thread.
        """
        self.outcomes: list[Outcome] = []
        self._lanes = [Lane(session) for session in sessions]
        self._described = described
        self._beside = beside
        self._part: Receiving | None = None

    @property
    def reached(self) -> dict[str, int]:
        """How far each pack was written, in bytes."""
        return {pack: at for lane in self._lanes for pack, at in lane.session.reached.items()}

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin a part by its headers."""
        if len(self.outcomes) >= MOST_INSTANCES:
            raise TooLarge(
                f"Storing instances was refused: they are more than {MOST_INSTANCES}. Send fewer at a time."
            )
        media, parameters = read_content_type(headers.get("content-type", DICOM))
        if media == DICOM:
            self._part = _FilePart(self)
        elif media in (DICOM_JSON, "application/json") or headers.get("content-location"):
            self._part = self._described.part(media, parameters, headers.get("content-location", ""))
        else:
            self._part = _Passed(self, media)

    def take(self, piece: memoryview) -> None:
        """Take the next bytes of the part."""
        if self._part is not None:
            self._part.take(piece)

    def end(self) -> None:
        """End the part."""
        part, self._part = self._part, None
        if part is not None:
            part.end()

    def finish(self) -> None:
        """Store what was described, and end the packs: all that is called stored is synced when this returns."""
        self._described.finish(self)
        self._close()

    def drop(self) -> None:
        """Leave nothing of a part that did not come whole; what was stored before it stays."""
        part, self._part = self._part, None
        if part is not None:
            part.drop()
        self._described.drop()
        self._close()

    def open(self, request: StoreRequest) -> Opened:
        """Begin an instance, in a lane that is free."""
        lane = self._free_lane()
        lane.session.seen = None
        self.outcomes.append(Outcome(sop_class=request.sop_class, sop_uid=request.sop_uid, status=UNFINISHED))
        return Opened(
            lane=lane, request=request, intake=lane.session.intake(request), place=len(self.outcomes) - 1
        )

    def store(self, opened: Opened) -> None:
        """Store an instance that has come whole, beside whatever comes next."""
        opened.lane.storing = self._beside(lambda: self._store(opened))

    def refuse(self, error: GridError, request: StoreRequest | None = None) -> None:
        """Note an instance that could not be taken."""
        known = request or StoreRequest(sop_class="", sop_uid="", transfer_syntax="")
        session = self._free_lane().session
        answer = session.refuse(known, error)
        self.outcomes.append(_outcome(known, answer, session))

    def _free_lane(self) -> Lane:
        while not (free := [lane for lane in self._lanes if lane.is_free()]):
            wait([lane.storing for lane in self._lanes if lane.storing], return_when=FIRST_COMPLETED)
        return free[0]

    def _store(self, opened: Opened) -> None:
        session = opened.lane.session
        try:
            answer = session.finish(opened.request, opened.intake)
            self.outcomes[opened.place] = _outcome(opened.request, answer, session)
        finally:
            opened.intake.drop()
        session.tell()

    def _close(self) -> None:
        wait([lane.storing for lane in self._lanes if lane.storing])
        for lane in self._lanes:
            lane.session.close()


def _outcome(request: StoreRequest, answer: Answer, session: Session) -> Outcome:
    return Outcome(
        sop_class=request.sop_class,
        sop_uid=request.sop_uid,
        stored=session.seen if answer.status == 0 else None,
        status=answer.status,
        words=session.words if answer.status else "",
    )


def feed(intake: Intake, piece: memoryview) -> None:
    """Hand bytes to an intake, as much at a time as it has room for."""
    at = 0
    while at < len(piece):
        place = intake.place(len(piece) - at)
        count = len(place)
        place[:] = piece[at : at + count]
        intake.filled(count)
        at += count


class _FilePart:
    """A DICOM file: its meta information says what comes, and is not kept."""

    def __init__(self, deposit: Deposit) -> None:
        self._deposit = deposit
        self._beginning = bytearray()
        self._opened: Opened | None = None
        self._refused = False

    def take(self, piece: memoryview) -> None:
        if self._opened is not None:
            feed(self._opened.intake, piece)
        elif not self._refused and self._beginning:
            self._beginning += piece
            self._look(memoryview(self._beginning))
        elif not self._refused:
            self._look(piece)

    def end(self) -> None:
        if self._opened is not None:
            self._deposit.store(self._opened)
        elif not self._refused:
            self._deposit.refuse(
                InvalidRequest(
                    "Storing an instance was refused: it ends in its file meta information. Send it again whole."
                )
            )

    def drop(self) -> None:
        if self._opened is not None:
            self._opened.intake.drop()

    def _look(self, beginning: memoryview) -> None:
        """Begin the instance when enough of it has come: its first bytes behind the meta information tell its end."""
        try:
            if meta_bytes(beginning) is None:
                self._beginning = self._beginning or bytearray(beginning)
                return
            file = read_part10(beginning)
        except GridError as error:
            self._refused = True
            self._deposit.refuse(error)
            return
        self._opened = self._deposit.open(
            StoreRequest(sop_class=file.sop_class, sop_uid=file.sop_uid, transfer_syntax=file.transfer_syntax)
        )
        feed(self._opened.intake, file.data_set)


class _Passed:
    """A part of no known kind: stepped over, and told."""

    def __init__(self, deposit: Deposit, media: str) -> None:
        self._deposit = deposit
        self._media = media

    def take(self, piece: memoryview) -> None:
        """Leave it."""

    def end(self) -> None:
        self._deposit.refuse(
            InvalidRequest(
                f"Storing an instance was refused: its part is {self._media[:60]}. Send application/dicom."
            )
        )

    def drop(self) -> None:
        """There is nothing."""
