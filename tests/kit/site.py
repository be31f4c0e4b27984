"""A node's web address on loopback, and people who are signed in without typing passwords."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from node.canonical import canonical_json
from node.database.port import Statement
from node.node import Node
from node.people.accounts import OPERATOR, Person
from node.people.sessions import issue_bearer, open_session, peek_session
from tests.kit.http import Visitor
from web.app import make_app
from web.routes import Route
from web.server import WebServer
from web.static import PAGES
from web.table import ROUTES


@dataclass(frozen=True)
class Site:
    """One node's pages and API as browsers reach them."""

    node: Node
    web: str

    def visitor(self) -> Visitor:
        """Give a browser that nobody is signed in at."""
        return Visitor(self.web)

    def signed_in(self, person: Person) -> Visitor:
        """Give a browser with a session."""
        token = open_session(self.node, person)
        session = peek_session(self.node, token)
        assert session is not None
        return Visitor(self.web, cookie=f"meridian-{self.node.id}={token}", csrf=session.csrf)

    def program(self, principal: str = "reader") -> Visitor:
        """Give a program with a bearer token."""
        return Visitor(self.web, bearer=issue_bearer(self.node, OPERATOR, principal=principal))


@contextmanager
def open_site(node: Node, *, routes: Sequence[Route] = ROUTES, pages: Path = PAGES) -> Iterator[Site]:
    """Serve a node on a free port, with its own table of routes and pages or others."""
    server = WebServer(node, host="127.0.0.1", port=0, app=partial(make_app, routes=routes, pages=pages))
    server.start()
    try:
        yield Site(node, f"http://127.0.0.1:{server.port}")
    finally:
        server.stop()


def add_quickly(
    node: Node, user: str, *roles: str, pools: tuple[str, ...] = (), must_change: bool = False
) -> Person:
    """Add an account whose password is never checked, so that no time goes into hashing one."""
    person = Person(
        id=f"id-{user}", user=user, name=user.title(), roles=frozenset(roles), must_change=must_change
    )
    account = Statement(
        "INSERT INTO account (id, user, name, roles, password, must_change, state, failures, locked_until, version, at)"
        " VALUES (?, ?, ?, ?, 'none', ?, 'active', 0, 0, 0, ?)",
        (person.id, user, person.name, canonical_json(sorted(roles)), int(must_change), node.now()),
    )
    members = [
        Statement("INSERT INTO membership (person, pool) VALUES (?, ?)", (person.id, pool)) for pool in pools
    ]
    node.write([account, *members])
    return person
