"""What time and images do to cases, and a pool at the clinic's own node."""

from __future__ import annotations

import pytest

from federation.consult.case_table import get_case
from federation.consult.clocks import lapse_claims, next_due, pass_deadlines
from federation.consult.commands import cancel_consult, claim, release, request_consult
from federation.consult.following import READER, follow_journal
from federation.consult.pools import create_pool, find_pools, publish_pools, set_memberships
from federation.consult.queries import facts_of
from federation.consult.refusals import CaseEnded
from federation.consult.writing import sign
from federation.membership import RosterExtended
from node.clock import MINUTE
from node.database.port import Statement
from node.errors import Conflict, FieldMissing, InvalidRequest, NotFound, Refused
from node.events import StudyChanged, StudyCompleted
from node.journal.cursors import position
from node.names import Cause, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from node.people.accounts import OPERATOR, Person
from node.reporting.reports import get_report
from tests.kit.consult import CLAIM, STUDY, Pair, add_person, add_study

WORDS = {"findings": "见结节。", "impression": "随访。"}


def happened(
    node: Node, event: StudyChanged | StudyCompleted, *, origin: str = "alpha", study: str = STUDY
) -> int:
    """Let something happen to a study; give how many events consult made of it."""
    key = StudyKey(origin=NodeId(origin), study_uid=StudyUID(study))
    version = node.journal.version(key.subject)
    node.write(node.journal.append(key.subject, [event], after=version, cause=Cause("c")))
    head = node.journal.head()
    follow_journal(node, 0)
    return node.journal.head() - head


def changed(node: Node, total: int, *, door: str = "dicom", origin: str = "alpha") -> int:
    event = StudyChanged(instances=1, bytes=1, door=door, device="CT1", total=total)
    return happened(node, event, origin=origin)


def completed(node: Node, total: int, *, study: str = STUDY) -> int:
    return happened(node, StudyCompleted(instances=total, reason="quiet"), study=study)


def test_home_hears_of_late_images_once_and_of_completion(pair: Pair) -> None:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    assert changed(pair.alpha, 6) == 0
    assert changed(pair.alpha, 7)
    assert changed(pair.alpha, 8) == 0
    assert completed(pair.alpha, 8)
    pair.carry()
    told = [
        fact.body for fact in facts_of(pair.centre.database, case_id) if fact.type == "amendment-accepted/1"
    ]
    assert told == [{"instances": 7, "complete": 0}, {"instances": 8, "complete": 1}]
    assert [get_case(node.database, case_id).amended for node in (pair.alpha, pair.centre)] == [2, 2]


def test_completion_alone_is_told_when_the_request_was_made_early(pair: Pair) -> None:
    early, late = "2.25.8", "2.25.9"
    add_study(pair.alpha, study_uid=early, state="receiving")
    add_study(pair.alpha, study_uid=late)
    for study_uid in (early, late):
        form = pair.form(study_uid=study_uid, acknowledge_incomplete=True)
        request_consult(pair.alpha, pair.wang, form=form)
    assert [completed(pair.alpha, 6, study=study_uid) for study_uid in (early, late)] == [1, 0]


def test_a_report_coming_home_and_a_peers_study_are_no_news(pair: Pair) -> None:
    request_consult(pair.alpha, pair.wang, form=pair.form())
    assert changed(pair.alpha, 9, door="report") == 0
    assert changed(pair.alpha, 9, origin="centre") == 0


def test_a_record_is_acted_on_once_however_often_it_is_read(pair: Pair) -> None:
    request_consult(pair.alpha, pair.wang, form=pair.form())
    assert changed(pair.alpha, 7)
    head = pair.alpha.journal.head()
    assert follow_journal(pair.alpha, 0) == follow_journal(pair.alpha, 0) == head
    assert pair.alpha.journal.head() == head
    assert position(pair.alpha.database, READER) < head


def test_a_newcomer_hears_of_the_pools(pair: Pair) -> None:
    pair.alpha.write([Statement("DELETE FROM pool")])
    pair.carry()
    event = RosterExtended(n=2, type="node-admitted", node="alpha", digest="")
    for node in (pair.centre, pair.alpha):
        node.write(node.journal.append(Subject("roster"), [event], after=0, cause=Cause("c")))
        follow_journal(node, 0)
    assert [letter.type for letter in pair.carry()] == ["pools-published/1"]
    assert [pool.id for pool in find_pools(pair.alpha.database)] == ["centre/chest"]


def test_due_times_come_from_rows(pair: Pair) -> None:
    assert next_due(pair.centre) is None
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    due = pair.clock.now() + 120 * MINUTE
    assert (next_due(pair.centre), get_case(pair.alpha.database, case_id).due) == (due, due)
    claim(pair.centre, pair.li, case_id)
    assert next_due(pair.centre) == pair.clock.now() + CLAIM
    pair.clock.advance(121 * MINUTE)
    assert (lapse_claims(pair.centre), pass_deadlines(pair.centre), pass_deadlines(pair.centre)) == (1, 1, 0)
    assert next_due(pair.centre) is None
    pair.carry()
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.overdue) == ("offered", True)
    assert next_due(pair.alpha) is None


def test_a_clinics_clock_that_runs_ahead_gains_no_time(pair: Pair) -> None:
    now = pair.clock.now()
    pair.clock.advance(300 * MINUTE)
    request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.clock.advance(-300 * MINUTE)
    pair.carry()
    assert next_due(pair.centre) == now + 120 * MINUTE


def test_pools_are_known_to_peers_and_only_their_own_home_changes_them(pair: Pair) -> None:
    create_pool(pair.centre, OPERATOR, slug="bone", name="骨关节组", specialty="骨")
    pair.carry()
    ids = pair.alpha.database.read("SELECT id FROM pool ORDER BY id")
    assert [row["id"] for row in ids] == ["centre/bone", "centre/chest"]
    with pytest.raises(Conflict, match="short name"):
        create_pool(pair.centre, OPERATOR, slug="bone", name="x", specialty="x")
    with pytest.raises(FieldMissing):
        create_pool(pair.centre, OPERATOR, slug="Bone!", name="x", specialty="x")
    pair.centre.write(publish_pools(pair.centre, NodeId("alpha")))
    (letter,) = pair.post(pair.centre, pair.alpha)
    pair.deliver(letter)
    letter.body = letter.body.replace("centre/bone", "alpha/bone")
    with pytest.raises(InvalidRequest, match="not its own"):
        pair.deliver(letter)


def test_only_experts_and_only_pools_of_this_node_have_members(pair: Pair) -> None:
    with pytest.raises(InvalidRequest, match="not an expert"):
        set_memberships(pair.alpha, OPERATOR, person_id=pair.wang.id, pools=["centre/chest"])
    expert = add_person(pair.alpha, "sun", "孙", "expert")
    with pytest.raises(NotFound, match="another node"):
        set_memberships(pair.alpha, OPERATOR, person_id=expert.id, pools=["centre/chest"])
    with pytest.raises(Refused):
        set_memberships(pair.centre, pair.li, person_id=pair.li.id, pools=[])


def own_pool_case(pair: Pair) -> tuple[str, Person]:
    expert = add_person(pair.alpha, "sun", "孙", "expert")
    pool = create_pool(pair.alpha, OPERATOR, slug="chest", name="院内", specialty="胸部")
    set_memberships(pair.alpha, OPERATOR, person_id=expert.id, pools=[pool.id])
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form(pool=pool.id))
    claim(pair.alpha, expert, case_id)
    return case_id, expert


def test_a_pool_at_ones_own_node_answers_in_the_same_batch(pair: Pair) -> None:
    case_id, expert = own_pool_case(pair)
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.version, row.home, row.claimed_by) == ("claimed", 2, "alpha", expert.id)
    assert pair.alpha.database.read("SELECT 1 AS one FROM referral") == []
    assert changed(pair.alpha, 9)
    facts = [fact.type for fact in facts_of(pair.alpha.database, case_id)]
    assert facts == ["case-offered/1", "case-claimed/1", "amendment-accepted/1"]


def test_a_report_for_ones_own_clinic_asks_for_its_documents_at_once(pair: Pair) -> None:
    case_id, expert = own_pool_case(pair)
    report_id = sign(pair.alpha, expert, case_id, version=0, **WORDS)
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.report_id, row.returned_at) == ("signed", report_id, pair.clock.now())
    assert get_report(pair.alpha.database, report_id).documents == "waiting"
    assert len(pair.alpha.database.read("SELECT 1 AS one FROM job")) == 1
    events = [event.type for event in pair.alpha.journal.by_cause(row.cause)]
    assert events.count("report-returned/2") == 1


def test_cancelling_at_ones_own_node_is_accepted_at_once(pair: Pair) -> None:
    case_id, expert = own_pool_case(pair)
    cancel_consult(pair.alpha, pair.wang, case_id, reason="误操作")
    row = get_case(pair.alpha.database, case_id)
    assert (row.state, row.cancelling, row.reason) == ("cancelled", False, "误操作")
    with pytest.raises(CaseEnded):
        release(pair.alpha, expert, case_id)
