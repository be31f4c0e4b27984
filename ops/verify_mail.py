"""Mail and sealed files against their digests, the count toward each peer, and the roster's signatures."""

from __future__ import annotations

from collections.abc import Iterator

from federation.blobs import file_digest
from federation.envelope import Envelope, Header, Inner
from federation.messages import StudyDeletedThere, decode_message, message_type
from federation.roster import Roster
from node.canonical import digest_of
from node.database.port import Row, integer, text
from node.errors import GridError
from node.keys.encoding import from_base64
from node.names import Cause, NodeId
from node.node import Node
from ops.findings import Finding, pages

_SEALED_AGAIN = "its recipient refuses it, and its sender seals it again by itself"
_MADE_AGAIN = "its reader refuses it, and its sender makes it again by itself"


def verify_outbox(node: Node) -> Iterator[Finding]:
    """Every message toward a peer: its seal, its place in the chain, and that none is missing."""
    before: Row | None = None
    for row in pages(
        node.database,
        "outbox",
        columns="peer, inc, n, type, message, cause, digest, envelope, envelope_digest, head",
        key=("peer", "inc", "n"),
    ):
        where = f"envelope {row['n']} for {row['peer']} in outbox"
        if row["envelope"] is not None:
            header = _header(row)
            if header is None or digest_of(text(row, "envelope")) != row["envelope_digest"]:
                yield Finding(where=where, what="its bytes were altered", todo=_SEALED_AGAIN)
            elif (header.recipient, header.inc, header.n) != (row["peer"], row["inc"], row["n"]):
                yield Finding(where=where, what="it is sealed as another", todo=_SEALED_AGAIN)
        prev = _previous(row, before)
        if (
            prev is not None
            and row["digest"] is not None
            and _inner_digest(node, row, prev) != row["digest"]
            and not _is_forgotten(node, row)
        ):
            yield Finding(
                where=where,
                what="the message is not the one that was sealed",
                todo="restore the database from the backup and compare",
            )
        before = row
    yield from _verify_counts(node)


def _is_forgotten(node: Node, row: Row) -> bool:
    """Say whether a message lost its words because the study that it was about was deleted; then its digest alone is left."""
    if row["type"] != message_type(StudyDeletedThere) or row["envelope"] is not None:
        return False
    told = decode_message(StudyDeletedThere, text(row, "message"))
    return bool(
        node.database.read(
            "SELECT 1 AS one FROM deletion_peer WHERE deletion = ? AND peer = ?", (told.deletion, row["peer"])
        )
    )


def verify_mailbox(node: Node) -> Iterator[Finding]:
    """Every envelope kept here for others: its bytes, and whose it says it is."""
    for row in pages(
        node.database,
        "mailbox",
        columns="recipient, sender, inc, n, bytes, envelope, envelope_digest",
        key=("recipient", "sender", "inc", "n"),
    ):
        where = f"envelope {row['n']} from {row['sender']} for {row['recipient']} in mailbox"
        header = _header(row)
        if header is None or digest_of(text(row, "envelope")) != row["envelope_digest"]:
            yield Finding(where=where, what="its bytes were altered", todo=_SEALED_AGAIN)
        elif (header.recipient, header.sender, header.inc, header.n) != (
            row["recipient"],
            row["sender"],
            row["inc"],
            row["n"],
        ):
            yield Finding(where=where, what="it is sealed as another", todo=_SEALED_AGAIN)


def verify_inbox(node: Node) -> Iterator[Finding]:
    """Every envelope set aside here: the bytes that came."""
    for row in pages(
        node.database,
        "inbox",
        columns="sender, inc, n, digest, state, envelope",
        key=("sender", "inc", "n", "digest"),
    ):
        if _bytes_digest(row) != row["digest"]:
            yield Finding(
                where=f"envelope {row['n']} from {row['sender']} in inbox ({row['state']})",
                what="its bytes were altered",
                todo=_SEALED_AGAIN
                if row["state"] == "early"
                else "nothing waits for it; it is kept to be looked at",
            )


def verify_sealed_files(node: Node) -> Iterator[Finding]:
    """Every sealed file that is whole: its bytes; and none missing of a part that waits to go."""
    for row in pages(
        node.database, "blob", columns="digest, path, owner", key=("digest",), where="state = 'ready'"
    ):
        path = node.state / text(row, "path")
        where = f"sealed file {text(row, 'digest')[:16]} of {row['owner']}"
        try:
            altered = file_digest(path) != row["digest"]
        except FileNotFoundError:
            if _is_kept(node, row):
                yield Finding(where=where, what="its file is gone", todo=_MADE_AGAIN)
            continue
        if altered:
            yield Finding(where=where, what="its bytes were altered", todo=_MADE_AGAIN)
    for row in node.database.read(
        "SELECT peer, origin, study_uid, k, part.blob AS digest FROM part LEFT JOIN blob ON blob.digest = part.blob"
        " WHERE direction = 'out' AND part.state = 'sealed' AND blob.digest IS NULL"
    ):
        yield Finding(
            where=f"part {row['k']} of study/{row['origin']}/{row['study_uid']} for {row['peer']}",
            what=f"nothing is known of its sealed file {text(row, 'digest')[:16]}",
            todo=_MADE_AGAIN,
        )


def verify_roster(node: Node) -> Iterator[Finding]:
    """Every statement signed by the alliance's root, each after the one before."""
    try:
        Roster.load(node.database)
    except GridError as error:
        yield Finding(where="roster", what=str(error), todo="restore it from the backup, or join again")


def _verify_counts(node: Node) -> Iterator[Finding]:
    for row in node.database.read(
        "SELECT o.peer AS peer, o.n - o.received_n AS owed, (SELECT count(*) FROM outbox AS b WHERE b.peer = o.peer"
        " AND b.inc = o.inc AND b.n > o.received_n) AS kept FROM outgoing AS o"
    ):
        if row["owed"] != row["kept"]:
            yield Finding(
                where=f"outbox for {row['peer']}",
                what=f"{row['owed']} messages are not acknowledged, {row['kept']} are here",
                todo="restore the database from the backup and compare",
            )


def _previous(row: Row, before: Row | None) -> str | None:
    """Give the digest that a message was sealed as following; None when that one is forgotten."""
    if row["n"] == 1:
        return ""
    if before is None or (before["peer"], before["inc"], integer(before, "n") + 1) != (
        row["peer"],
        row["inc"],
        row["n"],
    ):
        return None
    return None if before["digest"] is None else text(before, "digest")


def _inner_digest(node: Node, row: Row, prev: str) -> str:
    inner = Inner(
        sender=node.id,
        recipient=NodeId(text(row, "peer")),
        inc=text(row, "inc"),
        n=integer(row, "n"),
        prev=prev,
        head=text(row, "head") or None,
        cause=Cause(text(row, "cause")),
        type=text(row, "type"),
        body=text(row, "message"),
    )
    try:
        return inner.digest
    except GridError:
        return ""


def _header(row: Row) -> Header | None:
    try:
        return Envelope.from_text(text(row, "envelope")).header
    except GridError:
        return None


def _bytes_digest(row: Row) -> str:
    try:
        return digest_of(from_base64(text(row, "envelope")))
    except GridError:
        return ""


def _is_kept(node: Node, row: Row) -> bool:
    """Say whether a file's row stands still: it goes first when the file is let go."""
    return bool(node.database.read("SELECT 1 AS kept FROM blob WHERE digest = ?", (row["digest"],)))
