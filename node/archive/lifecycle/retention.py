"""How long a study is kept in all, and who may say that it goes. The clock alone deletes nothing.

The law counts from the patient's last visit or stay; here from the last of that, arrival, read and report.

Source: 医疗机构病历管理规定 (2013) 29; 民法典 201, 202.
"""

from __future__ import annotations

from collections.abc import Iterable

from node.archive.lifecycle.decisions import Keep, MayBeDeleted, Reason, Why, longest, until_lapsed
from node.archive.lifecycle.facts import Care, StudyFacts
from node.archive.lifecycle.periods import DAY, months_after
from node.archive.lifecycle.rules import LEGAL_HOLD, Limits, Rule, retention_years
from node.clock import Micros

ADMINISTRATORS = 2


def retained(facts: StudyFacts, rule: Rule, *, limits: Limits, now: Micros) -> Keep | MayBeDeleted:
    """Decide whether an archived study is past its retention."""
    years = years_of(facts, rule, limits=limits)
    if years is None:
        return Keep(reason=Reason(code=Why.LEGAL_HOLD, rule=rule.name))
    over_at = retained_until(facts, years)
    figures = {"over_at": over_at, "years": years}
    if now < over_at:
        return Keep(reason=Reason(code=Why.RETAINED, rule=rule.name, figures=figures), next_at=over_at)
    holds = facts.in_force(now)
    if holds:
        figures = {"holds": len(holds), "over_at": over_at}
        reason = Reason(code=Why.HELD, rule=rule.name, figures=figures, hold=longest(holds))
        return Keep(reason=reason, next_at=until_lapsed(holds))
    return MayBeDeleted(
        reason=Reason(code=Why.OVER, rule=rule.name, figures=figures), since=over_at, by_rule=rule.deletes
    )


def years_of(facts: StudyFacts, rule: Rule, *, limits: Limits) -> int | None:
    """Give how many years a study is kept; None: for good. Of a patient of unknown care the longer counts."""
    if Care.LEGAL_HOLD is facts.care or rule.retention == LEGAL_HOLD:
        return None
    years = retention_years(rule.retention)
    if years is not None:
        return years
    return limits.outpatient_years if facts.care is Care.OUTPATIENT else limits.inpatient_years


def retained_until(facts: StudyFacts, years: int) -> Micros:
    """Give when a study's retention is over: the last day counts to its end, in whatever zone."""
    last = max(facts.last_used, facts.visited_at or facts.last_used)
    return months_after(last, 12 * years) + DAY


def permits(decision: MayBeDeleted, *, approved_by: Iterable[str]) -> bool:
    """Say whether a study that may be deleted is to be: its rule says so, or two administrators do."""
    return decision.by_rule or len(set(approved_by)) >= ADMINISTRATORS
