"""What a changed rule would have done is said before it is switched on."""

from __future__ import annotations

from node.archive.lifecycle.facts import Tier
from node.archive.lifecycle.periods import DAY, HOUR, months_after
from node.archive.lifecycle.rules import Rule, Rules
from node.archive.lifecycle.trial import Effect, Trial, try_rules
from tests.kit.copies import NOW, archived, held, rules, study, used

OLD = Rules()


def tried(new: Rules, *facts: object) -> Trial:
    return try_rules(OLD, new, facts, now=NOW)  # type: ignore[arg-type]


def test_rules_that_say_the_same_make_no_difference() -> None:
    assert tried(rules(Rule(name="all")), study(), archived(), used(300 * DAY)) == Trial(
        studies=3, differences=()
    )


def test_a_shorter_time_says_what_goes_at_once_and_what_earlier() -> None:
    new = rules(Rule(name="CT", modalities=("CT",), expire_after_months=1))
    recent, older, gone = used(3 * DAY), used(90 * DAY), used(90 * DAY, tier=Tier.ARCHIVED)
    held_one = used(90 * DAY, holds=(held(),))
    other = used(90 * DAY, modalities=("MR",))
    trial = tried(new, recent, older, gone, held_one, other)
    assert [one.expire for one in trial.differences] == [Effect.EARLIER, Effect.NEWLY, Effect.NEWLY]
    assert [one.at_once for one in trial.differences] == [False, True, False]
    assert trial.at_once_bytes == older.bytes
    assert trial.expired(Effect.NEWLY) == 2
    assert trial.archived(Effect.SAME) == 3
    first = trial.differences[0]
    assert first.before.expire_at == months_after(recent.last_at, 6)
    assert first.after.expire_at == months_after(recent.last_at, 1)


def test_a_longer_time_says_what_would_not_have_gone() -> None:
    trial = tried(rules(Rule(name="long", expire_after_months=12)), used(300 * DAY), used(90 * DAY))
    assert [one.expire for one in trial.differences] == [Effect.NO_LONGER, Effect.LATER]
    assert trial.at_once_bytes == 0


def test_a_longer_quiet_says_what_would_be_archived_later() -> None:
    new = rules(Rule(name="slow", archive_after_hours=72))
    facts = [study(1, last_at=NOW - HOUR), study(2, last_at=NOW - 48 * HOUR), study(3)]
    trial = tried(new, *facts, study(4, backfilled=True), study(5, rejected=True))
    assert [one.archive for one in trial.differences] == [Effect.LATER, Effect.NO_LONGER, Effect.LATER]
    assert tried(rules(Rule(name="soon", archive_after_hours=0)), facts[0]).archived(Effect.NEWLY) == 1


def test_more_copies_are_a_difference_though_no_moment_is() -> None:
    (difference,) = tried(rules(Rule(name="safe", copies=3)), used(300 * DAY)).differences
    assert (difference.before.copies, difference.after.copies) == (2, 3)
    assert (difference.archive, difference.expire) == (Effect.SAME, Effect.SAME)


def test_fewer_copies_let_go_at_once_what_waited_for_them() -> None:
    trial = tried(rules(Rule(name="one", copies=1)), used(300 * DAY, verified_copies=1))
    assert [one.at_once for one in trial.differences] == [True]
