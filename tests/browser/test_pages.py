"""Every page in both languages, on a desk and on a phone; and the door that all come through. 60 s.

The shots are left in ``shots``, with sheets of them, for people to look at.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from node.imaging.phantom import make_series
from tests.kit import walk
from tests.kit.browser import DESK, PHONE, Office, sign_in
from tests.kit.http import Visitor, wait_for
from tests.kit.running import RunningAlliance, storescu

pytestmark = pytest.mark.peer

CHINESE = re.compile(r"[\u4e00-\u9fff]")
OWN_NAME = "简体中文"
"""A language is called by its own name in every language."""
OF_THE_FRAME = (
    "nav a, th, dt, label, legend, h3, .ant-tabs-tab, .ant-segmented-item, .ant-btn, .toolbar button"
)
"""Texts that are ours, not a hospital's or a person's."""
SERIOUS = ("serious", "critical")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page, whose eyes see it, and what is there once it is ready."""

    name: str
    node: str
    role: str
    path: str
    ready: str


@dataclass(frozen=True, slots=True)
class Filled:
    """What the pages show: addresses of a study that came home, one with two patients, and a case being read."""

    answered: str
    conflicting: str
    claimed: str


@pytest.fixture(scope="module")
def filled(
    alliance: RunningAlliance, chest_ct: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Filled:
    """A day's work: one report home, one case in hand, one waiting, one study spoilt."""
    folder = tmp_path_factory.mktemp("phantoms")
    technician, expert = alliance.visitor("alpha", "technician"), alliance.visitor("centre", "expert")

    uid = "2.25.79113"
    mixed = phantom(folder / "3", patient_name="LI^Si=李^四", patient_id="P000301", study_uid=uid, seed=3)
    other = phantom(folder / "4", patient_name="WANG^Wu=王^五", patient_id="P000302", study_uid=uid, seed=4)
    sent = [
        chest_ct[40:52],
        phantom(folder / "1", patient_name="OUYANG^Ming=欧阳^明", patient_id="P000201", sex="F"),
        phantom(folder / "2", patient_name="ZHANG^San=张^三", patient_id="P000137", seed=2),
        [*mixed, other[0]],
    ]
    for files in sent:
        storescu(alliance.nodes["alpha"], files)

    def all_complete() -> list[dict[str, Any]] | None:
        studies = technician.get("/api/studies")["items"]
        done = len(studies) == len(sent) and all(study["state"] == "complete" for study in studies)
        return sorted(studies, key=lambda study: study["firstAt"]) if done else None

    answered, waiting, held, _ = wait_for("the studies complete", all_complete, timeout_s=60)

    def ask(study: dict[str, Any], **form: Any) -> str:
        body = {**walk.FORM, "origin": study["origin"], "studyUid": study["studyUid"], **form}
        return str(wait_for("the case", lambda: technician.post("/api/consults", body))["caseId"])

    home, hand = ask(answered), ask(held)
    ask(waiting, urgency="emergency", kind="consultation")
    walk.claim(expert, home)
    walk.images_at_centre(expert, home, instances=12)
    walk.sign(expert, home)
    walk.claim(expert, hand)
    walk.images_at_centre(expert, hand, instances=6)
    draft = {"findings": walk.FINDINGS, "impression": "", "version": 0}
    expert.put(f"/api/consults/{hand}/draft", draft)
    walk.report_at_clinic(technician, home)
    return Filled(
        answered=f"{answered['origin']}/{answered['studyUid']}", conflicting=f"alpha/{uid}", claimed=hand
    )


def phantom(folder: Path, **facts: Any) -> list[Path]:
    folder.mkdir()
    files = []
    for number, instance in enumerate(make_series(slices=6, size=256, **facts)):
        files.append(folder / f"{number}.dcm")
        files[-1].write_bytes(instance)
    return files


def pages_of(filled: Filled) -> list[Shown]:
    return [
        Shown("studies", "alpha", "technician", "/studies", "study-report"),
        Shown("study", "alpha", "technician", f"/studies/{filled.answered}", "report-pdf"),
        Shown("request", "alpha", "technician", f"/studies/{filled.answered}?request", "request-submit"),
        Shown("conflict", "alpha", "technician", f"/studies/{filled.conflicting}", "conflicts"),
        Shown("view", "alpha", "technician", f"/view/{filled.answered}", "marker-left"),
        Shown("sent", "alpha", "technician", "/consults", "case-state"),
        Shown("query", "alpha", "technician", "/remotes/query", "query-no-remotes"),
        Shown("transfers", "alpha", "technician", "/remotes/transfers", "transfers-empty"),
        Shown("me", "alpha", "technician", "/me", "me-language"),
        Shown("queue", "centre", "expert2", "/consults", "case-urgency"),
        Shown("mine", "centre", "expert2", "/consults?box=mine", "consults-empty"),
        Shown("reading", "centre", "expert", f"/read/{filled.claimed}", "marker-left"),
        Shown("alliance", "alpha", "administrator", "/alliance", "peer-lag"),
        Shown("storage", "alpha", "administrator", "/storage/overview", "tier-online"),
        Shown("devices", "alpha", "administrator", "/node/devices", "device-rule"),
        Shown("remotes", "alpha", "administrator", "/node/remotes", "remote-echo"),
        Shown("deliveries", "alpha", "administrator", "/node/deliveries", "delivery-state"),
        Shown("problems", "alpha", "administrator", "/node/problems", "problem-seen"),
        Shown("users", "alpha", "administrator", "/node/users", "user-state"),
    ]


@pytest.fixture(scope="module")
def desks(office: Office) -> Callable[[str, str], Page]:
    """Windows of people who are signed in, each opened once."""
    opened: dict[tuple[str, str], Page] = {}

    def desk(node: str, role: str) -> Page:
        if (node, role) not in opened:
            opened[node, role] = office.sit(node, role)
        return opened[node, role]

    return desk


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_speak_one_language_fit_desk_and_phone_and_can_be_used_by_all(
    language: str, desks: Callable[[str, str], Page], filled: Filled, shots: Path
) -> None:
    faults = []
    for shown in pages_of(filled):
        page = desks(shown.node, shown.role)
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        speak(page, language)
        page.goto(shown.path)
        expect(page.get_by_test_id(shown.ready).first).to_be_visible()
        seen = barriers(page) if language == "zh" else chinese_of_ours(page)
        faults += [f"{shown.name} {language}: {fault}" for fault in seen]
        for size in (DESK, PHONE):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.screenshot(
                path=shots / f"{shown.name}-{language}-{size[0]}.png",
                full_page=size == PHONE,
                animations="disabled",
            )
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > size[0]:
                faults.append(f"{shown.name} {language}: {wide} px on a screen of {size[0]}")
    assert faults == []


def test_rule_is_written_tried_and_removed_by_hand(
    office: Office, desks: Callable[[str, str], Page], shots: Path
) -> None:
    page = desks("alpha", "administrator")
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    for language in ("zh", "en"):
        speak(page, language)
        page.goto("/node/devices")
        page.get_by_test_id("rule-add").click()
        page.get_by_test_id("rule-calling").fill("MR1")
        page.get_by_test_id("rule-address").fill("10.1.2.3/16")
        page.get_by_test_id("rule-department").fill("MR")
        page.get_by_test_id("rule-save").click()
        wrong = page.get_by_text("主机位须为 0" if language == "zh" else "whose host bits are 0")
        expect(wrong).to_be_visible()
        page.wait_for_timeout(400)
        page.screenshot(path=shots / f"rule-wrong-{language}-1440.png", animations="disabled")
        page.get_by_test_id("rule-address").fill("10.1.0.0/16")
        expect(wrong).to_be_hidden()
        classes = page.get_by_test_id("rule-classes").locator("input")
        classes.press("Backspace")
        classes.fill("MR ")
        classes.press("Tab")
        page.get_by_test_id("rule-others").uncheck()
        page.get_by_text("准入试算" if language == "zh" else "Who would be let in").last.click()
        page.get_by_test_id("try-calling").fill("MR1")
        page.get_by_test_id("try-address").fill("10.1.200.9")
        page.get_by_test_id("try-ask").click()
        verdict = page.get_by_test_id("try-verdict")
        expect(verdict).to_contain_text("尚未保存" if language == "zh" else "not saved")
        page.get_by_test_id("try-class").fill("1.2.840.10008.5.1.4.1.1.2")
        page.get_by_test_id("try-ask").click()
        expect(verdict).to_contain_text("不接收此 SOP 类" if language == "zh" else "is not taken")
        page.wait_for_timeout(400)
        assert barriers(page) == []
        for size in (DESK, PHONE):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.screenshot(
                path=shots / f"rule-{language}-{size[0]}.png", animations="disabled", full_page=True
            )
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        page.get_by_test_id("rule-save").click()
        row = page.get_by_test_id("device-MR1")
        expect(row).to_contain_text("10.1.0.0/16")
        page.get_by_test_id("try-open").click()
        page.get_by_test_id("try-calling").fill("US1")
        page.get_by_test_id("try-address").fill("10.1.200.9")
        page.get_by_test_id("try-ask").click()
        expect(page.get_by_test_id("try-verdict")).to_contain_text(
            "未知设备" if language == "zh" else "unknown"
        )
        page.screenshot(path=shots / f"devices-tried-{language}-1440.png", animations="disabled")
        row.get_by_test_id("device-remove").click()
        page.get_by_test_id("device-remove-confirm").click()
        expect(row).to_have_count(0)


def test_device_that_was_refused_is_admitted_by_hand_and_then_heard(
    desks: Callable[[str, str], Page], alliance: RunningAlliance
) -> None:
    administrator: Visitor = alliance.visitor("alpha", "administrator")
    everybody = {"calling": "*", "address": "127.0.0.1"}
    rule = {**everybody, "issuer": "HIS", "department": "放射科"}
    administrator.post("/api/devices/remove", everybody)
    try:
        assert not echoes(alliance, calling="CT7")
        page = desks("alpha", "administrator")
        speak(page, "zh")
        page.goto("/node/devices")
        row = page.get_by_test_id("device-CT7")
        expect(row).to_contain_text("未知")
        row.get_by_test_id("device-admit").click()
        page.get_by_test_id("admit-issuer").fill("HIS")
        page.get_by_test_id("admit-department").fill("CT")
        page.get_by_test_id("admit-confirm").click()
        expect(row).to_contain_text("已准入")
        assert echoes(alliance, calling="CT7")
        row.get_by_test_id("device-block").click()
        expect(row).to_contain_text("已禁止")
        assert not echoes(alliance, calling="CT7")
    finally:
        administrator.post("/api/devices/admit", rule)


def echoes(alliance: RunningAlliance, *, calling: str) -> bool:
    """Ask the clinic for an echo with dcmtk, as a device of that name."""
    dicom = alliance.nodes["alpha"].dicom
    command = ["echoscu", "-aet", calling, "-aec", dicom.aet, dicom.host, str(dicom.port)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def test_study_with_two_patients_is_marked_and_offers_no_request(
    desks: Callable[[str, str], Page], filled: Filled
) -> None:
    page = desks("alpha", "technician")
    speak(page, "zh")
    page.goto(f"/studies/{filled.conflicting}")
    expect(page.get_by_test_id("conflicts")).to_contain_text("检查中的图像属于不同患者")
    expect(page.get_by_test_id("study-state")).to_have_text("患者冲突")
    expect(page.get_by_test_id("open-viewer")).to_be_visible()
    expect(page.get_by_test_id("request-consult")).to_have_count(0)


def speak(page: Page, language: str) -> None:
    """Press the switch if the page speaks the other language; the choice stays in this browser."""
    if page.evaluate("document.documentElement.lang").startswith(language):
        return
    page.get_by_test_id("language-switch").click()
    expect(page.locator("html")).to_have_attribute("lang", re.compile(f"^{language}"))


def barriers(page: Page) -> list[str]:
    """Give what keeps people out, by axe's rules of serious weight and above."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in found if each["impact"] in SERIOUS]


def chinese_of_ours(page: Page) -> list[str]:
    texts = page.locator(OF_THE_FRAME).all_inner_texts()
    return [text for text in texts if CHINESE.search(text) and text.strip() not in (OWN_NAME, "中文")]


def test_barrier_check_finds_a_planted_barrier(office: Office) -> None:
    page = office.window("alpha")
    page.goto("/login")
    page.get_by_test_id("login-user").wait_for()
    assert barriers(page) == []
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('button'), {className: 'bare'}))"
    )
    assert [fault for fault in barriers(page) if fault.startswith("button-name")]


def test_five_wrong_passwords_lock_the_door_and_the_page_says_so(
    office: Office, alliance: RunningAlliance, shots: Path
) -> None:
    administrator: Visitor = alliance.visitor("centre", "administrator")
    made = administrator.post("/api/users", {"user": "guest", "name": "客人", "roles": ["expert"]})
    page = office.window("centre")
    page.goto("/login")
    for _ in range(5):
        with page.expect_response("**/api/session") as answered:
            sign_in(page, "guest", "not this one")
        assert answered.value.status == 401
    with page.expect_response("**/api/session") as answered:
        sign_in(page, "guest", made["password"])
    assert answered.value.status == 401
    expect(page.get_by_test_id("login-error")).to_contain_text("请核对用户名和密码")
    expect(page.get_by_test_id("login-error")).to_contain_text("账户锁定 15 分钟")
    page.screenshot(path=shots / "login-zh-1440.png")
    page.get_by_test_id("language-switch").click()
    expect(page.get_by_test_id("login-error")).to_contain_text("check user name and password")
    expect(page.get_by_test_id("login-submit")).to_have_text("Sign in")
    page.reload()
    expect(page.get_by_test_id("login-submit")).to_have_text("Sign in")
