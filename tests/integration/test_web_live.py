"""The live feed over HTTP: names of what changed, to whom may know, until the session ends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node.catalogue.visibility import open_study
from node.people.accounts import OPERATOR, Person, disable_account, set_roles
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold_ct
from tests.kit.site import Site, add_quickly, open_site
from web.api import live


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(bare_node(tmp_path, "centre", FrozenClock())) as opened:
        yield opened


class Page:
    """An open page that listens."""

    def __init__(self, site: Site, person: Person, last: str = "") -> None:
        visitor = site.signed_in(person)
        host, _, port = site.web.removeprefix("http://").partition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=8)
        headers = {"Cookie": visitor.cookie} | ({"Last-Event-ID": last} if last else {})
        self.connection.request("GET", "/api/live", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        assert self.block() == "retry: 2000\n"

    def block(self) -> str:
        """Give the next block of the stream; empty when it has ended."""
        lines = ""
        while (line := self.answer.readline().decode()) not in ("\n", ""):
            lines += line
        return lines

    def changed(self) -> dict[str, Any]:
        """Give the next change."""
        while (block := self.block()).startswith(":"):
            continue
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        assert lines["event"] == "changed"
        told: dict[str, Any] = json.loads(lines["data"])
        assert lines["id"] == str(told["seq"])
        return told


@contextmanager
def opened(site: Site, person: Person, last: str = "") -> Iterator[Page]:
    page = Page(site, person, last)
    try:
        yield page
    finally:
        page.connection.close()


def test_a_page_hears_of_its_own_studies_and_not_of_others(site: Site) -> None:
    with opened(site, add_quickly(site.node, "wang", "technician")) as page:
        hold_ct(site.node, study_uid="2.25.1", origin="alpha")
        hold_ct(site.node, study_uid="2.25.2")
        told = page.changed()
    assert told["subjects"] == ["study/centre/2.25.2"]
    assert told["types"] == ["study-changed"]


def test_an_expert_hears_of_a_foreign_study_once_it_is_opened_to_her_pool(site: Site) -> None:
    with opened(site, add_quickly(site.node, "li", "expert", pools=("centre/chest",))) as page:
        key = hold_ct(site.node, study_uid="2.25.1", origin="alpha", slices=1)
        site.node.write([open_study("pool/centre/chest", key, reason="case/1")])
        hold_ct(site.node, study_uid="2.25.1", origin="alpha", slices=2)
        assert page.changed()["subjects"] == ["study/alpha/2.25.1"]


def test_what_was_missed_is_told_from_the_number_heard_last(site: Site) -> None:
    person = add_quickly(site.node, "wang", "technician")
    with opened(site, person) as page:
        hold_ct(site.node, study_uid="2.25.1")
        heard = page.changed()["seq"]
    hold_ct(site.node, study_uid="2.25.2")
    with opened(site, person, last=str(heard)) as page:
        assert page.changed()["subjects"] == ["study/centre/2.25.2"]


def test_the_administrator_hears_of_problems_but_of_no_study(site: Site) -> None:
    from node.names import Cause

    with opened(site, add_quickly(site.node, "root", "administrator")) as page:
        hold_ct(site.node, study_uid="2.25.1")
        site.node.write(
            site.node.problem("refused", about="device/CT1", detail="Storing was refused.", cause=Cause("c"))
        )
        subjects = page.changed()["subjects"]
    assert [subject.partition("/")[0] for subject in subjects] == ["problem"]


def test_the_stream_ends_at_once_when_the_account_is_disabled(site: Site) -> None:
    person = add_quickly(site.node, "wang", "technician")
    with opened(site, person) as page:
        disable_account(site.node, OPERATOR, person_id=person.id)
        assert page.block() == ""


def test_roles_taken_away_count_while_the_page_is_open(site: Site) -> None:
    person = add_quickly(site.node, "wang", "technician", "administrator")
    add_quickly(site.node, "root", "administrator")
    with opened(site, person) as page:
        set_roles(site.node, OPERATOR, person_id=person.id, roles=["administrator"])
        assert page.changed()["subjects"] == [f"person/{person.id}"]
        hold_ct(site.node, study_uid="2.25.1")
        set_roles(site.node, OPERATOR, person_id=person.id, roles=["expert"])
        told = page.changed()
        assert [subject for subject in told["subjects"] if subject.startswith("study/")] in (
            [],
            ["study/centre/2.25.1"],
        )


def test_a_quiet_stream_says_that_it_is_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(live, "LOOK_AT_SESSION_S", 0.1)
    with opened(site, add_quickly(site.node, "wang", "technician")) as page:
        assert page.block() == ": still here\n"


def test_a_server_that_stops_sends_its_pages_away(tmp_path: Path) -> None:
    node = bare_node(tmp_path, "centre", FrozenClock())
    person = add_quickly(node, "wang", "technician")
    with open_site(node) as site:
        page = Page(site, person)
    assert page.block() == ""
