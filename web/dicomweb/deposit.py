"""What a program brings by STOW-RS: each part into its pack while it comes, in bounded memory; and what became of each.

An instance goes the way of one that a device sends (`node.dimse.store_scp`):
looked through, hashed, written, synced and marked before it counts. The data set
is kept byte for byte; preamble and file meta are this node's own. What is refused
leaves nothing, and the parts after it go on.

For one thread at a time.

Source: DICOM PS3.18 10.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from node.dicom.header import Identifiers
from node.dicom.part10 import Part10, meta_bytes, read_part10
from node.dimse.intake import Intake
from node.dimse.store_scp import Answer, Session, StoreRequest
from node.errors import GridError, InvalidRequest
from web.dicomweb.accept import DICOM, DICOM_JSON
from web.dicomweb.multipart import read_content_type
from web.errors import TooLarge

MOST_INSTANCES = 20_000
"""Of one request: what becomes of each is kept until the answer."""


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


class Deposit:
    """Takes all parts of one request; `outcomes` says what became of them."""

    def __init__(self, session: Session, described: Described) -> None:
        self.outcomes: list[Outcome] = []
        self._session = session
        self._described = described
        self._part: Receiving | None = None

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
        """Store what was described, and end the packs: all that was stored is synced already."""
        self._described.finish(self)
        self._session.close()

    def drop(self) -> None:
        """Leave nothing of a part that did not come whole; what was stored before it stays."""
        part, self._part = self._part, None
        if part is not None:
            part.drop()
        self._described.drop()
        self._session.close()

    def intake(self, request: StoreRequest) -> Intake:
        """Begin an instance."""
        self._session.seen = None
        return self._session.intake(request)

    def store(self, request: StoreRequest, intake: Intake) -> None:
        """Store an instance that has come whole, and note what became of it."""
        try:
            self.note(request, self._session.finish(request, intake))
        finally:
            intake.drop()

    def refuse(self, error: GridError, request: StoreRequest | None = None) -> None:
        """Note an instance that could not be taken."""
        known = request or StoreRequest(sop_class="", sop_uid="", transfer_syntax="")
        self.note(known, self._session.refuse(known, error))

    def note(self, request: StoreRequest, answer: Answer) -> None:
        """Note what became of one."""
        self.outcomes.append(
            Outcome(
                sop_class=request.sop_class,
                sop_uid=request.sop_uid,
                stored=self._session.seen if answer.status == 0 else None,
                status=answer.status,
                words=answer.words,
            )
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
        self._request: StoreRequest | None = None
        self._intake: Intake | None = None
        self._refused = False

    def take(self, piece: memoryview) -> None:
        if self._intake is not None:
            feed(self._intake, piece)
        elif not self._refused:
            self._beginning += piece
            self._look(self._beginning)

    def end(self) -> None:
        if self._request is not None and self._intake is not None:
            intake, self._intake = self._intake, None
            self._deposit.store(self._request, intake)
        elif not self._refused:
            self._deposit.refuse(
                InvalidRequest(
                    "Storing an instance was refused: it ends in its file meta information. Send it again whole."
                )
            )

    def drop(self) -> None:
        if self._intake is not None:
            self._intake.drop()

    def _look(self, beginning: bytearray) -> None:
        """Begin the instance when enough of it has come: its first bytes behind the meta information tell its end."""
        try:
            if meta_bytes(beginning) is None:
                return
            self._open(read_part10(memoryview(beginning)))
        except GridError as error:
            self._refused = True
            self._beginning = bytearray()
            self._deposit.refuse(error)

    def _open(self, file: Part10) -> None:
        self._request = StoreRequest(
            sop_class=file.sop_class, sop_uid=file.sop_uid, transfer_syntax=file.transfer_syntax
        )
        self._intake = self._deposit.intake(self._request)
        feed(self._intake, file.data_set)
        self._beginning = bytearray()


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
