"""Cases after an index was written again: what is noted at either end, and what an event of an earlier version still says."""

from __future__ import annotations

from functools import reduce

import pytest

from federation.consult import cases, requests
from federation.consult.case_table import get_case
from federation.consult.cases import SKIPPED, CaseState
from federation.consult.clinic import load_clinic
from federation.consult.commands import claim, request_consult
from federation.consult.home import load_home
from federation.consult.messages import Fact
from federation.consult.queries import facts_of
from federation.consult.requests import CaseAnswered, FactsCame, RequestState, TakeAnswer
from federation.consult.resuming import resume_cases, told_whole
from federation.consult.writing import sign
from node.errors import Damaged
from node.events import decode, event_types
from node.node import Node
from node.reporting.report import ReportSigned
from tests.kit.clock import NOON
from tests.kit.consult import Pair

WORDS = {"findings": "右肺上叶见结节。", "impression": "建议随访。"}


def resume(node: Node, until: int = NOON) -> None:
    for statements in resume_cases(node, until=until):
        if statements:
            node.write(statements)


def fact(n: int) -> Fact:
    return Fact(n=n, at=NOON, type="case-claimed/1", body={"by": "Li"})


def answer(version: int, *facts: int) -> TakeAnswer:
    return TakeAnswer(
        version=version, standing="claimed", late_cancel=False, due=NOON, facts=tuple(map(fact, facts))
    )


def test_a_class_reads_the_versions_before_it_and_no_other() -> None:
    assert event_types(ReportSigned) == ("report-signed/2", "report-signed/1")
    before = '{"case_id":"c","signature":"s","signer":"li","text":"t"}'
    event = decode((ReportSigned,), "report-signed/1", before)
    assert event is not None
    assert event.head is None
    assert decode((ReportSigned,), "report-signed/3", before) is None
    with pytest.raises(Damaged):
        decode((ReportSigned,), "report-signed/1", "{}")


def test_facts_behind_a_newer_answer_are_an_event_of_their_own_once() -> None:
    state = reduce(requests.evolve, _taken(_requested(), answer(3, 3)), _requested())
    (came,) = _taken(state, answer(2, 1, 2))
    assert came == FactsCame(facts=(fact(1), fact(2)))
    assert _taken(requests.evolve(state, came), answer(2, 1, 2)) == ()


def test_an_answer_of_the_version_before_told_all_facts_up_to_its_own() -> None:
    state = requests.evolve(_requested(), CaseAnswered(version=3, state="claimed", late_cancel=False))
    assert state.told == {1, 2, 3}


def test_an_ended_case_is_not_resumed() -> None:
    ended = CaseState(state="signed")
    assert cases.decide(ended, cases.Resume(until=NOON), NOON) == ()


def test_a_resumed_case_counts_on_behind_all_that_may_have_been_lost(pair: Pair) -> None:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    resume(pair.centre)
    pair.carry()
    assert load_home(pair.centre, case_id).number == 2 + SKIPPED
    for node in (pair.centre, pair.alpha):
        assert get_case(node.database, case_id).version == 2 + SKIPPED
        assert [one.n for one in facts_of(node.database, case_id)] == [1, 2 + SKIPPED]


def test_what_home_tells_anew_is_all_that_it_told(pair: Pair) -> None:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    claim(pair.centre, pair.li, case_id)
    report_id = sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    pair.carry()
    whole = told_whole(pair.centre, case_id)
    told = [(one.n, one.at, one.type, one.body) for one in whole.facts]
    assert told == [(one.n, one.at, one.type, one.body) for one in facts_of(pair.alpha.database, case_id)]
    assert whole.report is not None
    assert (whole.report.report_id, whole.standing.state) == (report_id, "signed")
    resume(pair.centre)
    assert [pair.deliver(letter) for letter in pair.post(pair.centre, pair.alpha)] == [False]


def test_the_clinic_s_doubt_ends_with_home_s_next_word(pair: Pair) -> None:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    resume(pair.alpha)
    assert requests_state(pair, case_id).doubted == NOON
    claim(pair.centre, pair.li, case_id)
    pair.carry()
    assert requests_state(pair, case_id).doubted is None


def requests_state(pair: Pair, case_id: str) -> RequestState:
    return load_clinic(pair.alpha, case_id).state


def _requested() -> RequestState:
    return RequestState(standing="requested")


def _taken(state: RequestState, taken: TakeAnswer) -> tuple[requests.RequestEvent, ...]:
    return requests.decide(state, taken, NOON)
