"""What the client reads of how a node's tiers grow, of alarms, of holds, and of what was checked and backed up."""

from __future__ import annotations

from node.clock import Micros
from web.api.shapes import Shape


class AlarmShape(Shape):
    """Something that a person has to see to; ``kind`` and ``figures`` as `node.watch.alarms.AlarmKind` has them."""

    kind: str
    subject: str
    raised_at: Micros
    figures: dict[str, int]


class Alarms(Shape):
    """Those that stand."""

    items: list[AlarmShape]


class GrowthShape(Shape):
    """How much came a day, since when it was looked at."""

    daily_bytes: int
    since: Micros


class PlaceShape(Shape):
    """A tier or a store; a growth is None before two days were seen."""

    place: str
    studies: int
    bytes: int
    room_bytes: int | None
    at: Micros
    month: GrowthShape | None
    quarter: GrowthShape | None
    full_at: Micros | None
    """Of a store: when its room is used up at the month's rate. Of the online tier: by the forecast."""


class PointShape(Shape):
    """Both tiers at a moment; in the archive one copy of each package. None: not looked at."""

    at: Micros
    online_bytes: int | None
    archive_bytes: int | None


class RetentionShape(Shape):
    """Archived studies kept for so many years whose retention ends within a year, or has ended."""

    years: int
    studies: int
    bytes: int
    first_at: Micros


class OutlookShape(Shape):
    """How the tiers grew, and how they will."""

    places: list[PlaceShape]
    """Empty before anything was looked at."""
    history: list[PointShape]
    ahead: list[PointShape]
    """A point a week."""
    made_at: Micros | None
    """When the forecast was made."""
    ahead_studies: int
    """That the forecast rests on."""
    arriving_bytes: int
    """A day, in the last four weeks."""
    limit_bytes: int
    """Of the online tier; 0: none is set."""
    limit_reserve_bytes: int
    room_bytes: int
    reserve_bytes: int
    """Of the online tier's disk: free, and never used."""
    shares_disk: bool
    """The archive lies on the same disk."""
    online_full_at: Micros | None
    online_full_by: str
    """``limit``, ``disk``, or empty."""
    leaving_studies: int
    """Whose online copies go within thirty days."""
    leaving_bytes: int
    retention: list[RetentionShape]
    over: int
    """Studies whose retention is over now."""
    now: Micros


class LeavingShape(Shape):
    """A study whose online copy goes; ``label`` as in `TicketShape`."""

    origin: str
    study_uid: str
    label: str
    modalities: list[str]
    bytes: int
    at: Micros


class LeavingPage(Shape):
    """The first to go first; ``next`` is the ``after`` of the following page."""

    items: list[LeavingShape]
    next: str | None


class TierCoverageShape(Shape):
    """How much of a tier was compared lately; of packs online, of copies in the archive."""

    count: int
    bytes: int
    recent: int
    recent_bytes: int
    oldest_age: Micros | None
    damaged: int
    healed: int
    lost: int


class BackupShape(Shape):
    """A backup that counts."""

    at: Micros
    backup: str
    place: str
    files: int
    bytes: int
    new_bytes: int


class DrillShape(Shape):
    """A backup tried out; ``differences`` must be 0."""

    at: Micros
    backup: str
    made_at: Micros
    studies: int
    instances: int
    differences: int
    seconds: float


class ChecksShape(Shape):
    """What was compared, backed up and tried out."""

    online: TierCoverageShape
    archive: TierCoverageShape
    recent_days: int
    scrub_mb_s: float
    """0: nothing is compared unless somebody asks."""
    scrub_days: int
    backups: list[BackupShape]
    """The newest first; empty: none was ever made."""
    within_days: int
    drills: list[DrillShape]
    drill_within_days: int
    state: str
    """The node's state folder, for the commands that are shown."""
    now: Micros


class HeldForShape(Shape):
    """One reason why studies are held."""

    reason: str
    holds: int
    studies: int
    bytes: int
    keeps_online: bool


class HeldShape(Shape):
    """One hold; ``label`` as in `TicketShape`."""

    origin: str
    study_uid: str
    label: str
    modalities: list[str]
    reason: str
    who: str
    until: Micros | None
    bytes: int


class HeldPage(Shape):
    """The reasons, and a page of holds; ``next`` is the ``after`` of the following page."""

    reasons: list[HeldForShape]
    items: list[HeldShape]
    next: str | None
