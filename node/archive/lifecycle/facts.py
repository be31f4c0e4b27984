"""What of a study its copies' lifecycle looks at: facts, as rows give them. Decides nothing about them.

Every time here was written by `steady`, so a clock that is a year behind makes no study a year older
when it is right again. A clock that runs ahead is not noticed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from node.clock import Micros
from node.failpoints import planted
from node.names import NodeId, StudyKey, StudyUID


class State(StrEnum):
    """Whether more instances are expected."""

    RECEIVING = "receiving"
    COMPLETE = "complete"


class Tier(StrEnum):
    """Where a study's instances lie."""

    ONLINE = "online"
    ARCHIVED = "archived"
    BOTH = "both"
    """Online, at least what came last; and a package of all, or of those before the last arrival."""


class Kind(StrEnum):
    """What a hold needs."""

    COPY = "copy"
    """A verified copy, wherever it is: a peer that has not got it yet, a consult, a court."""
    ONLINE = "online"
    """The online copy itself: teaching, a study under the reader's hand."""


class Care(StrEnum):
    """Whose record a study belongs to, as far as its retention goes."""

    OUTPATIENT = "outpatient"
    INPATIENT = "inpatient"
    UNKNOWN = "unknown"
    LEGAL_HOLD = "legal hold"
    """Set by hand: kept until a person takes it back."""


class CopyState(StrEnum):
    """What is known of a package in a store."""

    WRITTEN = "written"
    VERIFIED = "verified"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Somebody needs a study; ``until`` None: until it is removed."""

    reason: str
    who: str
    until: Micros | None = None
    kind: Kind = Kind.ONLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCopy:
    """A package's copy in a store; a store may hold more than one."""

    store: str
    state: CopyState


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """What is known of a study.

    Parameters
    ----------
    first_at, last_at
        First and last arrival of an instance.
    packaged
        A package exists that covers every instance present.
    verified_copies
        Stores that hold a verified copy of that package: `verified_copies`.
    package_bytes
        Size of the package; 0 while there is none.
    brought_at
        When it came back for somebody who did not ask for it; no use of it, but it stays for a while.
    visited_at
        The latest visit known of the patient, from which the law counts; None when only this study is known.
    """

    origin: NodeId
    study_uid: StudyUID
    modalities: tuple[str, ...]
    department: str
    study_date: str
    bytes: int
    instances: int
    state: State
    first_at: Micros
    last_at: Micros
    read_at: Micros | None = None
    reported_at: Micros | None = None
    brought_at: Micros | None = None
    tier: Tier = Tier.ONLINE
    packaged: bool = False
    package_bytes: int = 0
    verified_copies: int = 0
    holds: tuple[Hold, ...] = ()
    backfilled: bool = False
    rejected: bool = False
    care: Care = Care.UNKNOWN
    visited_at: Micros | None = None

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)

    @property
    def covered(self) -> bool:
        """Whether all that is here also lies in a package."""
        return self.packaged and self.tier is not Tier.ONLINE

    @property
    def last_used(self) -> Micros:
        """The last of arrival, read and report."""
        return max(self.last_at, self.read_at or self.last_at, self.reported_at or self.last_at)

    def in_force(self, now: Micros) -> tuple[Hold, ...]:
        """Give the holds that have not lapsed."""
        if not self.holds:
            return ()
        return tuple(hold for hold in self.holds if hold.until is None or hold.until > now)


def steady(clock: Micros, *, newest: Micros, since: Micros = 0) -> Micros:
    """Give the time to decide by and to write down: the clock's, unless it has been set back.

    Parameters
    ----------
    newest
        The latest time that was given, or stands in the journal.
    since
        How long ago that was, by a counter that nobody sets. After a restart that is not known: with 0
        time stands still until the clock has caught up, and ages are wrong by as long as that takes.
    """
    return max(clock, newest + since)


def verified_copies(copies: Iterable[StoredCopy]) -> int:
    """Count the stores that hold a verified copy; what lies twice in one store is lost with it."""
    found = [copy.store for copy in copies if copy.state is CopyState.VERIFIED]
    return len(found) if planted("copies-of-one-store") else len(set(found))
