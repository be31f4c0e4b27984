"""How the tiers go, what is held, what was checked and backed up, in Chromium; and what has to be seen to. 60 s."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from node.archive.lifecycle.periods import DAY
from node.archive.stores.probing import Answer
from node.canonical import digest_of
from node.catalogue.written import write_study
from node.clock import MINUTE
from node.database.port import Statement
from node.names import StudyUID
from node.node import Node
from node.watch.backups import BackupRow, DrillRow, remember_backup, remember_drill
from node.watch.watching import watch
from tests.browser.test_storage import shoot
from tests.kit.archived_study import archive, hold_study
from tests.kit.browser import Sit
from tests.kit.catalogued import study
from tests.kit.merging import KEY
from tests.kit.site import Site

pytestmark = pytest.mark.peer

MB, GB = 1_000_000, 1_000_000_000
MEASURED = 80
ONLINE_MB, DAILY_MB = 3_000, 36
"""Little, so that it is the limit that is met and not whatever disk this runs on."""


@pytest.fixture
def measured(bare: Site) -> Node:
    """Give a node that was looked at for eighty days: its online tier grows by 36 MB a day to 3 GB, its limit is 4 GB."""
    node = bare.node
    for ago in range(MEASURED, -1, -1):
        online, packed = ONLINE_MB - DAILY_MB * ago, 2_000 - 16 * ago
        for place, size, room in (
            ("online", online, 9_000),
            ("archive", packed, None),
            ("store/store-0", packed, 6_400),
            ("store/store-1", packed, 160),
        ):
            node.write([sized(node, place, ago, bytes_=size, room=room)])
    ahead = [
        [node.now() + n * DAY, (ONLINE_MB + DAILY_MB * n) * MB, (2_000 + 16 * n) * MB] for n in range(1, 181)
    ]
    made = Statement(
        "INSERT INTO tier_forecast (made_at, rules, studies, arriving_bytes, days) VALUES (?, 1, 12345, ?, ?)",
        (node.now() - 3 * 60 * MINUTE, DAILY_MB * MB, json.dumps(ahead)),
    )
    limits = {"version": 1, "limits": {"online_bytes": 4_000 * MB, "reserve_bytes": 200 * MB}}
    ruled = Statement(
        "INSERT INTO archive_rules (version, body, at, person) VALUES (1, ?, 1, 'x')", (json.dumps(limits),)
    )
    node.write([made, ruled])
    return node


def sized(node: Node, place: str, ago: int, *, bytes_: int, room: int | None) -> Statement:
    at = node.now() - ago * DAY
    return Statement(
        "INSERT INTO tier_size (day, place, studies, bytes, room_bytes, at) VALUES (?, ?, 10, ?, ?, ?)",
        (at // DAY, place, bytes_ * MB, None if room is None else room * MB, at),
    )


def young(node: Node, *uids: str) -> None:
    """Let studies' online copies go in some days, one after the other."""
    for n, uid in enumerate(uids):
        row = study(study_uid=StudyUID(uid), bytes=310_000_000, instance_count=600)
        decided = Statement(
            "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at, next_at)"
            " VALUES ('alpha', ?, 'keep', 'young', '{}', 1, ?)",
            (uid, node.now() + (3 + n % 20) * DAY),
        )
        node.write([*write_study(row, before=None), decided])


def held(uid: str, reason: str, who: str, until: int | None = None) -> Statement:
    return Statement(
        "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES ('alpha', ?, ?, ?, ?)",
        (uid, reason, who, until),
    )


def test_a_new_node_says_from_when_on_it_knows_more(sit: Sit, bare: Site, language: str) -> None:
    zh = language == "zh"
    page = sit("administrator")
    page.goto("/storage/forecast")
    expect(page.get_by_test_id("forecast-empty")).to_contain_text(
        "从明天起显示增长" if zh else "from tomorrow on"
    )
    page.get_by_test_id("tab-holds").click()
    expect(page.get_by_test_id("holds-empty")).to_contain_text("没有占用" if zh else "Nothing is held")
    page.get_by_test_id("tab-checks").click()
    expect(page.get_by_test_id("last-backup")).to_contain_text("从未备份" if zh else "Never backed up")
    expect(page.get_by_test_id("last-drill")).to_contain_text("从未演练" if zh else "Never tried out")
    expect(page.get_by_text(f"meridian backup key {bare.node.state} --out DRAWER")).to_be_visible()
    expect(page.get_by_text(f"meridian backup {bare.node.state} --to PLACE")).to_be_visible()
    shoot(page, "storage-checks-empty", language)
    watch(bare.node, [])
    page.goto("/storage/forecast")
    expect(page.get_by_test_id("forecast-tomorrow")).to_contain_text("从明天起" if zh else "from tomorrow on")
    expect(page.get_by_test_id("forecast-verdict")).to_contain_text(
        "180 天内不会存满" if zh else "not full within 180 days"
    )
    shoot(page, "storage-forecast-new", language)


def test_the_day_on_which_the_online_tier_is_full_is_shown_with_how_the_tiers_went(
    sit: Sit, measured: Node, language: str
) -> None:
    zh = language == "zh"
    young(measured, *(f"2.25.8.{n:03}" for n in range(60)))
    page = sit("administrator")
    page.goto("/storage/forecast")
    verdict = page.get_by_test_id("forecast-verdict")
    expect(verdict).to_contain_text("2026年3月25日" if zh else "25 Mar 2026")
    expect(verdict).to_contain_text("12,345")
    online, store = page.get_by_test_id("place-online"), page.get_by_test_id("place-store-store-1")
    expect(online).to_contain_text("+36 MB/天" if zh else "+36 MB a day")
    expect(store).to_contain_text("160")
    expect(store).to_contain_text("2026年3月12日" if zh else "12 Mar 2026")
    expect(page.get_by_test_id("bound-limit")).to_contain_text("在线限额" if zh else "online limit")
    expect(page.get_by_test_id("chart-limit")).to_have_count(1)
    expect(page.get_by_test_id("course-0")).to_contain_text("今天" if zh else "today")
    total = page.get_by_test_id("leaving-total")
    expect(total).to_contain_text("60 个检查" if zh else "60 studies")
    leaving = page.locator("[data-testid^='leaving-2']")
    expect(leaving).to_have_count(0)
    shoot(page, "storage-forecast", language)
    page.get_by_test_id("leaving-open").click()
    expect(leaving).to_have_count(50)
    page.get_by_role("button", name="显示更多" if zh else "Show more").click()
    expect(leaving).to_have_count(60)


def test_lines_of_the_chart_run_where_the_figures_are(sit: Sit, measured: Node, language: str) -> None:
    page = sit("administrator")
    page.goto("/storage/forecast")
    chart = page.get_by_test_id("chart")
    expect(chart).to_be_visible()
    past, ahead = (
        [tuple(map(float, point.split(","))) for point in str(line.get_attribute("points")).split()]
        for line in page.locator("[data-testid=chart-online] polyline").all()
    )
    assert len(past) == MEASURED + 1
    assert past[-1] == ahead[0], "the forecast begins where the measured line ends"
    assert past[0][1] > past[-1][1] > ahead[-1][1], "what grows goes up"
    limit = float(str(page.get_by_test_id("chart-limit").get_attribute("y1")))
    crossed = next(x for x, y in ahead if y <= limit)
    share = (crossed - ahead[0][0]) / (ahead[-1][0] - ahead[0][0])
    assert 27 <= share * 180 <= 36, "4 GB are met 28 days ahead, and a point is drawn a week"


def test_what_has_to_be_seen_to_stands_above_every_page(sit: Sit, measured: Node, language: str) -> None:
    zh, node = language == "zh", measured
    full = Answer(store="store-1", answers=True, room_bytes=GB)
    node.write(
        [
            Statement(
                "UPDATE tier_forecast SET days = ?", (json.dumps([[node.now() + 9 * DAY, 4_500 * MB, 0]]),)
            )
        ]
    )
    drill = DrillRow(
        at=node.now() - DAY, backup=digest_of("b"), made_at=node.now() - 2 * DAY, studies=20, instances=8_412,
        differences=3, seconds=95.0,
    )  # fmt: skip
    node.write([remember_drill(drill)])
    watch(node, [full])
    page = sit("administrator")
    page.goto("/storage/rules")
    tier = page.get_by_test_id("alarm-online-tier-filling")
    expect(tier).to_contain_text("2026年3月11日" if zh else "11 Mar 2026")
    expect(page.get_by_test_id("alarm-store-filling")).to_contain_text("store-1")
    expect(page.get_by_test_id("alarm-backup-overdue")).to_contain_text("从未做过" if zh else "never done")
    differs = page.get_by_test_id("alarm-drill-differs")
    expect(differs).to_contain_text("3 处差异" if zh else "3 differences")
    first = page.locator("[data-testid^='alarm-']").first
    expect(first).to_have_attribute("data-testid", "alarm-drill-differs")
    shoot(page, "storage-alarms", language)
    differs.get_by_role("link").click()
    expect(page.get_by_test_id("last-drill")).to_be_visible()
    node.write(
        [
            remember_drill(
                DrillRow(
                    at=node.now(),
                    backup=digest_of("c"),
                    made_at=1,
                    studies=1,
                    instances=1,
                    differences=0,
                    seconds=2.0,
                )
            )
        ]
    )
    watch(node, [full])
    expect(differs).to_have_count(0)


def test_backups_drills_and_the_scrub_are_shown(sit: Sit, bare: Site, language: str) -> None:
    zh, node = language == "zh", bare.node
    hold_study(node)
    archive(node)
    now = node.now()
    for n, (ago, new) in enumerate(((3, 900 * GB), (2, 41 * GB), (1, 38 * GB))):
        made = BackupRow(
            at=now - ago * DAY // 2, backup=digest_of(f"backup {n}"), place="/mnt/backups/alpha", files=812,
            bytes=900 * GB, new_bytes=new,
        )  # fmt: skip
        node.write([remember_backup(made)])
    for ago, differences in ((200, 0), (3, 2)):
        drill = DrillRow(
            at=now - ago * DAY, backup=digest_of(f"drill {ago}"), made_at=now - (ago + 1) * DAY, studies=20,
            instances=8_412, differences=differences, seconds=754.2,
        )  # fmt: skip
        node.write([remember_drill(drill)])
    node.write(
        [Statement("UPDATE package_copy SET verified_at = ? WHERE store = 'store-1'", (now - 45 * DAY,))]
    )
    page = sit("administrator")
    page.goto("/storage/checks")
    expect(page.get_by_test_id("last-backup")).to_contain_text("12小时前" if zh else "12 hr ago")
    expect(page.get_by_text("meridian drill /mnt/backups/alpha --key DRAWER")).to_be_visible()
    bad = page.get_by_test_id(f"drill-{digest_of('drill 3')[:8]}")
    expect(bad).to_contain_text("2 处差异" if zh else "2 differences")
    expect(bad).to_contain_text("8,412")
    good = page.get_by_test_id(f"drill-{digest_of('drill 200')[:8]}")
    expect(good).to_contain_text("0 处差异" if zh else "0 differences")
    packed = page.get_by_test_id("scrub-archive")
    expect(packed).to_contain_text("2 份副本" if zh else "2 copies")
    expect(packed).to_contain_text("45")
    expect(packed).to_contain_text("没有损坏" if zh else "No damage")
    expect(page.get_by_test_id("last-drill")).to_contain_text("2 处差异" if zh else "2 differences")
    shoot(page, "storage-checks", language)


def test_whom_studies_are_held_for_is_shown(sit: Sit, bare: Site, language: str) -> None:
    zh, node = language == "zh", bare.node
    hold_study(node)
    young(node, "2.25.81")
    node.write(
        [held(KEY.study_uid, "consult", "case-17"), held("2.25.81", "consult", "case-18", node.now() + DAY)]
    )
    node.write([held("2.25.81", "teaching", "王老师")])
    page = sit("administrator")
    page.goto("/storage/holds")
    consult = page.get_by_test_id("held-consult")
    expect(consult).to_contain_text("2 个检查" if zh else "2 studies")
    expect(consult).to_contain_text("有归档副本即可" if zh else "a copy in the archive will do")
    expect(page.get_by_test_id("held-teaching")).to_contain_text(
        "保留在线副本" if zh else "keeps the online copy"
    )
    expect(page.get_by_test_id(f"hold-{KEY.study_uid}")).to_contain_text(
        "直到解除" if zh else "until it is lifted"
    )
    shoot(page, "storage-holds", language)
