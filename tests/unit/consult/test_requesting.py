"""A clinic asks: the form, the study, what is written beside, and what home makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.consult.case_table import get_case
from federation.consult.commands import cancel_consult, claim, request_consult
from federation.consult.forms import Consent
from federation.consult.pools import find_pools
from federation.consult.queries import facts_of, find_cases, form_of, get_case_shown
from federation.consult.refusals import CaseEnded, PatientUncertain, StudyIncomplete
from federation.policy import change_policy
from node.catalogue.visibility import Viewer, may_see
from node.database.port import Statement, text
from node.errors import Conflict, FieldMissing, InvalidRequest, NotFound, Refused
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import Person
from tests.kit.consult import STUDY, Pair, add_study

KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))


def ask(pair: Pair, **changes: object) -> str:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form(**changes))
    pair.carry()
    return case_id


def sees(node: Node, person: Person) -> bool:
    viewer = Viewer(kind="person", id=person.id, roles=person.roles)
    return may_see(node.database, node.id, viewer, KEY, node.now())


def test_the_clinic_knows_the_centres_pools(pair: Pair) -> None:
    assert [(pool.id, pool.home) for pool in find_pools(pair.alpha.database)] == [("centre/chest", "centre")]


def test_a_request_is_offered_at_home_and_shown_as_offered_at_the_clinic(pair: Pair) -> None:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    assert get_case(pair.alpha.database, case_id).state == "requested"
    pair.carry()
    for node in (pair.alpha, pair.centre):
        row = get_case(node.database, case_id)
        assert (row.state, row.clinic, row.home, row.clinic_name) == (
            "offered",
            "alpha",
            "centre",
            "alpha hospital",
        )
        assert row.version == 1
        assert [fact.type for fact in facts_of(node.database, case_id)] == ["case-offered/1"]
        words = form_of(node, row)
        assert words is not None
        assert (words.reason, words.requesting_doctor) == ("咳嗽两周，发现结节", "王医生")


def test_case_carries_the_studys_cause_at_both_nodes(pair: Pair) -> None:
    case_id = ask(pair)
    cause = text(pair.alpha.database.read("SELECT cause FROM study")[0], "cause")
    for node in (pair.alpha, pair.centre):
        assert get_case(node.database, case_id).cause == cause
        assert {record.type for record in node.journal.by_cause(get_case(node.database, case_id).cause)}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"aim": ""}, "aim"),
        ({"history": "\n"}, "history"),
        ({"specialty": ""}, "specialty"),
        ({"requesting_doctor": ""}, "requestingDoctor"),
        ({"pool": "centre/none"}, "pool"),
        ({"kind": "chat"}, "kind"),
        ({"urgency": ""}, "urgency"),
        ({"consent": Consent(who="", at="2026-03-02", how="written")}, "consent.who"),
        ({"consent": Consent(who="x", at="2026-3-2", how="written")}, "consent.at"),
        ({"consent": Consent(who="x", at="2026-13-02", how="written")}, "consent.at"),
        ({"consent": Consent(who="x", at="2026-04-02", how="written")}, "consent.at"),
        ({"consent": Consent(who="x", at="2026-03-02", how="by phone")}, "consent.how"),
        ({"reason": "x" * 4001}, "reason"),
    ],
)
def test_a_form_names_what_is_missing(pair: Pair, change: dict[str, object], field: str) -> None:
    with pytest.raises(FieldMissing) as refused:
        request_consult(pair.alpha, pair.wang, form=pair.form(**change))
    assert refused.value.name == field
    assert refused.value.http == 422


def test_control_characters_are_refused_and_script_tags_are_words(pair: Pair) -> None:
    with pytest.raises(InvalidRequest, match="control characters"):
        request_consult(pair.alpha, pair.wang, form=pair.form(aim="a\0b"))
    case_id = ask(pair, aim="<script>alert(1)</script>")
    words = form_of(pair.centre, get_case(pair.centre.database, case_id))
    assert words is not None
    assert words.aim == "<script>alert(1)</script>"


def test_only_a_technician_asks_and_only_about_own_studies(pair: Pair) -> None:
    with pytest.raises(Refused, match="technician"):
        request_consult(pair.alpha, replace(pair.wang, roles=frozenset({"expert"})), form=pair.form())
    with pytest.raises(Refused, match="another hospital"):
        request_consult(pair.alpha, pair.wang, form=pair.form(origin="centre"))
    with pytest.raises(NotFound):
        request_consult(pair.alpha, pair.wang, form=pair.form(study_uid="2.25.999"))


def test_an_incomplete_study_needs_an_acknowledgement(pair: Pair) -> None:
    add_study(pair.alpha, study_uid="2.25.5", state="receiving", instances=3)
    with pytest.raises(StudyIncomplete) as refused:
        request_consult(pair.alpha, pair.wang, form=pair.form(study_uid="2.25.5"))
    assert (refused.value.http, refused.value.instances) == (409, 3)
    ask(pair, study_uid="2.25.5", acknowledge_incomplete=True)


def test_a_study_with_two_patients_is_not_sent(pair: Pair) -> None:
    add_study(pair.alpha, study_uid="2.25.6", conflict=2)
    with pytest.raises(PatientUncertain, match="different patients"):
        request_consult(pair.alpha, pair.wang, form=pair.form(study_uid="2.25.6"))
    add_study(pair.alpha, study_uid="2.25.7", conflict=1)
    ask(pair, study_uid="2.25.7")


def test_a_peer_that_gets_nothing_by_policy_is_not_asked(pair: Pair) -> None:
    change_policy(pair.alpha, NodeId("centre"), grant="nothing", by="admin")
    with pytest.raises(Refused, match="policy"):
        request_consult(pair.alpha, pair.wang, form=pair.form())


def test_asking_the_same_pool_twice_is_refused_until_the_first_has_ended(pair: Pair) -> None:
    case_id = ask(pair)
    with pytest.raises(Conflict, match="open case"):
        request_consult(pair.alpha, pair.wang, form=pair.form())
    cancel_consult(pair.alpha, pair.wang, case_id, reason="误操作")
    pair.carry()
    ask(pair)


def test_the_request_refers_the_study_and_keeps_its_copy_in_the_same_batch(pair: Pair) -> None:
    case_id = ask(pair)
    assert pair.alpha.database.read("SELECT peer, case_id FROM referral") == [
        {"peer": "centre", "case_id": case_id}
    ]
    for node in (pair.alpha, pair.centre):
        assert node.database.read("SELECT origin, study_uid, who, until FROM hold") == [
            {"origin": "alpha", "study_uid": STUDY, "who": f"case/{case_id}", "until": None}
        ]


def test_an_offer_opens_the_study_to_the_pool_and_its_end_closes_it(pair: Pair) -> None:
    assert not sees(pair.centre, pair.li)
    case_id = ask(pair)
    assert sees(pair.centre, pair.li)
    assert not sees(pair.centre, replace(pair.li, id="somebody"))
    cancel_consult(pair.alpha, pair.wang, case_id, reason="误操作")
    pair.carry()
    assert not sees(pair.centre, pair.li)
    assert pair.centre.database.read("SELECT 1 AS one FROM hold") == []
    assert pair.alpha.database.read("SELECT 1 AS one FROM referral UNION SELECT 1 FROM hold") == []


def test_cancelling_lasts_until_home_has_accepted(pair: Pair) -> None:
    case_id = ask(pair)
    cancel_consult(pair.alpha, pair.wang, case_id, reason="患者转院")
    cancel_consult(pair.alpha, pair.wang, case_id, reason="again")
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.cancelling) == ("offered", True)
    letters = pair.carry()
    assert [letter.type for letter in letters] == ["case-cancel-requested/1", "case-facts/1"]
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.cancelling, row.reason) == ("cancelled", False, "患者转院")
    with pytest.raises(CaseEnded):
        cancel_consult(pair.alpha, pair.wang, case_id, reason="again")


def test_cancel_needs_a_reason(pair: Pair) -> None:
    with pytest.raises(FieldMissing, match="reason"):
        cancel_consult(pair.alpha, pair.wang, ask(pair), reason=" ")


def test_a_pool_that_is_gone_answers_with_words(pair: Pair) -> None:
    pair.centre.write([Statement("DELETE FROM pool")])
    row = get_case(pair.alpha.database, ask(pair))
    assert row.state == "declined"
    assert "专家组不存在" in row.reason


def test_the_same_message_twice_changes_nothing(pair: Pair) -> None:
    request_consult(pair.alpha, pair.wang, form=pair.form())
    (asked,) = pair.post(pair.alpha, pair.centre)
    assert pair.deliver(asked)
    before = pair.centre.journal.head()
    assert not pair.deliver(asked)
    assert pair.centre.journal.head() == before
    (answer,) = pair.post(pair.centre, pair.alpha)
    pair.deliver(answer)
    before = pair.alpha.journal.head()
    pair.deliver(answer)
    assert pair.alpha.journal.head() == before


def test_only_the_clinic_that_asked_may_cancel_and_only_the_home_may_answer(pair: Pair) -> None:
    case_id = ask(pair)
    cancel_consult(pair.alpha, pair.wang, case_id, reason="误操作")
    (asked,) = pair.post(pair.alpha, pair.centre)
    asked.sender = NodeId("beta")
    with pytest.raises(Refused, match="beta did not ask"):
        pair.deliver(asked)
    claim(pair.centre, pair.li, case_id)
    (answer,) = pair.post(pair.centre, pair.alpha)
    answer.sender = NodeId("beta")
    with pytest.raises(Refused, match="beta was not asked"):
        pair.deliver(answer)


def test_a_clinic_cannot_name_another_nodes_pool_or_a_crooked_field(pair: Pair) -> None:
    request_consult(pair.alpha, pair.wang, form=pair.form())
    (asked,) = pair.post(pair.alpha, pair.centre)
    for old, new in (("centre/chest", "beta/chest"), ('"diagnosis"', '"chat"'), (STUDY, "../etc")):
        forged = replace(asked, body=asked.body.replace(old, new))
        with pytest.raises(InvalidRequest):
            pair.deliver(forged)


def test_boxes_show_each_case_where_it_belongs(pair: Pair) -> None:
    case_id = ask(pair)
    assert [case.row.case_id for case in find_cases(pair.alpha, pair.wang, box="sent")] == [case_id]
    assert [case.pool_name for case in find_cases(pair.centre, pair.li, box="queue")] == ["胸部影像组"]
    claim(pair.centre, pair.li, case_id)
    assert find_cases(pair.centre, pair.zhao, box="queue") == []
    assert [case.row.case_id for case in find_cases(pair.centre, pair.li, box="mine")] == [case_id]
    assert find_cases(pair.centre, pair.zhao, box="mine") == []
    shown = get_case_shown(pair.centre, case_id).claim
    assert shown is not None
    assert (shown.name, shown.until) == ("李主任", pair.clock.now() + 20 * 60_000_000)
    pair.carry()
    shown = get_case_shown(pair.alpha, case_id).claim
    assert shown is not None
    assert (shown.name, shown.until) == ("李主任", None)
    cancel_consult(pair.alpha, pair.wang, case_id, reason="误操作")
    pair.carry()
    assert [case.row.case_id for case in find_cases(pair.alpha, pair.wang, box="done")] == [case_id]
    assert [case.row.case_id for case in find_cases(pair.centre, pair.zhao, box="done")] == [case_id]
    nobody = replace(pair.wang, roles=frozenset({"administrator"}))
    assert [find_cases(pair.alpha, nobody, box=box) for box in ("sent", "queue", "mine", "done")] == [
        [],
        [],
        [],
        [],
    ]
