"""One association's C-STOREs: what is checked, stored and answered, and in which order.

An instance is looked through before it counts, so the answer to a malformed one
is a refusal with words and nothing is left of it. Status 0x0000 leaves only
after the record is written, synced and marked (`node.store`). How the bytes of
one come in is `intake`'s.

Knows nothing of sockets: requests and answers are values.

Source: DICOM PS3.4 B.2.3 (statuses), PS3.7 9.1.1 (C-STORE).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from node.clock import Clock
from node.dicom.header import Identifiers, identify
from node.dicom.part10 import write_file_meta
from node.dimse.intake import Blocks, Intake
from node.dimse.looking import look_through
from node.dimse.refusals import Line, RefusalLog
from node.dimse.rules import Admitted, takes
from node.dimse.words import comment_of, words_of
from node.errors import GridError, InvalidRequest
from node.failpoints import failpoint, planted
from node.names import Cause, NodeId, StudyKey, StudyUID, is_uid
from node.store.facts import AssociationFacts, Stored
from node.store.pack_file import Bytes
from node.store.packs import Packs
from node.store.writing import Growing, PackWriter

OPEN_PACKS = 8
"""Studies that one association may have open at once; a ninth ends the pack longest unused."""
_LOG = logging.getLogger(__name__)


class NotTheInstance(InvalidRequest):
    """The data set is not the instance that the command announces. Have the device's maker correct it."""

    dimse = 0xA900


class ClassNotTaken(InvalidRequest):
    """The device's rule does not take instances of this SOP class. Source: PS3.7 C.5.7 (SOP class not supported)."""

    dimse = 0x0122


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who opened the association."""

    calling: str
    called: str
    address: str
    certificate: str = ""
    """Digest of its certificate; empty without TLS."""


class StoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a C-STORE-RQ says of the instance that follows; an absent UID is empty."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
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
        blocks: Blocks | None = None,
        door: str = "dicom",
        only: str = "",
    ) -> None:
        """Begin one.

        Parameters
        ----------
        stored
            Called by `tell`: a wake-up for the index, free to be lost.
        blocks
            Memory shared with other sessions.
        only
            The one study whose instances are taken; any when empty.
        """
        self.caller = caller
        self.admitted = admitted
        self._node = node
        self._packs = packs
        self._clock = clock
        self._cause = cause
        self._refusals = refusals
        self._stored = stored
        self._blocks = blocks or Blocks()
        self._door = door
        self._only = only
        self._writers: OrderedDict[StudyUID, PackWriter] = OrderedDict()
        self._reached: dict[str, int] = {}
        self.seen: Identifiers | None = None
        """What the data set last looked through says that it is."""
        self.words = ""
        """Why the last one was refused, in full; a comment holds as much of it as fits."""

    @property
    def reached(self) -> dict[str, int]:
        """How far each pack of this association was written, in bytes."""
        return self._reached

    def intake(self, request: StoreRequest) -> Intake:
        """Give what takes the data set of an instance while it comes in; then `finish` it, or drop it."""
        return Intake(_Incoming(self, request), request.transfer_syntax, self._blocks)

    def finish(self, request: StoreRequest, intake: Intake) -> Answer:
        """Store an instance that has come in; the answer may leave when this returns. Never raises."""
        return self._answer(request, intake.finish)

    def store(
        self, request: StoreRequest, data_set: memoryview, *, refusal: GridError | None = None
    ) -> Answer:
        """Check an instance that is whole and store it; the answer may leave when this returns. Never raises.

        Parameters
        ----------
        refusal
            Set when the data set could not even be kept while it came in.
        """

        def append() -> None:
            if refusal is not None:
                raise refusal
            _Incoming(self, request).append(data_set)

        return self._answer(request, append)

    def refuse(self, request: StoreRequest, error: GridError) -> Answer:
        """Write a refusal down, and give its answer. Never raises."""
        words = words_of(error)
        try:
            self._refusals.write(
                Line(
                    kind="instance",
                    at=self._clock.now(),
                    calling=self.caller.calling,
                    called=self.caller.called,
                    address=self.caller.address,
                    rule=self.admitted.rule,
                    words=words,
                    sop_class=request.sop_class,
                    sop_uid=request.sop_uid,
                    status=error.dimse,
                )
            )
        except OSError as trouble:
            _LOG.error("Writing down a refusal failed (%s): %s", trouble, words)
        self.words = words
        return Answer(status=error.dimse, comment=comment_of(words))

    def note_sent(self, key: StudyKey, count: int) -> None:
        """Write down that instances of a study were sent to the caller, or to where it said."""
        self._refusals.write(
            Line(
                kind="retrieved",
                at=self._clock.now(),
                calling=self.caller.calling,
                called=self.caller.called,
                address=self.caller.address,
                certificate=self.caller.certificate,
                rule=self.admitted.rule,
                study=key.subject,
                times=count,
            )
        )

    def tell(self) -> None:
        """Wake the index; after an answer, which does not wait for that."""
        self._stored()

    def close(self) -> None:
        """End the packs; what was answered for is safe without it."""
        while self._writers:
            self._writers.popitem()[1].close()

    def _answer(self, request: StoreRequest, act: Callable[[], None]) -> Answer:
        try:
            act()
        except GridError as error:
            return self.refuse(request, error)
        except Exception:  # noqa: BLE001  # the sender gets an answer whatever happens
            _LOG.exception("Storing an instance failed, cause %s", self._cause)
            defect = GridError(
                "Storing an instance failed: a defect here. Tell the administrator, send again later."
            )
            return self.refuse(request, defect)
        failpoint("answered")
        return Answer(status=0)

    def _facts(self, request: StoreRequest, study_uid: StudyUID) -> AssociationFacts:
        return AssociationFacts(
            calling=self.caller.calling,
            called=self.caller.called,
            address=self.caller.address,
            certificate=self.caller.certificate,
            rule=self.admitted.rule,
            rule_version=self.admitted.version,
            issuer=self.admitted.issuer,
            trust_issuer=self.admitted.trust_issuer,
            department=self.admitted.department,
            transfer_syntax=request.transfer_syntax,
            received_at=self._clock.now(),
            origin=self._node,
            study_uid=study_uid,
            door=self._door,
            cause=self._cause,
        )

    def _file_meta(self, request: StoreRequest) -> bytes:
        return write_file_meta(
            sop_class=request.sop_class,
            sop_uid=request.sop_uid,
            transfer_syntax=request.transfer_syntax,
            sender=self.caller.calling,
        )

    def _kept(self, stored: Stored) -> None:
        self._reached[stored.location.pack] = stored.next_offset

    def _writer(self, study_uid: StudyUID) -> PackWriter:
        writer = self._writers.pop(study_uid, None)
        if writer is None:
            if len(self._writers) >= OPEN_PACKS:
                self._writers.popitem(last=False)[1].close()
            writer = self._packs.open_writer(study_uid=study_uid, cause=self._cause)
        self._writers[study_uid] = writer
        return writer


class _Incoming:
    """One instance of a session, as `intake` sees it."""

    def __init__(self, session: Session, request: StoreRequest) -> None:
        self._session = session
        self._request = request

    def begin(self, study_uid: StudyUID) -> Growing:
        """Begin a record of unknown length."""
        self.check_class()
        session, request = self._session, self._request
        if not (is_uid(request.sop_class) and is_uid(request.sop_uid)):
            raise _not_the_instance("SOP Class or Instance UID")
        self.check_study(study_uid)
        return session._writer(study_uid).begin(
            session._facts(request, study_uid),
            sop_class=request.sop_class,
            sop_uid=request.sop_uid,
            file_meta=session._file_meta(request),
        )

    def check_class(self) -> None:
        """Refuse an instance of a class that the device's rule does not take."""
        sop_class = self._request.sop_class
        if sop_class and (refusal := takes(self._session.admitted, sop_class)) is not None:
            raise ClassNotTaken(f"Storing an instance was refused: {refusal.words}")

    def check_study(self, study_uid: StudyUID) -> None:
        """Refuse an instance of another study than the one that is taken."""
        if self._session._only not in ("", study_uid):
            raise NotTheInstance(
                "Storing an instance was refused: its Study Instance UID is not the one that it was sent to."
                " Send it to its own study, or to none."
            )

    def finish(self, growing: Growing, digest: bytes) -> None:
        """Store what was begun."""
        self._session._kept(growing.finish(digest))

    def check(self, data_set: memoryview) -> Identifiers:
        """Look through a whole data set.

        Raises
        ------
        InvalidRequest
            It cannot be read, has no place in a study, or is not what the command says.
        """
        self.check_class()
        identifiers = look_through(data_set, self._request.transfer_syntax, identify)
        if (identifiers.sop_uid, identifiers.sop_class) != (self._request.sop_uid, self._request.sop_class):
            other = identifiers.sop_uid != self._request.sop_uid
            raise _not_the_instance("SOP Instance UID" if other else "SOP Class UID")
        self.check_study(identifiers.study_uid)
        self._session.seen = identifiers
        return identifiers

    def append(self, data_set: memoryview, digest: bytes | None = None) -> None:
        """Look through a whole data set and store it."""
        study_uid = self.check(data_set).study_uid
        if planted("answer-before-record"):
            threading.Timer(0.05, self._append, (study_uid, bytes(data_set), digest)).start()
            return
        self._append(study_uid, data_set, digest)

    def _append(self, study_uid: StudyUID, data_set: Bytes, digest: bytes | None) -> None:
        session, request = self._session, self._request
        session._kept(
            session._writer(study_uid).append(
                session._facts(request, study_uid),
                sop_class=request.sop_class,
                sop_uid=request.sop_uid,
                file_meta=session._file_meta(request),
                data_set=data_set,
                digest=digest,
            )
        )


def _not_the_instance(what: str) -> NotTheInstance:
    return NotTheInstance(
        f"Storing an instance was refused: its {what} is not the command's. Have the device's maker correct it."
    )
