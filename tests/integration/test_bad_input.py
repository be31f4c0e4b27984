"""Bad input by real doors at a running clinic and centre: a clear answer, shown to the administrator, nothing lost.

One alliance for all; each test has studies of its own. About 80 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from pypdf import PdfReader

from federation.current_roster import CurrentRoster
from federation.envelope import Envelope, Inner, seal_envelope
from federation.hosting import Hosting
from federation.transport.grpcio import GrpcTransport
from federation.transport.port import MailboxLink
from node.clock import SystemClock
from node.errors import Refused, Unavailable
from node.keys.store import KeyStore
from node.names import Cause, NodeId
from node.node import Node
from ops.compose import compose_node
from ops.founding import CLINIC_AND_CENTRE
from tests.kit.desk import Desk, refused
from tests.kit.http import Visitor, wait_for
from tests.kit.instances import IMPLICIT, make_ct
from tests.kit.running import running_alliance
from tests.kit.walk import FORM, report_at_clinic, sign

QUIET_S = 3.0
CLAIM_MINUTES = 0.1
"""Six seconds: long enough to sign in one go, short enough to wait for its end."""
SCRIPT = "<script>alert('影像')</script>"
MARKUP = '#read("/etc/passwd") $x^2$ *bold* \\u{1F600}'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("bad")
    places = [replace(place, quiet_s=QUIET_S, reserve_mb=1) for place in CLINIC_AND_CENTRE]
    with running_alliance(folder, places=places, start=False) as alliance:
        desk = Desk(alliance)
        configure(desk, "centre", "claim_minutes", str(CLAIM_MINUTES))
        alliance.start()
        yield desk
        for name in alliance.nodes:
            lines = (folder / name / "log").read_text()
            assert not [word for word in ("Traceback", '"level": "error"') if word in lines], lines


def configure(desk: Desk, node: str, name: str, value: str) -> None:
    path = desk.state(node) / "meridian.toml"
    text, count = re.subn(rf"^{name} = \S+", f"{name} = {value}", path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


# What devices send.


def test_what_is_no_dicom_is_refused_with_words_and_shown(desk: Desk) -> None:
    uid = desk.new_uid()
    (sent,) = desk.send(
        b"%PDF-1.7 not an instance at all, whatever its sender says" * 20, sop_uids=[f"{uid}.1"]
    )
    assert sent.status == 0xC000
    assert len(sent.comment) > 20
    assert "0xC000" in desk.problem("alpha", "instance-refused", f"{uid}.1")["detail"]


def test_a_cut_off_instance_is_refused_and_taken_when_it_comes_whole(desk: Desk) -> None:
    uid = desk.new_uid()
    whole = make_ct(study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1")
    cut, sent = desk.send(whole[:-9], whole, sop_uids=[f"{uid}.1.1"] * 2)
    assert (cut.status, sent.status) == (0xC000, 0)
    assert cut.comment
    desk.problem("alpha", "instance-refused", f"{uid}.1.1")
    desk.wait_for_study(uid)
    desk.wait_for_study(uid, node="centre")


def test_a_sop_class_that_nobody_knows_is_kept_and_shared(desk: Desk) -> None:
    uid, unknown = desk.new_uid(), "2.25.314159"
    content = make_ct(
        study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1", change={0x00080016: ("UI", unknown)}
    )
    (sent,) = desk.send(content, sop_uids=[f"{uid}.1.1"], sop_class=unknown)
    assert sent.status == 0
    desk.wait_for_study(uid, node="centre")
    page = desk.study(desk.technician, uid)
    assert page["study"]["instances"] == 1


def test_an_instance_without_a_study_is_refused(desk: Desk) -> None:
    uid = desk.new_uid()
    content = make_ct(study_uid="", series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1")
    (sent,) = desk.send(content, sop_uids=[f"{uid}.1.1"])
    assert (sent.status & 0xF000, bool(sent.comment)) == (0xC000, True)
    desk.problem("alpha", "instance-refused", f"{uid}.1.1")


def test_the_same_instance_again_is_counted_kept_beside_or_a_conflict(desk: Desk) -> None:
    uid = desk.new_uid()
    desk.send_ct(uid)
    desk.send_ct(uid)
    desk.send_ct(uid, transfer_syntax=IMPLICIT)
    desk.send_ct(uid, pixels=bytes(32))
    desk.wait_for_study(uid)
    states = "SELECT state FROM instance WHERE study_uid = ? ORDER BY received_at"
    assert [row["state"] for row in desk.rows("alpha", states, uid)] == ["chosen", "alternative", "conflict"]
    assert desk.rows("alpha", "SELECT times FROM repeated WHERE study_uid = ?", uid) == [{"times": 1}]
    desk.problem("alpha", "instance-conflict", uid)
    page = desk.study(desk.technician, uid)
    assert page["study"]["conflict"] == 1
    (conflict,) = page["conflicts"]
    assert (len(conflict["digests"]), conflict["patientDiffers"]) == (2, False)
    held = "SELECT digest, state FROM instance WHERE study_uid = ? ORDER BY digest"
    desk.wait_for_study(uid, node="centre")
    wait_for(
        "all three at the centre", lambda: desk.rows("centre", held, uid) == desk.rows("alpha", held, uid)
    )


def test_a_study_of_two_patients_is_not_sealed_not_asked_about_and_shown(desk: Desk) -> None:
    uid = desk.new_uid()
    first, second = (
        make_ct(
            study_uid=uid,
            series_uid=f"{uid}.1",
            sop_uid=f"{uid}.1.{n}",
            number=n,
            patient_id=f"TWO-{n}",
            patient_name=name,
        )
        for n, name in ((1, "Zhang^San"), (2, "Li^Si"))
    )
    assert [sent.status for sent in desk.send(first, second, sop_uids=[f"{uid}.1.1", f"{uid}.1.2"])] == [0, 0]
    desk.wait_for_study(uid, instances=2)
    assert desk.study(desk.technician, uid)["study"]["conflict"] == 2
    desk.problem("alpha", "patient-conflict", uid)
    assert "disagree about the patient" in desk.problem("alpha", "sealing-blocked", uid)["detail"]
    error = refused(desk.technician, "POST", "/api/consults", ask_form(uid))
    assert error["code"] == "patient-uncertain"
    assert not desk.rows("centre", "SELECT 1 FROM instance WHERE study_uid = ?", uid)
    assert not desk.rows("alpha", "SELECT 1 FROM part WHERE study_uid = ?", uid)


def test_a_report_is_not_signed_while_it_is_unsure_whose_images_these_are(desk: Desk) -> None:
    uid = desk.new_uid()
    desk.send_ct(uid, node="centre", patient_name="Zhang^San")
    desk.wait_for_study(uid, node="centre")
    made = desk.administrators["centre"].post(
        "/api/users", {"user": "centretech", "name": "中心技师", "roles": ["technician"]}
    )
    own = Visitor(desk.alliance.nodes["centre"].web)
    own.login("centretech", made["password"])
    own.post("/api/password", {"old": made["password"], "new": "long enough 密码 1"})
    case_id = own.post("/api/consults", {**ask_form(uid), "origin": "centre"})["caseId"]
    desk.expert.post(f"/api/consults/{case_id}/claim")
    desk.send_ct(uid, number=2, node="centre", patient_id="SOMEBODY-ELSE", patient_name="Li^Si")
    desk.problem("centre", "patient-conflict", uid)
    words = {"version": 0, "findings": "x", "impression": "y"}
    error = refused(desk.expert, "POST", f"/api/consults/{case_id}/sign", words)
    assert (error["status"], error["code"]) == (409, "patient-uncertain")


def test_without_a_patient_id_two_studies_are_two_patients(desk: Desk) -> None:
    first, second = desk.new_uid(), desk.new_uid()
    for uid in (first, second):
        desk.send_ct(uid, patient_id="", patient_name="Wang^Wu")
        desk.wait_for_study(uid, node="centre")
    issuers = {desk.study(desk.technician, uid)["study"]["patientIssuer"] for uid in (first, second)}
    assert len(issuers) == 2
    assert desk.study(desk.technician, first)["study"]["patientId"] == ""


def test_a_disk_below_its_reserve_refuses_with_words_until_there_is_room(desk: Desk) -> None:
    uid = desk.new_uid()
    content = make_ct(study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1")
    configure(desk, "alpha", "reserve_mb", str(1 << 30))
    start_receiver_anew(desk)
    (sent,) = desk.send(content, sop_uids=[f"{uid}.1.1"])
    assert sent.status == 0xA700
    assert "disk" in sent.comment.lower() or "space" in sent.comment.lower()
    assert "0xA700" in desk.problem("alpha", "instance-refused", f"{uid}.1.1")["detail"]
    configure(desk, "alpha", "reserve_mb", "1")
    start_receiver_anew(desk)
    assert desk.send(content, sop_uids=[f"{uid}.1.1"])[0].status == 0
    desk.wait_for_study(uid, node="centre")


def start_receiver_anew(desk: Desk) -> None:
    """Let the receiver read its configuration; the parent starts it again."""
    before = desk.alliance.processes("alpha")["receiver"]
    before.terminate()
    before.wait(20)
    wait_for("another receiver", lambda: desk.alliance.processes("alpha").get("receiver"))
    desk.alliance.nodes["alpha"].wait_until_ready()


# What policies and people say.


def ask_form(uid: str) -> dict[str, object]:
    return {**FORM, "origin": "alpha", "studyUid": uid}


def test_a_study_that_the_policy_keeps_here_is_not_sent_and_the_reason_is_shown(desk: Desk) -> None:
    uid, administrator = desk.new_uid(), desk.administrators["alpha"]
    administrator.put("/api/alliance/centre/policy", {"grant": "nothing"})
    desk.send_ct(uid)
    desk.wait_for_study(uid)
    story = f"/api/studies/alpha/{uid}/story"

    def withheld() -> str | None:
        events = desk.technician.get(story)["events"]
        return next((event["detail"]["reason"] for event in events if event["what"] == "withheld"), None)

    assert wait_for("the reason", withheld) == "policy: nothing"
    error = refused(desk.technician, "POST", "/api/consults", ask_form(uid))
    assert (error["status"], error["code"]) == (403, "refused")
    assert not desk.rows("centre", "SELECT 1 FROM study WHERE study_uid = ?", uid)
    administrator.put("/api/alliance/centre/policy", {"grant": "everything"})
    desk.wait_for_study(uid, node="centre")


def test_a_consult_on_an_incomplete_study_is_warned_about_and_again_when_more_comes(desk: Desk) -> None:
    uid = desk.new_uid()
    desk.technician.get("/api/me")
    desk.send_ct(uid)
    error = refused(desk.technician, "POST", "/api/consults", ask_form(uid))
    assert (error["status"], error["code"], error["instances"]) == (409, "incomplete", 1)
    case_id = desk.ask(uid, acknowledgeIncomplete=True)["caseId"]
    desk.send_ct(uid, number=2)
    for visitor in (desk.expert, desk.technician):
        wait_for(
            "the case amended", lambda visitor=visitor: visitor.get(f"/api/consults/{case_id}")["amended"]
        )
    desk.wait_for_study(uid, node="centre", instances=2)


def test_after_a_claim_has_lapsed_another_expert_reads_and_the_first_ones_words_are_kept(desk: Desk) -> None:
    uid = desk.new_uid()
    desk.send_ct(uid)
    desk.wait_for_study(uid, node="centre")
    case = f"/api/consults/{desk.ask(uid)['caseId']}"
    wait_for("the claim", lambda: desk.expert.post(f"{case}/claim"))
    error = refused(desk.expert2, "POST", f"{case}/claim")
    assert (error["status"], error["code"], bool(error["by"]), error["until"] > 0) == (
        409,
        "claimed",
        True,
        True,
    )
    wait_for("the claim lapsed", lambda: desk.expert2.get(case)["claim"] is None)
    desk.expert2.post(f"{case}/claim")
    words = {"version": 0, "findings": "写到一半", "impression": "未完"}
    for method, path in (("POST", f"{case}/sign"), ("POST", f"{case}/renew"), ("PUT", f"{case}/draft")):
        error = refused(desk.expert, method, path, words)
        assert error["status"] == 409, error
    kept = desk.rows("centre", "SELECT findings FROM draft_aside WHERE case_id = ?", case.rpartition("/")[2])
    assert {"findings": "写到一半"} in kept


def test_script_tags_and_markup_stay_the_words_they_are(desk: Desk) -> None:
    uid = desk.new_uid()
    desk.send_ct(uid, patient_name="<img src=x>^<b>", description="<script>1</script>")
    desk.wait_for_study(uid, node="centre")
    case_id = desk.ask(uid, reason=SCRIPT, history=MARKUP)["caseId"]
    wait_for("the claim", lambda: desk.expert.post(f"/api/consults/{case_id}/claim"))
    status, headers, body = desk.expert.raw("GET", f"/api/consults/{case_id}")
    assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert headers["x-content-type-options"] == "nosniff"
    assert (
        "script-src" in headers["content-security-policy"]
        or "default-src 'none'" in headers["content-security-policy"]
    )
    assert SCRIPT in body.decode()
    sign(desk.expert, case_id, findings=f"{SCRIPT} {MARKUP}", impression=SCRIPT)
    report = report_at_clinic(desk.technician, case_id)
    assert report["findings"] == f"{SCRIPT} {MARKUP}"
    _, _, pdf = desk.technician.raw("GET", f"/api/reports/{report['reportId']}/pdf")
    path = desk.alliance.directory / "script.pdf"
    path.write_bytes(pdf)
    text = "".join(page.extract_text() for page in PdfReader(path).pages)
    assert "root:" not in text
    for words in ("<script>alert(", '#read("/etc/passwd")', "*bold*"):
        assert words in text


# What peers send.


@dataclass
class Caller:
    """Somebody who calls the centre's mailbox listener with a set of keys."""

    node: Node
    rosters: CurrentRoster
    link: MailboxLink

    def sealed(self, inner: Inner, keys: KeyStore) -> Envelope:
        return seal_envelope(keys, self.rosters().entry(NodeId("centre")), inner)

    def inner(self, *, n: int, prev: str, body: str = "{}", type: str = "case-requested/1") -> Inner:
        return Inner(
            sender=NodeId("alpha"),
            recipient=NodeId("centre"),
            inc=self.node.keys.incarnation,
            n=n,
            prev=prev,
            head=None,
            cause=Cause("c"),
            type=type,
            body=body,
        )


@contextmanager
def calling(desk: Desk, keys: KeyStore | None = None) -> Iterator[Caller]:
    """Call the centre as the clinic does, with its own keys or with others'."""
    node = compose_node(desk.state("alpha"))
    rosters = CurrentRoster(node.database)
    transport = GrpcTransport(keys or node.keys, rosters, Hosting(node=node, rosters=rosters))
    try:
        yield Caller(node, rosters, transport.link(NodeId("centre")))
    finally:
        transport.close()
        node.close()


def test_a_peer_that_nobody_invited_gets_no_further_than_the_handshake(desk: Desk, tmp_path: Path) -> None:
    stranger = KeyStore.open(tmp_path / "keys", NodeId("gamma"), SystemClock())
    with calling(desk, stranger) as caller:
        with pytest.raises(Unavailable, match="Reaching centre failed"):
            list(caller.link.collect(follow=False))
        with pytest.raises(Unavailable, match="Reaching centre failed"):
            caller.link.deposit([b"hello"])
    with calling(desk) as caller:
        assert next(iter(caller.link.collect(follow=False))) is not None
    log = desk.state("centre") / "log"
    wait_for("the line in the centre's log", lambda: "CERTIFICATE_VERIFY_FAILED" in log.read_text())


def test_a_forged_envelope_is_refused_and_shown(desk: Desk, tmp_path: Path) -> None:
    forger = KeyStore.open(tmp_path / "keys", NodeId("alpha"), SystemClock())
    with calling(desk) as caller:
        as_centre = replace_sender(caller.sealed(caller.inner(n=10**6, prev=""), caller.node.keys))
        with pytest.raises(Refused, match="may not send as centre"):
            caller.link.deposit([as_centre.to_bytes()])
        forged = caller.sealed(caller.inner(n=10**6, prev=""), forger)
        caller.link.deposit([forged.to_bytes()])
    assert "did not sign" in desk.problem("centre", "envelope-forged", "alpha")["detail"]


def replace_sender(envelope: Envelope) -> Envelope:
    return replace(envelope, header=msgspec.structs.replace(envelope.header, sender=NodeId("centre")))


def test_an_envelope_again_and_another_one_under_its_number_are_dropped_and_shown(desk: Desk) -> None:
    uid = desk.new_uid()
    desk.send_ct(uid)
    desk.wait_for_study(uid, node="centre")
    sql = "SELECT n, type, message FROM outbox WHERE state = 'received' AND n = 1"
    (first,) = wait_for("its receipt", lambda: desk.rows("alpha", sql))
    with calling(desk) as caller:
        inner = caller.inner(n=1, prev="", type=first["type"], body=first["message"])
        caller.link.deposit([caller.sealed(inner, caller.node.keys).to_bytes()])
    desk.problem("centre", "envelope-replayed", "alpha")
    later = desk.new_uid()
    desk.send_ct(later)
    desk.wait_for_study(later, node="centre")
