"""A study of which a rebuild could not know all corrections says so in the list and on its page, until somebody settles it. 20 s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from node.catalogue.search import get_study
from node.catalogue.unsettled import count_unsettled
from node.database.port import Statement
from node.names import NodeId, StudyKey, StudyUID
from node.people.sessions import open_session
from tests.browser.test_corrections import WANG, ZHANG, send, shoot
from tests.kit.bare_node import bare_node
from tests.kit.browser import DESK, LOCALES, STAY_MS, ZONE
from tests.kit.clock import FrozenClock
from tests.kit.site import Site, add_quickly, open_site

pytestmark = pytest.mark.peer

MARKED = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.71"))
WORDS = {"zh": "更正情况不明", "en": "Corrections unknown"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    send(node, "2.25.71", seed=1, **ZHANG)
    send(node, "2.25.72", seed=2, **WANG)
    node.write([Statement("UPDATE study SET corrections_until = 0 WHERE study_uid = '2.25.71'")])
    with open_site(node) as opened:
        yield opened
    node.close()


def signed_in(browser: Browser, site: Site, language: str, *roles: str) -> Page:
    context = browser.new_context(
        base_url=site.web,
        locale=LOCALES[language],
        timezone_id=ZONE,
        viewport={"width": DESK[0], "height": DESK[1]},
    )
    context.set_default_timeout(STAY_MS)
    token = open_session(site.node, add_quickly(site.node, f"chen{len(roles)}", *roles))
    context.add_cookies([{"name": "meridian-alpha", "value": token, "url": site.web}])
    return context.new_page()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_marked_study_says_so_and_an_administrator_settles_it(
    browser: Browser, site: Site, language: str
) -> None:
    page = signed_in(browser, site, language, "technician")
    page.goto("/studies")
    mark = page.get_by_test_id("corrections-unknown")
    expect(mark).to_have_count(1)
    expect(mark).to_have_text(WORDS[language])
    assert mark.get_attribute("title")
    shoot(page, "unsettled-list")
    page.goto("/studies/alpha/2.25.71")
    expect(page.get_by_test_id("unsettled")).to_contain_text(WORDS[language])
    expect(page.get_by_test_id("settle-corrections")).to_have_count(0)
    shoot(page, "unsettled-study")
    page.context.close()
    page = signed_in(browser, site, language, "technician", "administrator")
    page.goto("/studies/alpha/2.25.71")
    page.get_by_test_id("settle-corrections").click()
    expect(page.get_by_test_id("unsettled")).to_have_count(0)
    expect(page.get_by_test_id("corrections-unknown")).to_have_count(0)
    assert get_study(site.node.database, MARKED).corrections_until is None
    page.context.close()


ASKED = {"zh": "确认全部 2 个检查无误？", "en": "Settle all 2 studies?"}
BUTTON = {"zh": "全部确认无误…", "en": "Settle all…"}


def all_marked(site: Site) -> None:
    site.node.write([Statement("UPDATE study SET corrections_until = 0")])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_all_that_are_listed_are_settled_by_one_confirmation(
    browser: Browser, site: Site, language: str
) -> None:
    all_marked(site)
    page = signed_in(browser, site, language, "technician")
    page.goto("/corrections")
    expect(page.get_by_test_id("unsettled-2.25.71")).to_be_visible()
    expect(page.get_by_test_id("unsettled-2.25.72")).to_be_visible()
    expect(page.get_by_test_id("settle-all")).to_have_count(0)
    page.context.close()
    page = signed_in(browser, site, language, "technician", "administrator")
    page.goto("/corrections")
    expect(page.get_by_test_id("settle-all")).to_have_text(BUTTON[language])
    shoot(page, "unsettled-listed")
    page.get_by_test_id("settle-all").click()
    expect(page.get_by_role("dialog")).to_contain_text(ASKED[language])
    expect(page.get_by_test_id("settle-all-how").locator("p")).to_have_count(3)
    shoot(page, "unsettled-settle-all")
    page.get_by_test_id("settle-all-cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert count_unsettled(site.node.database) == 2
    page.get_by_test_id("settle-all").click()
    page.get_by_test_id("settle-all-confirm").click()
    expect(page.get_by_test_id("unsettled-studies")).to_have_count(0)
    assert count_unsettled(site.node.database) == 0
    audited = site.node.database.read("SELECT subject FROM audit WHERE act = 'settle-corrections' ORDER BY 1")
    assert [row["subject"] for row in audited] == ["study/alpha/2.25.71", "study/alpha/2.25.72"]
    page.context.close()


def test_an_administrator_who_sees_no_study_settles_them_by_their_number(
    browser: Browser, site: Site
) -> None:
    all_marked(site)
    page = signed_in(browser, site, "zh", "administrator")
    page.goto("/node/problems")
    notice = page.get_by_test_id("unsettled-notice")
    expect(notice).to_contain_text("更正情况不明的检查（2）")
    assert "2.25.71" not in page.content()
    shoot(page, "unsettled-notice")
    page.get_by_test_id("settle-all").click()
    expect(page.get_by_role("dialog")).to_contain_text(ASKED["zh"])
    page.get_by_test_id("settle-all-confirm").click()
    expect(notice).to_have_count(0)
    assert count_unsettled(site.node.database) == 0
    page.context.close()


def test_more_than_she_was_asked_about_are_not_settled(browser: Browser, site: Site) -> None:
    page = signed_in(browser, site, "zh", "administrator")
    page.goto("/node/problems")
    page.get_by_test_id("settle-all").click()
    expect(page.get_by_role("dialog")).to_contain_text("确认全部 1 个检查无误？")
    all_marked(site)
    page.get_by_test_id("settle-all-confirm").click()
    expect(page.get_by_test_id("unsettled-notice")).to_contain_text("更正情况不明的检查（2）")
    assert count_unsettled(site.node.database) == 2
    page.context.close()
