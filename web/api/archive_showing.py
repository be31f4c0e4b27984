"""From rows and decisions of the archive to what the client reads, each built in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from node.archive.archived import ArchivedRow, copies_of
from node.archive.lifecycle.decided import Decided, peek_decided
from node.archive.lifecycle.decider import decide
from node.archive.lifecycle.decisions import Archive, Decision, Expire, Keep, MayBeDeleted
from node.archive.lifecycle.facts import Hold, StudyFacts, Tier
from node.archive.lifecycle.fullness import Pressure
from node.archive.lifecycle.rules import Limits, Rule, Rules
from node.archive.lifecycle.trial import Course, Difference, Trial
from node.archive.recall.tickets import (
    DONE,
    Estimate,
    Ticket,
    estimates,
    lies_away,
    measured_rate,
    open_tickets,
    tickets_of,
)
from node.catalogue.search import peek_study
from node.catalogue.visibility import Viewer
from node.clock import Micros
from node.database.port import integer, read_as
from node.errors import NotFound
from node.names import StudyKey
from node.node import Node
from web.api.archive_shapes import (
    BarShape,
    CopyShape,
    CourseShape,
    DecisionShape,
    DifferenceShape,
    HoldShape,
    LimitsShape,
    PackageShape,
    PressureShape,
    RuleShape,
    StorageShape,
    TicketShape,
    TrialShape,
)
from web.api.shapes import Study
from web.api.showing import visible_studies
from web.guard import NOT_HERE

LISTED = 50
PARTLY = "part"
"""In the archive, and a part of it online."""


def ticket_shapes(
    node: Node, viewer: Viewer, tickets: Sequence[Ticket], estimated: Mapping[str, Estimate]
) -> list[TicketShape]:
    """Describe tickets to a viewer."""
    studies = visible_studies(node, viewer, (ticket.key for ticket in tickets))
    return [_ticket(ticket, studies.get(ticket.key), estimated.get(ticket.id)) for ticket in tickets]


def storage_of(node: Node, viewer: Viewer, key: StudyKey) -> StorageShape:
    """Tell where a study lies and why.

    Raises
    ------
    NotFound
        It is not here.
    """
    row = peek_study(node.database, key)
    if row is None:
        raise NotFound(NOT_HERE)
    where = (key.origin, key.study_uid)
    packages = read_as(
        node.database,
        ArchivedRow,
        "SELECT * FROM archived WHERE origin = ? AND study_uid = ? ORDER BY generation DESC",
        where,
    )
    tier = _tier(node, key, packaged=bool(packages))
    decided = peek_decided(node.database, key)
    holds = read_as(
        node.database,
        Hold,
        "SELECT reason, who, until FROM hold WHERE origin = ? AND study_uid = ? AND (until IS NULL OR until > ?)"
        " ORDER BY reason, who",
        (*where, node.now()),
    )
    tickets = tickets_of(node.database, key)
    waiting = any(ticket.is_open for ticket in tickets)
    estimated = estimates(open_tickets(node.database), measured_rate(node.database)) if waiting else {}
    return StorageShape(
        tier=tier,
        bytes=row.bytes,
        packages=[_package(node, one) for one in packages],
        decision=None if decided is None else _decided(decided),
        holds=[_hold(hold) for hold in holds],
        recalls=ticket_shapes(node, viewer, tickets, estimated),
        now=node.now(),
    )


def _tier(node: Node, key: StudyKey, *, packaged: bool) -> str:
    """Say where a study's instances lie, by their rows."""
    away, _ = lies_away(node.database, key)
    if not away:
        return Tier.BOTH if packaged else Tier.ONLINE
    (row,) = node.database.read(
        "SELECT count(*) AS n FROM instance WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return Tier.ARCHIVED if away == integer(row, "n") else PARTLY


def trial_shape(
    node: Node,
    viewer: Viewer,
    trial: Trial,
    facts: Mapping[StudyKey, StudyFacts],
    *,
    rules: tuple[Rules, Rules],
    now: Micros,
    since: Micros,
    whole: bool,
) -> TrialShape:
    """Describe what changed rules would have done; those of which most would be otherwise come first."""
    listed = sorted(trial.differences, key=lambda one: (not one.at_once, -one.bytes))[:LISTED]
    studies = visible_studies(node, viewer, (one.key for one in listed))
    at_once = [one for one in trial.differences if one.at_once]
    return TrialShape(
        since=since,
        studies=trial.studies,
        whole=whole,
        differing=len(trial.differences),
        archive=_counted(one.archive for one in trial.differences),
        expire=_counted(one.expire for one in trial.differences),
        at_once=len(at_once),
        at_once_bytes=trial.at_once_bytes,
        items=[
            _difference(one, facts[one.key], studies.get(one.key), rules=rules, now=now) for one in listed
        ],
    )


def pressure_shape(found: Pressure) -> PressureShape:
    """Describe what came of the last pressure."""
    return PressureShape(
        at=found.at,
        wanted_bytes=found.wanted_bytes,
        freed_bytes=found.freed_bytes,
        short_bytes=found.short_bytes,
        barred=[BarShape(reason=bar.why, studies=bar.studies, bytes=bar.bytes) for bar in found.barred],
        ended_at=found.ended_at,
    )


def rule_shape(rule: Rule) -> RuleShape:
    """Describe a rule."""
    return RuleShape(**{name: getattr(rule, name) for name in rule.__struct_fields__})


def limits_shape(limits: Limits) -> LimitsShape:
    """Describe limits."""
    return LimitsShape(**{name: getattr(limits, name) for name in limits.__struct_fields__})


def _ticket(ticket: Ticket, study: Study | None, estimate: Estimate | None) -> TicketShape:
    return TicketShape(
        id=ticket.id,
        origin=ticket.origin,
        study_uid=ticket.study_uid,
        series_uid=ticket.series_uid,
        label=_label(study),
        modalities=[] if study is None else study.modalities,
        who=ticket.who,
        why=ticket.why,
        state=ticket.state,
        instances=ticket.instances,
        done=ticket.instances if ticket.state == DONE else ticket.done,
        bytes=ticket.bytes,
        words=ticket.words,
        at=ticket.at,
        began_at=ticket.began_at,
        ended_at=ticket.ended_at,
        position=0 if estimate is None else estimate.position,
        left=None if estimate is None else estimate.left,
    )


def _label(study: Study | None) -> str:
    return "" if study is None else f"{study.patient_name}\t{study.patient_id}"


def _package(node: Node, row: ArchivedRow) -> PackageShape:
    return PackageShape(
        generation=row.generation,
        digest=row.digest,
        instances=row.instances,
        bytes=row.bytes,
        original_bytes=row.online_bytes,
        at=row.at,
        copies=[
            CopyShape(store=copy.store, state=copy.state, bytes=copy.bytes, verified_at=copy.verified_at)
            for copy in copies_of(node.database, row.digest)
        ],
    )


def _difference(
    one: Difference, facts: StudyFacts, study: Study | None, *, rules: tuple[Rules, Rules], now: Micros
) -> DifferenceShape:
    before, after = (decide(facts, each, now=now) for each in rules)
    return DifferenceShape(
        origin=one.key.origin,
        study_uid=one.key.study_uid,
        label=_label(study),
        modalities=list(facts.modalities),
        bytes=one.bytes,
        first_at=facts.first_at,
        archive=one.archive,
        expire=one.expire,
        at_once=one.at_once,
        before=_course(one.before, before),
        after=_course(one.after, after),
    )


def _course(course: Course, decision: Decision) -> CourseShape:
    return CourseShape(
        rule=course.rule,
        archive_at=course.archive_at,
        expire_at=course.expire_at,
        retained_until=course.retained_until,
        copies=course.copies,
        profile=course.profile,
        decision=_decision(decision),
    )


def _decision(decision: Decision) -> DecisionShape:
    reason = decision.reason
    return DecisionShape(
        decision=_NAMES[type(decision)],
        reason=reason.code,
        rule=reason.rule,
        figures=dict(reason.figures),
        hold=None if reason.hold is None else _hold(reason.hold),
        next_at=decision.next_at,
    )


_NAMES: Mapping[type, str] = {
    Archive: "archive",
    Expire: "expire",
    Keep: "keep",
    MayBeDeleted: "may-be-deleted",
}


def _decided(decided: Decided) -> DecisionShape:
    return DecisionShape(
        decision=decided.decision,
        reason=decided.reason,
        rule=decided.rule,
        figures=decided.figures,
        hold=None if decided.hold is None else _hold(decided.hold),
        next_at=decided.next_at,
        decided_at=decided.decided_at,
        words=decided.words,
        failures=decided.failures,
    )


def _hold(hold: Hold) -> HoldShape:
    return HoldShape(reason=hold.reason, who=hold.who, until=hold.until)


def _counted(effects: Iterable[str]) -> dict[str, int]:
    return {str(effect): count for effect, count in sorted(Counter(effects).items())}
