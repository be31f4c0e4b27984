"""A node with two stores and a study in them, its pages, an administrator and a technician; for tests that name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.node import Node
from tests.kit.archived_study import hold_study
from tests.kit.bare_node import open_archive
from tests.kit.clock import FrozenClock
from tests.kit.http import Visitor
from tests.kit.site import Site, add_quickly, open_site


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    with open_archive(tmp_path, clock) as node:
        hold_study(node)
        yield node


@pytest.fixture
def site(node: Node) -> Iterator[Site]:
    with open_site(node) as opened:
        yield opened


@pytest.fixture
def root(site: Site) -> Visitor:
    return site.signed_in(add_quickly(site.node, "root", "administrator"))


@pytest.fixture
def li(site: Site) -> Visitor:
    return site.signed_in(add_quickly(site.node, "li", "technician"))
