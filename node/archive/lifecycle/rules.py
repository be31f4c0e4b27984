"""What an administrator says about the copies of studies: a list of rules, the first that fits counts, and limits.

Whether a rule fits never depends on the time: a study's age is that at its first arrival,
from its study date. Else a study would change its rule by waiting, and what may go today
might have to stay tomorrow; or a clock set back would choose another rule.
What becomes of a study is `lifecycle`'s to say; how instances are coded is `rule`'s.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from node.archive.lifecycle.facts import StudyFacts
from node.archive.lifecycle.periods import day_of, whole_months
from node.canonical import canonical_json
from node.errors import InvalidRequest

FORMAT = 1
BY_CARE, LEGAL_HOLD = "by care", "legal hold"
"""In place of years: as `Limits` has it for outpatients and inpatients; and never."""
LEAST_YEARS = 15
"""Source: 医疗机构病历管理规定 (2013) 29: 15 years after the last visit, 30 after the last stay."""
MOST_MONTHS, MOST_HOURS, MOST_COPIES, MOST_YEARS = 1200, 24 * 366, 9, 999
MOST_PRIORS = 20
_YEARS = re.compile(r"([1-9][0-9]{0,2})y")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done with the studies that it fits; an empty list or None narrows nothing.

    Parameters
    ----------
    modalities
        One of the study's is enough.
    older_than_months, younger_than_months
        Age at first arrival; fits no study without a readable study date.
    archive_after_hours
        After the last arrival.
    expire_after_months
        Calendar months after the last of arrival, read and report.
    copies
        Stores that must hold a verified copy.
    retention
        ``by care``, ``legal hold``, or years such as ``15y``.
    deletes
        What is past its retention may be deleted without asking two administrators.
    """

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

    @property
    def narrows(self) -> bool:
        """Whether there are studies that it does not fit."""
        bounds = (
            self.older_than_months, self.younger_than_months, self.at_least_bytes, self.less_than_bytes,
        )  # fmt: skip
        return bool(self.modalities or self.departments) or any(bound is not None for bound in bounds)


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the whole node.

    Parameters
    ----------
    online_bytes
        The online tier is never to be larger; 0: no limit is set.
    reserve_bytes
        Kept free below the limit, for what arrives until expired bytes are gone.
    pressure_percent, relieved_percent
        Of the limit: where expiry before its time begins, and how far it goes on.
    floor_hours
        Nothing goes that was used more recently.
    priors, priors_bytes
        So many earlier studies of a patient come back when a consult is asked for, and no more than so much; 0: none.
    """

    online_bytes: int = 0
    reserve_bytes: int = 0
    pressure_percent: int = 90
    relieved_percent: int = 88
    floor_hours: int = 24
    outpatient_years: int = 15
    inpatient_years: int = 30
    priors: int = 3
    priors_bytes: int = 4_000_000_000


DEFAULT = Rule(name="default")
"""For studies that no rule fits."""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. ``version`` counts its changes; ``format`` says how it is written."""

    rules: tuple[Rule, ...] = ()
    limits: Limits = Limits()
    version: int = 0
    format: int = FORMAT

    def rule_for(self, facts: StudyFacts) -> Rule:
        """Give the first rule that fits."""
        for rule in self.rules:
            if fits(rule, facts):
                return rule
        return DEFAULT


def fits(rule: Rule, facts: StudyFacts) -> bool:
    """Say whether a rule is for a study."""
    if rule.modalities and not any(modality in rule.modalities for modality in facts.modalities):
        return False
    if rule.departments and facts.department not in rule.departments:
        return False
    if rule.at_least_bytes is not None and facts.bytes < rule.at_least_bytes:
        return False
    if rule.less_than_bytes is not None and facts.bytes >= rule.less_than_bytes:
        return False
    if rule.older_than_months is None and rule.younger_than_months is None:
        return True
    day = day_of(facts.study_date)
    if day is None:
        return False
    age = whole_months(day, facts.first_at)
    old = rule.older_than_months is None or age >= rule.older_than_months
    return old and (rule.younger_than_months is None or age < rule.younger_than_months)


def retention_years(retention: str) -> int | None:
    """Read how many years a rule names; None when it names none."""
    match = _YEARS.fullmatch(retention)
    return int(match[1]) if match else None


def check_rules(rules: Rules) -> Rules:
    """Give the rules back when they can be followed.

    Raises
    ------
    InvalidRequest
        They cannot; the message names the rule.
    """
    names: set[str] = set()
    all_taken_by = ""
    for rule in rules.rules:
        if not rule.name.strip() or rule.name == DEFAULT.name or rule.name in names:
            raise _refused(
                f"{rule.name!r} names no rule or two of them",
                f"Give each a name of its own, not {DEFAULT.name!r}",
            )
        if all_taken_by:
            raise _refused(
                f"rule {rule.name!r} stands behind {all_taken_by!r}, which fits every study", "Move it up"
            )
        names.add(rule.name)
        _check_rule(rule)
        all_taken_by = "" if rule.narrows else rule.name
    _check_limits(rules.limits)
    return rules


def encode_rules(rules: Rules) -> str:
    """Write rules as canonical JSON."""
    return canonical_json(msgspec.to_builtins(rules))


def decode_rules(content: str | bytes) -> Rules:
    """Read and check rules.

    Raises
    ------
    InvalidRequest
        They are malformed, cannot be followed, or a later version wrote them.
    """
    try:
        rules = msgspec.json.decode(content, type=Rules)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _refused(str(error), "Correct what it names") from error
    if rules.format != FORMAT:
        raise _refused(f"they have format {rules.format}, this version reads {FORMAT}", "Update this node")
    return check_rules(rules)


def _check_rule(rule: Rule) -> None:
    where = f"rule {rule.name!r}"
    _between(where, "archive_after_hours", value=rule.archive_after_hours, least=0, most=MOST_HOURS)
    _between(where, "expire_after_months", value=rule.expire_after_months, least=1, most=MOST_MONTHS)
    _between(where, "copies", value=rule.copies, least=1, most=MOST_COPIES)
    for what, low, high in (
        ("months", rule.older_than_months, rule.younger_than_months),
        ("bytes", rule.at_least_bytes, rule.less_than_bytes),
    ):
        if (low is not None and low < 0) or (high is not None and high <= max(low or 0, 0)):
            raise _refused(
                f"{where} is for studies of {low or 0} {what} and more that have less than {high}, and there are none",
                "Give the larger number as the upper end",
            )
    years = retention_years(rule.retention)
    if rule.retention not in (BY_CARE, LEGAL_HOLD) and (years is None or years < LEAST_YEARS):
        raise _refused(
            f"{where} keeps studies for {rule.retention!r}",
            f"Write {BY_CARE!r}, {LEGAL_HOLD!r}, or at least '{LEAST_YEARS}y'",
        )


def _check_limits(limits: Limits) -> None:
    where = "the node"
    _between(where, "online_bytes", value=limits.online_bytes, least=0, most=2**62)
    _between(
        where, "reserve_bytes", value=limits.reserve_bytes, least=0, most=max(0, limits.online_bytes - 1)
    )
    _between(where, "pressure_percent", value=limits.pressure_percent, least=1, most=100)
    _between(where, "relieved_percent", value=limits.relieved_percent, least=1, most=limits.pressure_percent)
    _between(where, "floor_hours", value=limits.floor_hours, least=1, most=MOST_HOURS)
    _between(where, "priors", value=limits.priors, least=0, most=MOST_PRIORS)
    _between(where, "priors_bytes", value=limits.priors_bytes, least=0, most=2**62)
    _between(where, "outpatient_years", value=limits.outpatient_years, least=LEAST_YEARS, most=MOST_YEARS)
    _between(
        where, "inpatient_years", value=limits.inpatient_years, least=limits.outpatient_years, most=MOST_YEARS
    )


def _between(where: str, what: str, *, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _refused(f"{what} of {where} is {value}", f"Choose {least} to {most}")


def _refused(why: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"Changing the rules for copies was refused: {why}. {remedy}.")
