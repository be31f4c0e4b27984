"""One association's C-STOREs: what is checked, stored and answered, and in which order.

An instance is looked through before any of it goes to a pack, so the answer to
a malformed one is a refusal with words and nothing is left of it. Status 0x0000
leaves only after the record is written, synced and marked (`node.store`).

Knows nothing of pynetdicom: requests and answers are values.

Source: DICOM PS3.4 B.2.3 (statuses), PS3.7 9.1.1 (C-STORE).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from node.clock import Clock
from node.dicom.header import Identifiers, identify, scan
from node.dicom.part10 import write_file_meta
from node.dimse.refusals import Line, RefusalLog
from node.dimse.rules import Admitted
from node.errors import GridError, InvalidRequest
from node.failpoints import failpoint, planted
from node.names import Cause, NodeId, StudyUID
from node.store.packs import AssociationFacts, Packs, PackWriter

OPEN_PACKS = 8
"""Studies that one association may have open at once; a ninth ends the pack longest unused."""
COMMENT_CHARACTERS = 64
_LOG = logging.getLogger(__name__)


class NotTheInstance(InvalidRequest):
    """The data set is not the instance that the command announces. Have the device's maker correct it."""

    dimse = 0xA900


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who opened the association."""

    calling: str
    called: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRequest:
    """A C-STORE-RQ; an absent UID is empty."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str
    data_set: memoryview
    refusal: GridError | None = None
    """Set when the data set could not even be kept while it came in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and Error Comment of a C-STORE-RSP."""

    status: int
    comment: str = ""


class Session:
    """An admitted association, from its first instance to its release; for one thread."""

    def __init__(
        self,
        caller: Caller,
        admitted: Admitted,
        *,
        node: NodeId,
        packs: Packs,
        clock: Clock,
        cause: Cause,
        refusals: RefusalLog,
        stored: Callable[[], None],
    ) -> None:
        """Begin one.

        Parameters
        ----------
        stored
            Called after each instance is on disk: a wake-up for the index, free to be lost.
        """
        self._caller = caller
        self._admitted = admitted
        self._node = node
        self._packs = packs
        self._clock = clock
        self._cause = cause
        self._refusals = refusals
        self._stored = stored
        self._writers: OrderedDict[StudyUID, PackWriter] = OrderedDict()
        self._reached: dict[str, int] = {}

    @property
    def reached(self) -> dict[str, int]:
        """How far each pack of this association was written, in bytes."""
        return self._reached

    def store(self, request: StoreRequest) -> Answer:
        """Check an instance and store it; the answer may leave when this returns. Never raises."""
        try:
            identifiers = _checked(request)
            self._append(request, identifiers)
        except GridError as error:
            return self._refused(request, error)
        except Exception:  # noqa: BLE001  # the sender gets an answer whatever happens
            _LOG.exception("Storing an instance failed, cause %s", self._cause)
            defect = GridError(
                "Storing an instance failed: a defect here. Tell the administrator, send again later."
            )
            return self._refused(request, defect)
        failpoint("answered")
        return Answer(status=0)

    def close(self) -> None:
        """End the packs; what was answered for is safe without it."""
        while self._writers:
            self._writers.popitem()[1].close()

    def _append(self, request: StoreRequest, identifiers: Identifiers) -> None:
        if planted("answer-before-record"):
            threading.Timer(0.05, self._write, (request, identifiers)).start()
            return
        self._write(request, identifiers)

    def _write(self, request: StoreRequest, identifiers: Identifiers) -> None:
        facts = AssociationFacts(
            calling=self._caller.calling,
            called=self._caller.called,
            address=self._caller.address,
            certificate="",
            rule=self._admitted.rule,
            rule_version=self._admitted.version,
            issuer=self._admitted.issuer,
            trust_issuer=self._admitted.trust_issuer,
            department=self._admitted.department,
            transfer_syntax=request.transfer_syntax,
            received_at=self._clock.now(),
            origin=self._node,
            study_uid=identifiers.study_uid,
            door="dicom",
            cause=self._cause,
        )
        stored = self._writer(identifiers.study_uid).append(
            facts,
            sop_class=identifiers.sop_class,
            sop_uid=identifiers.sop_uid,
            file_meta=write_file_meta(
                sop_class=identifiers.sop_class,
                sop_uid=identifiers.sop_uid,
                transfer_syntax=request.transfer_syntax,
                sender=self._caller.calling,
            ),
            data_set=request.data_set,
        )
        self._reached[stored.location.pack] = stored.next_offset
        self._stored()

    def _writer(self, study_uid: StudyUID) -> PackWriter:
        writer = self._writers.pop(study_uid, None)
        if writer is None:
            if len(self._writers) >= OPEN_PACKS:
                self._writers.popitem(last=False)[1].close()
            writer = self._packs.open_writer(study_uid=study_uid, cause=self._cause)
        self._writers[study_uid] = writer
        return writer

    def _refused(self, request: StoreRequest, error: GridError) -> Answer:
        words = _words(error)
        try:
            self._refusals.write(
                Line(
                    kind="instance",
                    at=self._clock.now(),
                    calling=self._caller.calling,
                    called=self._caller.called,
                    address=self._caller.address,
                    rule=self._admitted.rule,
                    words=words,
                    sop_class=request.sop_class,
                    sop_uid=request.sop_uid,
                    status=error.dimse,
                )
            )
            self._stored()
        except OSError as trouble:
            _LOG.error("Writing down a refusal failed (%s): %s", trouble, words)
        return Answer(status=error.dimse, comment=_comment(words))


def _checked(request: StoreRequest) -> Identifiers:
    """Look through a data set.

    Raises
    ------
    InvalidRequest
        It cannot be read, has no place in a study, or is not what the command says.
    Unavailable
        It could not be kept while it came in.
    """
    if request.refusal is not None:
        raise request.refusal
    identifiers = identify(scan(request.data_set, request.transfer_syntax))
    if identifiers.sop_uid != request.sop_uid or identifiers.sop_class != request.sop_class:
        what = "SOP Instance UID" if identifiers.sop_uid != request.sop_uid else "SOP Class UID"
        raise NotTheInstance(
            f"Storing an instance was refused: its {what} is not the command's. Have the device's maker correct it."
        )
    return identifiers


def _words(error: GridError) -> str:
    """Give what a person should read: the part behind "... was refused:"."""
    message = error.message
    _, refused, rest = message.partition(" was refused: ")
    return rest if refused else message


def _comment(words: str) -> str:
    """Fit words into Error Comment: the default repertoire, no backslash, 64 characters.

    Source: DICOM PS3.7 C.4 (0000,0902), PS3.5 table 6.2-1 (LO).
    """
    plain = "".join(ch if ch.isascii() and ch.isprintable() and ch != "\\" else " " for ch in words)
    return plain[:COMMENT_CHARACTERS].strip()
