"""Peers told of what this node deleted for good, and origins answered: which messages are due, and what no mail keeps.

A message about a deleted study that its recipient has acknowledged is kept for sealing again, as all are; its words go, and the
news of the deletion stands under its number. What is not acknowledged yet keeps its place in the chain until it is.
"""

from __future__ import annotations

import msgspec

from federation.messages import StudyDeletedThere, StudyDeletionAnswered, encode_message, message_type
from federation.outbox import send
from node.archive.deletion.deletions import DONE, KEPT, Deletion, get_deletion
from node.clock import Micros
from node.database.port import Statement, read_as, text
from node.errors import Conflict
from node.names import NodeId
from node.node import Node


def tell_deletions(node: Node, peer: NodeId) -> None:
    """Put into the outbox what a peer is to be told of deletions here, and what it waits to hear about its own."""
    rows = node.database.read(
        "SELECT deletion FROM deletion_peer WHERE peer = ? AND state = 'due' ORDER BY deletion", (peer,)
    )
    for row in rows:
        _write(node, _told(node, peer, get_deletion(node.database, text(row, "deletion"))))
    waiting = read_as(
        node.database,
        Deletion,
        f"SELECT * FROM deletion WHERE by_peer = ? AND by_peer <> '' AND answered = 0 AND state IN ('{DONE}', '{KEPT}')",
        (peer,),
    )
    for deletion in waiting:
        _write(node, _answered(node, peer, deletion))
    if rows:
        forget_mail(node)


def forget_mail(node: Node) -> None:
    """Take the words of deleted studies out of messages that their recipients have."""
    for row in node.database.read(
        "SELECT deletion, peer FROM deletion_peer WHERE mail = 0 AND state <> 'due'"
    ):
        deletion = get_deletion(node.database, text(row, "deletion"))
        node.write(mail_forgotten(deletion, NodeId(text(row, "peer"))))


def mail_forgotten(deletion: Deletion, peer: NodeId) -> list[Statement]:
    """Give the statements that let no acknowledged, and no unsealed, message to a peer speak of a deleted study."""
    names = [deletion.study_uid, *msgspec.json.decode(deletion.cases, type=list[str])]
    speaks = " OR ".join("instr(message, ?) > 0" for _ in names)
    about = f"peer = ? AND type <> ? AND ({speaks})"
    quoted = [f'"{name}"' for name in names]
    kind = message_type(StudyDeletedThere)
    return [
        Statement(
            f"UPDATE outbox SET type = ?, message = ? WHERE {about}"
            " AND (state = 'received' OR (state = 'waiting' AND digest IS NULL))",
            (kind, encode_message(_message(deletion)), peer, kind, *quoted),
        ),
        Statement(
            "UPDATE deletion_peer SET mail = 1 WHERE deletion = ? AND peer = ?"
            f" AND NOT EXISTS (SELECT 1 FROM outbox WHERE {about})",
            (deletion.id, peer, peer, kind, *quoted),
        ),
    ]


def _told(node: Node, peer: NodeId, deletion: Deletion) -> list[Statement]:
    told = Statement(
        "UPDATE deletion_peer SET state = 'told', told_at = ? WHERE deletion = ? AND peer = ? AND state = 'due'",
        (node.now(), deletion.id, peer),
        expect=1,
    )
    return [told, *send(node, peer, _message(deletion), cause=deletion.cause)]


def _message(deletion: Deletion) -> StudyDeletedThere:
    return StudyDeletedThere(
        origin=deletion.origin,
        study_uid=deletion.study_uid,
        deletion=deletion.id,
        deleted_at=deletion.ended_at or deletion.asked_at,
    )


def _answered(node: Node, peer: NodeId, deletion: Deletion) -> list[Statement]:
    kept = deletion.state == KEPT
    at: Micros = deletion.asked_at if kept else deletion.done_at or node.now()
    message = StudyDeletionAnswered(
        origin=peer,
        study_uid=deletion.study_uid,
        deletion=deletion.id.removeprefix(f"{peer}."),
        outcome="kept" if kept else "deleted",
        reason=deletion.code if kept else "",
        at=at,
    )
    done = Statement(
        "UPDATE deletion SET answered = 1 WHERE id = ? AND answered = 0", (deletion.id,), expect=1
    )
    return [done, *send(node, peer, message, cause=deletion.cause)]


def _write(node: Node, statements: list[Statement]) -> None:
    try:
        node.write(statements)
    except Conflict:
        return  # another process told it meanwhile
