"""Facts of a study for the lifecycle of its copies, at a time that stands still."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from node.archive.lifecycle.facts import Hold, Kind, State, StudyFacts, Tier
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.rules import Limits, Rule, Rules
from node.clock import Micros
from node.names import NodeId, StudyUID

MB = 1_000_000
NOW: Micros = 1_781_524_800_000_000
"""2026-06-15 12:00 UTC."""
CT = StudyFacts(
    origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"), modalities=("CT",), department="radiology",
    study_date="20260601", bytes=300 * MB, instances=600, state=State.COMPLETE, first_at=NOW - 10 * DAY,
    last_at=NOW - 10 * DAY,
)  # fmt: skip


def study(number: int = 1, **changes: Any) -> StudyFacts:
    """Give a CT that arrived ten days ago, with changes."""
    return replace(CT, study_uid=StudyUID(f"2.25.{number}"), **changes)


def archived(number: int = 1, **changes: Any) -> StudyFacts:
    """Give one that is online, and in two verified copies of a package."""
    known = {"tier": Tier.BOTH, "packaged": True, "package_bytes": 120 * MB, "verified_copies": 2}
    return study(number, **{**known, **changes})


def used(ago: Micros, **changes: Any) -> StudyFacts:
    """Give an archived one that was last used some time ago."""
    return archived(**{"first_at": NOW - ago, "last_at": NOW - ago, **changes})


def held(*, kind: Kind = Kind.ONLINE, until: Micros | None = None) -> Hold:
    return Hold(reason="teaching", who="person/7", until=until, kind=kind)


def rules(*listed: Rule, **limits: int) -> Rules:
    return Rules(rules=listed, limits=Limits(**limits))
