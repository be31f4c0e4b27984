"""A study deleted for good in Chromium: one administrator asks, another types what goes and approves; the certificate is read. 30 s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from node.archive.deletion.certificate import read_certificate
from node.archive.deletion.deletions import deletions_of
from node.archive.deletion.erasing import erase_study
from node.catalogue.repointing import RETIRED_FOR
from node.database.port import Statement
from node.node import Node
from tests.browser.contact_sheet import SHOTS
from tests.browser.test_storage import shoot
from tests.kit.archived_study import COUNT, archive, hold_study
from tests.kit.bare_node import two_stores
from tests.kit.browser import Sit, sitting
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY, rows_of
from tests.kit.site import Site, open_site

pytestmark = pytest.mark.peer


@pytest.fixture
def site(tmp_path: Path, clock: FrozenClock) -> Iterator[Site]:
    node = two_stores(tmp_path, clock)
    hold_study(node)
    archive(node)
    with open_site(node) as opened:
        yield opened
    node.close()


@pytest.fixture
def sit(browser: Browser, site: Site, language: str) -> Iterator[Sit]:
    with sitting(browser, site, language) as seats:
        yield seats


def erased(node: Node, clock: FrozenClock) -> None:
    (deletion,) = deletions_of(node.database, KEY)
    erase_study(node, deletion.id)
    clock.advance(RETIRED_FOR + 1)
    erase_study(node, deletion.id)


def test_one_asks_another_approves_and_both_read_the_certificate(
    sit: Sit, site: Site, clock: FrozenClock, language: str
) -> None:
    zh, node = language == "zh", site.node
    wang = sit("wang", "administrator", "technician")
    wang.goto(f"/studies/{KEY.origin}/{KEY.study_uid}")
    wang.get_by_test_id("delete-for-good").click()
    going = wang.get_by_test_id("going")
    expect(going).to_contain_text("彻底删除后不可恢复" if zh else "This cannot be undone")
    expect(wang.get_by_test_id("going-instances")).to_have_text(str(COUNT))
    expect(going).to_contain_text("尚未届满" if zh else "Not over")
    wang.get_by_test_id("deletion-ask-confirm").click()
    expect(wang.get_by_text("必填" if zh else "Fill this in").first).to_be_visible()
    expect(wang.get_by_test_id("deletion-code-retention-over")).to_have_count(0)
    wang.get_by_test_id("deletion-code-mistaken").click()
    wang.get_by_test_id("deletion-words").fill("体检单位误传" if zh else "Sent by another clinic")
    shoot(wang, "deletion-ask", language)
    wang.get_by_test_id("deletion-ask-confirm").click()
    expect(wang.get_by_test_id("deletion-mine")).to_be_visible()
    expect(wang.get_by_test_id("deletion-approve")).to_have_count(0)
    assert len(rows_of(node)) == COUNT

    lin = sit("lin", "administrator")
    lin.goto("/storage/deletion")
    expect(lin.get_by_text("Zhang")).to_have_count(0)
    lin.get_by_test_id("deletion-approve").click()
    expect(lin.get_by_test_id("going-instances")).to_have_text(str(COUNT))
    lin.get_by_test_id("deletion-instances").fill("5")
    lin.get_by_test_id("deletion-approve-confirm").click()
    expect(lin.get_by_text("与图像数不一致" if zh else "That is not the number of images")).to_be_visible()
    assert len(rows_of(node)) == COUNT
    lin.get_by_test_id("deletion-instances").fill(str(COUNT))
    shoot(lin, "deletion-approve", language)
    lin.get_by_test_id("deletion-approve-confirm").click()
    expect(lin.get_by_test_id("deletion-state")).to_have_text("正在清除" if zh else "Being erased")
    expect(lin.get_by_text("存储 store-0" if zh else "store store-0")).to_be_visible()
    expect(lin.get_by_test_id("going")).to_have_count(0)
    shoot(lin, "deletion-going", language)
    assert rows_of(node) == []

    erased(node, clock)
    expect(lin.get_by_test_id("deletion-state")).to_have_text("已彻底删除" if zh else "Deleted for good")
    shoot(lin, "deletion-done", language)
    with lin.expect_download() as download:
        lin.get_by_test_id("certificate-file").click()
    certificate = read_certificate(download.value.path().read_bytes(), key=node.keys.verify_key)
    assert (certificate.deed.asked.by, certificate.deed.approved.by) == ("Wang", "Lin")
    with lin.context.expect_page() as opened:
        lin.get_by_test_id("certificate-page").click()
    page = opened.value
    expect(page.get_by_role("heading")).to_have_text(
        "检查彻底删除证明" if zh else "Certificate of final deletion"
    )
    expect(page.locator("table")).to_contain_text(KEY.study_uid)
    page.screenshot(path=SHOTS / f"certificate-{language}-1440.png", full_page=True)
    assert page.locator("h1").evaluate("node => getComputedStyle(node).textAlign") == "center", (
        "its style is let in"
    )


def test_a_new_node_says_what_deleting_is_for(sit: Sit, site: Site, language: str) -> None:
    page = sit("wang", "administrator")
    page.goto("/storage/deletion")
    expect(page.get_by_test_id("deletions-asked-empty")).to_contain_text(
        "由另一名管理员批准" if language == "zh" else "another administrator approves"
    )
    expect(page.get_by_test_id("deletions-done-empty")).to_be_visible()
    shoot(page, "deletion-empty", language)


def test_what_keeps_a_study_is_said_before_anybody_asks(sit: Sit, site: Site, language: str) -> None:
    held = "INSERT INTO hold (origin, study_uid, reason, who) VALUES (?, ?, 'teaching', 'course-1')"
    site.node.write([Statement(held, (KEY.origin, KEY.study_uid))])
    page = sit("wang", "administrator")
    page.goto("/storage/deletion")
    page.get_by_test_id("deletion-other").fill(KEY.study_uid)
    page.get_by_test_id("deletion-other-ask").click()
    expect(page.get_by_test_id("going-barred")).to_contain_text("somebody holds it")
    expect(page.get_by_test_id("deletion-ask-confirm")).to_be_disabled()
    shoot(page, "deletion-barred", language)
