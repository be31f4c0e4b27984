"""How a node comes into the alliance: invited, asking, compared by two people, admitted by the root.

The wire is one call, bytes to bytes, that the newcomer repeats: `take_request`
keeps a request the first time and answers each time how things stand. What
carries the call is decided in `federation.transport`.

=====================  ======================================  =======================
at the host            between                                 at the newcomer
=====================  ======================================  =======================
`invite`               code, by letter or telephone            `join_request`
`take_request`         sealed request, sealed answer           `read_answer`, `words_of`
`pending`              two people compare the digits           `words_of`
`admit`, `conclude`    sealed answer with the roster           `join_alliance`
=====================  ======================================  =======================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from federation.identity import Root
from federation.invitation import (
    JoinAnswer,
    JoinRequest,
    join_words,
    locator_of,
    new_invitation,
    read_join_request,
    seal_answer,
)
from federation.membership import add_statements, adopt
from federation.problems import problem_once
from federation.roster import Roster
from federation.statements import NodeAdmitted, SignedStatement, founding_key
from node.canonical import canonical_json
from node.clock import MINUTE, Micros
from node.database.port import Database, Row, Statement, integer, text
from node.errors import Conflict, Damaged, NotFound, Refused
from node.events import Event
from node.keys.certificates import certificate_digest
from node.keys.encoding import from_base64, to_base64
from node.keys.store import KeyStore
from node.names import Cause, Digest, NodeId, Subject, node_id
from node.node import Node

VALID: Micros = 24 * 60 * MINUTE
OPEN, REQUESTED, ADMITTED, REFUSED = "open", "requested", "admitted", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInvited(Event):
    """An invitation was made. Subject ``invitation/LOCATOR``."""

    node: str
    until: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequested(Event):
    """The node that was invited asked to be admitted."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinConcluded(Event):
    """The administrator admitted or refused it."""

    node: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJoin:
    """A request that waits for two people to compare the digits."""

    locator: Digest
    request: JoinRequest
    words: str
    until: Micros


def invite(node: Node, invited: str, *, address: str, valid: Micros = VALID) -> tuple[str, list[Statement]]:
    """Make an invitation; give its code and the statements that keep it.

    Raises
    ------
    Refused
        This node is in no alliance.
    Conflict
        The id is taken, and a node id is never reused.
    InvalidRequest
        The id or the address is not one.
    """
    name = node_id(invited)
    roster = Roster.load(node.database)
    if roster.n < 0:
        raise Refused(f"Inviting {name} was refused: this node is in no alliance. Found or join one first.")
    if roster.peek(name) is not None:
        raise Conflict(f"Inviting {name} was refused: the id is taken, and never reused. Choose another.")
    invitation = new_invitation(address, certificate_digest(node.keys.tls_certificate.decode("ascii")))
    until = node.now() + valid
    row = Statement(
        "INSERT INTO invitation (secret_digest, node, until, request, state, join_key, at)"
        " VALUES (?, ?, ?, NULL, ?, ?, ?)",
        (invitation.locator, name, until, OPEN, to_base64(invitation.join_key), node.now()),
    )
    event = NodeInvited(node=name, until=until)
    cause = Cause(node.new_id())
    return invitation.code, [
        *node.journal.append(_subject(invitation.locator), [event], after=0, cause=cause),
        row,
    ]


def invitation_open(database: Database, now: Micros) -> bool:
    """Say whether the listener for newcomers is needed."""
    rows = database.read(
        "SELECT 1 AS one FROM invitation WHERE until > ? AND state <> ? LIMIT 1", (now, REFUSED)
    )
    return bool(rows)


def take_request(node: Node, sealed: bytes) -> bytes:
    """Keep a newcomer's request the first time, and answer how things stand; the host's side of the call.

    Raises
    ------
    Refused
        There is no such invitation, it lapsed, or another node was invited.
    Conflict
        Another request was made under this code: somebody else has it.
    InvalidRequest, Damaged
        The bytes are not a request under this invitation.
    """
    locator = locator_of(sealed)
    row = _invitation(node.database, locator)
    if row is None or integer(row, "until") <= node.now():
        raise Refused("Joining was refused: there is no such invitation, or it lapsed. Ask for a new code.")
    request = read_join_request(sealed, _join_key(row))
    if request.node != row["node"]:
        _show(
            node,
            f"Joining by {request.node} was refused: its code was made for {row['node']}. Make it its own.",
        )
        raise Refused(
            f"Joining was refused: {row['node']} was invited, not {request.node}. Ask for a code of your own."
        )
    said = canonical_json(msgspec.to_builtins(request))
    if row["request"] is None:
        _keep(node, locator, request)
        row = _invitation(node.database, locator) or row
    if row["request"] != said:
        _show(
            node,
            f"Joining by {request.node} was refused: two requests with different keys came under its code. Refuse it,"
            " and send a new code by another way.",
        )
        raise Conflict(
            f"Joining by {request.node} was refused: another request was made under this code. Tell who invited you;"
            " the code must be withdrawn and a new one made."
        )
    return seal_answer(_join_key(row), locator, _answer(node, text(row, "state")))


def pending(node: Node) -> list[PendingJoin]:
    """Give the requests that wait, with the digits to compare."""
    rows = node.database.read(
        "SELECT * FROM invitation WHERE state = ? AND until > ? ORDER BY at", (REQUESTED, node.now())
    )
    root = Roster.load(node.database).root
    joins = []
    for row in rows:
        request = _request(row)
        joins.append(
            PendingJoin(
                locator=Digest(text(row, "secret_digest")),
                request=request,
                words=join_words(root, node.keys.verify_key, request),
                until=integer(row, "until"),
            )
        )
    return joins


def admit(
    root: Root,
    roster: Roster,
    request: JoinRequest,
    *,
    role: str,
    mailbox_host: NodeId,
    address: str,
    at: Micros,
) -> list[SignedStatement]:
    """Sign a newcomer's admission, after two people have compared the digits.

    Raises
    ------
    InvalidRequest
        It makes no sense in this roster; the message says why.
    """
    act = NodeAdmitted(
        node=request.node,
        name=request.name,
        role=role,
        keys=request.keys,
        mailbox_host=mailbox_host,
        address=address,
    )
    return [root.sign(act, roster=roster, at=at)]


def conclude(node: Node, locator: Digest, statements: Sequence[SignedStatement]) -> list[Statement]:
    """Give the statements that admit a newcomer here with what the root signed, or refuse it with nothing signed.

    Raises
    ------
    NotFound
        No request waits under this name.
    Damaged
        What was signed is not the admission of who asked.
    """
    row = _invitation(node.database, locator)
    if row is None or row["request"] is None:
        raise NotFound(
            f"Admitting under invitation {locator[:12]} failed: nobody has asked. Wait for the request."
        )
    request = _request(row)
    state = ADMITTED if statements else REFUSED
    cause = Cause(node.new_id())
    growth = add_statements(node, statements, cause=cause) if statements else []
    if statements:
        roster = Roster.load(node.database)
        for signed in statements:
            roster = roster.extended(signed)
        entry = roster.peek(request.node)
        if entry is None or entry.keys != request.keys:
            raise Damaged(
                f"Admitting {request.node} failed: what was signed is not for the keys that it showed."
            )
    subject = _subject(locator)
    event = JoinConcluded(node=request.node, state=state)
    return [
        *growth,
        *node.journal.append(subject, [event], after=node.journal.version(subject), cause=cause),
        Statement(
            "UPDATE invitation SET state = ? WHERE secret_digest = ? AND state = ?",
            (state, locator, REQUESTED),
            expect=1,
            refusal=f"Admitting {request.node} was refused: somebody has decided already. Look again.",
        ),
    ]


def words_of(keys: KeyStore, name: str, answer: JoinAnswer) -> str:
    """Give the digits that the newcomer reads out; the host's `pending` shows the same.

    Raises
    ------
    Damaged
        The answer does not begin with a founding that its root signed.
    """
    if not answer.statements:
        raise Damaged(
            "Reading the answer failed: it names no alliance. Both nodes must run the same version."
        )
    request = JoinRequest(node=keys.node, name=name, keys=keys.public_keys)
    return join_words(founding_key(answer.statements[0]), answer.host_verify_key, request)


def join_alliance(node: Node, answer: JoinAnswer, *, compared: str) -> list[Statement]:
    """Give the statements that take a newcomer's node into the alliance that admitted it.

    ``compared`` is the digits that the two people agreed on; they are made again
    from this answer, so that what was compared is what is pinned.

    Raises
    ------
    Refused
        It was not admitted (yet), or the answer is not the one that was compared.
    """
    if answer.state != ADMITTED:
        raise Refused(f"Joining was refused: the request is {answer.state}. Ask the host's administrator.")
    if words_of(node.keys, node.config.node.name, answer) != compared:
        raise Refused(
            "Joining was refused: the answer is not the one whose digits were compared. Begin again with a new code."
        )
    return adopt(node, answer.statements)


def _answer(node: Node, state: str) -> JoinAnswer:
    rows = node.database.read("SELECT body, signature FROM roster_statement ORDER BY n")
    chain = tuple(SignedStatement(body=text(row, "body"), signature=text(row, "signature")) for row in rows)
    return JoinAnswer(
        state=state,
        host=node.id,
        host_verify_key=node.keys.verify_key,
        statements=chain if state == ADMITTED else chain[:1],
    )


def _keep(node: Node, locator: Digest, request: JoinRequest) -> None:
    event = JoinRequested(node=request.node)
    said = canonical_json(msgspec.to_builtins(request))
    try:
        node.write(
            [
                *node.journal.append(_subject(locator), [event], after=1, cause=Cause(node.new_id())),
                Statement(
                    "UPDATE invitation SET request = ?, state = ? WHERE secret_digest = ? AND state = ?",
                    (said, REQUESTED, locator, OPEN),
                    expect=1,
                ),
            ]
        )
    except Conflict:
        return  # the same call came twice at once; what is kept now is read again


def _show(node: Node, detail: str) -> None:
    """Show the administrator that a code is in wrong hands."""
    shown = problem_once(node, "joining", about="alliance", detail=detail, cause=Cause(node.new_id()))
    if shown:
        node.write(shown)


def _invitation(database: Database, locator: Digest) -> Row | None:
    rows = database.read("SELECT * FROM invitation WHERE secret_digest = ?", (locator,))
    return rows[0] if rows else None


def _request(row: Row) -> JoinRequest:
    try:
        return msgspec.json.decode(text(row, "request").encode(), type=JoinRequest)
    except msgspec.DecodeError as error:
        raise Damaged(f"Reading a join request failed ({error}): invite the node again.") from error


def _join_key(row: Row) -> bytes:
    return from_base64(text(row, "join_key"))


def _subject(locator: Digest) -> Subject:
    return Subject(f"invitation/{locator[:32]}")
