"""The capabilities document names every service that there is, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from tests.integration.test_web_dicomweb import get
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.http import Visitor
from tests.kit.site import Site, open_site
from web.table import ROUTES

SPACE = "{http://wadl.dev.java.net/2009/02}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(bare_node(tmp_path_factory.mktemp("site"), "alpha", FrozenClock())) as opened:
        yield opened


def served() -> set[tuple[str, str]]:
    return {
        (each.method, re.sub(r":[^}]*", "", each.path.removeprefix("/dicomweb")))
        for each in ROUTES
        if each.path.startswith("/dicomweb/")
    }


def test_every_service_is_told_as_wadl(site: Site) -> None:
    status, headers, body = get(site.program(), "/dicomweb/")
    assert (status, headers["content-type"]) == (200, "application/vnd.sun.wadl+xml")
    root = ElementTree.fromstring(body)
    (resources,) = root.iter(f"{SPACE}resources")
    assert resources.get("base") == f"{site.web}/dicomweb"
    told = {
        (method.get("name"), resource.get("path"))
        for resource in resources
        for method in resource.iter(f"{SPACE}method")
    }
    assert told == served()
    (store,) = [r for r in resources if r.get("path") == "/studies/{study_uid}"]
    assert {each.get("name") for each in store.iter(f"{SPACE}method")} >= {"GET", "POST"}


def test_the_same_is_told_as_json_and_by_options(site: Site) -> None:
    for visitor in (site.program(), site.program("sender")):
        for method in ("GET", "OPTIONS"):
            asking = Visitor(site.web, bearer=visitor.bearer, headers={"Accept": "application/json"})
            status, _, body = asking.raw(method, "/dicomweb/")
            told = json.loads(body)
            assert status == 200
            assert {(m["name"], r["path"]) for r in told["resources"] for m in r["methods"]} == served()
    assert get(site.program(), "/dicomweb/", Accept="text/html")[0] == 406
    assert get(site.visitor(), "/dicomweb/")[0] == 401
