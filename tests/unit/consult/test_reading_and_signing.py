"""Experts at the pool's home: claim, write, lose, sign; and the report that comes home."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from federation.consult.case_table import get_case
from federation.consult.claims import peek_claim
from federation.consult.clocks import lapse_claims
from federation.consult.commands import (
    cancel_consult,
    claim,
    decline,
    mark_read,
    release,
    renew,
    request_consult,
)
from federation.consult.drafts import aside_drafts
from federation.consult.home import load_home
from federation.consult.pools import set_memberships
from federation.consult.queries import draft_of, facts_of
from federation.consult.refusals import AlreadyClaimed, CaseEnded, ClaimLost, PatientUncertain
from federation.consult.signing import make_report, sign_statements
from federation.consult.writing import save_draft, sign
from node.clock import MINUTE, SECOND
from node.database.port import Statement
from node.errors import Conflict, FieldMissing, Refused
from node.keys.signing import verify
from node.people.accounts import OPERATOR, Person
from node.reporting.report import signed_bytes
from node.reporting.reports import get_report, signed_report
from tests.kit.consult import CLAIM, Pair, add_study

WORDS = {"findings": "右肺上叶见结节，直径约 8 mm。", "impression": "右肺上叶结节，建议随访。"}


@pytest.fixture
def case_id(pair: Pair) -> str:
    made = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    return made


def save(
    pair: Pair, person: Person, case_id: str, version: int, findings: str, epoch: int | None = None
) -> int:
    saved = save_draft(
        pair.centre, person, case_id, version=version, findings=findings, impression="", epoch=epoch
    )
    return saved.version


def facts(pair: Pair, case_id: str) -> list[str]:
    return [fact.type.split("/")[0] for fact in facts_of(pair.alpha.database, case_id)]


def test_second_expert_is_refused_while_claim_holds(pair: Pair, case_id: str) -> None:
    view = claim(pair.centre, pair.li, case_id)
    assert (view.epoch, view.until) == (1, pair.clock.now() + CLAIM)
    with pytest.raises(AlreadyClaimed) as refused:
        claim(pair.centre, pair.zhao, case_id)
    assert (refused.value.by, refused.value.until) == ("李主任", view.until)
    pair.carry()
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.claimed_name) == ("claimed", "李主任")


def test_claiming_again_renews(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    pair.clock.advance(MINUTE)
    again = claim(pair.centre, pair.li, case_id)
    assert (again.epoch, again.until) == (1, pair.clock.now() + CLAIM)
    assert renew(pair.centre, pair.li, case_id, epoch=1).until == again.until


def test_a_renewed_claim_does_not_lapse_at_its_first_time(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    pair.clock.advance(19 * MINUTE)
    renew(pair.centre, pair.li, case_id)
    pair.clock.advance(2 * MINUTE)
    assert lapse_claims(pair.centre) == 0
    with pytest.raises(AlreadyClaimed):
        claim(pair.centre, pair.zhao, case_id)


def test_a_claim_holds_past_its_time_until_home_writes_the_lapse(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    pair.clock.advance(CLAIM + SECOND)
    assert save(pair, pair.li, case_id, 0, "still mine") == 1
    assert lapse_claims(pair.centre) == 1
    assert peek_claim(pair.centre.database, case_id) is None
    with pytest.raises(ClaimLost):
        renew(pair.centre, pair.li, case_id)
    pair.carry()
    assert get_case(pair.alpha.database, case_id).state == "offered"
    assert facts(pair, case_id) == ["case-offered", "case-claimed", "claim-lapsed"]


def test_an_old_epoch_cannot_sign_or_renew_and_its_words_are_kept(pair: Pair, case_id: str) -> None:
    first = claim(pair.centre, pair.li, case_id)
    save(pair, pair.li, case_id, 0, "李写的")
    pair.clock.advance(CLAIM)
    second = claim(pair.centre, pair.zhao, case_id)
    assert second.epoch == first.epoch + 1
    with pytest.raises(ClaimLost, match="kept"):
        renew(pair.centre, pair.li, case_id, epoch=first.epoch)
    with pytest.raises(ClaimLost, match="kept"):
        sign(pair.centre, pair.li, case_id, version=1, **WORDS)
    with pytest.raises(ClaimLost):
        save(pair, pair.li, case_id, 1, "李后来写的")
    draft = draft_of(pair.centre, pair.zhao, case_id)
    assert (draft.version, draft.findings, draft.person) == (1, "李写的", pair.li.id)
    aside = {(kept.findings, kept.why) for kept in aside_drafts(pair.centre.database, case_id)}
    assert aside == {(WORDS["findings"], "claim-lost"), ("李后来写的", "claim-lost")}


def test_a_new_holder_goes_on_from_the_draft_and_the_old_words_stay_beside(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    save(pair, pair.li, case_id, 0, "李写的")
    release(pair.centre, pair.li, case_id, reason="会议")
    claim(pair.centre, pair.zhao, case_id)
    assert save(pair, pair.zhao, case_id, 1, "赵写的") == 2
    assert [kept.findings for kept in aside_drafts(pair.centre.database, case_id)] == ["李写的"]


def test_an_epoch_of_ones_own_earlier_claim_is_no_longer_good(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    release(pair.centre, pair.li, case_id)
    claim(pair.centre, pair.li, case_id)
    with pytest.raises(ClaimLost):
        sign(pair.centre, pair.li, case_id, version=0, epoch=1, **WORDS)
    sign(pair.centre, pair.li, case_id, version=0, epoch=2, **WORDS)


def test_a_draft_moves_only_from_the_version_its_writer_saw(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    assert save(pair, pair.li, case_id, 0, "one") == 1
    with pytest.raises(Conflict, match="version 1"):
        save(pair, pair.li, case_id, 0, "other window")
    assert save(pair, pair.li, case_id, 1, "two") == 2
    assert [kept.findings for kept in aside_drafts(pair.centre.database, case_id)] == ["other window"]


def test_who_never_held_the_case_leaves_no_words(pair: Pair, case_id: str) -> None:
    with pytest.raises(ClaimLost):
        save(pair, pair.zhao, case_id, 0, "x")
    assert aside_drafts(pair.centre.database, case_id) == []


def test_a_signed_report_comes_home_whole_with_its_signature(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    mark_read(pair.centre, pair.li, case_id)
    mark_read(pair.centre, pair.li, case_id)
    report_id = sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    pair.carry()
    home, clinic = (get_report(node.database, report_id) for node in (pair.centre, pair.alpha))
    assert signed_report(home, pair.centre.texts) == signed_report(clinic, pair.alpha.texts)
    report = signed_report(clinic, pair.alpha.texts)
    assert (report.findings, report.impression) == tuple(WORDS.values())
    assert (report.signer_name, report.home_name, report.signed_at) == (
        "李主任",
        "centre hospital",
        pair.clock.now(),
    )
    verify(pair.centre.keys.verify_key, signed_bytes(report), report.signature)
    assert (home.documents, clinic.documents) == ("elsewhere", "waiting")
    assert len({report.sr_uid, report.sr_series_uid, report.pdf_uid}) == 3
    assert all(uid.startswith("2.25.") for uid in (report.sr_uid, report.sr_series_uid, report.pdf_uid))
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.report_id, row.returned_at) == ("signed", report_id, pair.clock.now())
    assert facts(pair, case_id) == ["case-offered", "case-claimed", "case-read", "case-signed"]
    assert pair.alpha.database.read("SELECT name, args, cause FROM job") == [
        {"name": "make_documents", "args": f'{{"report_id":"{report_id}"}}', "cause": row.cause}
    ]
    assert pair.centre.database.read("SELECT 1 AS one FROM job") == []


def test_signing_the_same_words_again_gives_the_same_report(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    report_id = sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    assert sign(pair.centre, pair.li, case_id, version=0, **WORDS) == report_id
    with pytest.raises(CaseEnded):
        sign(pair.centre, pair.li, case_id, version=1, findings="other", impression="other")


@pytest.mark.parametrize("empty", ["findings", "impression"])
def test_an_empty_report_is_not_signed(pair: Pair, case_id: str, empty: str) -> None:
    claim(pair.centre, pair.li, case_id)
    with pytest.raises(FieldMissing) as refused:
        sign(pair.centre, pair.li, case_id, version=0, **{**WORDS, empty: " \n"})
    assert refused.value.name == empty
    assert get_case(pair.centre.database, case_id).state == "claimed"


def test_nothing_is_signed_while_it_is_unsure_whose_images_these_are(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    add_study(pair.centre)
    change = "UPDATE study SET origin = 'alpha', conflict = ?"
    pair.centre.write([Statement(change, (2,))])
    with pytest.raises(PatientUncertain):
        sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    pair.centre.write([Statement(change, (1,))])
    sign(pair.centre, pair.li, case_id, version=0, **WORDS)


def test_a_conflict_found_while_signing_undoes_the_signature(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    case = load_home(pair.centre, case_id)
    report = make_report(pair.centre, case, pair.li, findings="a", impression="b")
    statements = sign_statements(pair.centre, case, report)
    add_study(pair.centre, conflict=2)
    pair.centre.write([Statement("UPDATE study SET origin = 'alpha'")])
    with pytest.raises(Conflict):
        pair.centre.write(statements)
    assert pair.centre.database.read("SELECT 1 AS one FROM report") == []


def test_a_report_signed_before_the_cancel_arrived_stands_and_is_marked_at_both_nodes(
    pair: Pair, case_id: str
) -> None:
    claim(pair.centre, pair.li, case_id)
    pair.carry()
    cancel_consult(pair.alpha, pair.wang, case_id, reason="患者转院")
    report_id = sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    pair.carry()
    for node in (pair.centre, pair.alpha):
        row = get_case(node.database, case_id)
        assert (row.state, row.cancelling) == ("signed", False)
        assert get_report(node.database, report_id).late_cancel
    assert facts(pair, case_id)[-2:] == ["case-signed", "cancel-came-late"]


def test_the_clinic_marks_the_report_before_home_has_heard_of_the_cancel(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    pair.carry()
    report_id = sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    cancel_consult(pair.alpha, pair.wang, case_id, reason="患者转院")
    (answer,) = pair.post(pair.centre, pair.alpha)
    pair.deliver(answer)
    assert get_report(pair.alpha.database, report_id).late_cancel
    assert not get_report(pair.centre.database, report_id).late_cancel
    pair.carry()
    assert get_report(pair.centre.database, report_id).late_cancel


def test_a_cancel_that_came_first_ends_the_case_and_keeps_the_words(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    save(pair, pair.li, case_id, 0, "half")
    cancel_consult(pair.alpha, pair.wang, case_id, reason="患者转院")
    pair.carry()
    with pytest.raises(CaseEnded, match="cancelled"):
        sign(pair.centre, pair.li, case_id, version=1, **WORDS)
    assert draft_of(pair.centre, pair.li, case_id).findings == "half"
    assert [kept.findings for kept in aside_drafts(pair.centre.database, case_id)] == [WORDS["findings"]]


@pytest.mark.parametrize("change", ["findings", "signer_name", "study_uid", "case_id", "home", "signature"])
def test_a_report_that_is_not_what_home_signed_is_refused(pair: Pair, case_id: str, change: str) -> None:
    claim(pair.centre, pair.li, case_id)
    sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    letter = pair.post(pair.centre, pair.alpha)[-1]
    body = msgspec.json.decode(letter.body)
    body["report"][change] = body["report"]["signature"][::-1] if change == "signature" else "other"
    with pytest.raises(Refused):
        pair.deliver(replace(letter, body=msgspec.json.encode(body).decode()))
    assert pair.alpha.database.read("SELECT 1 AS one FROM report") == []
    pair.deliver(letter)
    assert len(pair.alpha.database.read("SELECT 1 AS one FROM report")) == 1


def test_the_same_report_twice_makes_one_report_and_one_job(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    letters = pair.post(pair.centre, pair.alpha)
    for letter in (*letters, *reversed(letters), *letters):
        pair.deliver(letter)
    assert len(pair.alpha.database.read("SELECT 1 AS one FROM report")) == 1
    assert len(pair.alpha.database.read("SELECT 1 AS one FROM job")) == 1
    assert get_case(pair.alpha.database, case_id).state == "signed"


def test_a_declined_case_tells_the_clinic_why(pair: Pair, case_id: str) -> None:
    with pytest.raises(FieldMissing, match="reason"):
        decline(pair.centre, pair.li, case_id, reason=" ")
    decline(pair.centre, pair.li, case_id, reason="图像不全，请补传")
    pair.carry()
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.reason) == ("declined", "图像不全，请补传")
    assert facts_of(pair.alpha.database, case_id)[-1].body == {"by": "李主任", "reason": "图像不全，请补传"}


def test_only_members_of_the_pool_with_the_role_may_act(pair: Pair, case_id: str) -> None:
    with pytest.raises(Refused, match="expert"):
        claim(pair.centre, replace(pair.li, roles=frozenset({"technician"})), case_id)
    claim(pair.centre, pair.li, case_id)
    save(pair, pair.li, case_id, 0, "written")
    set_memberships(pair.centre, OPERATOR, person_id=pair.li.id, pools=[])
    for act in (claim, renew, release):
        with pytest.raises(Refused, match="pool"):
            act(pair.centre, pair.li, case_id)
    with pytest.raises(Refused, match="pool"):
        save(pair, pair.li, case_id, 1, "and more")
    assert [kept.findings for kept in aside_drafts(pair.centre.database, case_id)] == ["and more"]
    pair.clock.advance(CLAIM)
    claim(pair.centre, pair.zhao, case_id)


def test_a_signed_case_stays_open_to_its_pool_for_questions_and_then_closes(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id)
    sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    pair.carry()
    for node in (pair.centre, pair.alpha):
        (hold,) = node.database.read("SELECT until FROM hold")
        assert hold["until"] == pair.clock.now() + 30 * 24 * 60 * MINUTE
    (access,) = pair.centre.database.read("SELECT subject, until FROM access")
    assert access == {"subject": f"pool/{pair.pool}", "until": pair.clock.now() + 30 * 24 * 60 * MINUTE}


def test_every_act_is_in_the_audit(pair: Pair, case_id: str) -> None:
    claim(pair.centre, pair.li, case_id, address="10.0.0.7")
    sign(pair.centre, pair.li, case_id, version=0, **WORDS)
    acts = pair.centre.database.read(
        "SELECT act, person, address FROM audit WHERE subject = ?", (f"case/{case_id}",)
    )
    assert {(act["act"], act["person"], act["address"]) for act in acts} == {
        ("claim-case", pair.li.id, "10.0.0.7"),
        ("sign-report", pair.li.id, ""),
    }
