"""Images on their way in: offered parts fetched from this node's mailbox host, checked, stored in packs.

From the packs on they go the way of every instance: the ingest registers them.
A part that comes twice, or was half stored when the process ended, adds only what is not here.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from federation import blobs
from federation.messages import PartWanted
from federation.outbox import send
from federation.parts import Member, OpenPart, open_part
from federation.problems import problem_once
from federation.sharing import set_digest, share_event
from federation.transport.port import MailboxLink
from node.database.port import Statement, integer, read_as, text
from node.dicom.header import identify, scan
from node.errors import Conflict, Damaged, GridError, InvalidRequest, NotFound
from node.events import Event
from node.names import Cause, Digest, NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.facts import AssociationFacts
from node.store.writing import PackWriter

WHOLE_BYTES = 8 << 20
"""A data set up to this is handed to the pack at once, which writes it in one go; a larger one while it is read."""
WANTED_LIMIT = 5
"""How often parts of one study are asked for again before only an administrator helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartApplied(Event):
    """A peer's part was opened and its instances stored. Subject ``share/PEER/ORIGIN/UID``."""

    peer: str
    k: int
    blob: str
    bytes: int
    instances: int
    stored: int
    """How many of them were not here yet."""


class OfferedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A part that waits to be fetched."""

    peer: NodeId
    origin: NodeId
    study_uid: StudyUID
    k: int
    blob: Digest
    blob_key: str
    bytes: int
    instances: int
    manifest_digest: str
    cause: Cause

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)


def offered_parts(node: Node) -> list[OfferedRow]:
    """Give the parts that wait to be fetched, oldest first."""
    return read_as(
        node.database,
        OfferedRow,
        "SELECT peer, origin, study_uid, k, blob, blob_key, bytes, instances, manifest_digest, cause FROM part"
        " WHERE direction = 'in' AND state = 'offered' ORDER BY at, k LIMIT 100",
    )


def fetch(node: Node, part: OfferedRow, *, host: NodeId, link: MailboxLink) -> bool:
    """Fetch, check and store one part; says whether it is here now.

    What cannot be had or opened is asked for again, and this goes on with the next.

    Raises
    ------
    GridError
        As the link or the disk says; what was fetched counts when it is tried again.
    """
    try:
        path = _fetched(node, part, host=host, link=link)
        stored = _store(node, part, path)
    except NotFound as error:
        _want_again(node, part, "missing", error.message)
        return False
    except (Damaged, InvalidRequest) as error:
        _local(node, part).unlink(missing_ok=True)
        _want_again(node, part, "damaged", error.message)
        with suppress(GridError):
            link.release_blob(part.blob)
        return False
    _note_applied(node, part, stored=stored)
    if host != node.id:
        path.unlink(missing_ok=True)
    return True


def release_applied(node: Node, link: MailboxLink) -> None:
    """Tell the host which sealed files this node needs no more."""
    rows = node.database.read(
        "SELECT peer, origin, study_uid, k, blob FROM part WHERE direction = 'in' AND state = 'applied' LIMIT 100"
    )
    for row in rows:
        link.release_blob(Digest(text(row, "blob")))
        node.write(
            [
                Statement(
                    "UPDATE part SET state = 'done' WHERE peer = ? AND origin = ? AND study_uid = ? AND k = ?"
                    " AND direction = 'in' AND state = 'applied'",
                    (row["peer"], row["origin"], row["study_uid"], row["k"]),
                )
            ]
        )


def check_completed(node: Node) -> None:
    """Compare studies that their origin called complete with what is here, once as many have come."""
    for row in node.database.read("SELECT * FROM completed_there WHERE agreed_at IS NULL"):
        where = (row["origin"], row["study_uid"])
        digests = node.database.read(
            "SELECT digest FROM instance WHERE origin = ? AND study_uid = ? AND state <> 'rejected'", where
        )
        if len(digests) < integer(row, "contents"):
            continue
        statements = [
            Statement(
                "UPDATE completed_there SET agreed_at = ? WHERE origin = ? AND study_uid = ? AND set_digest = ?",
                (node.now(), *where, row["set_digest"]),
            )
        ]
        if set_digest(text(digest, "digest") for digest in digests) != row["set_digest"]:
            detail = (
                f"Receiving a study from {row['origin']} ended with another set of instances than it says it holds."
                " Compare the study on both nodes."
            )
            about = f"study/{row['origin']}/{row['study_uid']}"
            statements += problem_once(node, "study-differs", about=about, detail=detail, cause=Cause(""))
        node.write(statements)


def _fetched(node: Node, part: OfferedRow, *, host: NodeId, link: MailboxLink) -> Path:
    """Give the sealed file here, fetching what is missing of it."""
    if host == node.id:
        return blobs.readable(node, node.id, part.blob)
    path = _local(node, part)
    held = path.stat().st_size if path.exists() else 0
    if held < part.bytes:
        node.packs.check_room(2 * (part.bytes - held))
        with blobs.on_disk(f"Fetching part {part.k}"), path.open("ab") as file:
            for chunk in link.get_blob(part.blob, offset=held):
                held += len(chunk)
                if held > part.bytes:
                    raise Damaged(f"Fetching part {part.k} failed: it is longer than offered.")
                file.write(chunk)
    if held != part.bytes or blobs.file_digest(path) != part.blob:
        raise Damaged(f"Fetching part {part.k} failed: the bytes are not those that were offered.")
    return path


def _store(node: Node, part: OfferedRow, path: Path) -> int:
    """Append what is not here yet to a pack; gives how many instances."""
    with open_part(path, part.blob_key, manifest_digest=part.manifest_digest) as opened:
        manifest = opened.manifest
        said = (manifest.origin, manifest.study_uid, manifest.k, len(manifest.members))
        if said != (part.origin, part.study_uid, part.k, part.instances):
            raise Damaged(f"Opening part {part.k} failed: it is another one than was offered.")
        opened.check()
        here = _here(node, part.key)
        new = [n for n, one in enumerate(manifest.members, start=1) if (one.sop_uid, one.digest) not in here]
        if new:
            writer = node.packs.open_writer(study_uid=part.study_uid, cause=part.cause)
            try:
                for n in new:
                    _append(writer, part, opened, n)
            finally:
                writer.close()
        return len(new)


def _append(writer: PackWriter, part: OfferedRow, opened: OpenPart, n: int) -> None:
    """Store one instance. It is looked through like one that a device sends: what a peer vouches for may be wrong."""
    member = opened.manifest.members[n - 1]
    facts, file_meta = _facts(part, member), opened.file_meta(n)
    if member.data_bytes <= WHOLE_BYTES:
        data_set = b"".join(opened.data_set(n))
        _check(part, n, member, data_set)
        writer.append(
            facts,
            sop_class=member.sop_class,
            sop_uid=member.sop_uid,
            file_meta=file_meta,
            data_set=data_set,
        )
        return
    digest = hashlib.sha256()
    growing = writer.begin(facts, sop_class=member.sop_class, sop_uid=member.sop_uid, file_meta=file_meta)
    try:
        for chunk in opened.data_set(n):
            digest.update(chunk)
            growing.write(chunk)
        with growing.look() as grown:
            _check(part, n, member, grown)
    except BaseException:
        growing.drop()
        raise
    growing.finish(digest.digest())


def _check(part: OfferedRow, n: int, member: Member, data_set: bytes | memoryview) -> None:
    """Refuse what cannot be read, or is not the instance that the manifest names."""
    found = identify(scan(data_set, member.transfer_syntax))
    named = (part.study_uid, member.sop_class, member.sop_uid)
    if (found.study_uid, found.sop_class, found.sop_uid) != named:
        raise Damaged(f"Opening part {part.k} failed: instance {n} is not the one that its manifest names.")


def _here(node: Node, key: StudyKey) -> set[tuple[str, str]]:
    rows = node.database.read(
        "SELECT sop_uid, digest FROM instance WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return {(text(row, "sop_uid"), text(row, "digest")) for row in rows}


def _facts(part: OfferedRow, member: Member) -> AssociationFacts:
    """Keep what the first association knew; the door is the peer, and it vouches for the rest."""
    return AssociationFacts(
        calling=member.calling,
        called=member.called,
        address=part.peer,
        certificate="",
        rule="",
        rule_version=0,
        issuer=member.issuer,
        trust_issuer=member.trust_issuer,
        department=member.department,
        transfer_syntax=member.transfer_syntax,
        received_at=member.received_at,
        origin=part.origin,
        study_uid=part.study_uid,
        door="peer",
        cause=part.cause,
    )


def _note_applied(node: Node, part: OfferedRow, *, stored: int) -> None:
    """Write that a part is here; tried again when only the journal has moved, since its instances are stored."""
    event = PartApplied(
        peer=part.peer, k=part.k, blob=part.blob, bytes=part.bytes, instances=part.instances, stored=stored
    )
    for last in (False, False, True):
        noted = share_event(node, part.peer, part.key, event, cause=part.cause)
        try:
            node.write([_state(part, "applied"), *noted])
        except Conflict:
            if last:
                raise
            continue
        return


def _want_again(node: Node, part: OfferedRow, reason: str, detail: str) -> None:
    """Ask the origin to make the part again, unless that has not helped before."""
    (row,) = node.database.read(
        "SELECT count(*) AS n FROM part WHERE peer = ? AND origin = ? AND study_uid = ? AND direction = 'in'"
        " AND state = 'wanted'",
        (part.peer, part.origin, part.study_uid),
    )
    statements = [_state(part, "wanted")]
    if integer(row, "n") < WANTED_LIMIT:
        wanted = PartWanted(origin=part.origin, study_uid=part.study_uid, k=part.k, reason=reason)
        statements += send(node, part.peer, wanted, cause=part.cause)
    statements += problem_once(
        node, f"part-{reason}", about=part.key.subject, detail=detail, cause=part.cause
    )
    node.write(statements)


def _state(part: OfferedRow, state: str) -> Statement:
    return Statement(
        "UPDATE part SET state = ? WHERE peer = ? AND origin = ? AND study_uid = ? AND k = ?"
        " AND direction = 'in' AND state = 'offered'",
        (state, part.peer, part.origin, part.study_uid, part.k),
        expect=1,
    )


def _local(node: Node, part: OfferedRow) -> Path:
    return blobs.scratch(node) / f"{part.blob}.fetched"
