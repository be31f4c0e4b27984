"""C-FIND: what a remote AE holds, as far as it says so.

Answers are read leniently: a wrong character set, a UID that is missing, an answer that
cannot be read are no reason to show nothing, and one that is said again is shown once
(pynetdicom's qrscp says a study as often as it has instances). They are bounded: past the limit the
remote AE is asked to stop, and what came is given as incomplete.

Source: DICOM PS3.4 C.4.1, C.6; PS3.7 9.1.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from node.catalogue.matching import QueryLevel
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dimse.calling import Called, Proposal
from node.dimse.exchange import PENDING, Agreed, Exchange, exchange
from node.dimse.identifier import LEVELS, read_identifier, write_identifier
from node.dimse.statuses import meaning_of_query
from node.errors import InvalidRequest, Refused, Unavailable
from node.failpoints import planted

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import C_FIND

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
MOST_ANSWERS = 10_000
ALL_S = 180.0
"""For all answers of one query."""
CANCEL_S = 10.0
"""How long the last answers may take after we asked to stop."""
_MOST_AFTER_CANCEL = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a remote AE answered."""

    items: tuple[Mapping[str, str], ...]
    """Each by keyword, texts as they were meant."""
    complete: bool
    """False when there is more than the limit, repeats counted."""
    unreadable: int
    """Answers that could not be read at all."""
    keys_ignored: bool
    """It says that it matched without some of the keys. Source: status FF01."""


def find(
    whom: Called, level: QueryLevel, keys: Mapping[str, str], *, charset: str = "", limit: int = MOST_ANSWERS
) -> Answers:
    """Ask a remote AE for patients, studies, series or instances.

    Parameters
    ----------
    keys
        Values by keyword, those of `identifier.KEYS`; every key of the level is asked for besides.
    charset
        What the remote AE's texts are written in; ours are then written in it.

    Raises
    ------
    InvalidRequest
        A key is not known, a text cannot be written, or the level needs a UID that is not given.
    Unavailable, Refused
        It cannot be reached, does not answer, or does not take the query.
    """
    about = f"Asking {whom.who} for {LEVELS[level].words}"
    write_identifier(level, keys, charset=charset, explicit=True)  # say what is wrong before calling
    both = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    proposals = [Proposal(PATIENT_ROOT, both)]
    if level is not QueryLevel.PATIENT:
        proposals.insert(0, Proposal(STUDY_ROOT, both))
    with exchange(whom, proposals) as asking:
        context = asking.context(STUDY_ROOT) or asking.context(PATIENT_ROOT)
        if context is None:
            raise Refused(f"{about} was refused: it takes no such query. Have it allow C-FIND to this node.")
        query = Query(
            asking,
            context,
            partial(read_identifier, charset=charset),
            about=about,
            limit=min(limit, MOST_ANSWERS),
        )
        return query.run(
            write_identifier(level, keys, charset=charset, explicit=context.syntax == EXPLICIT_LITTLE)
        )


class Query:
    """One query on its way; ``read`` reads an answer, given its bytes and its transfer syntax."""

    def __init__(
        self,
        asking: Exchange,
        context: Agreed,
        read: Callable[[bytes, str], Mapping[str, str]],
        *,
        about: str,
        limit: int,
    ) -> None:
        self._asking, self._context, self._about = asking, context, about
        self._read, self._limit = read, limit
        self._items: dict[frozenset[tuple[str, str]], Mapping[str, str]] = {}
        self._taken = 0
        self._unreadable = 0
        self._ignored = False

    def run(self, identifier: bytes) -> Answers:
        """Ask, and take answers until the last one; raises as `find`."""
        message_id = self._asking.next_message_id()
        self._asking.ask(_request(message_id, self._context, identifier), self._context)
        until, after = time.monotonic() + ALL_S, -1
        for answer in self._asking.answers(message_id, about=self._about):
            if answer.Status not in PENDING:
                self._check_last(answer, cancelled=after >= 0)
                break
            if after < 0 and self._taken < self._limit:
                self._take(answer)
                if time.monotonic() > until:
                    raise self._asking.silent(self._about, ALL_S)
                continue
            if after < 0 and not planted("find-without-limit"):
                self._asking.cancel(message_id, self._context)
                until = time.monotonic() + CANCEL_S
            after += 1
            if time.monotonic() > until or after > _MOST_AFTER_CANCEL:
                self._asking.abort()  # it goes on all the same; what came is enough
                break
        else:
            raise self._asking.strange(self._about)
        return Answers(
            items=tuple(self._items.values()),
            complete=after < 0,
            unreadable=self._unreadable,
            keys_ignored=self._ignored,
        )

    def _take(self, answer: Any) -> None:
        self._taken += 1
        self._ignored |= answer.Status == 0xFF01
        raw = answer.Identifier
        if raw is None or getattr(raw, "too_long", False):
            self._unreadable += 1
            return
        try:
            found = self._read(raw.getvalue(), self._context.syntax)
        except InvalidRequest:
            found = {}
        if any(found.values()):
            self._items.setdefault(frozenset(found.items()), found)
        else:
            self._unreadable += 1

    def _check_last(self, answer: Any, *, cancelled: bool) -> None:
        if answer.Status == 0 or (cancelled and answer.Status == 0xFE00):
            return
        words = f"{self._about} was refused: {meaning_of_query(answer.Status)}"
        if answer.Status & 0xFF00 == 0xA700:
            raise Unavailable(f"{words}. Try again later, or ask for less.")
        raise Refused(f"{words}. Ask otherwise, or look into its log.")


def _request(message_id: int, context: Agreed, identifier: bytes) -> C_FIND:
    import io

    from pynetdicom.dimse_primitives import C_FIND

    request = C_FIND()
    request.MessageID = message_id
    request.AffectedSOPClassUID = context.sop_class
    request.Priority = 0
    request.Identifier = io.BytesIO(identifier)
    return request
