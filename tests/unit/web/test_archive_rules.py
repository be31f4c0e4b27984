"""Rules of the archive, read, changed and tried by an administrator."""

from __future__ import annotations

from typing import Any

from node.clock import MINUTE
from node.database.port import Statement
from node.node import Node
from tests.kit.archived_study import archive
from tests.kit.clock import FrozenClock
from tests.kit.http import Visitor, refusal
from tests.kit.merging import KEY
from tests.kit.site import Site, add_quickly


def rules_of(root: Visitor, *rules: dict[str, object], **limits: int) -> dict[str, Any]:
    """Give a body that says other rules than count now."""
    found = root.get("/api/archive/rules")
    return {"version": found["version"], "rules": list(rules), "limits": {**found["limits"], **limits}}


def test_rules_are_read_changed_and_read_again(root: Visitor, node: Node) -> None:
    before = root.get("/api/archive/rules")
    assert (before["version"], before["rules"], before["by"], before["stores"]) == (0, [], "", 2)
    assert before["others"]["name"] == "default"
    assert before["modalities"] == ["CT"]
    rule = {"name": "CT", "modalities": ["CT"], "expireAfterMonths": 3}
    after = root.put("/api/archive/rules", rules_of(root, rule, onlineBytes=10**12))
    assert (after["version"], after["by"], after["at"]) == (1, "Root", node.now())
    assert after["rules"][0]["expireAfterMonths"] == 3
    assert after["limits"]["onlineBytes"] == 10**12
    assert root.get("/api/archive/rules") == after


def test_rules_that_cannot_be_followed_are_refused_by_name(root: Visitor) -> None:
    body = rules_of(root, {"name": "mammography", "expireAfterMonths": 0})
    for method, path in (("PUT", "/api/archive/rules"), ("POST", "/api/archive/rules/try")):
        status, message = refusal(root, method, path, body)
        assert (status, "'mammography'" in message) == (422, True)
    status, message = refusal(root, "PUT", "/api/archive/rules", {"version": 0, "rules": [{}], "limits": {}})
    assert (status, "rules[0].name" in message) == (422, True)


def test_rules_that_somebody_changed_meanwhile_are_refusal(root: Visitor) -> None:
    body = rules_of(root, {"name": "first", "modalities": ["CT"]})
    root.put("/api/archive/rules", body)
    assert refusal(root, "PUT", "/api/archive/rules", body)[0] == 409


def test_changed_rules_are_tried_and_nothing_is_written(
    root: Visitor, node: Node, clock: FrozenClock
) -> None:
    archive(node)
    rule = {"name": "CT", "modalities": ["CT"], "expireAfterMonths": 1, "archiveAfterHours": 48}
    tried = root.post("/api/archive/rules/try", rules_of(root, rule))
    assert (tried["studies"], tried["differing"], tried["whole"]) == (1, 1, True)
    assert tried["archive"] == {"later": 1}
    assert tried["expire"] == {"earlier": 1}
    (item,) = tried["items"]
    assert (item["studyUid"], item["label"], item["modalities"]) == (KEY.study_uid, "", ["CT"])
    assert (item["before"]["rule"], item["after"]["rule"]) == ("default", "CT")
    assert item["before"]["expireAt"] > item["after"]["expireAt"]
    assert item["after"]["decision"]["reason"] == "young"
    assert item["after"]["decision"]["figures"]["due_at"] == item["after"]["expireAt"]
    assert root.get("/api/archive/rules")["version"] == 0
    assert root.post("/api/archive/rules/try", rules_of(root))["differing"] == 0


def test_a_trial_says_what_would_go_at_once(site: Site, node: Node, clock: FrozenClock) -> None:
    made = archive(node)
    clock.advance(40 * 24 * 60 * MINUTE)
    node.write([Statement("UPDATE study SET first_at = ?", (node.now(),))])
    root = site.signed_in(add_quickly(node, "later", "administrator"))
    rule = {"name": "soon", "modalities": ["CT"], "expireAfterMonths": 2}
    assert root.post("/api/archive/rules/try", rules_of(root, rule))["atOnce"] == 0
    rule["expireAfterMonths"] = 1
    tried = root.post("/api/archive/rules/try", rules_of(root, rule))
    assert (tried["atOnce"], tried["atOnceBytes"]) == (1, made.online_bytes)
    assert tried["items"][0]["after"]["decision"] == {
        "decision": "expire",
        "reason": "due",
        "rule": "soon",
        "figures": tried["items"][0]["after"]["decision"]["figures"],
        "hold": None,
        "nextAt": None,
        "decidedAt": None,
        "words": "",
        "failures": 0,
    }


def test_an_older_study_is_not_tried(site: Site, node: Node, clock: FrozenClock) -> None:
    clock.advance(31 * 24 * 60 * MINUTE)
    root = site.signed_in(add_quickly(node, "later", "administrator"))
    rule = {"name": "soon", "modalities": ["CT"], "expireAfterMonths": 1}
    assert root.post("/api/archive/rules/try", rules_of(root, rule))["studies"] == 0
