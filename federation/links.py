"""How each peer is reached, as rows for the alliance page: written when it changes, at most once a second.

A peer whose mailbox is kept here is connected while it collects. Another is
connected while the host of its mailbox answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.roster import Roster
from node.clock import SECOND, Micros
from node.database.port import Database, Statement, convert_row, integer
from node.names import NodeId
from node.node import Node

CONNECTED = "connected"
AWAY = "away"
"""Its mailbox is here, and it has not come for its mail."""
DOWN = "down"
"""The host of its mailbox does not answer."""
UNACKNOWLEDGED = "unacknowledged"
"""Mail was left at its host, and the peer has not acknowledged it for long."""
REFRESH: Micros = 60 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """A peer's link as the page shows it."""

    peer: NodeId
    state: str
    since: Micros
    last_ok: Micros
    """When it was last known to be connected; 0 never."""
    next_try: Micros
    """0: nothing is being waited for."""
    error: str
    """In plain words; empty while all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What has not reached a peer yet."""

    envelopes: int
    studies: int
    oldest_at: Micros | None


def link_of(database: Database, peer: NodeId) -> LinkRow | None:
    """Give a peer's link; None before anything was tried."""
    rows = database.read(
        "SELECT peer, state, since, last_ok, next_try, error FROM link WHERE peer = ?", (peer,)
    )
    return convert_row(rows[0], LinkRow) if rows else None


def waiting_for(database: Database, peer: NodeId) -> Waiting:
    """Count what a peer has not acknowledged, and studies that are not all told or sent."""
    (mail,) = database.read(
        "SELECT count(*) AS n, min(at) AS oldest FROM outbox WHERE peer = ? AND state <> 'received'", (peer,)
    )
    (studies,) = database.read(
        "SELECT count(*) AS n, min(s.last_at) AS oldest FROM decision AS d JOIN study AS s"
        " ON s.origin = d.origin AND s.study_uid = d.study_uid WHERE d.peer = ? AND d.pending > 0",
        (peer,),
    )
    times = [integer(row, "oldest") for row in (mail, studies) if row["oldest"] is not None]
    return Waiting(
        envelopes=integer(mail, "n"), studies=integer(studies, "n"), oldest_at=min(times, default=None)
    )


def peers_behind(roster: Roster, node: NodeId, host: NodeId) -> list[NodeId]:
    """Give the peers whose mail goes to a host other than this node."""
    return [entry.node for entry in roster.peers_of(node) if entry.mailbox_host == host != node]


def forget_connections(node: Node) -> None:
    """Show nobody as connected; when a node starts, each peer shows itself anew."""
    if node.database.read("SELECT 1 AS one FROM link WHERE state = ? LIMIT 1", (CONNECTED,)):
        node.write(
            [Statement("UPDATE link SET state = ?, since = ? WHERE state = ?", (AWAY, node.now(), CONNECTED))]
        )


def show_reached(node: Node, peer: NodeId) -> None:
    """Show that the host of a peer's mailbox answers; says nothing of whether the peer acknowledges."""
    before = link_of(node.database, peer)
    if before is None or before.state != UNACKNOWLEDGED:
        show_link(node, peer, CONNECTED)


def show_link(node: Node, peer: NodeId, state: str, *, error: str = "", next_try: Micros = 0) -> None:
    """Write a peer's link when it changed, or when its last success is a minute old."""
    now = node.now()
    before = link_of(node.database, peer)
    if before is not None and (before.state, before.error) == (state, error):
        stale = now - before.last_ok > REFRESH if state == CONNECTED else before.next_try != next_try
        if not stale:
            return
    since = before.since if before is not None and before.state == state else now
    last_ok = now if state == CONNECTED else before.last_ok if before is not None else 0
    node.write(
        [
            Statement(
                "INSERT INTO link (peer, state, since, last_ok, next_try, error) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (peer) DO UPDATE SET state = excluded.state, since = excluded.since,"
                " last_ok = excluded.last_ok, next_try = excluded.next_try, error = excluded.error",
                (peer, state, since, last_ok, next_try, error),
            )
        ]
    )
