"""A technician puts things right in Chromium: merges two patients and takes it back, settles a conflict, rejects. 40 s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from node.catalogue.search import get_study
from node.clock import MINUTE
from node.dicom.part10 import read_part10
from node.imaging.phantom import make_series
from node.names import StudyKey
from node.node import Node
from node.people.sessions import open_session
from tests.browser.contact_sheet import SHOTS
from tests.browser.test_pages import barriers, chinese_of_ours
from tests.kit.bare_node import bare_node
from tests.kit.browser import DESK, LOCALES, PHONE, STAY_MS, ZONE
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.site import Site, add_quickly, open_site

pytestmark = pytest.mark.peer

ZHANG = {"patient_name": "ZHANG^San=张^三", "patient_id": "P000137", "sex": "M"}
AGAIN = {"patient_name": "ZHANG^San=张^三", "patient_id": "P000731", "sex": "M"}
WANG = {"patient_name": "WANG^Wu=王^五", "patient_id": "P000302", "sex": "F"}


def send(node: Node, uid: str, *, seed: int, slices: int = 3, calling: str = "CT1", **facts: Any) -> StudyKey:
    node.clock.advance(MINUTE)  # type: ignore[attr-defined]  # the test's own clock
    files = make_series(study_uid=uid, slices=slices, size=128, seed=seed, **facts)
    return hold(node, [bytes(read_part10(file).data_set) for file in files], calling=calling)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    send(node, "2.25.71", seed=1, **ZHANG)
    send(node, "2.25.72", seed=2, **AGAIN)
    send(node, "2.25.73", seed=3, **WANG)
    send(node, "2.25.73", seed=3, slices=3, calling="CT2", **ZHANG)
    send(node, "2.25.74", seed=4, **WANG)
    with open_site(node) as opened:
        yield opened
    node.close()


@pytest.fixture(params=["zh", "en"])
def page(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    """Give a technician's window, signed in, in each language; a script that failed fails the test."""
    context = browser.new_context(
        base_url=site.web,
        locale=LOCALES[request.param],
        timezone_id=ZONE,
        viewport={"width": DESK[0], "height": DESK[1]},
    )
    context.set_default_timeout(STAY_MS)
    token = open_session(site.node, add_quickly(site.node, "chen", "technician"))
    context.add_cookies([{"name": "meridian-alpha", "value": token, "url": site.web}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def shoot(page: Page, name: str) -> None:
    """Leave pictures for desk and phone, and say what keeps people out."""
    language = "zh" if page.evaluate("document.documentElement.lang") == "zh-CN" else "en"
    page.wait_for_timeout(400)
    names = ("王", "张")  # a patient's name stands in a label where one is chosen
    ours = [text for text in chinese_of_ours(page) if not any(name in text for name in names)]
    assert (barriers(page) if language == "zh" else ours) == []
    for size in (DESK, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.screenshot(
            path=SHOTS / f"{name}-{language}-{size[0]}.png", animations="disabled", full_page=size == PHONE
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})


def confirm(page: Page, name: str, reason: str) -> None:
    expect(page.get_by_test_id("preview")).to_be_visible()
    expect(page.get_by_test_id("correct-confirm")).to_be_disabled()
    page.get_by_test_id("correct-reason").fill(reason)
    shoot(page, name)
    page.get_by_test_id("correct-confirm").click()
    expect(page.get_by_test_id("correct-confirm")).to_be_hidden()


def test_two_patients_are_merged_and_taken_apart(page: Page, site: Site) -> None:
    key = StudyKey(origin=site.node.id, study_uid="2.25.72")  # type: ignore[arg-type]
    page.goto("/studies")
    page.get_by_test_id("nav-corrections").click()
    expect(page.get_by_test_id("conflict-2.25.73")).to_be_visible()
    page.get_by_test_id("merge-open").click()
    page.get_by_test_id("goes-search").fill("P000302")
    page.get_by_test_id("goes-P000302").click()
    page.get_by_test_id("stays-search").fill("P000137")
    page.get_by_test_id("stays-P000137").click()
    page.get_by_test_id("merge-preview").click()
    expect(page.get_by_test_id("merge-differ")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_test_id("goes-clear").click()
    page.get_by_test_id("stays-clear").click()
    page.get_by_test_id("goes-search").fill("P000731")
    page.get_by_test_id("goes-P000731").click()
    page.get_by_test_id("stays-search").fill("张")
    page.get_by_test_id("stays-P000137").click()
    expect(page.get_by_test_id("stays-chosen")).to_contain_text("张三")
    shoot(page, "merge")
    page.get_by_test_id("merge-preview").click()
    confirm(page, "merge-preview", "身份证号相同")
    expect(page.get_by_test_id("corrections-history")).to_contain_text("身份证号相同")
    assert get_study(site.node.database, key).patient_id == "P000137"
    shoot(page, "corrections")
    page.locator("[data-testid^=undo-]").first.click()
    confirm(page, "unmerge", "核对后是两个人")
    expect(page.get_by_test_id("corrections-history")).to_contain_text("核对后是两个人")
    assert get_study(site.node.database, key).patient_id == "P000731"


def test_a_conflict_is_settled_side_by_side(page: Page, site: Site) -> None:
    key = StudyKey(origin=site.node.id, study_uid="2.25.73")  # type: ignore[arg-type]
    assert get_study(site.node.database, key).conflict == 2
    page.goto("/studies/alpha/2.25.73")
    page.get_by_test_id("settle-conflict").click()
    panel = page.get_by_test_id("conflict-panel")
    expect(panel.locator(".content-picture").first).to_be_visible()
    shoot(page, "settle")
    page.get_by_test_id("identity-P000302").check()
    page.get_by_test_id("others-move").check()
    page.get_by_test_id("identity-propose").click()
    confirm(page, "settle-preview", "登记单核对")
    expect(panel).to_be_hidden()
    row = get_study(site.node.database, key)
    assert (row.conflict, row.patient_id) == (0, "P000302")


def test_a_study_is_corrected_moved_rejected_and_restored(page: Page, site: Site) -> None:
    key = StudyKey(origin=site.node.id, study_uid="2.25.74")  # type: ignore[arg-type]
    page.goto("/studies/alpha/2.25.74")
    page.get_by_test_id("open-corrections").click()
    page.get_by_test_id("correct-name").fill("WANG^Xiaowu=王^小五")
    shoot(page, "correct")
    page.get_by_test_id("preview-open").click()
    confirm(page, "correct-preview", "录入错误")
    expect(page.get_by_test_id("banner-name")).to_contain_text("王小五")
    page.get_by_test_id("correct-kind").locator("label").nth(3).click()
    page.get_by_test_id("move-search").fill("P000137")
    page.get_by_test_id("move-P000137").click()
    shoot(page, "move")
    page.get_by_test_id("preview-open").click()
    confirm(page, "move-preview", "登记时选错患者")
    expect(page.get_by_test_id("banner-id")).to_have_text("P000137")
    page.get_by_test_id("correct-kind").locator("label").nth(4).click()
    page.get_by_test_id("code-113037").check()
    shoot(page, "reject")
    page.get_by_test_id("preview-open").click()
    confirm(page, "reject-preview", "左右标反")
    expect(page.get_by_test_id("corrections-history")).to_contain_text("左右标反")
    assert get_study(site.node.database, key).rejected == 1
    page.goto("/studies")
    expect(page.get_by_test_id("study-row-2.25.71")).to_be_visible()
    expect(page.get_by_test_id("study-row-2.25.74")).to_be_hidden()
    page.goto("/corrections")
    expect(page.get_by_test_id("rejected-2.25.74")).to_be_visible()
    shoot(page, "corrections-rejected")
    page.locator("[data-testid^=undo-]").first.click()
    confirm(page, "restore", "已核对，标记无误")
    expect(page.get_by_test_id("rejected-2.25.74")).to_be_hidden()
    row = get_study(site.node.database, key)
    assert (row.rejected, row.patient_id) == (0, "P000137")
