"""One way to declare an address: who may call it, what it takes, which study it shows.

A route without roles or without a `Sees` does not compile, and the tests walk
the table of all routes: each role, each route, own and foreign studies.

A plain function runs whole in a thread, so it may read the database and files;
what it returns may be a `Later`, sent from the loop. A coroutine function is let
in the same way, then runs on the loop, for answers that grow while they are sent.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast, overload

import msgspec
from aiohttp import web

from node.errors import GridError, Refused, Unauthenticated
from node.names import StudyKey
from node.node import Node
from node.people.accounts import Person
from node.people.principals import may_store
from web import guard
from web.answers import Later, in_full
from web.auth import Caller
from web.bodies import decode_body
from web.errors import Malformed, PasswordMustChange
from web.guard import Sees
from web.surroundings import Surroundings, around

B = TypeVar("B")
T = TypeVar("T")

ANYBODY: frozenset[str] = frozenset({"anybody"})
TECHNICIAN = frozenset({"technician"})
EXPERT = frozenset({"expert"})
ADMINISTRATOR = frozenset({"administrator"})
SIGNED_IN = TECHNICIAN | EXPERT | ADMINISTRATOR
PRINCIPAL = frozenset({"principal"})
"""A program with a bearer token; what it sees is its `Viewer`'s matter."""
STORER = frozenset({"storer"})
"""A program whose kind may store."""
API_BODY_BYTES = 1 << 20
BODY_WAIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[B]):
    """One request that has been let in."""

    around: Surroundings
    request: web.Request
    caller: Caller
    body: B
    key: StudyKey | None
    """The study it names; the caller may see it."""

    @property
    def node(self) -> Node:
        return self.around.node

    @property
    def person(self) -> Person:
        """Who is signed in.

        Raises
        ------
        Unauthenticated
            A program, or nobody.
        """
        if self.caller.person is None:
            raise Unauthenticated("The request was refused: nobody is signed in. Sign in, then ask again.")
        return self.caller.person

    @property
    def study(self) -> StudyKey:
        assert self.key is not None, "the route names no study"
        return self.key

    @property
    def path(self) -> Mapping[str, str]:
        return self.request.match_info

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    @property
    def address(self) -> str:
        return self.request.remote or ""

    async def run(self, function: Callable[[], T]) -> T:
        """Run what blocks in a thread, from a coroutine handler."""
        return await self.around.threads.run(function)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address with its rules; the table of them all is `web.table.ROUTES`."""

    method: str
    path: str
    roles: frozenset[str]
    sees: Sees
    body: type[object]
    answer: object
    """The handler's return annotation: a Struct, or a response it made itself."""
    status: int
    before_change: bool
    """Whether it works while the password must be changed first."""
    heavy: bool
    """Whether it burns a core, and so waits in a line of its own."""
    streams: bool
    """Whether the handler reads the body itself, as it comes; a coroutine function."""
    handler: Callable[[Call[object]], object]
    quick: Callable[[Call[object]], web.Response | None] | None = None
    """Answers on the event loop, by what is in memory and rows read by their keys; None: the handler must.

    A hop to a thread and back costs as much as all the rest of a small answer.
    """

    @property
    def changes(self) -> bool:
        return self.method not in ("GET", "HEAD", "OPTIONS")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Let the request in or refuse it, run the handler, write its answer."""
        surroundings = around(request)
        if self.quick is not None and (at_once := self._at_once(request)) is not None:
            return at_once
        raw = await _read_body(request) if self.changes and not self.streams else b""
        if inspect.iscoroutinefunction(self.handler):
            call = await surroundings.threads.run(lambda: self.admit(request, raw))
            return await cast("Awaitable[web.StreamResponse]", self.handler(call))
        threads = surroundings.heavy if self.heavy else surroundings.threads
        answer = await threads.run(
            lambda: in_full(self.handler(self.admit(request, raw)), status=self.status)
        )
        return await answer.send(request) if isinstance(answer, Later) else answer

    def _at_once(self, request: web.Request) -> web.Response | None:
        """Let the request in and answer it here and now; whatever stands against it is said by the longer way."""
        surroundings = around(request)
        try:
            caller = guard.identify_at_once(surroundings.node, request)
            if caller is None or self.quick is None:
                return None
            return self.quick(self._let_in(request, caller, b""))
        except (GridError, OSError):
            return None

    def admit(self, request: web.Request, raw: bytes) -> Call[object]:
        """Check identity, role, intent, body and sight, in this order.

        Raises
        ------
        GridError
            The first of them that fails.
        """
        return self._let_in(request, guard.identify_caller(around(request).node, request), raw)

    def _let_in(self, request: web.Request, caller: Caller, raw: bytes) -> Call[object]:
        surroundings = around(request)
        self._check_roles(caller)
        if self.changes:
            guard.check_intent(surroundings.node, caller, request)
        body = decode_body(raw, self.body)
        key = guard.named_study(surroundings.node, self.sees, request.match_info, body, request.query)
        if key is not None:
            guard.check_sight(surroundings.node, caller, key)
        return Call(around=surroundings, request=request, caller=caller, body=body, key=key)

    def _check_roles(self, caller: Caller) -> None:
        if self.roles == ANYBODY:
            return
        has = caller.roles if caller.person is not None else _roles_of(caller.principal)
        if not has:
            raise Unauthenticated("The request was refused: nobody is signed in. Sign in, then ask again.")
        if not has & self.roles:
            raise Refused("The request was refused: your roles do not include it. Ask a node administrator.")
        if caller.person is not None and caller.person.must_change and not self.before_change:
            raise PasswordMustChange("The request was put off: choose a password of your own first.")


def _roles_of(principal: str) -> frozenset[str]:
    """Give what a program counts as; nothing for nobody."""
    if not principal:
        return frozenset()
    return PRINCIPAL | STORER if may_store(principal) else PRINCIPAL


async def _read_body(request: web.Request) -> bytes:
    """Read the body whole; one that trickles in must not hold its place for ever."""
    try:
        return await asyncio.wait_for(request.read(), BODY_WAIT_S)
    except TimeoutError as error:
        raise Malformed("Reading the body was given up: it did not come in time. Send it again.") from error


class NoBody(msgspec.Struct):
    """What a route takes that takes nothing."""


@overload
def route(
    address: str,
    *,
    roles: frozenset[str],
    sees: Sees,
    status: int = 200,
    before_change: bool = False,
    heavy: bool = False,
    streams: bool = False,
) -> Callable[[Callable[[Call[NoBody]], object]], Route]: ...


@overload
def route(
    address: str,
    *,
    roles: frozenset[str],
    sees: Sees,
    body: type[B],
    status: int = 200,
    before_change: bool = False,
    heavy: bool = False,
    streams: bool = False,
) -> Callable[[Callable[[Call[B]], object]], Route]: ...


def route(
    address: str,
    *,
    roles: frozenset[str],
    sees: Sees,
    body: type[object] = NoBody,
    status: int = 200,
    before_change: bool = False,
    heavy: bool = False,
    streams: bool = False,
) -> Callable[[Callable[[Call[B]], object]], Route]:
    """Declare what answers ``METHOD /path``.

    Parameters
    ----------
    roles
        Any of them is enough; `ANYBODY` works without signing in.
    sees
        How the request names a study; the caller must be allowed to see it before the handler runs.
    body
        Struct that the JSON body is checked against; a mistake is a 422 that names the field.
    """
    method, path = address.split(" ")

    def declare(handler: Callable[[Call[B]], object]) -> Route:
        return Route(
            method=method,
            path=path,
            roles=roles,
            sees=sees,
            body=body,
            answer=handler.__annotations__.get("return"),
            status=status,
            before_change=before_change,
            heavy=heavy,
            streams=streams,
            handler=cast("Callable[[Call[object]], object]", handler),
        )

    return declare
