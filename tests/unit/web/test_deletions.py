"""Final deletions over HTTP: looked at, asked for, approved by another, certified; and what no administrator is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.archive.deletion.certificate import read_certificate
from node.archive.deletion.erasing import erase_study
from node.archive.lifecycle.periods import DAY
from node.catalogue.repointing import RETIRED_FOR
from node.database.port import Statement
from node.node import Node
from tests.kit.archived_study import COUNT, archive, hold_study
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.http import Visitor, refusal
from tests.kit.merging import KEY, rows_of
from tests.kit.site import Site, add_quickly

PATH = "/api/archive/deletions"
STUDY = {"origin": KEY.origin, "studyUid": KEY.study_uid}


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    node = two_stores(tmp_path, clock)
    hold_study(node)
    archive(node)
    yield node
    node.close()


@pytest.fixture
def wang(site: Site) -> Visitor:
    return site.signed_in(add_quickly(site.node, "wang", "administrator"))


@pytest.fixture
def lin(site: Site) -> Visitor:
    return site.signed_in(add_quickly(site.node, "lin", "administrator", "technician"))


def asked_by(visitor: Visitor) -> str:
    return str(visitor.call("POST", PATH, {**STUDY, "code": "mistaken", "words": "误传入"})["id"])


def test_what_goes_is_shown_before_anybody_asks(wang: Visitor, node: Node) -> None:
    found = wang.call("POST", f"{PATH}/preview", STUDY)
    assert (found["study"]["instances"], found["stores"], found["packs"]) == (
        COUNT,
        ["store-0", "store-1"],
        1,
    )
    assert (found["years"], found["over"], found["peers"], found["barred"]) == (30, False, [], "")
    assert refusal(wang, "POST", f"{PATH}/preview", {**STUDY, "studyUid": "1.2"})[0] == 404
    assert len(rows_of(node)) == COUNT


def test_what_bars_it_is_said(wang: Visitor, node: Node) -> None:
    hold = "INSERT INTO hold (origin, study_uid, reason, who) VALUES (?, ?, 'teaching', 'x')"
    node.write([Statement(hold, (KEY.origin, KEY.study_uid))])
    assert "somebody holds it" in wang.call("POST", f"{PATH}/preview", STUDY)["barred"]
    status, words = refusal(wang, "POST", PATH, {**STUDY, "code": "test", "words": "phantom"})
    assert (status, "somebody holds it" in words) == (409, True)


def test_two_administrators_delete_and_read_the_certificate(
    wang: Visitor, lin: Visitor, node: Node, clock: FrozenClock
) -> None:
    id_ = asked_by(wang)
    assert refusal(wang, "POST", f"{PATH}/{id_}/approve", {"instances": COUNT})[0] == 403
    assert refusal(lin, "POST", f"{PATH}/{id_}/approve", {"instances": COUNT + 1})[0] == 422
    (waiting,) = lin.get(PATH)["asked"]
    assert (waiting["id"], waiting["mine"], wang.get(PATH)["asked"][0]["mine"]) == (id_, False, True)
    assert lin.call("POST", f"{PATH}/{id_}/approve", {"instances": COUNT})["state"] == "deleted"
    (going,) = lin.get(PATH)["going"]
    assert {(one["kind"], one["store"]) for one in going["left"]} >= {("copy", "store-0"), ("pack", "")}
    status, words = refusal(lin, "GET", f"{PATH}/{id_}/certificate")
    assert (status, "left to be erased" in words) == (409, True)
    erase_study(node, id_)
    clock.advance(RETIRED_FOR + 1)
    erase_study(node, id_)
    (done,) = lin.get(PATH)["done"]
    assert (done["state"], done["askedBy"], done["endedBy"], done["left"]) == ("done", "Wang", "Lin", [])
    status, headers, body = lin.raw("GET", f"{PATH}/{id_}/certificate", None)
    assert (status, headers["content-disposition"]) == (200, f'attachment; filename="deletion-{id_}.json"')
    assert read_certificate(body, key=node.keys.verify_key).deed.study_uid == KEY.study_uid
    for language, word in (("zh", "检查彻底删除证明"), ("en", "Certificate of final deletion")):
        status, headers, page = lin.raw("GET", f"{PATH}/{id_}/certificate.html?language={language}", None)
        assert (status, word in page.decode(), KEY.study_uid in page.decode()) == (200, True, True)
        assert "script" not in headers["content-security-policy"]


def test_a_request_is_taken_back_by_any_administrator(wang: Visitor, lin: Visitor, node: Node) -> None:
    id_ = asked_by(wang)
    assert lin.call("POST", f"{PATH}/{id_}/withdraw")["state"] == "withdrawn"
    assert lin.get(PATH)["asked"] == []
    assert refusal(lin, "POST", f"{PATH}/{id_}/approve", {"instances": COUNT})[0] == 409
    assert len(rows_of(node)) == COUNT


def test_a_request_that_lapsed_waits_no_more(wang: Visitor, node: Node, clock: FrozenClock) -> None:
    asked_by(wang)
    node.write([Statement("UPDATE deletion SET asked_at = ?", (clock.now() - 7 * DAY,))])
    assert wang.get(PATH)["asked"] == []


def test_studies_past_their_time_are_listed_and_named_to_who_sees_them(
    wang: Visitor, lin: Visitor, node: Node
) -> None:
    row = Statement(
        "INSERT INTO lifecycle (origin, study_uid, decision, reason, figures, decided_at) VALUES (?, ?, 'may-be-deleted', 'over', ?, 1)",
        (KEY.origin, KEY.study_uid, json.dumps({"over_at": 5, "years": 30, "rule": "default"})),
    )
    node.write([row])
    (past,) = wang.get(PATH)["past"]
    assert (past["since"], past["rule"], past["study"]["label"]) == (5, "default", "")
    (named,) = lin.get(PATH)["past"]
    assert "Zhang^San" in named["study"]["label"]
    asked_by(wang)
    assert wang.get(PATH)["past"] == []
