"""What the node tells of how its tiers grow, of what comes next, of holds, and of what was checked and backed up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.archive.lifecycle.periods import DAY
from node.archive.stores.probing import Answer as Room
from node.canonical import digest_of
from node.catalogue.written import write_study
from node.database.port import Statement
from node.names import StudyUID
from node.node import Node
from node.watch.backups import BackupRow, DrillRow, remember_backup, remember_drill
from node.watch.watching import watch
from tests.kit.archived_study import archive, hold_study
from tests.kit.bare_node import open_archive
from tests.kit.catalogued import study
from tests.kit.clock import FrozenClock
from tests.kit.http import Answer, Visitor
from tests.kit.merging import KEY
from tests.kit.site import Site, add_quickly

ROOM = 1_000_000


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    with open_archive(tmp_path, clock) as node:
        yield node


def look(node: Node, room: int | None = ROOM) -> None:
    watch(node, [Room(store=f"store-{n}", answers=room is not None, room_bytes=room) for n in range(2)])


def place(root: Visitor, name: str) -> dict[str, Any]:
    (found,) = [one for one in root.get("/api/archive/outlook")["places"] if one["place"] == name]
    return dict(found)


def decided(node: Node, uid: str, reason: str, *, at: int | None, **figures: int) -> Statement:
    return Statement(
        "INSERT OR REPLACE INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at, next_at)"
        " VALUES ('alpha', ?, 'keep', ?, ?, 1, ?)",
        (uid, reason, json.dumps(figures), at),
    )


def test_a_new_node_has_nothing_to_show_and_says_so_by_empty_lists(root: Visitor) -> None:
    found = root.get("/api/archive/outlook")
    assert (found["places"], found["history"], found["ahead"], found["madeAt"]) == ([], [], [], None)
    assert found["onlineFullAt"] is None
    assert found["roomBytes"] > 0
    assert root.get("/api/archive/alarms")["items"] == []
    assert root.get("/api/archive/leaving") == {"items": [], "next": None}
    assert root.get("/api/archive/holds") == {"reasons": [], "items": [], "next": None}


def test_growth_is_told_from_the_second_day_on(root: Visitor, node: Node, clock: FrozenClock) -> None:
    look(node)
    assert place(root, "online")["month"] is None
    hold_study(node)
    made = archive(node)
    clock.advance(2 * DAY)
    look(node)
    again = site_root_again(node, root)
    online, packed, store = (place(again, name) for name in ("online", "archive", "store/store-0"))
    assert online["bytes"] == made.online_bytes
    assert online["month"]["dailyBytes"] == made.online_bytes // 2
    assert packed["month"]["dailyBytes"] == packed["quarter"]["dailyBytes"] == made.bytes // 2
    daily = store["month"]["dailyBytes"]
    assert store["fullAt"] == node.now() + ROOM * DAY // daily
    history = again.get("/api/archive/outlook")["history"]
    assert [(one["onlineBytes"], one["archiveBytes"]) for one in history] == [
        (0, 0),
        (made.online_bytes, made.bytes),
    ]


def site_root_again(node: Node, root: Visitor) -> Visitor:
    """Sign in anew: sessions end while the clock moves."""
    node.write([Statement("UPDATE session SET last_at = ?, until = ?", (node.now(), node.now() + DAY))])
    return root


def test_the_forecast_is_told_by_weeks(root: Visitor, node: Node) -> None:
    hold_study(node)
    look(node)
    found = root.get("/api/archive/outlook")
    steps = [(one["at"] - node.now()) // DAY for one in found["ahead"]]
    assert steps[:4] == [1, 7, 14, 21]
    assert len(steps) == 26
    assert found["aheadStudies"] == 1
    assert found["arrivingBytes"] > 0
    assert found["madeAt"] == node.now()


def test_alarms_that_stand_are_told_with_their_figures(root: Visitor, node: Node) -> None:
    look(node, room=0)
    found = {
        (one["kind"], one["subject"]): one["figures"] for one in root.get("/api/archive/alarms")["items"]
    }
    assert found["store-filling", "store/store-0"]["room"] == 0
    look(node, room=10**15)
    assert root.get("/api/archive/alarms")["items"] == []


def test_what_goes_within_thirty_days_is_counted_and_listed_in_its_order(root: Visitor, node: Node) -> None:
    rows = [study(study_uid=StudyUID(f"2.25.7.{n:03}"), bytes=100, instance_count=1) for n in range(60)]
    node.write([statement for row in rows for statement in write_study(row, before=None)])
    soon = node.now() + 10 * DAY
    node.write([decided(node, f"2.25.7.{n:03}", "young", at=soon + n) for n in range(56)])
    node.write(
        [
            decided(node, "2.25.7.056", "young", at=node.now() + 31 * DAY),
            decided(node, "2.25.7.057", "quiet", at=soon),
        ]
    )
    node.write(
        [
            held("2.25.7.000", "teaching"),
            held("2.25.7.001", "consult"),
            held("2.25.7.002", "teaching", until=soon),
        ]
    )
    outlook = root.get("/api/archive/outlook")
    assert (outlook["leavingStudies"], outlook["leavingBytes"]) == (55, 5500)
    first = root.get("/api/archive/leaving")
    rest = root.get(f"/api/archive/leaving?after={first['next']}")
    uids = [one["studyUid"] for one in (*first["items"], *rest["items"])]
    assert uids == [f"2.25.7.{n:03}" for n in range(1, 56)]
    assert rest["next"] is None


def held(uid: str, reason: str, *, who: str = "somebody", until: int | None = None) -> Statement:
    return Statement(
        "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES ('alpha', ?, ?, ?, ?)",
        (uid, reason, who, until),
    )


@pytest.mark.parametrize("after", ["x", "1", "1/alpha", "-1/alpha/2.25.1"])
def test_a_cursor_that_is_none_is_refused_in_words(root: Visitor, after: str) -> None:
    with pytest.raises(Answer) as answer:
        root.get(f"/api/archive/leaving?after={after}")
    assert answer.value.status == 422
    assert "Load it again" in answer.value.body["error"]["message"]
    with pytest.raises(Answer) as answer:
        root.get(f"/api/archive/holds?after={after}")
    assert answer.value.status == 422


def test_retention_that_ends_within_a_year_is_told_by_its_years(root: Visitor, node: Node) -> None:
    hold_study(node)
    made = archive(node)
    over_at = node.now() + 100 * DAY
    node.write([decided(node, KEY.study_uid, "retained", at=over_at, years=15, over_at=over_at)])
    found = root.get("/api/archive/outlook")
    assert found["retention"] == [{"years": 15, "studies": 1, "bytes": made.bytes, "firstAt": over_at}]
    assert found["over"] == 0
    late = node.now() + 400 * DAY
    node.write([decided(node, KEY.study_uid, "retained", at=late, years=15, over_at=late)])
    assert root.get("/api/archive/outlook")["retention"] == []
    node.write([decided(node, KEY.study_uid, "over", at=None, years=30, over_at=5)])
    found = root.get("/api/archive/outlook")
    assert ([one["years"] for one in found["retention"]], found["over"]) == ([30], 1)


def test_holds_are_told_by_reason_and_one_by_one(root: Visitor, node: Node) -> None:
    hold_study(node)
    uid = KEY.study_uid
    past = node.now() - 1
    node.write(
        [held(uid, "teaching", who="Dr. Li"), held(uid, "teaching", who="Dr. Wu", until=node.now() + DAY)]
    )
    node.write([held(uid, "consult", who="case-1"), held(uid, "legal", until=past)])
    found = root.get("/api/archive/holds")
    (row,) = node.database.read("SELECT bytes FROM study")
    assert [
        (one["reason"], one["holds"], one["studies"], one["bytes"], one["keepsOnline"])
        for one in found["reasons"]
    ] == [
        ("consult", 1, 1, row["bytes"], False),
        ("teaching", 2, 1, row["bytes"], True),
    ]
    assert [(one["reason"], one["who"]) for one in found["items"]] == [
        ("consult", "case-1"),
        ("teaching", "Dr. Li"),
        ("teaching", "Dr. Wu"),
    ]
    assert {one["label"] for one in found["items"]} == {""}, "an administrator is told of no patient"


def test_backups_and_drills_are_told_the_newest_first(root: Visitor, node: Node) -> None:
    none = root.get("/api/archive/checks")
    assert (none["backups"], none["drills"], none["withinDays"]) == ([], [], 2)
    assert none["state"] == str(node.state)
    for n in (1, 2):
        made = BackupRow(at=n, backup=digest_of(str(n)), place="/mnt/b", files=3, bytes=10, new_bytes=n)
        drill = DrillRow(
            at=n, backup=digest_of(str(n)), made_at=n, studies=2, instances=12, differences=n, seconds=1.5
        )
        node.write([remember_backup(made), remember_drill(drill)])
    found = root.get("/api/archive/checks")
    assert [one["newBytes"] for one in found["backups"]] == [2, 1]
    assert [(one["differences"], one["seconds"]) for one in found["drills"]] == [(2, 1.5), (1, 1.5)]


def test_scrub_coverage_is_told_for_both_tiers(root: Visitor, node: Node) -> None:
    hold_study(node)
    made = archive(node)
    found = root.get("/api/archive/checks")
    assert found["online"]["count"] == 0, "no pack was looked at yet"
    assert (found["archive"]["count"], found["archive"]["recent"]) == (2, 2)
    assert found["archive"]["bytes"] == 2 * made.bytes
    assert (found["archive"]["damaged"], found["recentDays"]) == (0, 30)


@pytest.mark.parametrize("path", ["alarms", "outlook", "leaving", "holds", "checks"])
def test_it_is_for_administrators(site: Site, path: str) -> None:
    li = site.signed_in(add_quickly(site.node, "li", "technician"))
    with pytest.raises(Answer) as answer:
        li.get(f"/api/archive/{path}")
    assert answer.value.status == 403
