"""C-GET: fetch a study over our own association; what comes enters by the door of C-STORE.

The remote AE is let in by the rules like a device that calls: same rule, same
issuer, same refusals, same promise before each answer.

Source: DICOM PS3.4 C.4.3, PS3.7 9.1.3, D.3.3.4 (role selection).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from node.dicom.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, RLE
from node.dimse.calling import MOST_CONTEXTS, Called, NothingTaken, Proposal
from node.dimse.exchange import Exchange, exchange
from node.dimse.retrieval import Counts, Retrieved, Wanted, check_wanted, follow, request_of
from node.dimse.store_scp import Answer, StoreRequest
from node.errors import GridError, Refused

STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
_COMPRESSED = (
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.203",
    RLE,
)
_PLAIN = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)
_ROOM = MOST_CONTEXTS - 2
COMMON_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.1.3",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.1",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.12.2",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.128",
    "1.2.840.10008.5.1.4.1.1.130",
    "1.2.840.10008.5.1.4.1.1.13.1.3",
    "1.2.840.10008.5.1.4.1.1.77.1.1",
    "1.2.840.10008.5.1.4.1.1.77.1.4",
    "1.2.840.10008.5.1.4.1.1.77.1.5.1",
    "1.2.840.10008.5.1.4.1.1.88.11",
    "1.2.840.10008.5.1.4.1.1.88.22",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.59",
    "1.2.840.10008.5.1.4.1.1.88.67",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.5.1.4.1.1.104.1",
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.481.1",
    "1.2.840.10008.5.1.4.1.1.481.2",
    "1.2.840.10008.5.1.4.1.1.481.3",
    "1.2.840.10008.5.1.4.1.1.481.5",
    "1.2.840.10008.5.1.4.1.1.9.1.1",
)
"""Asked for when the remote AE does not say what a study consists of. Source: PS3.4 B.5."""


class Door(Protocol):
    """Where instances go that come in; a `store_scp.Session`."""

    def store(
        self, request: StoreRequest, data_set: memoryview, *, refusal: GridError | None = None
    ) -> Answer:
        """Check an instance and store it; the answer may leave when this returns."""

    def tell(self) -> None:
        """Wake the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was stored here so far, which is more than the remote AE says between its answers."""

    stored: int = 0
    refused: int = 0
    bytes: int = 0


def get(
    whom: Called,
    wanted: Wanted,
    *,
    open_door: Callable[[str, str], Door],
    spool: Callable[[], io.BytesIO],
    classes: Sequence[str] = (),
    progress: Callable[[Counts, Taken], bool] = lambda _counts, _taken: True,
) -> Retrieved:
    """Fetch instances.

    Parameters
    ----------
    open_door
        Gives where to store, for the peer's address and the digest of its certificate; raises `Refused` when no rule lets it in.
    spool
        Makes what takes a data set that comes in.
    classes
        SOP classes that the study consists of, if they are known.
    progress
        Told several times a second of what the remote AE counts, and of what came; False asks it to stop.

    Raises
    ------
    Unavailable, Refused
        It cannot be reached, offers no C-GET, breaks off, or does not do it; or the rules do not let it in.
    InvalidRequest
        No study is named.
    """
    check_wanted(wanted)
    try:
        return _get(whom, wanted, proposals_for(classes), open_door=open_door, spool=spool, progress=progress)
    except NothingTaken as error:
        raise NoGet(error.message) from error


def _get(
    whom: Called,
    wanted: Wanted,
    proposals: Sequence[Proposal],
    *,
    open_door: Callable[[str, str], Door],
    spool: Callable[[], io.BytesIO],
    progress: Callable[[Counts, Taken], bool],
) -> Retrieved:
    about = f"Fetching from {whom.who}"
    with exchange(whom, proposals, spool=spool) as asking:
        context = asking.context(STUDY_ROOT_GET) or asking.context(PATIENT_ROOT_GET)
        if context is None:
            raise NoGet(f"{about} was refused: it offers no C-GET. Choose C-MOVE for this remote AE.")
        from pynetdicom.dimse_primitives import C_GET

        taking = _Taking(asking, open_door(asking.address, asking.certificate))
        message_id = asking.next_message_id()
        asking.ask(request_of(C_GET, message_id, context, wanted), context)
        return follow(
            asking,
            context,
            message_id,
            about=about,
            progress=lambda counts: progress(counts, taking.taken),
            serve=taking.serve,
        )


class NoGet(Refused):
    """The remote AE does not offer C-GET."""


def proposals_for(classes: Sequence[str]) -> list[Proposal]:
    """Ask for every syntax of classes that are known, one a context; else for many classes, two contexts each."""
    roots = [
        Proposal(root, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)) for root in (STUDY_ROOT_GET, PATIENT_ROOT_GET)
    ]
    known = tuple(dict.fromkeys(one for one in classes if one))
    each: list[tuple[str, ...]] = [(syntax,) for syntax in (*_PLAIN[:2], *_COMPRESSED, *_PLAIN[2:])]
    if not known or len(known) * len(each) > _ROOM:
        known = tuple(dict.fromkeys([*known, *COMMON_CLASSES]))[: _ROOM // 2]
        each = [_PLAIN, _COMPRESSED]
    return [*roots, *(Proposal(uid, syntaxes, we_serve=True) for uid in known for syntaxes in each)]


class _Taking:
    """Serves the C-STOREs of a C-GET."""

    def __init__(self, asking: Exchange, door: Door) -> None:
        self._asking, self._door = asking, door
        self._syntaxes = {one.id: one.syntax for one in asking.agreed}
        self.taken = Taken()

    def serve(self, message: Any, context_id: int) -> None:
        from pynetdicom.dimse_primitives import C_STORE

        if not isinstance(message, C_STORE) or message.DataSet is None:
            raise self._asking.strange("Fetching")
        request = StoreRequest(
            sop_class=str(message.AffectedSOPClassUID or ""),
            sop_uid=str(message.AffectedSOPInstanceUID or ""),
            transfer_syntax=self._syntaxes.get(context_id, ""),
        )
        data: Any = message.DataSet
        try:
            size = data.size
            answer = self._door.store(request, data.view(), refusal=data.refusal)
        finally:
            data.close()
        before = self.taken
        stored = answer.status == 0
        self.taken = Taken(
            stored=before.stored + stored,
            refused=before.refused + (not stored),
            bytes=before.bytes + (size if stored else 0),
        )
        response: Any = C_STORE()
        response.MessageIDBeingRespondedTo = message.MessageID
        response.AffectedSOPClassUID = message.AffectedSOPClassUID
        response.AffectedSOPInstanceUID = message.AffectedSOPInstanceUID
        response.Status = answer.status
        if answer.comment:
            response.ErrorComment = answer.comment
        self._asking.answer(response, context_id)
        self._door.tell()
