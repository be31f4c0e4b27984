"""What the client reads of the two tiers, and what it sends of rules."""

from __future__ import annotations

from typing import Literal

from node.archive.lifecycle.rules import BY_CARE, FORMAT, Limits, Rule, Rules
from node.clock import Micros
from web.api.shapes import Shape


class TierShape(Shape):
    """A tier; ``tier``: ``online`` (there alone), ``both``, ``archived`` (in the archive alone)."""

    tier: str
    studies: int
    original_bytes: int
    package_bytes: int


class StoreShape(Shape):
    """A store; ``words`` say why it does not answer, and are empty where it is silent."""

    name: str
    configured: bool
    answers: bool
    room_bytes: int | None
    words: str
    bytes: int
    """Of verified copies."""
    verified: int
    damaged: int
    gone: int
    oldest_verified_at: Micros | None


class ReasonShape(Shape):
    """How many studies share the reason of what was decided last about them."""

    reason: str
    studies: int


class PressureShape(Shape):
    """The last time that the online tier was too large, and what came of it; ``reason`` of what bars is a code.

    Beside those of `node.archive.lifecycle.decisions`, ``failed``: letting it go was tried.
    """

    at: Micros
    wanted_bytes: int
    freed_bytes: int
    short_bytes: int
    barred: list[BarShape]
    ended_at: Micros | None


class BarShape(Shape):
    """Studies that stay online for the reason they share."""

    reason: str
    studies: int
    bytes: int


class ArchiveShape(Shape):
    """Both tiers at a glance."""

    tiers: list[TierShape]
    stores: list[StoreShape]
    reasons: list[ReasonShape]
    online_limit_bytes: int
    """0: no limit is set."""
    online_room_bytes: int
    """Free on the disk of the online tier."""
    copies: int
    """Stores in which a package is verified before its online copy may go."""
    waiting: int
    running: int
    pressure: PressureShape | None
    now: Micros


class TicketShape(Shape):
    """A recall; ``label`` is empty for who may not see the study: patient's name as written, a tab, her ID."""

    id: str
    origin: str
    study_uid: str
    series_uid: str
    """Of a recall of one series; empty: of all."""
    label: str
    modalities: list[str]
    who: str
    why: str
    state: str
    instances: int
    done: int
    bytes: int
    words: str
    at: Micros
    began_at: Micros | None
    ended_at: Micros | None
    position: int
    """Among those that wait, from 1; 0 for all others."""
    left: Micros | None
    """Until it is done, as the last recalls went."""


class Tickets(Shape):
    """A page of recalls; ``next`` is the ``before`` of the following one."""

    items: list[TicketShape]
    next: str | None
    bytes_per_second: float | None
    now: Micros


class RuleShape(Shape):
    """One rule, as `node.archive.lifecycle.rules.Rule` has it."""

    name: str
    modalities: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    older_than_months: int | None = None
    younger_than_months: int | None = None
    at_least_bytes: int | None = None
    less_than_bytes: int | None = None
    archive_after_hours: int = 24
    expire_after_months: int = 6
    copies: int = 2
    profile: Literal["small", "fast"] = "small"
    retention: str = BY_CARE
    deletes: bool = False


class LimitsShape(Shape):
    """What holds for the whole node, as `node.archive.lifecycle.rules.Limits` has it."""

    online_bytes: int = 0
    reserve_bytes: int = 0
    pressure_percent: int = 90
    relieved_percent: int = 88
    floor_hours: int = 24
    outpatient_years: int = 15
    inpatient_years: int = 30
    priors: int = 3
    priors_bytes: int = 4_000_000_000


class RulesBody(Shape):
    """Rules as somebody wants them; ``version`` is the one that she changed."""

    version: int
    rules: list[RuleShape]
    limits: LimitsShape

    def rules_asked(self) -> Rules:
        return Rules(
            rules=tuple(
                Rule(**{name: getattr(rule, name) for name in rule.__struct_fields__}) for rule in self.rules
            ),
            limits=Limits(**{name: getattr(self.limits, name) for name in self.limits.__struct_fields__}),
            version=self.version,
            format=FORMAT,
        )


class RulesShape(RulesBody):
    """The rules that count, since when and by whom; ``others`` is for studies that none fits."""

    at: Micros
    by: str
    others: RuleShape
    stores: int
    """A rule may ask for more copies than that; then these are made."""
    modalities: list[str]
    departments: list[str]
    """Those of studies of the last month, to choose from."""


class HoldShape(Shape):
    """Somebody needs a study."""

    reason: str
    who: str
    until: Micros | None


class DecisionShape(Shape):
    """``decision``: ``archive``, ``expire``, ``keep``, ``may-be-deleted``; ``reason`` is a code of `node.archive.lifecycle.decisions`."""

    decision: str
    reason: str
    rule: str
    figures: dict[str, int]
    hold: HoldShape | None
    next_at: Micros | None
    decided_at: Micros | None = None
    words: str = ""
    """Why it could not be done when that was tried last."""
    failures: int = 0


class CourseShape(Shape):
    """What rules mean for a study; a moment that is None does not come by waiting."""

    rule: str
    archive_at: Micros | None
    expire_at: Micros | None
    retained_until: Micros | None
    copies: int
    profile: str
    decision: DecisionShape


class DifferenceShape(Shape):
    """A study that other rules would have treated otherwise; effects as in `node.archive.lifecycle.trial.Effect`."""

    origin: str
    study_uid: str
    label: str
    modalities: list[str]
    bytes: int
    first_at: Micros
    archive: str
    expire: str
    at_once: bool
    before: CourseShape
    after: CourseShape


class TrialShape(Shape):
    """What changed rules would have done to studies that came ``since``: counted, and the first listed."""

    since: Micros
    studies: int
    """So many were tried, the newest; `whole` says whether they are all."""
    whole: bool
    differing: int
    archive: dict[str, int]
    """How many by effect."""
    expire: dict[str, int]
    at_once: int
    at_once_bytes: int
    items: list[DifferenceShape]


class CopyShape(Shape):
    """Where a package lies; ``state``: ``verified``, ``damaged``, ``gone``."""

    store: str
    state: str
    bytes: int
    verified_at: Micros


class PackageShape(Shape):
    """One generation of a study's package."""

    generation: int
    digest: str
    instances: int
    bytes: int
    original_bytes: int
    at: Micros
    copies: list[CopyShape]


class StorageShape(Shape):
    """A study's storage: where it lies, why it stays, and what is being done about it."""

    tier: str
    """``online``, ``both``, ``part`` (in the archive, and a part of it online), ``archived``."""
    bytes: int
    packages: list[PackageShape]
    """The newest first."""
    decision: DecisionShape | None
    holds: list[HoldShape]
    recalls: list[TicketShape]
    now: Micros
