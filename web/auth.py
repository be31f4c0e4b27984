"""Who is asking: a person by cookie, a program by bearer token, or nobody.

Decides identity and that a change was really asked for from our own pages
(Origin and CSRF). Which roles a route wants stands at the route; what a viewer
may see is `node.catalogue.visibility`'s.

Source: RFC 6265 (cookies), RFC 6750 (bearer), RFC 6454 (origin), OWASP CSRF cheat sheet.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from node.catalogue.visibility import Viewer
from node.clock import SECOND, Clock, Micros
from node.config import Config
from node.errors import Refused, Unauthenticated
from node.names import NodeId
from node.node import Node
from node.people.accounts import Person
from node.people.sessions import TOUCH_EVERY, Session, peek_session, resolve_bearer, resolve_session
from web.errors import TooManyAttempts

ATTEMPTS = 20
ATTEMPT_EVERY: Micros = 3 * SECOND
ADDRESSES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a request comes from; all fields empty for nobody."""

    session: Session | None = None
    token: str = ""
    principal: str = ""

    @property
    def person(self) -> Person | None:
        return self.session.person if self.session is not None else None

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.session.person.roles) if self.session is not None else frozenset()

    @property
    def csrf(self) -> str:
        return self.session.csrf if self.session is not None else ""

    @property
    def viewer(self) -> Viewer:
        """The caller as `may_see` takes it.

        Raises
        ------
        Unauthenticated
            Nobody is signed in.
        """
        if self.session is not None:
            return Viewer(kind="person", id=self.session.person.id, roles=self.roles)
        if self.principal:
            return Viewer(kind="principal", id=self.principal, roles=frozenset())
        raise Unauthenticated("Reading was refused: nobody is signed in. Sign in, then ask again.")


def cookie_name(node: NodeId) -> str:
    """Name the cookie after the node: cookies ignore ports, and two nodes may share a machine."""
    return f"meridian-{node}"


def identify(node: Node, *, cookies: Mapping[str, str], authorization: str) -> Caller:
    """Say who asks; a token that is not or no longer good is nobody."""
    kind, _, bearer = authorization.partition(" ")
    if kind.lower() == "bearer" and bearer:
        principal = resolve_bearer(node, bearer.strip())
        return Caller(principal=principal or "")
    token = cookies.get(cookie_name(node.id), "")
    session = resolve_session(node, token) if token else None
    return Caller(session=session, token=token if session is not None else "")


def identify_unwritten(node: Node, *, cookies: Mapping[str, str], authorization: str) -> Caller | None:
    """Say who asks as `identify` does, without writing; None when that would have to count a session as used."""
    if authorization:
        return identify(node, cookies={}, authorization=authorization)
    token = cookies.get(cookie_name(node.id), "")
    session = peek_session(node, token) if token else None
    if session is None or node.now() - session.last_at >= TOUCH_EVERY:
        return None
    return Caller(session=session, token=token)


def check_change(
    config: Config, caller: Caller, *, headers: Mapping[str, str], scheme: str, host: str
) -> None:
    """Refuse a change that another site may have asked the browser for.

    Raises
    ------
    Refused
        The Origin is not ours, or the CSRF value is not the session's.
    """
    if caller.principal:
        return  # no browser adds a bearer token by itself
    ours = config.web.origin.rstrip("/") or f"{scheme}://{host}"
    if headers.get("Origin", "") != ours:
        raise Refused(
            f"The change was refused: it did not come from {ours}. Open that address and try again."
        )
    if caller.session is None:
        return  # no cookie to ride on: where the page comes from is all there is to check
    if not hmac.compare_digest(headers.get("X-CSRF", "").encode(), caller.csrf.encode()):
        raise Refused("The change was refused: the page is older than the sign-in. Load it again.")


class Attempts:
    """How often each address may try a password: a bucket that fills again with time.

    In memory only: a restart forgives. The lock-out of an account is a row and does not.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, Micros]] = {}

    def take(self, address: str) -> None:
        """Count one attempt.

        Raises
        ------
        TooManyAttempts
            The bucket is empty.
        """
        with self._lock:
            left = self._left(address)
            if left < 1:
                raise TooManyAttempts(
                    "Signing in was put off: too many attempts from this address. Wait a minute."
                )
            self._keep(address, left - 1)

    def forgive(self, address: str) -> None:
        """Give an attempt back: it was right."""
        with self._lock:
            self._keep(address, min(self._left(address) + 1, ATTEMPTS))

    def _left(self, address: str) -> float:
        left, at = self._buckets.get(address, (float(ATTEMPTS), self._clock.now()))
        return min(left + (self._clock.now() - at) / ATTEMPT_EVERY, ATTEMPTS)

    def _keep(self, address: str, left: float) -> None:
        self._buckets.pop(address, None)
        if len(self._buckets) >= ADDRESSES:
            self._buckets.pop(next(iter(self._buckets)))  # the one heard of longest ago
        self._buckets[address] = (left, self._clock.now())
