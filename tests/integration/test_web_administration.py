"""What a node administrator does over HTTP: people, devices, destinations, peers, problems."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.database.port import Statement
from node.names import Cause
from tests.kit.consult import Pair, open_pair
from tests.kit.http import Answer, Visitor
from tests.kit.site import Site, add_quickly, open_site


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with open_pair(tmp_path_factory.mktemp("pair")) as opened:
        yield opened


@pytest.fixture(scope="module")
def site(pair: Pair) -> Iterator[Site]:
    with open_site(pair.centre) as opened:
        yield opened


@pytest.fixture(scope="module")
def root(site: Site) -> Visitor:
    return site.signed_in(add_quickly(site.node, "root", "administrator"))


def refused(visitor: Visitor, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    with pytest.raises(Answer) as answer:
        visitor.call(method, path, body)
    return answer.value.status, answer.value.body["error"]


def test_a_person_is_added_given_pools_disabled_and_reset(site: Site, root: Visitor, pair: Pair) -> None:
    made = root.post("/api/users", {"user": "sun", "name": "孙医生", "roles": ["expert"]})
    path = f"/api/users/{made['person']['id']}"
    assert site.visitor().login("sun", made["password"])["person"]["mustChange"] is True
    assert root.post(f"{path}/pools", {"pools": [pair.pool]})["pools"] == [pair.pool]
    assert root.post(f"{path}/roles", {"roles": ["technician", "expert"]})["roles"] == [
        "technician",
        "expert",
    ]
    assert root.post(f"{path}/disable")["state"] == "disabled"
    with pytest.raises(Answer):
        site.visitor().login("sun", made["password"])
    assert root.post(f"{path}/enable")["state"] == "active"
    assert root.post(f"{path}/reset")["password"] != made["password"]
    assert "sun" in [user["user"] for user in root.get("/api/users")["items"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": "A b", "name": "x", "roles": ["expert"]}, "user"),
        ({"user": "ok", "name": " ", "roles": ["expert"]}, "name"),
        ({"user": "ok", "name": "x", "roles": ["king"]}, "roles"),
        ({"user": "ok", "name": "x", "roles": "expert"}, "roles"),
        ({"user": "ok", "roles": ["expert"]}, "name"),
    ],
)
def test_a_person_that_cannot_be_added_says_which_field(root: Visitor, body: object, field: str) -> None:
    status, error = refused(root, "POST", "/api/users", body)
    assert (status, error["field"]) == (422, field)


def test_the_last_administrator_stays(root: Visitor) -> None:
    me = root.get("/api/me")["person"]["id"]
    assert refused(root, "POST", f"/api/users/{me}/disable")[0] == 409
    assert refused(root, "POST", "/api/users/nobody/disable")[0] == 404


def test_a_device_is_admitted_and_blocked(site: Site, root: Visitor) -> None:
    site.node.write(
        [
            Statement(
                "INSERT INTO device (calling, address, called, rule, version, issuer, department, first_at, last_at,"
                " refusals) VALUES ('CT1', '10.0.0.7', 'CENTRE', 'unknown', 0, '', '', 1, 2, 3)"
            )
        ]
    )
    assert root.get("/api/devices")["items"][0]["refusals"] == 3
    form = {"calling": "CT1", "address": "10.0.0.7", "issuer": "his", "department": "CT"}
    (device,) = root.post("/api/devices/admit", form)["items"]
    assert (device["rule"], device["department"], device["called"]) == ("admitted", "CT", "CENTRE")
    (device,) = root.post("/api/devices/block", {"calling": "CT1", "address": "10.0.0.7"})["items"]
    assert device["rule"] == "blocked"
    status, error = refused(root, "POST", "/api/devices/admit", {**form, "address": "somewhere"})
    assert (status, error["field"]) == (422, "address")


def test_a_rule_is_written_tried_changed_and_removed(root: Visitor) -> None:
    rule = {
        "calling": "MR1",
        "address": "10.2.0.0/16",
        "classes": ["MR"],
        "others": False,
        "atOnce": 2,
        "version": 0,
    }
    listed = root.post("/api/devices/rule", rule)
    assert (listed["called"], "MR" in listed["families"]) == (["CENTRE"], True)
    (made,) = [one for one in listed["items"] if one["calling"] == "MR1"]
    assert (made["name"], made["classes"], made["others"], made["atOnce"]) == (
        "MR1@10.2.0.0/16",
        ["MR"],
        False,
        2,
    )
    assert refused(root, "POST", "/api/devices/rule", rule)[0] == 409, "another administrator made it already"

    asked = {"calling": "MR1", "address": "10.2.3.4", "sopClass": "1.2.840.10008.5.1.4.1.1.2"}
    assert root.post("/api/devices/preview", asked)["outcome"] == "sop-class"
    wider = {
        **rule,
        "version": 1,
        "address": "10.0.0.0/8",
        "replaces": {"calling": "MR1", "address": "10.2.0.0/16"},
    }
    tried = root.post(
        "/api/devices/preview", {**asked, "sopClass": "", "address": "10.9.9.9", "draft": wider}
    )
    assert (tried["outcome"], tried["rule"], tried["version"]) == ("admitted", "MR1@10.0.0.0/8", 0)
    assert root.post("/api/devices/preview", {**asked, "address": "10.9.9.9"})["outcome"] == "unknown"
    status, error = refused(
        root, "POST", "/api/devices/preview", {**asked, "draft": {**wider, "address": "x"}}
    )
    assert (status, error["field"]) == (422, "draft.address")

    items = root.post("/api/devices/rule", wider)["items"]
    assert [one["name"] for one in items if one["calling"] == "MR1"] == ["MR1@10.0.0.0/8"]
    gone = {"calling": "MR1", "address": "10.0.0.0/8", "version": 7}
    assert refused(root, "POST", "/api/devices/remove", gone)[0] == 409
    assert "MR1" not in [
        one["calling"] for one in root.post("/api/devices/remove", {**gone, "version": 1})["items"]
    ]


def test_a_destination_is_edited_asked_for_an_echo_and_removed(root: Visitor) -> None:
    form = {"name": "本院PACS", "aet": "PACS", "host": "127.0.0.1", "port": 1, "enabled": True}
    made = root.post("/api/remotes", form)
    path = f"/api/remotes/{made['id']}"
    assert root.put(path, {**form, "port": 2})["port"] == 2
    assert refused(root, "PUT", path, {**form, "version": 1})[0] == 409
    assert refused(root, "POST", "/api/remotes", {**form, "port": 0})[1]["field"] == "port"
    echo = root.post(f"{path}/echo")
    assert echo["ok"] is False
    assert echo["message"].endswith(".")
    assert root.get("/api/deliveries")["items"] == []
    root.call("DELETE", path)
    assert root.get("/api/remotes")["items"] == []
    assert refused(root, "POST", f"{path}/echo")[0] == 404


def test_the_alliance_page_shows_peers_and_takes_a_policy(root: Visitor) -> None:
    alliance = root.get("/api/alliance")
    (peer,) = alliance["peers"]
    assert (alliance["node"]["id"], peer["id"], peer["policy"]["grant"]) == ("centre", "alpha", "referred")
    assert peer["waiting"]["envelopes"] >= 1
    assert peer["fingerprint"]
    changed = root.put(
        "/api/alliance/alpha/policy", {"grant": "everything", "modalities": ["CT"], "departments": []}
    )
    assert changed["policy"] == {"grant": "everything", "modalities": ["CT"], "departments": []}
    assert refused(root, "PUT", "/api/alliance/alpha/policy", {"grant": "all"})[0] == 422
    assert refused(root, "PUT", "/api/alliance/nobody/policy", {"grant": "nothing"})[0] == 404


def test_problems_stay_until_somebody_has_seen_them(site: Site, root: Visitor) -> None:
    cause = Cause("cause")
    site.node.write(
        site.node.problem("envelope", about="peer/alpha", detail="Opening was refused.", cause=cause)
    )
    problem = next(one for one in root.get("/api/problems")["items"] if one["kind"] == "envelope")
    assert problem["seenAt"] is None
    seen = root.post(f"/api/problems/{problem['id']}/seen")
    assert seen["seenAt"] is not None
    assert root.post(f"/api/problems/{problem['id']}/seen") == seen
    assert refused(root, "POST", "/api/problems/none/seen")[0] == 404


def test_pools_are_listed_for_all_and_added_by_the_administrator(
    site: Site, root: Visitor, pair: Pair
) -> None:
    made = root.post("/api/pools", {"slug": "heart", "name": "心脏组", "specialty": "心脏"})
    assert made == {"id": "centre/heart", "name": "心脏组", "specialty": "心脏", "home": "centre"}
    listed = site.signed_in(pair.li).get("/api/pools")["items"]
    assert {"centre/chest", "centre/heart"} <= {pool["id"] for pool in listed}
    assert (
        refused(root, "POST", "/api/pools", {"slug": "Heart!", "name": "x", "specialty": "y"})[1]["field"]
        == "slug"
    )
