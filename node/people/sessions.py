"""Sessions and bearer tokens: who is behind a cookie or a header, as rows that an administrator can end.

Tokens are kept as digests. A session ends after eight idle hours, after seven
days in any case, and in the batch that disables its person; the account is read
each time, so roles taken away count from the next request on. `last_at` is
written at most once a minute.

Source: OWASP Session Management Cheat Sheet; GB/T 22239-2019 8.1.4.1 (idle log-out).
"""

from __future__ import annotations

from dataclasses import dataclass

from node.clock import MINUTE, Micros
from node.database.port import Statement, integer, text
from node.errors import Conflict, Unauthenticated
from node.keys.tokens import new_token, token_digest
from node.node import Node
from node.people.accounts import Person, end_sessions, get_account
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR

IDLE: Micros = 8 * 60 * MINUTE
LONGEST: Micros = 7 * 24 * 60 * MINUTE
TOUCH_EVERY: Micros = MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody signed in, as one request finds it."""

    person: Person
    csrf: str
    last_at: Micros
    """When it was last counted as used."""
    until: Micros
    """When it ends in any case."""
    token_digest: str


def open_session(node: Node, person: Person, *, address: str = "") -> str:
    """Begin a session and give its token, which is never shown again.

    Raises
    ------
    Unauthenticated
        The account was disabled meanwhile.
    """
    token, digest = new_token()
    csrf, _ = new_token()
    now = node.now()
    row = Statement(
        "INSERT INTO session (token_digest, person, csrf, at, last_at, until, address)"
        " SELECT ?, id, ?, ?, ?, ?, ? FROM account WHERE id = ? AND state = 'active'",
        (digest, csrf, now, now, now + LONGEST, address, person.id),
        expect=1,
    )
    stale = Statement("DELETE FROM session WHERE until <= ? OR last_at <= ?", (now, now - IDLE))
    try:
        node.write([stale, row])
    except Conflict as error:
        raise Unauthenticated(
            "Signing in failed: the account was disabled. Ask a node administrator."
        ) from error
    return token


def resolve_session(node: Node, token: str) -> Session | None:
    """Give the session of a token and count it as used; None when there is none, or it ended."""
    session, now = peek_session(node, token), node.now()
    if session is not None and now - session.last_at >= TOUCH_EVERY:
        touch = Statement(
            "UPDATE session SET last_at = ? WHERE token_digest = ? AND last_at < ?",
            (now, session.token_digest, now),
        )
        node.database.write([touch], node.new_id())  # not node.write: nobody follows it, no bell
    return session


def peek_session(node: Node, token: str) -> Session | None:
    """Give the session as `resolve_session` does, without counting as use: an open page keeps nobody signed in."""
    digest, now = token_digest(token), node.now()
    rows = node.database.read(
        "SELECT person, csrf, last_at, until FROM session JOIN account ON account.id = session.person"
        " WHERE token_digest = ? AND until > ? AND last_at > ? AND account.state = 'active'",
        (digest, now, now - IDLE),
    )
    if not rows:
        return None
    return Session(
        person=get_account(node.database, text(rows[0], "person")).person,
        csrf=text(rows[0], "csrf"),
        last_at=integer(rows[0], "last_at"),
        until=integer(rows[0], "until"),
        token_digest=digest,
    )


def end_session(node: Node, token: str) -> None:
    """Sign out; nothing happens when the session has ended."""
    node.write([Statement("DELETE FROM session WHERE token_digest = ?", (token_digest(token),))])


def end_all(node: Node, person_id: str) -> None:
    """End every session of a person."""
    node.write([end_sessions(person_id)])


def end_others(node: Node, session: Session) -> None:
    """End every session of a person but this one."""
    sql = "DELETE FROM session WHERE person = ? AND token_digest <> ?"
    node.write([Statement(sql, (session.person.id, session.token_digest))])


def issue_bearer(node: Node, by: Person, *, principal: str, address: str = "") -> str:
    """Draw a token for a program; older ones of the same principal stay good."""
    by.require(ADMINISTRATOR, act="Issuing a token")
    token, digest = new_token()
    row = Statement(
        "INSERT INTO bearer (token_digest, principal, at) VALUES (?, ?, ?)", (digest, principal, node.now())
    )
    audit = record_act(node, by, act="issue-token", subject=f"principal/{principal}", address=address)
    node.write([row, audit])
    return token


def revoke_bearers(node: Node, by: Person, *, principal: str, address: str = "") -> None:
    """End all tokens of a principal."""
    by.require(ADMINISTRATOR, act="Revoking tokens")
    rows = Statement("DELETE FROM bearer WHERE principal = ?", (principal,))
    audit = record_act(node, by, act="revoke-tokens", subject=f"principal/{principal}", address=address)
    node.write([rows, audit])


def resolve_bearer(node: Node, token: str) -> str | None:
    """Give the principal of a token; None when there is none."""
    rows = node.database.read("SELECT principal FROM bearer WHERE token_digest = ?", (token_digest(token),))
    return text(rows[0], "principal") if rows else None
