"""How the roster travels: a statement of the root is passed on to hosts, and by hosts to those whose mail they keep.

So each node hears of a newcomer or a revocation within a hop or two, whoever
admitted it, and nobody needs to be asked twice: known statements change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from federation.membership import KeysRotatedByNode, RosterExtended, add_rotation, add_statements
from federation.messages import Message, Received
from federation.outbox import send
from federation.roster import Roster
from federation.statements import SignedStatement
from node.database.port import Statement, text
from node.errors import Conflict
from node.events import event_type
from node.journal.records import Record
from node.names import Cause, NodeId
from node.node import Node

_EXTENDED, _ROTATED = event_type(RosterExtended), event_type(KeysRotatedByNode)


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPublished(Message):
    """Statements of the alliance's root, and what nodes say of their own keys; each signed by whom it is of."""

    statements: tuple[SignedStatement, ...]
    rotations: tuple[SignedStatement, ...]


def roster_news(node: Node, roster: Roster, peer: NodeId, records: Sequence[Record]) -> list[Statement]:
    """Give the statements that pass on what records say of the roster, if it is this node's to pass on."""
    news = [record for record in records if record.type in (_EXTENDED, _ROTATED)]
    if not news or not _tells(roster, node.id, peer):
        return []
    statements, rotations = [], []
    for record in news:
        if record.type == _EXTENDED:
            n = msgspec.json.decode(record.body.encode(), type=RosterExtended).n
            statements += _signed(node, "roster_statement WHERE n = ?", n)
        else:
            said = msgspec.json.decode(record.body.encode(), type=KeysRotatedByNode)
            about = record.subject.partition("/")[2]
            if about != peer:
                rotations += _signed(
                    node, "key_rotation WHERE node = ? AND rotation = ?", about, said.rotation
                )
    message = RosterPublished(statements=tuple(statements), rotations=tuple(rotations))
    return send(node, peer, message, cause=Cause(news[0].cause))


def apply_roster(node: Node, received: Received, message: RosterPublished) -> list[Statement]:
    """Give the statements that take in what is new; every signature is checked, so who passed it on matters not."""
    statements = add_statements(node, message.statements, cause=received.cause)
    for signed in message.rotations:
        with suppress(Conflict):  # a newer word about those keys is held here already
            statements += add_rotation(node, signed, cause=received.cause)
    return statements


def _tells(roster: Roster, node: NodeId, peer: NodeId) -> bool:
    entry = roster.peek(peer)
    is_host = any(member.mailbox_host == peer for member in roster.members())
    return is_host or (entry is not None and entry.mailbox_host == node)


def _signed(node: Node, where: str, *params: str | int) -> list[SignedStatement]:
    return [
        SignedStatement(body=text(row, "body"), signature=text(row, "signature"))
        for row in node.database.read(f"SELECT body, signature FROM {where}", params)
    ]
