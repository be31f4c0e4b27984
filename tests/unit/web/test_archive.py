"""What the node tells of its two tiers: totals, recalls, one study's storage; and a study asked back."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from node.archive.lifecycle.fullness import Bar, Pressure, noted
from node.archive.recall.recalling import recall_study
from node.archive.stores.probing import Probe
from node.clock import MINUTE, SECOND
from node.database.port import Statement
from node.node import Node
from tests.kit.archive_stores import Around
from tests.kit.archived_study import COUNT, archive, expire, recall, slices
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold_ct
from tests.kit.http import Visitor, refusal
from tests.kit.merging import KEY, associate, complete, ingest
from tests.kit.site import Site, add_quickly

STUDY = f"/api/studies/{KEY.origin}/{KEY.study_uid}"


def tiers(root: Visitor) -> dict[str, tuple[int, bool, bool]]:
    """Give the studies of each tier, and whether it has originals and packages."""
    found = root.get("/api/archive")["tiers"]
    return {one["tier"]: (one["studies"], one["originalBytes"] > 0, one["packageBytes"] > 0) for one in found}


def test_totals_follow_a_study_through_the_tiers(root: Visitor, node: Node, clock: FrozenClock) -> None:
    nothing = (0, False, False)
    assert tiers(root) == {"online": (1, True, False), "both": nothing, "archived": nothing}
    archive(node)
    assert tiers(root) == {"online": nothing, "both": (1, True, True), "archived": nothing}
    expire(node, clock)
    assert tiers(root) == {"online": nothing, "both": nothing, "archived": (1, True, True)}
    recall(node)
    assert tiers(root) == {"online": nothing, "both": (1, True, True), "archived": nothing}


def test_a_study_counts_by_its_newest_package(root: Visitor, node: Node) -> None:
    first = archive(node)
    node.write(
        [
            Statement(
                "INSERT INTO archived (origin, study_uid, generation, digest, pack, contents, instances, bytes,"
                " online_bytes, online, at) VALUES (?, ?, 2, 'd', 'archive-2', 'c', 7, 1000, 3000, 0, 5)",
                (first.origin, first.study_uid),
            )
        ]
    )
    by_tier = {one["tier"]: one for one in root.get("/api/archive")["tiers"]}
    assert by_tier["both"]["studies"] == 0
    assert (by_tier["archived"]["originalBytes"], by_tier["archived"]["packageBytes"]) == (3000, 1000)


def test_stores_say_what_they_hold_and_whether_they_answer(root: Visitor, node: Node, tmp_path: Path) -> None:
    made = archive(node)
    node.write([Statement("UPDATE package_copy SET state = 'damaged' WHERE store = 'store-1'", expect=1)])
    (tmp_path / "archive" / "store-1" / ".meridian-store").unlink()
    near, far = root.get("/api/archive")["stores"]
    assert (near["name"], near["answers"], near["verified"], near["damaged"]) == ("store-0", True, 1, 0)
    assert near["roomBytes"] > 0
    assert near["bytes"] == made.bytes
    assert near["oldestVerifiedAt"] == node.now()
    assert (far["answers"], far["roomBytes"], far["verified"], far["damaged"]) == (False, None, 0, 1)
    assert "not mounted" in far["words"]
    assert far["oldestVerifiedAt"] is None


def test_a_store_that_is_configured_no_more_is_still_told_of(root: Visitor, node: Node) -> None:
    archive(node)
    node.write([Statement("UPDATE package_copy SET store = 'old' WHERE store = 'store-1'", expect=1)])
    stores = root.get("/api/archive")["stores"]
    assert [(one["name"], one["configured"], one["verified"]) for one in stores] == [
        ("store-0", True, 1),
        ("store-1", True, 0),
        ("old", False, 1),
    ]


class Hanging(Around):
    """Answers when it is let go."""

    asked = 0

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.free = threading.Event()

    def room(self) -> int | None:
        self.asked += 1
        self.free.wait()
        return super().room()


def test_a_store_that_hangs_keeps_nobody_waiting_and_is_asked_once(node: Node) -> None:
    hanging = Hanging(node.archive.stores[0])
    probe = Probe([hanging, node.archive.stores[1]])
    for _ in range(3):
        silent, other = probe.ask(within_s=0.2)
        assert (silent.answers, silent.words) == (False, "")
        assert other.answers
    assert hanging.asked == 1
    hanging.free.set()
    assert all(answer.answers for answer in probe.ask(within_s=30))


def test_reasons_are_counted_most_first(root: Visitor, node: Node) -> None:
    for n, reason in enumerate(("young", "quiet", "young")):
        decide(node, f"2.25.{n + 90}", reason)
    assert root.get("/api/archive")["reasons"] == [
        {"reason": "young", "studies": 2},
        {"reason": "quiet", "studies": 1},
    ]


def away_in_two_series(node: Node, clock: FrozenClock) -> str:
    """Let the study get a second series and lie in the archive alone; give the address of that series."""
    associate(node, *slices(2, series=2))
    ingest(node)
    complete(node)
    archive(node)
    expire(node, clock)
    return f"/dicomweb/studies/{KEY.study_uid}/series/{KEY.study_uid}.2"


def test_a_series_that_is_viewed_comes_first_and_the_rest_follows(
    li: Visitor, node: Node, clock: FrozenClock
) -> None:
    series_2 = away_in_two_series(node, clock)
    li.headers["Accept"] = 'multipart/related; type="application/octet-stream"'
    status, _, _ = li.raw("GET", f"{series_2}/instances/{KEY.study_uid}.2.1/frames/1")
    del li.headers["Accept"]
    assert status == 200
    told = li.get(f"{STUDY}/storage")
    assert told["tier"] == "part"
    rest, series = sorted(told["recalls"], key=lambda one: str(one["seriesUid"]))
    assert (series["seriesUid"], series["state"], series["instances"]) == (f"{KEY.study_uid}.2", "done", 2)
    assert (rest["seriesUid"], rest["state"], rest["instances"]) == ("", "waiting", COUNT)
    assert (rest["who"], rest["why"]) == ("Li", "viewed")
    status, _, _ = li.raw("GET", f"/dicomweb/studies/{KEY.study_uid}")
    assert status == 200
    assert li.get(f"{STUDY}/storage")["tier"] == "both"


def test_a_series_that_is_fetched_comes_without_the_rest(li: Visitor, node: Node, clock: FrozenClock) -> None:
    status, _, _ = li.raw("GET", away_in_two_series(node, clock))
    assert status == 200
    told = li.get(f"{STUDY}/storage")
    assert told["tier"] == "part"
    assert [one["seriesUid"] for one in told["recalls"]] == [f"{KEY.study_uid}.2"]


def test_whoever_views_what_takes_too_long_is_told_when_to_try_again(
    li: Visitor, node: Node, clock: FrozenClock
) -> None:
    archive(node)
    expire(node, clock)
    node.archive.note_late(KEY.subject, now=node.now())
    status, headers, body = li.raw("GET", f"/dicomweb/studies/{KEY.study_uid}")
    assert (status, headers["retry-after"]) == (503, "5")
    assert (
        b"put off for 60 s: it is on its way back from the archive. It goes on by itself; try again then."
        in body
    )
    (ticket,) = li.get("/api/recalls")["items"]
    assert (ticket["state"], ticket["why"], ticket["position"]) == ("waiting", "viewed", 1)
    recall_study(node, origin=KEY.origin, study_uid=KEY.study_uid, ticket=ticket["id"])
    assert li.raw("GET", f"/dicomweb/studies/{KEY.study_uid}")[0] == 200


def test_one_series_is_asked_back_by_itself(li: Visitor, node: Node, clock: FrozenClock) -> None:
    archive(node)
    expire(node, clock)
    assert li.post(f"{STUDY}/recall?series={KEY.study_uid}.1")["seriesUid"] == f"{KEY.study_uid}.1"
    assert refusal(li, "POST", f"{STUDY}/recall?series=1.2.3")[0] == 409


def test_who_asked_sees_her_own_recalls_and_nobody_else_s(
    site: Site, li: Visitor, root: Visitor, node: Node, clock: FrozenClock
) -> None:
    wang = site.signed_in(add_quickly(node, "wang", "technician"))
    archive(node)
    expire(node, clock)
    ticket = li.post(f"{STUDY}/recall")
    assert [one["id"] for one in li.get("/api/recalls")["items"]] == [ticket["id"]]
    assert wang.get("/api/recalls")["items"] == []
    assert refusal(root, "GET", "/api/recalls")[0] == 403
    recall_study(node, origin=KEY.origin, study_uid=KEY.study_uid, ticket=ticket["id"])
    (ended,) = li.get("/api/recalls")["items"]
    assert (ended["id"], ended["state"], ended["why"]) == (ticket["id"], "done", "asked")
    node.write([Statement("UPDATE recall SET ended_at = ended_at - ?", (25 * 60 * MINUTE,))])
    assert li.get("/api/recalls")["items"] == []


def test_what_bars_room_online_is_told(root: Visitor, node: Node) -> None:
    assert root.get("/api/archive")["pressure"] is None
    barred = (Bar(why="held", studies=2, bytes=70),)
    short = Pressure(
        at=5, online_bytes=100, wanted_bytes=90, freed_bytes=20, short_bytes=70, barred=barred, ended_at=None
    )
    node.write([noted(short)])
    assert root.get("/api/archive")["pressure"] == {
        "at": 5,
        "wantedBytes": 90,
        "freedBytes": 20,
        "shortBytes": 70,
        "barred": [{"reason": "held", "studies": 2, "bytes": 70}],
        "endedAt": None,
    }


def decide(node: Node, study_uid: str, reason: str, **figures: object) -> None:
    row = Statement(
        "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at, next_at)"
        " VALUES (?, ?, 'keep', ?, ?, 7, 9)",
        (KEY.origin, study_uid, reason, json.dumps(figures)),
    )
    node.write([row])


def test_an_archived_study_is_asked_back_once(li: Visitor, node: Node, clock: FrozenClock) -> None:
    archive(node)
    expire(node, clock)
    first = li.post(f"{STUDY}/recall")
    assert (first["state"], first["who"], first["why"]) == ("waiting", "Li", "asked")
    assert (first["instances"], first["done"], first["position"], first["left"]) == (COUNT, 0, 1, None)
    assert first["bytes"] > 0
    assert li.post(f"{STUDY}/recall")["id"] == first["id"]
    (job,) = node.database.read("SELECT queue, name, args, state FROM job")
    args = {"origin": KEY.origin, "study_uid": KEY.study_uid, "ticket": first["id"]}
    assert (job["queue"], job["name"], job["state"]) == ("archive", "recall_study", "waiting")
    assert json.loads(str(job["args"])) == args
    (act,) = node.database.read("SELECT person, subject FROM audit WHERE act = 'recall-study'")
    assert act == {"person": "id-li", "subject": KEY.subject}


def test_two_who_ask_at_once_get_one_ticket(li: Visitor, node: Node, clock: FrozenClock) -> None:
    archive(node)
    expire(node, clock)
    found: list[str] = []
    askers = [
        threading.Thread(target=lambda: found.append(li.post(f"{STUDY}/recall")["id"])) for _ in range(6)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(found) == len(askers)
    assert len(set(found)) == 1


def test_what_is_online_is_not_asked_back(li: Visitor, node: Node) -> None:
    status, message = refusal(li, "POST", f"{STUDY}/recall")
    assert (status, "online" in message) == (409, True)
    assert node.database.read("SELECT id FROM recall") == []


def test_an_expert_asks_back_what_she_sees_and_an_administrator_nothing(
    site: Site, root: Visitor, node: Node, clock: FrozenClock
) -> None:
    archive(node)
    expire(node, clock)
    foreign = hold_ct(node, study_uid="2.25.77", origin="beta")
    expert = site.signed_in(add_quickly(node, "wang", "expert"))
    assert expert.post(f"{STUDY}/recall")["who"] == "Wang"
    path = f"/api/studies/{foreign.origin}/{foreign.study_uid}"
    assert refusal(expert, "POST", f"{path}/recall")[0] == 404
    assert refusal(expert, "GET", f"{path}/storage")[0] == 404
    assert refusal(root, "POST", f"{STUDY}/recall")[0] == 403
    assert refusal(root, "GET", f"{STUDY}/storage")[0] == 403
    assert refusal(expert, "GET", "/api/archive")[0] == 403
    assert refusal(expert, "GET", "/api/archive/recalls")[0] == 403


def ticket(node: Node, id_: str, state: str, **columns: int | str | None) -> None:
    row: dict[str, int | str | None] = {
        "id": id_, "origin": KEY.origin, "study_uid": f"2.25.{id_}", "who": "CT1", "why": "viewed", "priority": 1,
        "state": state, "instances": 10, "done": 0, "bytes": 1000, "at": 5, "began_at": None, "ended_at": None,
        **columns,
    }  # fmt: skip
    marks = ", ".join("?" * len(row))
    node.write([Statement(f"INSERT INTO recall ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))])


def test_recalls_come_with_their_place_and_the_time_that_the_last_ones_took(
    root: Visitor, node: Node
) -> None:
    ticket(node, "1", "done", bytes=600, began_at=0, ended_at=4 * SECOND)
    ticket(node, "2", "done", bytes=400, began_at=0, ended_at=SECOND)
    ticket(node, "3", "failed", words="The disk is full.", began_at=1, ended_at=2)
    ticket(node, "4", "running", done=5, began_at=1)
    ticket(node, "5", "waiting", priority=2)
    ticket(node, "6", "waiting", priority=1, at=6)
    found = root.get("/api/archive/recalls")
    assert found["bytesPerSecond"] == 200
    assert [(one["id"], one["position"], one["left"]) for one in found["items"]] == [
        ("4", 0, 2_500_000),
        ("6", 1, 7_500_000),
        ("5", 2, 12_500_000),
        ("3", 0, None),
        ("2", 0, None),
        ("1", 0, None),
    ]
    assert [one["done"] for one in found["items"]] == [5, 0, 0, 0, 10, 10]
    assert found["items"][3]["words"] == "The disk is full."
    totals = root.get("/api/archive")
    assert (totals["running"], totals["waiting"]) == (1, 2)


def test_recalls_are_given_by_pages_and_open_ones_on_the_first(root: Visitor, node: Node) -> None:
    for n in range(1, 6):
        ticket(node, str(n), "done", began_at=0, ended_at=1)
    ticket(node, "0", "waiting")
    seen, path = [], "/api/archive/recalls?limit=2"
    page = root.get(path)
    while True:
        seen.append([one["id"] for one in page["items"]])
        if page["next"] is None:
            break
        page = root.get(f"{path}&before={page['next']}")
    assert seen == [["0", "5", "4"], ["3", "2"], ["1"]]
    assert refusal(root, "GET", "/api/archive/recalls?limit=all")[0] == 422


def test_only_who_sees_a_study_is_told_whose_recall_it_is(site: Site, root: Visitor, node: Node) -> None:
    key = hold_ct(node, study_uid="2.25.8", name="Zhang^San")
    ticket(node, "8", "done", began_at=0, ended_at=1)
    both = site.signed_in(add_quickly(node, "both", "technician", "administrator"))
    assert key.study_uid == "2.25.8"
    assert root.get("/api/archive/recalls")["items"][0]["label"] == ""
    assert both.get("/api/archive/recalls")["items"][0]["label"].startswith("Zhang^San\t")


def test_a_study_tells_where_it_lies_and_why(li: Visitor, node: Node, clock: FrozenClock) -> None:
    fresh = li.get(f"{STUDY}/storage")
    assert (fresh["tier"], fresh["packages"], fresh["decision"], fresh["holds"]) == ("online", [], None, [])
    made = archive(node)
    hold = {"reason": "consult", "who": "case-1", "until": None}
    decide(node, KEY.study_uid, "held", holds=1, last_used=3, rule="CT", hold=hold)
    node.write(
        [
            Statement(
                "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES (?, ?, 'consult', 'case-1', NULL),"
                " (?, ?, 'course', 'over', 1)",
                (KEY.origin, KEY.study_uid) * 2,
            )
        ]
    )
    told = li.get(f"{STUDY}/storage")
    (package,) = told["packages"]
    assert told["tier"] == "both"
    assert (package["generation"], package["digest"], package["instances"]) == (1, made.digest, COUNT)
    assert [(copy["store"], copy["state"]) for copy in package["copies"]] == [
        ("store-0", "verified"),
        ("store-1", "verified"),
    ]
    assert told["holds"] == [hold]
    assert told["decision"] == {
        "decision": "keep",
        "reason": "held",
        "rule": "CT",
        "figures": {"holds": 1, "last_used": 3},
        "hold": hold,
        "nextAt": 9,
        "decidedAt": 7,
        "words": "",
        "failures": 0,
    }


def test_a_study_in_the_archive_alone_tells_of_its_recalls(
    li: Visitor, node: Node, clock: FrozenClock
) -> None:
    archive(node)
    expire(node, clock)
    assert li.get(f"{STUDY}/storage")["tier"] == "archived"
    asked = li.post(f"{STUDY}/recall")
    told = li.get(f"{STUDY}/storage")
    assert [one["id"] for one in told["recalls"]] == [asked["id"]]
    assert told["recalls"][0]["position"] == 1
    recall(node)
    assert li.get(f"{STUDY}/storage")["tier"] == "both"
