"""A case over HTTP at both nodes: asked for, claimed, written, signed, returned; and its story on each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.names import NodeId, StudyKey, StudyUID
from node.story import tell_story
from tests.kit.consult import STUDY, Pair, add_study, open_pair
from tests.kit.holding import hold_ct
from tests.kit.http import Answer, Visitor
from tests.kit.site import open_site

SCRIPT = "<script>alert('影像')</script>"
FORM: dict[str, Any] = {
    "origin": "alpha",
    "studyUid": STUDY,
    "kind": "diagnosis",
    "urgency": "emergency",
    "reason": SCRIPT,
    "aim": "结节性质",
    "history": "男，64 岁",
    "specialty": "胸部",
    "requestingDoctor": "王医生",
    "consent": {"who": "患者本人", "at": "2026-03-01", "how": "written"},
}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"reason": "  "}, "reason"),
    ({"requestingDoctor": ""}, "requestingDoctor"),
    ({"urgency": "soon"}, "urgency"),
    ({"consent": {"who": "患者", "at": "2026-13-40", "how": "written"}}, "consent.at"),
    ({"consent": {"who": "患者", "at": "2026-03-01"}}, "consent.how"),
    ({"consent": 7}, "consent"),
    ({"pool": "centre/none"}, "pool"),
    ({"acknowledgeIncomplete": "yes"}, "acknowledgeIncomplete"),
]


@dataclass
class Desk:
    """Everybody's browser."""

    pair: Pair
    wang: Visitor
    li: Visitor
    zhao: Visitor

    def request(self, **changes: object) -> dict[str, Any]:
        case: dict[str, Any] = self.wang.post("/api/consults", {**FORM, "pool": self.pair.pool, **changes})
        self.pair.carry()
        return case

    def claimed(self) -> str:
        """Give a case that li holds."""
        case_id = str(self.request()["caseId"])
        self.li.post(f"/api/consults/{case_id}/claim")
        self.pair.carry()
        return case_id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        pair = stack.enter_context(open_pair(tmp_path))
        alpha, centre = (stack.enter_context(open_site(node)) for node in (pair.alpha, pair.centre))
        yield Desk(pair, alpha.signed_in(pair.wang), centre.signed_in(pair.li), centre.signed_in(pair.zhao))


def refused(answer: pytest.ExceptionInfo[Answer]) -> dict[str, Any]:
    return {"status": answer.value.status, **answer.value.body["error"]}


def test_a_form_with_something_missing_names_it(desk: Desk) -> None:
    for change, field in WRONG:
        with pytest.raises(Answer) as answer:
            desk.wang.post("/api/consults", {**FORM, "pool": desk.pair.pool, **change})
        error = refused(answer)
        assert (error["status"], error["code"], error["field"]) == (422, "invalid", field)
    assert desk.wang.get("/api/consults?box=sent")["items"] == []


def test_script_tags_are_kept_as_the_text_they_are(desk: Desk) -> None:
    case = desk.request()
    assert case["form"]["reason"] == SCRIPT
    assert desk.li.get("/api/consults?box=queue")["items"][0]["form"]["reason"] == SCRIPT
    _, headers, body = desk.li.raw("GET", f"/api/consults/{case['caseId']}")
    assert (headers["content-type"], headers["x-content-type-options"]) == (
        "application/json; charset=utf-8",
        "nosniff",
    )
    assert SCRIPT in body.decode()


def test_an_incomplete_study_is_asked_about_only_knowingly(desk: Desk) -> None:
    add_study(desk.pair.alpha, study_uid="2.25.9", state="receiving", instances=3)
    with pytest.raises(Answer) as answer:
        desk.request(studyUid="2.25.9")
    error = refused(answer)
    assert (error["status"], error["code"], error["instances"]) == (409, "incomplete", 3)
    assert desk.request(studyUid="2.25.9", acknowledgeIncomplete=True)["state"] == "requested"


def test_a_second_expert_is_told_who_holds_the_case_and_until_when(desk: Desk) -> None:
    case_id = desk.claimed()
    with pytest.raises(Answer) as answer:
        desk.zhao.post(f"/api/consults/{case_id}/claim")
    error = refused(answer)
    assert (error["status"], error["code"], error["by"]) == (409, "claimed", "李主任")
    mine = desk.li.get("/api/consults?box=mine")["items"][0]["claim"]
    assert (mine["mine"], mine["until"]) == (True, error["until"])
    theirs = desk.wang.get(f"/api/consults/{case_id}")["claim"]
    assert (theirs["name"], theirs["until"], theirs["mine"]) == ("李主任", None, False)


def test_a_declined_case_is_known_to_its_pool_without_the_patient(desk: Desk) -> None:
    hold_ct(desk.pair.centre, study_uid=STUDY, origin="alpha", name="Kanari^Vogel")
    case_id = str(desk.request()["caseId"])
    assert desk.li.get(f"/api/consults/{case_id}")["study"]["patientName"] == "Kanari^Vogel"
    declined = desk.li.post(f"/api/consults/{case_id}/decline", {"reason": "非本专业"})
    assert (declined["state"], declined["study"], declined["form"]) == ("declined", None, None)
    (listed,) = desk.zhao.get("/api/consults?box=done")["items"]
    assert (listed["reason"], listed["study"]) == ("非本专业", None)
    with pytest.raises(Answer) as answer:
        desk.zhao.get(f"/api/consults/{case_id}")
    assert answer.value.status == 404


def test_a_cancel_counts_when_home_has_accepted_it(desk: Desk) -> None:
    case_id = str(desk.request()["caseId"])
    case = desk.wang.post(f"/api/consults/{case_id}/cancel", {"reason": "误申请"})
    assert (case["state"], case["cancelling"]) == ("offered", True)
    desk.pair.carry()
    case = desk.wang.get(f"/api/consults/{case_id}")
    assert (case["state"], case["cancelling"], case["reason"]) == ("cancelled", False, "误申请")


def test_a_draft_of_an_older_version_is_a_conflict(desk: Desk) -> None:
    path = f"/api/consults/{desk.claimed()}/draft"
    assert desk.li.get(path)["version"] == 0
    saved = desk.li.put(path, {"version": 0, "findings": "结节", "impression": ""})
    assert saved["version"] == 1
    with pytest.raises(Answer) as answer:
        desk.li.put(path, {"version": 0, "findings": "另一窗口", "impression": ""})
    assert refused(answer)["status"] == 409
    assert desk.li.get(path)["findings"] == "结节"


def test_a_signed_report_comes_home_and_both_stories_tell_the_way(desk: Desk) -> None:
    case_id = desk.claimed()
    signed = desk.li.post(
        f"/api/consults/{case_id}/sign", {"version": 0, "findings": "右肺尖结节", "impression": "随访"}
    )
    desk.pair.carry()
    report = desk.wang.get(f"/api/reports/{signed['reportId']}")
    assert (report["findings"], report["impression"], report["signerName"]) == (
        "右肺尖结节",
        "随访",
        "李主任",
    )
    page = desk.wang.get(f"/api/studies/alpha/{STUDY}")
    assert page["study"]["report"]["reportId"] == page["reports"][0]["reportId"] == signed["reportId"]
    assert (page["study"]["consult"]["state"], page["dicomweb"]) == ("signed", "/dicomweb")
    with pytest.raises(Answer) as answer:
        desk.wang.get(f"/api/reports/{signed['reportId']}/pdf")
    assert "not made yet" in refused(answer)["message"]
    for visitor in (desk.wang, desk.li):
        events = visitor.get(f"/api/studies/alpha/{STUDY}/story")["events"]
        told = [(event["node"], event["what"]) for event in events]
        for one in [("alpha", "requested"), ("centre", "claimed"), ("centre", "signed")]:
            assert one in told
        assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert ("alpha", "returned") in [
        (event["node"], event["what"])
        for event in desk.wang.get(f"/api/studies/alpha/{STUDY}/story")["events"]
    ]
    key = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))
    (row,) = desk.pair.centre.database.read("SELECT cause FROM consult_case")
    assert tell_story(desk.pair.alpha, key).cause == row["cause"]


def test_opening_the_images_of_a_claimed_case_is_told_at_both_nodes(desk: Desk) -> None:
    hold_ct(desk.pair.centre, study_uid=STUDY, origin="alpha")
    metadata = f"/dicomweb/from/alpha/studies/{STUDY}/metadata"
    case_id = desk.claimed()
    assert len(desk.li.get(metadata)) == 2
    desk.li.get(metadata)
    desk.zhao.get(metadata)
    desk.pair.carry()
    for visitor in (desk.wang, desk.li):
        events = visitor.get(f"/api/studies/alpha/{STUDY}/story")["events"]
        assert [(event["node"], event["who"]) for event in events if event["what"] == "read"] == [
            ("centre", "李主任")
        ]
    assert "case-read" in [fact["type"] for fact in desk.wang.get(f"/api/consults/{case_id}")["facts"]]


def test_a_claim_of_somebody_else_s_hospital_s_study_cannot_be_asked_for(desk: Desk) -> None:
    with pytest.raises(Answer) as answer:
        desk.wang.post("/api/consults", {**FORM, "pool": desk.pair.pool, "origin": "centre"})
    assert refused(answer)["status"] == 404


def test_an_unknown_box_is_refused_in_words(desk: Desk) -> None:
    with pytest.raises(Answer) as answer:
        desk.li.get("/api/consults?box=everything")
    assert refused(answer)["code"] == "invalid"
