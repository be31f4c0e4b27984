"""A RIS is entered, its worklist asked, and the page says whose earlier studies come back. 20 s."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from node.hospital.looks import latest_due, local_now
from node.node import Node
from tests.browser.contact_sheet import SHOTS
from tests.browser.test_storage import shoot
from tests.kit.archived_study import archive, expire, hold_study
from tests.kit.browser import Sit
from tests.kit.clock import FrozenClock
from tests.kit.query_peers import HOST
from tests.kit.site import Site
from tests.kit.worklist_peer import AET, Booked, wlmscpfs

pytestmark = pytest.mark.peer


@pytest.fixture
def site(bare: Site, clock: FrozenClock) -> Site:
    """Give a node with a study in the archive alone."""
    hold_study(bare.node)
    archive(bare.node)
    expire(bare.node, clock)
    return bare


def booked(node: Node) -> list[Booked]:
    """Who is expected: the patient of the study, and two who were never here."""
    due = latest_due(local_now(node), node.config.archive.worklist_at)
    assert due is not None
    (row,) = node.database.read("SELECT patient_id AS id FROM study")
    return [Booked(patient_id=number, day=f"{due.day:%Y%m%d}") for number in (str(row["id"]), "Q1", "Q2")]


def issuer_of(node: Node) -> str:
    (row,) = node.database.read("SELECT patient_issuer AS issuer FROM study")
    return str(row["issuer"]).removeprefix(f"{node.id}:")


def enter(page: Page, port: int, *, issuer: str, language: str) -> None:
    """Fill in the dialog of a remote AE that has a worklist."""
    page.get_by_test_id("remote-name").fill("本院RIS")
    page.get_by_test_id("remote-aet").fill(AET)
    page.get_by_test_id("remote-host").fill(HOST)
    field = page.get_by_test_id("remote-port")
    field = field if field.evaluate("each => each.tagName") == "INPUT" else field.locator("input")
    field.fill(str(port))
    expect(page.get_by_test_id("remote-issuer")).to_have_count(0)
    for use, wanted in (("query", False), ("send", False), ("worklist", True)):
        page.get_by_test_id(f"remote-{use}").set_checked(wanted)
    page.get_by_test_id("remote-issuer").fill(issuer)
    page.wait_for_timeout(300)
    page.screenshot(path=SHOTS / f"worklist_dialog-{language}-1440.png", animations="disabled")
    page.get_by_test_id("remote-save").click()


def test_a_worklist_is_entered_and_asked_and_says_who_is_known(
    sit: Sit, site: Site, language: str, tmp_path: Path
) -> None:
    zh = language == "zh"
    page = sit("administrator")
    with wlmscpfs(tmp_path / "ris", booked(site.node)) as port:
        page.goto("/storage/recalls")
        panel = page.get_by_test_id("worklists")
        expect(panel).to_contain_text("勾选“预约工作列表”" if zh else "tick “Worklist”")
        panel.get_by_role("link").click()
        page.get_by_test_id("remote-add").click()
        enter(page, port, issuer="lab", language=language)
        expect(page.get_by_role("row").filter(has_text="本院RIS")).to_contain_text(
            "预约工作列表" if zh else "Worklist"
        )
        page.goto("/storage/recalls")
        expect(page.get_by_test_id("worklist")).to_contain_text("尚未查询" if zh else "Not asked yet")
        page.get_by_test_id("worklist-ask").click()
        expect(panel).to_contain_text("请核对" if zh else "check the issuer")
        page.goto("/node/remotes")
        page.get_by_test_id("remote-edit").click()
        page.get_by_test_id("remote-issuer").fill(issuer_of(site.node))
        page.get_by_test_id("remote-save").click()
        expect(page.get_by_test_id("remote-issuer")).not_to_be_visible()
        page.goto("/storage/recalls")
        page.get_by_test_id("worklist-ask").click()
        expect(panel).to_contain_text(
            "预约 3 人，本院有检查 1 人，调回 1 次检查"
            if zh
            else "3 expected, 1 known here, studies asked back: 1"
        )
        expect(page.get_by_test_id("recall-state")).to_have_count(1)
        expect(page.locator(".transfers")).to_contain_text("预约患者的既往检查" if zh else "who is expected")
    shoot(page, "worklists", language)
    page.get_by_test_id("worklist-ask").click()
    expect(panel).to_contain_text("查询失败" if zh else "asking failed")
    shoot(page, "worklists_failed", language)
