"""The clinic's decider: what it asks, and what it makes of home's answers."""

from __future__ import annotations

from functools import reduce

import pytest

from federation.consult.refusals import CaseEnded
from federation.consult.requests import (
    AmendmentSent,
    Ask,
    AskCancel,
    Command,
    ConsultRequested,
    NoteCompletion,
    NoteImages,
    RequestState,
    TakeAnswer,
    decide,
    evolve,
)
from node.errors import NotFound
from tests.kit.clock import NOON


def asked(*, incomplete: bool = False) -> RequestState:
    requested = ConsultRequested(
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
        incomplete=incomplete,
    )
    return run(RequestState(), Ask(requested=requested))


def run(state: RequestState, *commands: Command) -> RequestState:
    for command in commands:
        state = reduce(evolve, decide(state, command, NOON), state)
    return state


def answer(version: int, standing: str, *, report_id: str = "", late: bool = False) -> TakeAnswer:
    return TakeAnswer(version=version, standing=standing, late_cancel=late, report_id=report_id)


def test_a_cancel_is_open_until_home_has_answered() -> None:
    state = run(asked(), answer(1, "offered"), AskCancel(by="wang", reason="r"))
    assert (state.standing, state.cancelling) == ("offered", True)
    assert decide(state, AskCancel(by="wang", reason="r"), NOON) == ()
    assert run(state, answer(2, "claimed")).cancelling
    assert not run(state, answer(2, "cancelled")).cancelling


def test_what_has_been_answered_cannot_be_cancelled() -> None:
    with pytest.raises(CaseEnded, match="signed"):
        decide(run(asked(), answer(3, "signed")), AskCancel(by="wang", reason="r"), NOON)


def test_a_report_that_comes_home_after_the_cancel_is_marked_late() -> None:
    cancelling = run(asked(), AskCancel(by="wang", reason="r"))
    state = run(cancelling, answer(3, "signed", report_id="x"))
    assert state.late_cancel
    assert not run(asked(), answer(3, "signed", report_id="x")).late_cancel


def test_the_report_is_taken_even_when_a_newer_answer_came_first() -> None:
    newer, older = answer(4, "signed", late=True), answer(3, "signed", report_id="x")
    one, other = run(asked(), newer, older), run(asked(), older, newer)
    assert one == other
    assert (one.report_id, one.version, one.late_cancel) == ("x", 4, True)


def test_an_older_answer_changes_nothing() -> None:
    state = run(asked(), answer(3, "claimed"))
    assert decide(state, answer(2, "offered"), NOON) == ()
    assert decide(state, answer(3, "claimed"), NOON) == ()


def test_home_hears_of_images_once_until_the_study_is_complete() -> None:
    state = asked(incomplete=True)
    assert decide(state, NoteImages(instances=6), NOON) == ()
    state = run(state, NoteImages(instances=8))
    assert state.amendment == 1
    assert decide(state, NoteImages(instances=9), NOON) == ()
    assert decide(state, NoteCompletion(instances=9), NOON) == (
        AmendmentSent(n=2, instances=9, complete=True),
    )
    state = run(state, NoteCompletion(instances=9))
    assert decide(state, NoteCompletion(instances=9), NOON) == ()
    assert run(state, NoteImages(instances=10)).amendment == 3


def test_completion_of_a_study_asked_about_incomplete_is_told_without_new_images() -> None:
    assert decide(asked(incomplete=True), NoteCompletion(instances=6), NOON) != ()
    assert decide(asked(), NoteCompletion(instances=6), NOON) == ()
    assert decide(asked(incomplete=True), NoteCompletion(instances=4), NOON) == ()


def test_a_case_that_ended_without_a_report_hears_of_no_images() -> None:
    assert decide(run(asked(), answer(2, "declined")), NoteImages(instances=9), NOON) == ()
    assert decide(run(asked(), answer(3, "signed")), NoteImages(instances=9), NOON) != ()


def test_nothing_happens_to_a_case_that_was_not_asked_for() -> None:
    with pytest.raises(NotFound):
        decide(RequestState(), answer(1, "offered"), NOON)
