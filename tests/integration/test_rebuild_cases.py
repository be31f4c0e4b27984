"""The database of a centre or a clinic is lost: consults and signed reports come back, and those that wait are answered.

About a minute.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.consult.case_table import get_case
from federation.consult.clocks import lapse_claims
from federation.consult.commands import renew
from federation.consult.queries import facts_of
from node.clock import MINUTE
from node.database.port import Statement
from node.errors import GridError
from node.names import StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR
from node.reporting.delivery import deliver, retry_delivery
from node.reporting.document import make_documents, pdf_path, sr_path
from node.reporting.reports import get_report, signed_report
from ops.rebuild_cli import summary
from ops.verify import verify
from tests.kit.clock import FrozenClock
from tests.kit.consulted import (
    CANCELLED,
    CLAIMED,
    DECLINED,
    LATE,
    OPEN,
    OWN,
    SIGNED,
    WORDS,
    Consulted,
    lines,
    live,
    shown,
    taken,
)
from tests.kit.deleting import delete
from tests.kit.planting import planted
from tests.kit.site import open_site
from tests.kit.travelling import problems


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Consulted:
    """Give an alliance with a past, closed, to be copied."""
    consulted = live(tmp_path_factory.mktemp("past"))
    consulted.alliance.close()
    return consulted


@pytest.fixture
def told(past: Consulted, tmp_path: Path) -> Iterator[Consulted]:
    consulted = past.copied(tmp_path)
    yield consulted
    consulted.alliance.close()


def states(node: Node, told: Consulted) -> dict[int, str]:
    rows = node.database.read("SELECT case_id, state FROM consult_case")
    by_id = {str(row["case_id"]): str(row["state"]) for row in rows}
    return {study: by_id[case_id] for study, case_id in told.cases.items() if case_id in by_id}


def report_of(node: Node, told: Consulted, study: int) -> str:
    report_id = get_case(node.database, told.cases[study]).report_id
    assert report_id is not None
    return report_id


def words_at(node: Node, report_id: str) -> tuple[str, str]:
    report = signed_report(get_report(node.database, report_id), node.texts)
    return report.findings, report.impression


def test_a_centre_without_a_database_has_its_cases_and_reports_again(told: Consulted) -> None:
    before, tables = shown(told.centre), len(lines(told.centre))
    assert states(told.centre, told) == {
        SIGNED: "signed", DECLINED: "declined", CANCELLED: "cancelled", OPEN: "offered", CLAIMED: "claimed",
        LATE: "signed", OWN: "signed",
    }  # fmt: skip
    done = told.lose("centre")
    assert shown(told.centre) == before
    assert (done.cases.cases, done.cases.reports, done.cases.resumed) == (7, 3, 2)
    assert done.cases.lacking == {}
    assert tables == 40


def test_after_it_the_open_case_is_claimed_and_signed_and_its_report_arrives(told: Consulted) -> None:
    done = told.lose("centre")
    assert done.content is None
    told.come_back("centre")
    assert get_case(told.alpha.database, told.cases[OPEN]).state == "offered"
    report_id = told.sign(told.cases[OPEN])
    told.alliance.deliver_all()
    row = get_case(told.alpha.database, told.cases[OPEN])
    assert (row.state, row.report_id) == ("signed", report_id)
    assert words_at(told.alpha, report_id) == tuple(WORDS.values())
    assert [fact.type for fact in facts_of(told.alpha.database, row.case_id)][-3:] == [
        "case-resumed/1",
        "case-claimed/1",
        "case-signed/1",
    ]
    assert [finding.line for finding in verify(told.alpha)] == []


def test_what_was_told_twice_changes_nothing_at_the_clinic(told: Consulted) -> None:
    before = shown(told.alpha)
    told.lose("centre")
    told.come_back("centre")
    assert shown(told.alpha) == before
    assert told.alpha.database.read("SELECT count(*) AS n FROM report") == [{"n": 2}]


def test_what_happened_after_the_last_block_is_said_not_to_be_known(told: Consulted) -> None:
    done = told.lose("centre")
    said = [finding.line for finding in verify(told.centre)]
    for study in (OPEN, CLAIMED):
        assert any(f"case {told.cases[study]}: what happened to it after" in line for line in said), said
    assert not any(told.cases[SIGNED] in line for line in said), said
    (problem,) = told.centre.database.read("SELECT detail FROM problem WHERE kind = 'cases-unknown'")
    assert "2 open cases" in str(problem["detail"])
    assert any("Of 2 open cases it is not known what happened after" in line for line in summary(done))
    told.come_back("centre")
    told.sign(told.cases[OPEN])
    assert not any(told.cases[OPEN] in finding.line for finding in verify(told.centre))


def test_a_planted_forgetting_that_the_end_is_unknown_is_caught(
    told: Consulted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-forgets-tail")
    with pytest.raises(AssertionError):
        test_what_happened_after_the_last_block_is_said_not_to_be_known(told)


def test_a_report_that_was_signed_and_not_sealed_stays_at_its_clinic_and_a_second_one_is_shown(
    told: Consulted,
) -> None:
    first = told.sign(told.cases[OPEN])
    told.alliance.deliver_all()
    done = told.lose("centre")
    assert done.cases.orphans == 0  # the same words as of another report
    assert get_case(told.centre.database, told.cases[OPEN]).state == "offered"
    told.come_back("centre")
    assert get_case(told.alpha.database, told.cases[OPEN]).report_id == first
    second = told.sign(told.cases[OPEN], findings="两肺未见明确异常。")
    told.alliance.deliver_all()
    row = get_case(told.alpha.database, told.cases[OPEN])
    assert (row.state, row.report_id) == ("signed", second)
    assert words_at(told.alpha, first) == tuple(WORDS.values())
    assert words_at(told.alpha, second)[0] == "两肺未见明确异常。"
    assert told.alpha.database.read("SELECT subject FROM problem WHERE kind = 'second-report'") == [
        {"subject": f"request/{row.case_id}"}
    ]


def test_a_report_that_never_left_goes_home_after_the_rebuild(told: Consulted) -> None:
    report_id = told.sign(told.cases[OPEN])
    told.seal()  # in a block, and its message in the outbox alone
    told.lose("centre")
    told.come_back("centre")
    row = get_case(told.alpha.database, told.cases[OPEN])
    assert (row.state, row.report_id) == ("signed", report_id)
    assert words_at(told.alpha, report_id) == tuple(WORDS.values())


def test_a_claim_stands_until_its_time_and_lapses_by_home_s_clock(told: Consulted) -> None:
    told.lose("centre")
    told.come_back("centre")
    (row,) = told.centre.database.read("SELECT case_id, name, until FROM claim")
    assert (row["case_id"], row["name"]) == (told.cases[CLAIMED], "Li")
    assert isinstance(told.alliance.clock, FrozenClock)
    told.alliance.clock.advance(30 * MINUTE)
    assert lapse_claims(told.centre) == 1
    told.alliance.deliver_all()
    assert get_case(told.alpha.database, told.cases[CLAIMED]).state == "offered"


def test_a_clinic_without_a_database_shows_its_reports_with_words_and_documents(told: Consulted) -> None:
    before = shown(told.alpha)
    reports = {study: report_of(told.alpha, told, study) for study in (SIGNED, LATE)}
    files = {path: path.read_bytes() for path in (told.state("alpha") / "documents").iterdir()}
    done = told.lose("alpha")
    assert shown(told.alpha) == before
    assert (done.cases.cases, done.cases.reports, done.cases.resumed) == (6, 2, 2)
    for study, report_id in reports.items():
        assert words_at(told.alpha, report_id) == tuple(WORDS.values())
        row = get_report(told.alpha.database, report_id)
        assert (row.documents, row.late_cancel) == ("made", study == LATE)
        assert row.pdf_path == f"documents/{report_id}.pdf"
        assert told.alpha.database.read("SELECT 1 AS sr FROM instance WHERE sop_uid = ?", (row.sr_uid,))
        assert {pdf_path(told.alpha, report_id), sr_path(told.alpha, report_id)} <= files.keys()
    assert {path: path.read_bytes() for path in (told.state("alpha") / "documents").iterdir()} == files
    rows = told.alpha.database.read("SELECT state, attempts, last_error FROM delivery ORDER BY state")
    assert [row["state"] for row in rows] == ["delivered"] * 2 + ["given-up"] * 2
    assert "went with the database" in str(rows[-1]["last_error"])


def test_the_page_of_a_rebuilt_clinic_shows_the_report_and_its_pdf(told: Consulted) -> None:
    report_id = report_of(told.alpha, told, SIGNED)
    told.lose("alpha")
    told.come_back("alpha")
    with open_site(told.alpha) as site:
        visitor = site.signed_in(told.wang)
        assert visitor.get(f"/api/reports/{report_id}")["findings"] == WORDS["findings"]
        status, _, pdf = visitor.raw("GET", f"/api/reports/{report_id}/pdf")
        assert (status, pdf[:5]) == (200, b"%PDF-")


def test_a_clinic_s_open_case_is_answered_after_it(told: Consulted) -> None:
    told.lose("alpha")
    told.come_back("alpha")
    report_id = told.sign(told.cases[OPEN])
    told.alliance.deliver_all()
    row = get_case(told.alpha.database, told.cases[OPEN])
    assert (row.state, row.report_id) == ("signed", report_id)
    make_documents(told.alpha, report_id)
    told.alliance.deliver_all()
    assert get_report(told.alpha.database, report_id).documents == "made"
    said = [finding.line for finding in verify(told.alpha)]
    assert [line for line in said if told.cases[OPEN] in line or report_id in line] == []


def test_a_request_that_never_left_is_asked_again(told: Consulted) -> None:
    told.alliance.faults.cut.add(told.alpha.id)
    case_id = told.ask(20)
    told.seal()
    told.lose("alpha")
    told.alliance.faults.cut.clear()
    told.come_back("alpha")
    assert get_case(told.centre.database, case_id).state == "offered"
    assert get_case(told.alpha.database, case_id).state == "offered"


def test_an_answer_behind_the_clinic_s_last_block_comes_again(told: Consulted) -> None:
    report_id = told.sign(told.cases[OPEN])
    told.alliance.deliver_all()
    assert get_case(told.alpha.database, told.cases[OPEN]).state == "signed"
    told.lose("alpha")
    assert get_case(told.alpha.database, told.cases[OPEN]).state == "offered"
    assert any(told.cases[OPEN] in finding.line for finding in verify(told.alpha))
    told.come_back("alpha")
    assert get_case(told.alpha.database, told.cases[OPEN]).report_id == report_id


def test_a_planted_folding_out_of_order_is_caught(told: Consulted, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "rebuild-folds-backwards")
    with pytest.raises((AssertionError, GridError)):
        test_a_centre_without_a_database_has_its_cases_and_reports_again(told)


def test_words_that_are_not_what_their_name_says_are_not_shown(told: Consulted) -> None:
    report_id = report_of(told.centre, told, SIGNED)
    digest = get_report(told.centre.database, report_id).text
    told.centre.texts.path(digest).write_text('{"findings":"x","impression":"y"}')
    done = told.lose("centre")
    assert told.centre.database.read("SELECT body FROM text WHERE digest = ?", (digest,)) == []
    assert done.cases.lacking[told.cases[SIGNED]] == ["the words of its report"]
    assert any(f"text {digest[:16]} is not what its name says" in line for line in summary(done))
    assert any(report_id in finding.line for finding in verify(told.centre))


def test_planted_words_of_another_digest_are_caught(told: Consulted, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "rebuild-believes-texts")
    with pytest.raises((AssertionError, KeyError, GridError)):
        test_words_that_are_not_what_their_name_says_are_not_shown(told)


def test_a_planted_sending_of_what_has_arrived_is_caught(
    told: Consulted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-sends-again")
    with pytest.raises(AssertionError):
        test_a_clinic_without_a_database_shows_its_reports_with_words_and_documents(told)


def test_a_rebuild_beside_a_database_that_can_be_read_leaves_nothing_open(told: Consulted) -> None:
    report_id = told.sign(told.cases[OPEN])  # in no block
    renew(told.centre, told.li, told.cases[CLAIMED])
    keep_otherwise(told.centre)
    until = told.centre.database.read("SELECT case_id, until FROM claim")
    before = lines(told.centre)
    told.stop("centre")
    done = told.rebuild("centre")
    assert (done.cases.resumed, done.cases.lacking, done.cases.orphans) == (0, {}, 0)
    assert lines(told.centre) == before
    assert told.centre.database.read("SELECT case_id, until FROM claim") == until
    told.alliance.deliver_all()
    assert get_case(told.alpha.database, told.cases[OPEN]).report_id == report_id
    assert [finding.line for finding in verify(told.centre)] == []


def keep_otherwise(node: Node) -> None:
    """Let something else than a case keep a study, and show it."""
    node.write(
        [
            Statement("INSERT INTO hold VALUES ('alpha', '2.25.4', 'teaching', 'course-1', NULL)"),
            Statement("INSERT INTO access VALUES ('person/x', 'alpha', '2.25.4', 'course-1', NULL)"),
        ]
    )


def test_a_request_behind_home_s_last_block_comes_again(told: Consulted) -> None:
    case_id = told.ask(20)
    assert get_case(told.centre.database, case_id).state == "offered"
    told.lose("centre")
    assert 20 not in states(told.centre, told)
    told.come_back("centre")
    assert get_case(told.centre.database, case_id).state == "offered"
    report_id = told.sign(case_id)
    told.alliance.deliver_all()
    assert get_case(told.alpha.database, case_id).report_id == report_id


def test_a_report_that_somebody_had_sent_again_arrived_when_it_did_last(told: Consulted) -> None:
    (row,) = told.alpha.database.read("SELECT id FROM delivery WHERE state = 'delivered' ORDER BY id LIMIT 1")
    retry_delivery(told.alpha, str(row["id"]), OPERATOR)
    deliver(told.alpha, str(row["id"]), taken)
    told.seal()
    before = shown(told.alpha)
    told.lose("alpha")
    assert shown(told.alpha) == before


def test_deliveries_go_on_where_an_old_database_knows_them(told: Consulted) -> None:
    rows = "SELECT * FROM delivery ORDER BY id"
    before = told.alpha.database.read(rows)
    told.stop("alpha")
    told.rebuild("alpha")
    assert told.alpha.database.read(rows) == before
    jobs = told.alpha.database.read("SELECT id FROM job WHERE name = 'deliver' AND state = 'waiting'")
    assert len(jobs) >= 2


def test_cases_of_a_study_that_was_deleted_for_good_do_not_come_back(told: Consulted) -> None:
    for pack in told.alpha.packs.landing():
        told.alpha.packs.directory.landed(pack)
    delete(told.alpha, StudyKey(origin=told.alpha.id, study_uid=StudyUID(f"2.25.{DECLINED}")))
    told.seal()
    told.lose("alpha")
    assert DECLINED not in states(told.alpha, told)
    assert SIGNED in states(told.alpha, told)


def known(node: Node) -> list[tuple[object, ...]]:
    rows = node.database.read("SELECT case_id, state, report_id FROM consult_case ORDER BY case_id")
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize("name", ["alpha", "centre"])
def test_events_of_the_version_before_bring_back_what_they_say_and_the_rest_is_named(
    tmp_path: Path, name: str
) -> None:
    told = live(tmp_path, earlier=True)
    assert [finding.line for finding in verify(told.alliance[name].node)] == []
    before = known(told.alliance[name].node)
    report_id = report_of(told.alliance[name].node, told, SIGNED)
    done = told.lose(name)
    node = told.alliance[name].node
    assert known(node) == before
    assert words_at(node, report_id) == tuple(WORDS.values())
    assert "the signature of its report and the names under it" in done.cases.lacking[told.cases[SIGNED]]
    assert any(told.cases[SIGNED] in line and "cannot be known" in line for line in summary(done))
    assert any(
        report_id in finding.line and "not as centre signed it" in finding.line for finding in verify(node)
    )
    told.come_back(name)
    if name == "centre":  # nothing is sent that was not signed as it is
        assert get_report(told.alpha.database, report_id).signature
        assert "message-refused" not in problems(told.alpha)
    told.alliance.close()


@pytest.mark.parametrize("name", ["alpha", "centre"])
def test_what_those_events_lack_an_old_database_has(tmp_path: Path, name: str) -> None:
    told = live(tmp_path, earlier=True)
    node = told.alliance[name].node
    before, deliveries = (
        lines(node),
        node.database.read("SELECT state, attempts FROM delivery ORDER BY id"),
    )
    told.stop(name)
    done = told.rebuild(name)
    node = told.alliance[name].node
    assert without_moments(lines(node)) == without_moments(before)
    assert done.cases.lacking == {}
    assert node.database.read("SELECT state, attempts FROM delivery ORDER BY id") == deliveries
    assert [finding.line for finding in verify(node)] == []
    told.alliance.close()


def without_moments(shown_: list[str]) -> list[str]:
    """Leave out moments that rows and events of that version had apart."""
    return [
        re.sub(r'"(requested_at|until|returned_at|delivered_at|at)":\d{16}', r'"\1":0', line)
        for line in shown_
    ]


def test_a_case_that_no_block_holds_any_more_is_as_the_old_database_has_it(told: Consulted) -> None:
    before = known(told.centre)
    told.stop("centre")
    for path in (told.state("centre") / "blocks").iterdir():
        path.unlink()
    with sqlite3.connect(told.state("centre") / "meridian.db") as old:
        old.execute("DELETE FROM journal")
    old.close()
    done = told.rebuild("centre")
    assert known(told.centre) == before
    assert set(done.cases.lacking) == set(told.cases.values())
    assert all("no block confirms" in what for (what,) in done.cases.lacking.values())
    said = [finding.line for finding in verify(told.centre)]
    assert all(any(f"case {case_id}" in line for line in said) for case_id in told.cases.values())
