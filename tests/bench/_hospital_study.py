"""A simulated study as it is, and as the lifecycle is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from node.archive.lifecycle.decisions import Decision
from node.archive.lifecycle.facts import Hold, State, StoredCopy, StudyFacts, Tier, verified_copies
from node.clock import Micros
from node.names import NodeId, StudyUID
from tests.bench._hospital_load import Coming

STORES = ("cellar", "tower")
PACKAGED = 0.4
"""A package's size in its study's."""


@dataclass(slots=True, eq=False)
class Study:
    """A study as it is; ``used`` is when it was truly used last."""

    number: int
    coming: Coming
    bytes: int
    first_at: Micros
    last_at: Micros
    used: Micros
    read_at: Micros | None = None
    reported_at: Micros | None = None
    state: State = State.RECEIVING
    tier: Tier = Tier.ONLINE
    packaged: bool = False
    copies: list[StoredCopy] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    rejected: bool = False
    in_lane: bool = False
    listed: bool = False
    decision: Decision | None = None

    @property
    def last_used(self) -> Micros:
        return max(self.last_at, self.read_at or 0, self.reported_at or 0)

    def facts(self) -> StudyFacts:
        return StudyFacts(
            origin=NodeId("alpha"),
            study_uid=StudyUID(f"2.25.{self.number + 1}"),
            modalities=(self.coming.modality,),
            department=self.coming.department,
            study_date=self.coming.study_date,
            bytes=self.bytes,
            instances=self.coming.instances,
            state=self.state,
            first_at=self.first_at,
            last_at=self.last_at,
            read_at=self.read_at,
            reported_at=self.reported_at,
            tier=self.tier,
            packaged=self.packaged,
            package_bytes=round(PACKAGED * self.bytes) if self.tier is not Tier.ONLINE else 0,
            verified_copies=verified_copies(self.copies),
            holds=tuple(self.holds),
            backfilled=self.coming.backfilled,
            rejected=self.rejected,
        )
