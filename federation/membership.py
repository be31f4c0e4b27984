"""What this node holds of the roster, and how it grows: adopted once, then statement by statement.

Every statement is verified before it is kept, and again whenever the roster is
loaded. Each one is an event on subject ``roster``, so actors see a peer come or go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from federation.roster import Roster, check_unshared
from federation.rotation import read_rotation, sign_rotation
from federation.statements import AllianceFounded, SignedStatement, act_type, read_statement
from node.database.port import Statement, integer, text
from node.errors import Conflict, Refused
from node.events import Event
from node.keys.public import check_public_keys
from node.names import Cause, NodeId, Subject
from node.node import Node

SUBJECT = Subject("roster")


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterExtended(Event):
    """A statement of the alliance's root was taken in. Subject ``roster``."""

    n: int
    type: str
    node: str
    """Whom it is about; empty for the founding."""
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRotatedByNode(Event):
    """A node's own new encryption or TLS keys were taken in. Subject ``node/ID``."""

    rotation: int
    digest: str


def adopt(
    node: Node, statements: Sequence[SignedStatement], *, cause: Cause | None = None
) -> list[Statement]:
    """Give the statements that pin an alliance's root and take in its roster; once in a node's life.

    Whoever calls it has compared the fingerprint, or founded the alliance here.

    Raises
    ------
    Conflict
        This node is in an alliance already.
    Refused
        The roster does not have this node with these keys: it is not an admission of this node.
    Damaged
        The chain does not hold.
    """
    if Roster.load(node.database).n >= 0:
        raise Conflict(
            "Joining an alliance was refused: this node is in one, and its root is never replaced."
        )
    roster = Roster.from_statements(statements)
    own = roster.peek(node.id)
    if own is None or own.revoked or own.verify_key != node.keys.verify_key:
        raise Refused(
            f"Joining alliance {roster.name!r} was refused: its roster does not have {node.id} with the keys of this"
            " node. Ask to be admitted again."
        )
    return _insert(node, Roster(), statements, cause=cause)


def add_statements(
    node: Node, statements: Sequence[SignedStatement], *, cause: Cause | None = None
) -> list[Statement]:
    """Give the statements that take in what is new of the root's statements; known ones change nothing.

    Raises
    ------
    Damaged
        One does not follow what is held, or is not the root's.
    Conflict
        The root signed another statement under a number that is held: somebody holds a copy of it.
    Refused
        This node is in no alliance.
    """
    held = Roster.load(node.database)
    if held.n < 0:
        raise Refused("Taking in a roster was refused: this node is in no alliance. Join one first.")
    bodies = {
        integer(row, "n"): text(row, "body")
        for row in node.database.read("SELECT n, body FROM roster_statement")
    }
    fresh = []
    for signed in statements:
        n = read_statement(signed, held.root).n
        if bodies.setdefault(n, signed.body) != signed.body:
            raise Conflict(
                f"Taking in roster statement {n} was refused: another one is held under its number. The root was used"
                " twice; compare the rosters of both nodes."
            )
        if n > held.n:
            fresh.append(signed)
    return _insert(node, held, fresh, cause=cause)


def rotate_keys(node: Node, *, tls: bool = False) -> tuple[SignedStatement, list[Statement]]:
    """Draw new encryption keys (and TLS keys if asked), signed by this node; give what the others must learn.

    The statements keep it here. The past private halves still open what is on its way.
    """
    roster = Roster.load(node.database)
    after = roster.entry(node.id).keys_n
    rows = node.database.read("SELECT max(rotation) AS last FROM key_rotation WHERE node = ?", (node.id,))
    node.keys.rotate_hpke()
    if tls:
        node.keys.rotate_tls()
    signed = sign_rotation(
        node.keys, alliance=roster.root, after=after, rotation=integer(rows[0], "last") + 1, at=node.now()
    )
    return signed, add_rotation(node, signed)


def add_rotation(node: Node, signed: SignedStatement, *, cause: Cause | None = None) -> list[Statement]:
    """Give the statements that keep what a node says of its own keys; nothing when it is known.

    Raises
    ------
    Damaged, Refused, InvalidRequest
        It is not that node's, or its keys cannot be used.
    Conflict
        A newer one is held, or the root has spoken about its keys since.
    """
    said = read_rotation(signed)
    roster = Roster.load(node.database)
    check_public_keys(said.keys)
    rows = node.database.read(
        "SELECT rotation, body FROM key_rotation WHERE node = ? ORDER BY rotation", (said.node,)
    )
    held = {integer(row, "rotation"): text(row, "body") for row in rows}
    if held.get(said.rotation) == signed.body:
        return []
    entry = roster.entry(said.node)
    if entry.revoked or said.after != entry.keys_n or said.rotation <= max(held, default=0):
        raise Conflict(
            f"Rotating the keys of {said.node} was refused: a newer word about them is held here. Ask it to rotate"
            " again."
        )
    check_unshared(roster, roster.rotated(signed).entry(said.node))
    subject = Subject(f"node/{said.node}")
    event = KeysRotatedByNode(rotation=said.rotation, digest=signed.digest)
    row = Statement(
        "INSERT INTO key_rotation (node, rotation, body, signature, at) VALUES (?, ?, ?, ?, ?)",
        (said.node, said.rotation, signed.body, signed.signature, node.now()),
    )
    version = node.journal.version(subject)
    return [
        *node.journal.append(subject, [event], after=version, cause=cause or Cause(node.new_id())),
        row,
    ]


def _insert(
    node: Node, held: Roster, fresh: Sequence[SignedStatement], *, cause: Cause | None
) -> list[Statement]:
    rows, events = [], []
    roster = held
    for signed in fresh:
        roster = roster.extended(signed)
        act = read_statement(signed, roster.root).act
        about = NodeId("") if isinstance(act, AllianceFounded) else act.node
        events.append(RosterExtended(n=roster.n, type=act_type(act), node=about, digest=signed.digest))
        rows.append(
            Statement(
                "INSERT INTO roster_statement (n, body, signature, at) VALUES (?, ?, ?, ?)",
                (roster.n, signed.body, signed.signature, node.now()),
                refusal="Taking in a roster statement was refused: another process was first; look again.",
            )
        )
    if not events:
        return []
    # Two that take in at once cannot both. More events than statements are held where an earlier roster went with the database.
    version = max(held.n + 1, node.journal.version(SUBJECT))
    appended = node.journal.append(SUBJECT, events, after=version, cause=cause or Cause(node.new_id()))
    return [*appended, *rows]
