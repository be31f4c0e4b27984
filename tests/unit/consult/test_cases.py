"""The case decider at home: who may do what, when, and in which words it is refused."""

from __future__ import annotations

from functools import reduce

import pytest

from federation.consult.case_events import (
    CancelCameLate,
    CaseCancelled,
    CaseClaimed,
    CaseDeclined,
    CaseEvent,
    CaseOffered,
    CaseRead,
    CaseSigned,
    ClaimLapsed,
    DeadlinePassed,
)
from federation.consult.cases import (
    Amend,
    Cancel,
    CaseState,
    Command,
    Decline,
    Lapse,
    Offer,
    PassDeadline,
    Read,
    Release,
    SignCase,
    TakeClaim,
    decide,
    evolve,
)
from federation.consult.refusals import AlreadyClaimed, CaseEnded, ClaimLost
from node.clock import MINUTE, SECOND
from node.errors import NotFound
from tests.kit.clock import NOON

DUE = NOON + 120 * MINUTE
OFFERED = CaseOffered(
    clinic="alpha",
    clinic_name="Alpha",
    pool="centre/chest",
    study_uid="2.25.1",
    kind="diagnosis",
    urgency="emergency",
    specialty="chest",
    words="d" * 64,
    requested_at=NOON,
    requested_by="Wang",
    due=DUE,
    instances=6,
    incomplete=False,
)
LI = TakeClaim(person="li", name="Li", length=20 * MINUTE)
ZHAO = TakeClaim(person="zhao", name="Zhao", length=20 * MINUTE)


def run(*commands: tuple[Command, int], state: CaseState | None = None) -> CaseState:
    current = state or CaseState()
    for command, at in commands:
        current = reduce(evolve, decide(current, command, at), current)
    return current


OPEN = run((Offer(offered=OFFERED), NOON))
CLAIMED = run((LI, NOON), state=OPEN)
SIGNED = run((SignCase(person="li", report_id="r"), NOON), state=CLAIMED)


def types(events: tuple[CaseEvent, ...]) -> list[type[CaseEvent]]:
    return [type(event) for event in events]


def test_a_request_is_offered_once() -> None:
    assert OPEN.state == "offered"
    assert decide(OPEN, Offer(offered=OFFERED), NOON) == ()
    assert decide(SIGNED, Offer(offered=OFFERED), NOON) == ()


def test_a_request_for_an_unknown_pool_is_declined_by_the_node() -> None:
    state = run((Offer(offered=OFFERED, refusal="r" * 64), NOON))
    assert (state.state, state.reason) == ("declined", "r" * 64)


def test_second_expert_is_refused_while_claim_holds() -> None:
    with pytest.raises(AlreadyClaimed) as refused:
        decide(CLAIMED, ZHAO, NOON + 20 * MINUTE - 1)
    assert (refused.value.by, refused.value.until) == ("Li", NOON + 20 * MINUTE)
    assert "Li" in refused.value.message


def test_claiming_what_one_holds_changes_nothing() -> None:
    assert decide(CLAIMED, LI, NOON + 30 * MINUTE) == ()


def test_home_writes_the_lapse_before_the_next_claim() -> None:
    events = decide(CLAIMED, ZHAO, NOON + 20 * MINUTE)
    assert types(events) == [ClaimLapsed, CaseClaimed]
    state = reduce(evolve, events, CLAIMED)
    assert state.claim is not None
    assert (state.claim.person, state.claim.epoch) == ("zhao", 2)


def test_a_claim_does_not_lapse_before_its_time_nor_under_another_epoch() -> None:
    assert decide(CLAIMED, Lapse(epoch=1), NOON + 20 * MINUTE - 1) == ()
    assert decide(CLAIMED, Lapse(epoch=2), NOON + 30 * MINUTE) == ()
    assert types(decide(CLAIMED, Lapse(epoch=1), NOON + 20 * MINUTE)) == [ClaimLapsed]


def test_a_claim_whose_time_has_passed_still_holds_until_home_writes_its_lapse() -> None:
    late = NOON + 60 * MINUTE
    assert types(decide(CLAIMED, SignCase(person="li", report_id="r"), late)) == [CaseSigned]


def test_an_old_epoch_signs_nothing() -> None:
    again = run(
        (ZHAO, NOON + 20 * MINUTE), (Release(person="zhao", reason=""), NOON + 21 * MINUTE), state=CLAIMED
    )
    third = run((LI, NOON + 22 * MINUTE), state=again)
    with pytest.raises(ClaimLost, match="kept"):
        decide(third, SignCase(person="li", report_id="r", epoch=1), NOON + 23 * MINUTE)
    assert types(decide(third, SignCase(person="li", report_id="r", epoch=3), NOON + 23 * MINUTE)) == [
        CaseSigned
    ]


def test_who_lost_the_claim_is_told_who_holds_it() -> None:
    taken = run((ZHAO, NOON + 20 * MINUTE), state=CLAIMED)
    with pytest.raises(ClaimLost, match="Zhao holds it now"):
        decide(taken, SignCase(person="li", report_id="r"), NOON + 21 * MINUTE)


def test_a_signed_report_beats_a_later_cancel() -> None:
    cancel = Cancel(by="Wang", reason="c" * 64, asked_at=NOON)
    assert types(decide(SIGNED, cancel, NOON + SECOND)) == [CancelCameLate]
    marked = run((cancel, NOON + SECOND), state=SIGNED)
    assert (marked.state, marked.late_cancel) == ("signed", True)
    assert decide(marked, cancel, NOON + SECOND) == ()


def test_a_cancel_ends_a_claimed_case() -> None:
    state = run((Cancel(by="Wang", reason="c" * 64, asked_at=NOON), NOON), state=CLAIMED)
    assert (state.state, state.claim) == ("cancelled", None)
    with pytest.raises(CaseEnded, match="cancelled"):
        decide(state, SignCase(person="li", report_id="r"), NOON)


def test_another_expert_may_not_decline_what_is_claimed() -> None:
    with pytest.raises(AlreadyClaimed):
        decide(CLAIMED, Decline(person="zhao", name="Zhao", reason="x"), NOON)
    assert types(decide(CLAIMED, Decline(person="li", name="Li", reason="x"), NOON)) == [CaseDeclined]
    late = decide(CLAIMED, Decline(person="zhao", name="Zhao", reason="x"), NOON + 20 * MINUTE)
    assert types(late) == [ClaimLapsed, CaseDeclined]


def test_reading_is_noted_once_per_claim() -> None:
    read = run((Read(person="li"), NOON), state=CLAIMED)
    assert decide(read, Read(person="li"), NOON) == ()
    taken = run((ZHAO, NOON + 20 * MINUTE), state=read)
    assert types(decide(taken, Read(person="zhao"), NOON + 20 * MINUTE)) == [CaseRead]


def test_an_older_amendment_changes_nothing() -> None:
    state = run((Amend(n=2, instances=9, complete=True), NOON), state=OPEN)
    assert decide(state, Amend(n=1, instances=7, complete=False), NOON) == ()
    assert decide(state, Amend(n=2, instances=9, complete=True), NOON) == ()


def test_a_deadline_passes_once_and_only_while_open() -> None:
    assert decide(OPEN, PassDeadline(), DUE - 1) == ()
    assert types(decide(OPEN, PassDeadline(), DUE)) == [DeadlinePassed]
    assert decide(run((PassDeadline(), DUE), state=OPEN), PassDeadline(), DUE) == ()
    assert decide(SIGNED, PassDeadline(), DUE) == ()


@pytest.mark.parametrize(
    "command",
    [
        LI,
        Release(person="li", reason=""),
        Lapse(epoch=1),
        Read(person="li"),
        Decline(person="li", name="Li", reason="x"),
        Cancel(by="Wang", reason="c", asked_at=NOON),
        Amend(n=1, instances=1, complete=False),
        PassDeadline(),
        SignCase(person="li", report_id="r"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_nothing_happens_to_a_case_that_nobody_asked_for(command: Command) -> None:
    with pytest.raises(NotFound):
        decide(CaseState(), command, NOON)


def test_what_has_ended_stays_ended() -> None:
    ends = {
        "signed": SIGNED,
        "declined": run((Decline(person="li", name="Li", reason="x"), NOON), state=OPEN),
        "cancelled": run((Cancel(by="Wang", reason="c", asked_at=NOON), NOON), state=OPEN),
    }
    for name, state in ends.items():
        for command in (LI, Release(person="li", reason=""), Decline(person="li", name="Li", reason="x")):
            with pytest.raises(CaseEnded, match=name):
                decide(state, command, NOON)
    assert decide(ends["declined"], Cancel(by="Wang", reason="c", asked_at=NOON), NOON) == ()
    assert decide(ends["cancelled"], Amend(n=1, instances=9, complete=False), NOON) == ()


def test_every_event_is_taken_by_evolve() -> None:
    assert isinstance(evolve(OPEN, CaseCancelled(by="Wang", reason="c", asked_at=NOON)), CaseState)
