"""The two tiers in Chromium: an administrator looks, tries a rule, saves it; a technician asks a study back. 60 s."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from node.archive.archived import peek_archived
from node.archive.archiving import archive_study
from node.archive.lifecycle.fullness import Bar, Pressure, noted, over
from node.archive.lifecycle.periods import DAY
from node.archive.recall.recalling import bring
from node.catalogue.search import instances_of
from node.clock import MINUTE, SECOND
from node.database.port import Statement
from node.dicom.part10 import read_part10
from node.imaging.phantom import make_series
from node.names import StudyKey, StudyUID
from node.node import Node
from tests.browser.contact_sheet import SHOTS
from tests.browser.test_pages import barriers, chinese_of_ours
from tests.kit.archived_study import COUNT, archive, expire, hold_study, recall
from tests.kit.browser import DESK, PHONE, Sit
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.merging import KEY, complete
from tests.kit.site import Site

pytestmark = pytest.mark.peer

BOTH = StudyKey(origin=KEY.origin, study_uid=StudyUID("2.25.62"))
AWAY = f"/studies/{KEY.origin}/{KEY.study_uid}"


@pytest.fixture
def site(bare: Site, clock: FrozenClock) -> Site:
    """Give a node with a study in the archive alone, one in both tiers and one that is online only."""
    node = bare.node
    hold_study(node)
    archive(node)
    send(node, BOTH.study_uid, seed=2, patient_name="OUYANG^Ming=欧阳^明", patient_id="P000201")
    complete(node, BOTH)
    archive_study(node, origin=BOTH.origin, study_uid=BOTH.study_uid)
    expire(node, clock)
    send(node, "2.25.63", seed=3, patient_name="ZHANG^San=张^三", patient_id="P000137")
    return bare


def send(node: Node, uid: str, *, seed: int, **facts: str) -> None:
    files = make_series(study_uid=uid, slices=4, size=128, seed=seed, **facts)  # type: ignore[arg-type]
    hold(node, [bytes(read_part10(file).data_set) for file in files])


def shoot(page: Page, name: str, language: str) -> None:
    """Leave pictures for desk and phone, and say what keeps people out, or is not of this language."""
    page.wait_for_timeout(400)
    assert (barriers(page) if language == "zh" else chinese_of_ours(page)) == []
    for size in (DESK, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.screenshot(
            path=SHOTS / f"{name}-{language}-{size[0]}.png", animations="disabled", full_page=True
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})


def decide(node: Node, key: StudyKey, reason: str, **figures: object) -> None:
    row = Statement(
        "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at, next_at)"
        " VALUES (?, ?, 'keep', ?, ?, ?, ?)",
        (key.origin, key.study_uid, reason, json.dumps(figures), node.now(), node.now() + DAY),
    )
    node.write([row])


def ticket(node: Node, study_uid: str, state: str, **columns: int | str) -> None:
    node.clock.advance(SECOND)  # type: ignore[attr-defined]  # the test's own clock
    row: dict[str, int | str] = {
        "id": node.new_id(), "origin": KEY.origin, "study_uid": study_uid, "who": "CT2", "why": "viewed",
        "priority": 1, "state": state, "instances": 412, "done": 0, "bytes": 216_000_000, "at": node.now(), **columns,
    }  # fmt: skip
    marks = ", ".join("?" * len(row))
    node.write([Statement(f"INSERT INTO recall ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))])


def test_pages_of_a_new_node_say_what_to_do_next(sit: Sit, language: str) -> None:
    page = sit("administrator")
    page.goto("/storage")
    expect(page.get_by_test_id("tier-archive")).to_contain_text(
        "检查收齐并静置后自动归档" if language == "zh" else "archived once they are complete and quiet"
    )
    expect(page.get_by_test_id("store-store-0")).to_contain_text("正常" if language == "zh" else "Answers")
    shoot(page, "storage-empty", language)
    page.get_by_test_id("tab-recalls").click()
    expect(page.get_by_test_id("recalls-empty")).to_contain_text(
        "从归档调回" if language == "zh" else "press Recall"
    )
    shoot(page, "storage-recalls-empty", language)
    page.get_by_test_id("tab-rules").click()
    expect(page.get_by_test_id("copy-rule-default")).to_contain_text(
        "在线 6 个月" if language == "zh" else "6 months online"
    )
    shoot(page, "storage-rules-empty", language)


def test_both_tiers_are_shown_with_what_is_wrong_with_them(
    sit: Sit, site: Site, language: str, tmp_path: Path
) -> None:
    node = site.node
    node.write([Statement("UPDATE package_copy SET state = 'damaged' WHERE store = 'store-1'")])
    (tmp_path / "archive" / "store-1" / ".meridian-store").unlink()
    decide(node, KEY, "retained", years=30, over_at=node.now() + 30 * 365 * DAY)
    decide(node, BOTH, "young", last_used=node.now(), due_at=node.now() + 180 * DAY)
    page = sit("administrator")
    page.goto("/storage/overview")
    online, archived = page.get_by_test_id("tier-online"), page.get_by_test_id("tier-archive")
    expect(online).to_contain_text("2 个检查" if language == "zh" else "2 studies")
    expect(archived).to_contain_text("仅在归档" if language == "zh" else "In the archive alone")
    expect(archived).to_contain_text("2 个检查" if language == "zh" else "2 studies")
    away = page.get_by_test_id("store-store-1")
    expect(away.get_by_test_id("store-state")).to_have_text(
        "没有应答" if language == "zh" else "Does not answer"
    )
    expect(away).to_contain_text("is not mounted")
    expect(page.get_by_test_id("reason-young")).to_contain_text(
        "在线期内" if language == "zh" else "Within its online time"
    )
    shoot(page, "storage-tiers", language)


def test_recalls_are_shown_in_their_order_with_how_long_they_take(
    sit: Sit, site: Site, language: str
) -> None:
    node = site.node
    now = node.now()
    long = "1.2.840.113619.2.55.3.2831868886.411.1772424000.301"
    ticket(node, long, "done", began_at=now - 60 * SECOND, ended_at=now - 36 * SECOND)
    ticket(node, "2.25.302", "failed", words="The disk is full.", began_at=now - MINUTE, ended_at=now)
    ticket(node, KEY.study_uid, "running", done=103, began_at=now, who="李医生", why="asked")
    ticket(node, BOTH.study_uid, "waiting")
    ticket(node, "2.25.305", "waiting", why="read", who="")
    page = sit("administrator")
    page.goto("/storage/recalls")
    lines = page.locator("article.transfer")
    expect(lines).to_have_count(5)
    assert page.get_by_test_id("recall-state").all_inner_texts() == (
        ["调回中", "等待", "等待", "调回失败", "已调回"]
        if language == "zh"
        else ["Coming back", "Waiting", "Waiting", "Failed", "Online again"]
    )
    assert page.get_by_test_id("recall-position").all_inner_texts() == (
        ["下一个", "排在第 2 位"] if language == "zh" else ["Next", "No. 2 in the queue"]
    )
    expect(lines.first.get_by_test_id("recall-left")).to_contain_text("18")
    expect(lines.first).to_contain_text("103 / 412" if language == "zh" else "103 of 412")
    expect(lines.first).to_contain_text(KEY.study_uid)
    shoot(page, "storage-recalls", language)


def test_a_rule_is_written_tried_and_saved(sit: Sit, site: Site, language: str) -> None:
    zh = language == "zh"
    page = sit("administrator")
    page.goto("/storage/rules")
    expect(page.get_by_test_id("copy-rules-save")).to_be_disabled()
    page.get_by_test_id("copy-rule-add").click()
    page.get_by_test_id("copy-rule-keep").click()
    expect(page.get_by_text("必填" if zh else "Fill this in").first).to_be_visible()
    page.get_by_test_id("copy-rule-name").fill("default")
    expect(page.get_by_text("名称已被使用" if zh else "Another rule has this name")).to_be_visible()
    page.get_by_test_id("copy-rule-name").fill("Emergency CT")
    modalities = page.get_by_test_id("copy-rule-modalities").locator("input")
    modalities.fill("CT ")
    modalities.press("Tab")
    page.get_by_test_id("copy-rule-online").fill("3")
    page.get_by_test_id("copy-rule-copies").fill("3")
    shoot(page, "storage-rule", language)
    page.get_by_test_id("copy-rule-keep").click()
    rule = page.get_by_test_id("copy-rule-Emergency CT")
    expect(rule).to_contain_text("在线 3 个月" if zh else "3 months online")
    expect(rule).to_contain_text("现有存储 2 个，不足 3 份副本" if zh else "too few for 3 copies")
    page.get_by_test_id("copy-rules-try").click()
    expect(page.get_by_test_id("trial-summary")).to_contain_text(
        "3 个检查中，有 2 个会有不同"
        if zh
        else "Of 3 studies of the last 30 days, 2 would have gone otherwise"
    )
    difference = page.get_by_test_id(f"difference-{BOTH.study_uid}")
    expect(difference).to_contain_text("Emergency CT")
    expect(difference).to_contain_text(re.compile("在线保留到" if zh else "stays online until"))
    expect(page.get_by_test_id("trial")).to_contain_text("尚未保存" if zh else "Nothing is saved")
    assert site.node.database.read("SELECT version FROM archive_rules") == []
    shoot(page, "storage-tried", language)
    page.get_by_test_id("copy-rules-save").click()
    expect(page.get_by_text("第 1 版" if zh else "Version 1")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("copy-rule-Emergency CT")).to_contain_text("CT")
    expect(page.get_by_test_id("copy-rules-save")).to_be_disabled()


def test_rules_in_an_order_that_cannot_be_followed_are_not_saved(sit: Sit, site: Site, language: str) -> None:
    body = {
        "version": 1,
        "rules": [{"name": "MR", "modalities": ["MR"]}, {"name": "rest", "copies": 1}],
        "format": 1,
    }
    row = Statement(
        "INSERT INTO archive_rules (version, body, at, person) VALUES (1, ?, 1, 'x')", (json.dumps(body),)
    )
    site.node.write([row])
    page = sit("administrator")
    page.goto("/storage/rules")
    page.get_by_test_id("copy-rule-rest").get_by_test_id("copy-rule-up").click()
    expect(page.get_by_test_id("copy-rules-wrong")).to_contain_text(
        "规则“MR”排在适用于所有检查的“rest”之后" if language == "zh" else "“MR” stands behind “rest”"
    )
    expect(page.get_by_test_id("copy-rules-save")).to_be_disabled()
    shoot(page, "storage-rules-wrong", language)
    page.get_by_test_id("copy-rule-rest").get_by_test_id("copy-rule-down").click()
    expect(page.get_by_test_id("copy-rules-wrong")).to_have_count(0)


def test_rules_that_somebody_changed_meanwhile_are_told_of(sit: Sit, site: Site, language: str) -> None:
    page = sit("administrator")
    page.goto("/storage/rules")
    page.get_by_test_id("limit-online").fill("500")
    page.get_by_test_id("limit-online").press("Tab")
    row = Statement(
        "INSERT INTO archive_rules (version, body, at, person) VALUES (1, ?, 1, 'x')", ('{"version": 1}',)
    )
    site.node.write([row])
    page.get_by_test_id("copy-rules-save").click()
    expect(page.get_by_test_id("copy-rules-stale")).to_contain_text(
        "规则已被他人更改" if language == "zh" else "Somebody else changed the rules"
    )
    expect(page.get_by_test_id("limit-online")).to_have_value("500")
    page.get_by_test_id("copy-rules-reload").click()
    expect(page.get_by_test_id("copy-rules-stale")).to_have_count(0)
    expect(page.get_by_test_id("limit-online")).to_have_value("0")


def sees_picture(page: Page) -> None:
    """See the picture of the one series, not an empty frame."""
    picture = page.locator("img.thumbnail")
    expect(picture).to_have_count(1)
    assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") > 0


def test_a_study_in_the_archive_alone_is_asked_back(sit: Sit, site: Site, language: str) -> None:
    zh, node = language == "zh", site.node
    decide(node, KEY, "retained", years=30, over_at=node.now() + 30 * 365 * DAY)
    page = sit("technician")
    page.goto(AWAY)
    tier = page.get_by_test_id("storage-tier")
    expect(tier).to_have_text("仅在归档" if zh else "In the archive alone")
    expect(page.get_by_test_id("storage")).to_contain_text("store-0 已校验" if zh else "store-0 verified")
    expect(page.get_by_test_id("storage-why")).to_contain_text("30 年" if zh else "for 30 years")
    sees_picture(page)
    shoot(page, "study-archived", language)
    assert node.database.read("SELECT id FROM recall") == [], "looking at its page brought the study back"
    page.get_by_test_id("recall").click()
    expect(page.get_by_test_id("recall-state")).to_have_text("等待" if zh else "Waiting")
    expect(page.get_by_test_id("recall-position")).to_have_text("下一个" if zh else "Next")
    expect(page.get_by_test_id("recall")).to_have_count(0)
    node.write([Statement("UPDATE recall SET state = 'running', done = 2, began_at = at", expect=1)])
    expect(page.get_by_test_id("recall-state")).to_have_text("调回中" if zh else "Coming back")
    expect(page.get_by_test_id("recall-counts")).to_have_text(
        f"2 / {COUNT} 幅" if zh else f"2 of {COUNT} images"
    )
    shoot(page, "study-recalling", language)
    node.write([Statement("UPDATE recall SET state = 'done', ended_at = at + 3000000", expect=1)])
    recall(node)
    notice = page.locator("[data-testid^=recall-notice-]")
    expect(notice).to_contain_text("打开检查" if zh else "Open it")
    expect(tier).to_have_text("在线并已归档" if zh else "Online and archived")
    sees_picture(page)


def test_what_bars_room_online_is_told(sit: Sit, site: Site, language: str) -> None:
    zh, node = language == "zh", site.node
    barred = (Bar(why="held", studies=2, bytes=3_000_000_000), Bar(why="failed", studies=1, bytes=1))
    short = Pressure(
        at=node.now(), online_bytes=9, wanted_bytes=5, freed_bytes=1, short_bytes=4_000_000_000, barred=barred
    )
    node.write([noted(short)])
    page = sit("administrator")
    page.goto("/storage")
    expect(page.get_by_test_id("pressure")).to_contain_text(
        "在线空间仍缺 4 GB" if zh else "The online tier is 4 GB short of room"
    )
    expect(page.get_by_test_id("barred-held")).to_contain_text("2 个检查" if zh else "2 studies")
    assert barriers(page) == []
    shoot(page, "pressure", language)
    node.write([over(node.now())])
    page.reload()
    expect(page.get_by_test_id("tier-online")).to_be_visible()
    expect(page.get_by_test_id("pressure")).to_have_count(0)


def test_a_study_of_which_a_part_is_online_says_so_and_why_it_did_not_go(
    sit: Sit, site: Site, language: str
) -> None:
    zh, node = language == "zh", site.node
    row = instances_of(node.database, KEY, chosen_only=False)[0]
    bring(node, KEY, who="", why="viewed", series_uid=row.series_uid)
    archived = peek_archived(node.database, KEY)
    assert archived is not None
    away = Statement(
        "UPDATE online_instance SET pack = ?, offset = 1, data_offset = 1 WHERE study_uid = ? AND sop_uid = ?",
        (archived.pack, row.study_uid, row.sop_uid),
        expect=1,
    )
    decide(node, KEY, "due", last_used=node.now(), due_at=node.now())
    words = "Expiring a study was refused: 1 of 2 stores have its package. Look at the stores."
    failed = Statement(
        "UPDATE lifecycle SET words = ?, failures = 3 WHERE study_uid = ?", (words, KEY.study_uid)
    )
    node.write([away, failed])
    page = sit("technician")
    page.goto(AWAY)
    expect(page.get_by_test_id("storage-tier")).to_have_text(
        "部分在线，其余在归档" if zh else "Partly online, the rest in the archive"
    )
    expect(page.get_by_test_id("storage-not-done")).to_contain_text("1 of 2 stores")
    expect(page.get_by_test_id("recall")).to_be_visible()
    shoot(page, "study-part", language)


def test_a_study_in_both_tiers_says_why_it_stays(sit: Sit, site: Site, language: str) -> None:
    zh, node = language == "zh", site.node
    needed = {"reason": "consult", "who": "case-17", "until": None}
    decide(node, BOTH, "held", holds=1, last_used=node.now(), hold=needed)
    held = Statement(
        "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES (?, ?, 'consult', 'case-17', NULL)",
        (BOTH.origin, BOTH.study_uid),
    )
    node.write([held])
    page = sit("technician")
    page.goto(f"/studies/{BOTH.origin}/{BOTH.study_uid}")
    expect(page.get_by_test_id("storage-why")).to_contain_text(
        "正在使用（会诊，共 1 处），暂不清除" if zh else "needs it (a consult; 1 in all), so it stays"
    )
    expect(page.get_by_test_id("storage-holds")).to_contain_text("会诊" if zh else "consult")
    expect(page.get_by_test_id("recall")).to_have_count(0)
    sees_picture(page)
    shoot(page, "study-both", language)
