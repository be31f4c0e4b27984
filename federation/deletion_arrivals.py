"""What peers say of deletions, applied here: a study of theirs that is to go, and what became of one of ours.

A peer deletes its own studies alone, and never against what this node owes to somebody: its own signed report, an open case, a
hold, a rule that keeps such studies for good. Then it is kept, and the peer is told why.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

from federation.arrivals import own_study
from federation.deletions import mail_forgotten
from federation.messages import Received, StudyDeletedThere, StudyDeletionAnswered
from federation.problems import problem_once
from node.archive.archived import contents_of
from node.archive.deletion.barring import barred_by
from node.archive.deletion.deed import retention_of
from node.archive.deletion.deleting import carry_out, erase_next, insert_deletion, new_order
from node.archive.deletion.deletions import ASKED, BY_ORIGIN, DONE, KEPT, list_deletions, peek_deletion
from node.catalogue.search import instances_of, peek_study
from node.database.port import Statement
from node.errors import Conflict, InvalidRequest, Refused
from node.failpoints import planted
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node

_ID = re.compile(r"[0-9a-f-]{1,64}")
_REASON = re.compile(r"[a-z-]{0,40}")
MOST_KEPT = 1000


def apply_study_deleted_there(node: Node, received: Received, message: StudyDeletedThere) -> list[Statement]:
    """Let all go that is here of a study that its origin deleted; or keep it, for a reason that the origin hears.

    Raises
    ------
    Refused, InvalidRequest
        It is another node's study, or not one.
    """
    key = _own(received.sender, message)
    if not _ID.fullmatch(message.deletion):
        raise InvalidRequest(
            "Deleting a study was refused: the deletion has no id. The peer must say it again."
        )
    known = peek_deletion(node.database, f"{received.sender}.{message.deletion}")
    if known is not None:
        return [Statement("UPDATE deletion SET answered = 0 WHERE id = ?", (known.id,))]
    study = peek_study(node.database, key)
    order = replace(
        new_order(
            node,
            key,
            code=BY_ORIGIN,
            words="",
            by=received.sender,
            name=received.sender,
            instances=0 if study is None else study.instance_count,
            by_peer=received.sender,
        ),
        id=f"{received.sender}.{message.deletion}",
        cause=received.cause,
    )
    barred = _barred(node, key)
    if barred:
        return [insert_deletion(replace(order, state=KEPT, code=barred))]
    ended = replace(order, ended_by=received.sender, ended_name=received.sender, ended_at=received.at)
    return [insert_deletion(order), *carry_out(node, ended, own_reports=True)]


def delete_released(node: Node) -> None:
    """Let studies go that were kept here when their origin deleted them, and that nothing keeps any more; once in a while."""
    for kept in list_deletions(node.database, states=(KEPT,), limit=MOST_KEPT):
        if _barred(node, kept.key):
            continue
        contents = contents_of(instances_of(node.database, kept.key, chosen_only=False))
        now = node.now()
        order = replace(
            kept, code=BY_ORIGIN, seen=contents, asked_at=now,
            ended_by=kept.by_peer, ended_name=kept.by_peer, ended_at=now,
        )  # fmt: skip
        again = Statement(
            "UPDATE deletion SET state = ?, code = ?, seen = ?, asked_at = ?, answered = 0 WHERE id = ? AND state = ?",
            (ASKED, BY_ORIGIN, contents, now, kept.id, KEPT),
            expect=1,
        )
        with suppress(Conflict):  # something keeps it again, or it changed: it is looked at the next time
            node.write([again, *carry_out(node, order, own_reports=True)])


def apply_study_deletion_answered(
    node: Node, received: Received, message: StudyDeletionAnswered
) -> list[Statement]:
    """Note a peer's receipt, or why it keeps the study, and let the certificate say so.

    Raises
    ------
    Refused, InvalidRequest
        It was not told of such a deletion; it says something else than a receipt does.
    """
    deletion = peek_deletion(node.database, message.deletion)
    if deletion is None or (deletion.origin, deletion.study_uid) != (message.origin, message.study_uid):
        raise InvalidRequest("Noting a peer's receipt was refused: nothing was deleted here under that id.")
    if message.outcome not in ("deleted", "kept") or not _REASON.fullmatch(message.reason):
        raise InvalidRequest("Noting a peer's receipt was refused: it is neither 'deleted' nor 'kept'.")
    noted = Statement(
        "UPDATE deletion_peer SET state = ?, code = ?, at = ?, answered_at = ? WHERE deletion = ? AND peer = ?",
        (message.outcome, message.reason, message.at, received.at, deletion.id, received.sender),
        expect=1,
        refusal=f"Noting a receipt was refused: {received.sender} was not told of that deletion.",
    )
    told = node.database.read(
        "SELECT 1 AS one FROM deletion_peer WHERE deletion = ? AND peer = ?", (deletion.id, received.sender)
    )
    if not told:
        raise Refused(f"Noting a receipt was refused: {received.sender} was not told of that deletion.")
    statements = [noted, *mail_forgotten(deletion, received.sender)]
    if message.outcome == "kept":
        statements += problem_once(
            node,
            "deletion-refused-by-peer",
            about=deletion.key.subject,
            detail=f"Deleting a study for good left a copy at {received.sender}, which keeps it ({message.reason})."
            " Talk to its administrator.",
            cause=received.cause,
        )
    if deletion.state == DONE:
        turn = f"{received.sender}-{message.outcome}-{message.at}"
        again = erase_next(deletion, turn=turn, at=0, now=node.now())
        statements.append(again)
    return statements


def _own(sender: NodeId, message: StudyDeletedThere) -> StudyKey:
    if planted("deletion-of-others"):
        return StudyKey(origin=NodeId(message.origin), study_uid=StudyUID(message.study_uid))
    return own_study(sender, message.origin, message.study_uid)


def _barred(node: Node, key: StudyKey) -> str:
    if peek_study(node.database, key) is not None and retention_of(node, key).years is None:
        return "rule"
    return barred_by(node, key, own_reports=True)
