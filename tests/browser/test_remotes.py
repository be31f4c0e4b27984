"""Another PACS, by hand: an administrator adds and tests it, a technician asks it, fetches a study and sends one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.contact_sheet import SHOTS
from tests.browser.test_pages import barriers
from tests.kit.browser import DESK, PHONE, Office
from tests.kit.query_peers import HOST, dcmqrscp, fill, slices
from tests.kit.running import RunningAlliance

NAME = "Zhang^San=张^三"
STUDY = "2.25.70"
STAYS = 40
"""Slices: enough that progress is seen."""


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory, alliance: RunningAlliance) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("pacs")
    words = {"patient_name": NAME, "charset": "GB18030", "python_charset": "gb18030", "accession": "A-900"}
    with dcmqrscp(
        folder, movers=[(alliance.nodes["alpha"].dicom.aet, alliance.nodes["alpha"].dicom.port)]
    ) as port:
        fill(port, "QRSCP", slices(STAYS, study_uid=STUDY, series=2, **words).items(), folder / "one")
        other = {**words, "patient_name": "Li^Si=李^四", "patient_id": "B-2", "accession": "A-901"}
        fill(port, "QRSCP", slices(4, study_uid="2.25.71", **other).items(), folder / "two")
        yield port


def speak(page: Page, language: str) -> None:
    """Turn the page to a language; it stays where it is."""
    if page.evaluate("document.documentElement.lang").startswith("zh") != (language == "zh"):
        page.get_by_test_id("language-switch").click()


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page in both languages, on desk and phone; all can use it, nothing is wider than the screen."""
    page.wait_for_timeout(800)  # colours that fade are no barriers
    assert barriers(page) == []
    for language in ("zh", "en"):
        speak(page, language)
        for size in (DESK, PHONE):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.wait_for_timeout(300)
            page.screenshot(path=SHOTS / f"{name}-{language}-{size[0]}.png", animations="disabled")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    speak(page, "zh")


def test_a_study_is_asked_for_fetched_and_sent_back(office: Office, pacs: int, tmp_path: Path) -> None:
    admin = office.sit("alpha", "administrator")
    admin.goto("/node/remotes")
    admin.get_by_test_id("remote-add").click()
    admin.get_by_test_id("remote-name").fill("市一院 PACS")
    admin.get_by_test_id("remote-aet").fill("QRSCP")
    admin.get_by_test_id("remote-host").fill(HOST)
    field = admin.get_by_test_id("remote-port")
    field = field if field.evaluate("each => each.tagName") == "INPUT" else field.locator("input")
    field.fill(str(pacs))
    admin.screenshot(path=SHOTS / "remote_dialog-zh-1440.png", animations="disabled")
    admin.get_by_test_id("remote-save").click()
    line = admin.get_by_role("row").filter(has_text="市一院 PACS")
    expect(line).to_be_visible()
    line.get_by_test_id("remote-echo").click()
    expect(admin.get_by_text("应答正常")).to_be_visible()
    shoot(admin, "remotes")

    page = office.sit("alpha", "technician")
    page.goto("/remotes/query")
    page.get_by_test_id("query-ask").click()
    expect(page.get_by_text("请至少填写一项")).to_be_visible()
    page.get_by_test_id("query-dateFrom").fill("2026-03-01")
    page.get_by_test_id("query-dateTo").fill("2026-03-31")
    page.get_by_test_id("query-ask").click()
    answer = page.get_by_test_id(f"answer-{STUDY}")
    expect(answer).to_contain_text("张三 Zhang San")
    expect(answer).to_contain_text("A-900")
    expect(page.get_by_test_id("query-count")).to_contain_text("2")
    answer.get_by_test_id("answer-choose").click()
    shoot(page, "query")
    page.get_by_test_id("query-fetch").click()

    page.wait_for_url("**/remotes/transfers")
    transfer = page.locator(".transfer").filter(has_text="市一院")
    expect(transfer.get_by_test_id("transfer-state")).to_contain_text("完成", timeout=60_000)
    expect(transfer.get_by_test_id("transfer-counts")).to_contain_text(f"{STAYS} / {STAYS}")
    expect(transfer).to_contain_text("张三 Zhang San")
    page.reload()
    expect(transfer.get_by_test_id("transfer-counts")).to_contain_text(f"{STAYS} / {STAYS}")
    shoot(page, "transfers")

    page.goto(f"/studies/alpha/{STUDY}")
    expect(page.get_by_test_id("banner-name")).to_contain_text("张")
    page.get_by_test_id("send-open").click()
    page.screenshot(path=SHOTS / "send_dialog-zh-1440.png", animations="disabled")
    page.get_by_test_id("send-confirm").click()
    sent = page.get_by_test_id("study-transfers").locator(".transfer").filter(has_text="发送到")
    expect(sent.get_by_test_id("transfer-state")).to_contain_text("完成", timeout=60_000)
    expect(sent.get_by_test_id("transfer-counts")).to_contain_text(f"{STAYS} / {STAYS}")
    shoot(page, "sent_study")
