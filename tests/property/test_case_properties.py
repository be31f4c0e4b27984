"""Whatever people, clocks and the post do: no dead end, one claim at most, and both nodes agree in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.consult import cases, requests
from federation.consult.case_events import (
    CaseCancelled,
    CaseClaimed,
    CaseDeclined,
    CaseEvent,
    CaseOffered,
    CaseRead,
    CaseSigned,
    ClaimLapsed,
    ClaimReleased,
)
from federation.consult.cases import CaseState
from federation.consult.requests import RequestState
from node.clock import MINUTE, Micros
from node.errors import Conflict, GridError
from tests.kit.clock import NOON

LENGTH = 20 * MINUTE
PEOPLE = ("li", "zhao", "sun")
OFFERED = CaseOffered(
    clinic="alpha",
    clinic_name="Alpha",
    pool="centre/chest",
    study_uid="2.25.1",
    kind="diagnosis",
    urgency="routine",
    specialty="chest",
    words="d" * 64,
    requested_at=NOON,
    requested_by="Wang",
    due=NOON + 60 * MINUTE,
    instances=6,
    incomplete=True,
)
REQUESTED = requests.ConsultRequested(
    home="centre",
    pool="centre/chest",
    origin="alpha",
    study_uid="2.25.1",
    kind="diagnosis",
    urgency="routine",
    specialty="chest",
    words="d" * 64,
    by="wang",
    instances=6,
    incomplete=True,
)

Decide = Callable[[CaseState, cases.Command, Micros], tuple[CaseEvent, ...]]
person = st.sampled_from(PEOPLE)
epoch = st.none() | st.integers(1, 4)
expert_acts = st.one_of(
    st.builds(cases.TakeClaim, person=person, name=person, length=st.just(LENGTH)),
    st.builds(cases.Release, person=person, reason=st.just(""), epoch=epoch),
    st.builds(cases.Lapse, epoch=st.integers(1, 4)),
    st.builds(cases.Read, person=person),
    st.builds(cases.Decline, person=person, name=person, reason=st.just("x")),
    st.builds(cases.PassDeadline),
    st.builds(cases.SignCase, person=person, report_id=st.just("r"), epoch=epoch),
)
clinic_asks = st.one_of(
    st.builds(cases.Cancel, by=st.just("Wang"), reason=st.just("c"), asked_at=st.just(NOON)),
    st.builds(cases.Amend, n=st.integers(1, 5), instances=st.integers(1, 9), complete=st.booleans()),
    st.just(cases.Offer(offered=OFFERED)),
)
steps = st.lists(st.tuples(expert_acts | clinic_asks, st.integers(0, 15)), max_size=40)


def walk(acts: Sequence[tuple[cases.Command, int]], decide: Decide = cases.decide) -> list[CaseEvent]:
    """Let things happen, each some minutes after the last; refusals change nothing."""
    now, state, events = NOON, CaseState(), list[CaseEvent]()
    for command, minutes in ((cases.Offer(offered=OFFERED), 0), *acts):
        now += minutes * MINUTE
        try:
            happened = decide(state, command, now)
        except GridError:
            continue
        state = reduce(cases.evolve, happened, state)
        events += happened
    return events


def check_claims(events: Sequence[CaseEvent]) -> None:
    """Say what a reader of the journal alone must find: one holder at a time, each under an epoch of its own."""
    holder: tuple[str, int] | None = None
    epochs: list[int] = []
    signed = 0
    for event in events:
        match event:
            case CaseClaimed():
                assert holder is None, "two claims held at once"
                holder = (event.person, event.epoch)
                epochs.append(event.epoch)
            case CaseRead():
                assert holder == (event.person, event.epoch)
            case ClaimReleased() | ClaimLapsed():
                assert holder == (event.person, event.epoch)
                holder = None
            case CaseSigned():
                assert holder == (event.person, event.epoch)
                holder, signed = None, signed + 1
            case CaseDeclined() | CaseCancelled():
                holder = None
            case _:
                continue
    assert epochs == list(range(1, len(epochs) + 1))
    assert signed <= 1


@given(acts=steps)
def test_two_claims_never_both_hold(acts: list[tuple[cases.Command, int]]) -> None:
    check_claims(walk(acts))


def test_a_planted_claim_that_ignores_the_holder_is_caught() -> None:
    def generous(state: CaseState, command: cases.Command, now: Micros) -> tuple[CaseEvent, ...]:
        if isinstance(command, cases.TakeClaim) and state.claim is not None:
            return cases.decide(replace(state, claim=None, state="offered"), command, now)
        return cases.decide(state, command, now)

    two = [(cases.TakeClaim(person=name, name=name, length=LENGTH), 0) for name in ("li", "zhao")]
    with pytest.raises(AssertionError, match="two claims"):
        check_claims(walk(two, generous))


@given(acts=steps)
def test_a_claim_ends_only_by_an_event_that_home_writes(acts: list[tuple[cases.Command, int]]) -> None:
    """Between its claim and its end a holder may sign at any time, however late."""
    state = reduce(cases.evolve, walk(acts), CaseState())
    if state.claim is not None:
        late = state.claim.until + 10**9
        command = cases.SignCase(person=state.claim.person, report_id="r", epoch=state.claim.epoch)
        assert isinstance(cases.decide(state, command, late)[0], CaseSigned)


@given(acts=steps)
def test_no_state_is_a_dead_end(acts: list[tuple[cases.Command, int]]) -> None:
    """From wherever a case is, an expert who comes later can still end it; what has ended stays so."""
    events = walk(acts)
    state = reduce(cases.evolve, events, CaseState())
    if state.state in cases.ENDED:
        again = [*acts, (cases.TakeClaim(person="li", name="li", length=LENGTH), 1)]
        assert reduce(cases.evolve, walk(again), CaseState()).state == state.state
        return
    later = NOON + 10**12
    newcomer = cases.TakeClaim(person="newcomer", name="newcomer", length=LENGTH)
    claimed = reduce(cases.evolve, cases.decide(state, newcomer, later), state)
    sign = cases.SignCase(person="newcomer", report_id="r")
    assert reduce(cases.evolve, cases.decide(claimed, sign, later), claimed).state == "signed"
    cancel = cases.Cancel(by="Wang", reason="c", asked_at=later)
    assert reduce(cases.evolve, cases.decide(state, cancel, later), state).state == "cancelled"


@given(acts=steps, late=st.lists(st.tuples(clinic_asks, st.integers(0, 15)), max_size=10))
def test_a_signed_report_beats_every_later_request(
    acts: list[tuple[cases.Command, int]], late: list[tuple[cases.Command, int]]
) -> None:
    before = reduce(cases.evolve, walk(acts), CaseState())
    after = reduce(cases.evolve, walk([*acts, *late]), CaseState())
    if before.state == "signed":
        assert (after.state, after.report_id) == ("signed", before.report_id)
        assert after.late_cancel == (
            before.late_cancel or any(isinstance(act, cases.Cancel) for act, _ in late)
        )


@dataclass
class World:
    """A clinic, a home, and everything either ever said to the other."""

    clinic: RequestState = field(default_factory=RequestState)
    home: CaseState = field(default_factory=CaseState)
    version: int = 0
    now: Micros = NOON
    asked: list[cases.Command] = field(default_factory=list)
    answered: list[requests.TakeAnswer] = field(default_factory=list)
    heard: int = 0
    """How many of the clinic's messages home has taken for the first time: in order, as an inbox promises."""

    def ask(self, command: requests.Command) -> None:
        try:
            events = requests.decide(self.clinic, command, self.now)
        except Conflict:
            return
        self.clinic = reduce(requests.evolve, events, self.clinic)
        for event in events:
            match event:
                case requests.ConsultRequested():
                    self.asked.append(cases.Offer(offered=OFFERED))
                case requests.CancelAsked():
                    self.asked.append(cases.Cancel(by="Wang", reason="c", asked_at=event.at))
                case requests.AmendmentSent():
                    self.asked.append(
                        cases.Amend(n=event.n, instances=event.instances, complete=event.complete)
                    )
                case _:
                    continue

    def act(self, command: cases.Command) -> None:
        try:
            events = cases.decide(self.home, command, self.now)
        except GridError:
            return
        if not events:
            return
        self.home = reduce(cases.evolve, events, self.home)
        self.version += len(events)
        signed = any(isinstance(event, CaseSigned) for event in events)
        self.answered.append(
            requests.TakeAnswer(
                version=self.version,
                standing=self.home.state,
                late_cancel=self.home.late_cancel,
                report_id=self.home.report_id if signed else "",
            )
        )

    def hear(self, which: int) -> None:
        """Home takes one of the clinic's messages: the next, or any that it took before."""
        if not self.asked:
            return
        n = which % (min(self.heard + 1, len(self.asked)))
        self.heard = max(self.heard, n + 1)
        self.act(self.asked[n])

    def learn(self, which: int) -> None:
        """The clinic takes any of home's answers, in any order."""
        if self.answered:
            self.ask(self.answered[which % len(self.answered)])

    def settle(self) -> None:
        """Deliver what is left, in order."""
        while self.heard < len(self.asked):
            self.hear(self.heard)
        for answer in self.answered:
            self.ask(answer)

    @property
    def agreed(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        clinic = (self.clinic.standing, self.clinic.version, self.clinic.report_id, self.clinic.late_cancel)
        home = (self.home.state, self.version, self.home.report_id, self.home.late_cancel)
        return clinic, home


moves = st.lists(
    st.one_of(
        st.tuples(st.just("act"), expert_acts),
        st.tuples(
            st.just("ask"),
            st.one_of(
                st.just(requests.AskCancel(by="wang", reason="c")),
                st.builds(requests.NoteImages, instances=st.integers(1, 12)),
                st.builds(requests.NoteCompletion, instances=st.integers(1, 12)),
            ),
        ),
        st.tuples(st.just("hear"), st.integers(0, 30)),
        st.tuples(st.just("learn"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.integers(0, 30)),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(moves=moves, again=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=20))
def test_any_order_of_duplicates_and_replays_converges(
    moves: list[tuple[str, object]], again: list[tuple[bool, int]]
) -> None:
    world = World()
    world.ask(requests.Ask(requested=REQUESTED))
    for kind, what in moves:
        match kind, what:
            case "act", command:
                world.act(command)  # type: ignore[arg-type]  # drawn beside its kind
            case "ask", command:
                world.ask(command)  # type: ignore[arg-type]  # drawn beside its kind
            case "hear", int(which):
                world.hear(which)
            case "learn", int(which):
                world.learn(which)
            case _, int(minutes):
                world.now += minutes * MINUTE
            case _:
                raise AssertionError(kind)
    world.settle()
    clinic, home = world.agreed
    assert clinic == home
    assert not (world.clinic.cancelling and world.home.state in cases.ENDED)
    asked_cancel = any(isinstance(message, cases.Cancel) for message in world.asked)
    if asked_cancel:
        assert world.home.state in cases.ENDED
        assert world.clinic.late_cancel == (world.home.state == "signed")
    settled = (world.clinic, world.home, world.version)
    for to_home, which in again:
        (world.hear if to_home else world.learn)(which)
    assert (world.clinic, world.home, world.version) == settled


def test_a_planted_clinic_that_takes_older_answers_is_caught() -> None:
    class Forgetful(World):
        def learn(self, which: int) -> None:
            self.clinic = replace(self.clinic, version=0)
            super().learn(which)

    agreed = []
    for shape in (World, Forgetful):
        world = shape()
        world.ask(requests.Ask(requested=REQUESTED))
        world.hear(0)
        world.act(cases.TakeClaim(person="li", name="li", length=LENGTH))
        world.settle()
        world.learn(0)
        clinic, home = world.agreed
        agreed.append(clinic == home)
    assert agreed == [True, False]
