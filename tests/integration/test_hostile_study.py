"""A hostile study does nothing in any answer: each parses, holds the words as words, and nothing else happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from node.clock import SystemClock
from node.dicom.header import scan
from node.dimse.rules import OWN
from node.dimse.server import Receiver
from node.node import Node
from tests.kit.asking import Asking
from tests.kit.bare_node import bare_node
from tests.kit.hostile_study import STUDY, TEXTS, hostile_data_set
from tests.kit.http import Visitor
from tests.kit.instances import EXPLICIT, LITTLE
from tests.kit.receiving import receiving, rule
from tests.kit.registering import facts, receive
from tests.kit.shelf import publish
from tests.kit.site import add_quickly, open_site


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = bare_node(tmp_path_factory.mktemp("hostile"), "alpha", SystemClock())
    for n, text in enumerate(TEXTS):
        uid = f"{STUDY}.{n + 1}"
        receive(node, hostile_data_set(text, study_uid=uid), given=facts(node, study_uid=uid))
    yield node
    node.close()


@pytest.fixture(scope="module")
def reader(node: Node) -> Iterator[Visitor]:
    with open_site(node) as site:
        yield site.program()


@pytest.fixture(scope="module")
def receiver(node: Node) -> Iterator[Receiver]:
    publish(node, rule(), reads=OWN)
    with receiving(node.state, packs=node.packs, catalogue=lambda: node) as running:
        yield running


def test_nothing_is_lost_and_the_tables_stand(node: Node) -> None:
    (count,) = node.database.read("SELECT count(*) AS n FROM study")
    assert count["n"] == len(TEXTS)


@pytest.mark.parametrize(
    "path", ["studies?limit=100&includefield=all", "series?limit=100", "instances?limit=100"]
)
def test_every_answer_of_qido_is_json_with_its_study_in_it(reader: Visitor, path: str) -> None:
    found: list[dict[str, Any]] = reader.get(f"/dicomweb/{path}")
    assert {one["0020000D"]["Value"][0] for one in found} == {f"{STUDY}.{n + 1}" for n in range(len(TEXTS))}
    for one in found:
        assert one["00081190"]["Value"][0].startswith(f"{reader.web}/dicomweb/studies/{STUDY}.")


def test_metadata_is_json_with_the_words_as_they_were_sent(reader: Visitor) -> None:
    for n, text in enumerate(TEXTS):
        (instance,) = reader.get(f"/dicomweb/studies/{STUDY}.{n + 1}/metadata")
        assert instance["00104000"]["Value"] == [text.rstrip(" \0")] or "\\" in text


def test_asking_with_hostile_words_finds_at_most_what_has_them(node: Node, reader: Visitor) -> None:
    for text in TEXTS:
        for key in ("PatientName", "PatientID", "AccessionNumber", "StudyDescription"):
            reader.get(f"/dicomweb/studies?{urlencode({key: text[:300]})}")
    (count,) = node.database.read("SELECT count(*) AS n FROM study")
    assert count["n"] == len(TEXTS)


def test_every_answer_of_c_find_is_read_whole(receiver: Receiver) -> None:
    tags = {
        0x00080050: "SH",
        0x00081030: "LO",
        0x00080090: "PN",
        0x00100010: "PN",
        0x00100020: "LO",
        0x0020000D: "UI",
    }
    keys = {**{tag: (vr, "") for tag, vr in tags.items()}, 0x00080052: ("CS", "STUDY")}
    identifier = b"".join(LITTLE.element(tag, vr, value) for tag, (vr, value) in sorted(keys.items()))
    with Asking(receiver.port) as asking:
        answers = asking.find(identifier)
    found = [scan(content, EXPLICIT) for _, content in answers]
    assert {one.text(0x0020000D) for one in found} == {f"{STUDY}.{n + 1}" for n in range(len(TEXTS))}
    for one in found:
        assert set(one.elements) <= {*tags, 0x00080005, 0x00080052, 0x00080054, 0x00080056}


@pytest.mark.parametrize("role", ["technician", "expert"])
def test_every_page_s_own_answers_are_json_without_new_headers(node: Node, role: str) -> None:
    with open_site(node) as site:
        visitor = site.signed_in(add_quickly(node, f"{role}-h", role))
        for path in (
            "/api/studies?limit=100",
            *(f"/api/studies/alpha/{STUDY}.{n + 1}" for n in range(len(TEXTS))),
        ):
            _, headers, body = visitor.raw("GET", path)
            assert headers["content-type"].startswith("application/json")
            assert "hostile" not in headers.get("set-cookie", "")
            assert b"<script>" not in body or headers["x-content-type-options"] == "nosniff"


def test_no_file_is_named_by_hostile_words(node: Node) -> None:
    assert {path.name for path in node.state.parent.iterdir()} == {"alpha"}
    names = {path.name for path in node.state.rglob("*")}
    assert len(names) > 5
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
