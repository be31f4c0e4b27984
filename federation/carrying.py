"""Images on their way out: parts sealed while a study still arrives, uploaded, then offered to the peer.

A part is due when enough instances have come or none came for a moment; completion
is not awaited. Each step is a row before the next begins, so that whatever ends
this process, the next one goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from federation import blobs
from federation.messages import PartOffered
from federation.outbox import send
from federation.parts import PART_BYTES, VERSION, Manifest, Member, SealedPart, seal_part
from federation.policy import Outcome
from federation.problems import problem_once
from federation.sharing import Pending, pending_studies, touch, unshared
from federation.transport.port import BlobOffer, MailboxLink
from node.clock import SECOND, Micros
from node.database.port import Row, Statement, convert_row, integer, read_as, text
from node.errors import Conflict, Damaged, NotFound
from node.events import Event
from node.failpoints import failpoint
from node.names import Cause, Digest, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from node.store.packs import Location

FULL_BYTES = 16 << 20
"""So much unsent makes a part due although the study still arrives."""
LULL: Micros = SECOND * 2 // 5
"""So long without a new instance makes a part due however little it holds."""
LIVE_BYTES = 32 << 20
"""A part of a study that still arrives is at most this large, so that its images show sooner."""
MEMBERS = 2_000
HELD_BACK = -1
"""In place of a part's number: this instance's record is damaged here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSealed(Event):
    """Instances were sealed for a peer. Subject ``share/PEER/ORIGIN/UID``."""

    peer: str
    k: int
    blob: str
    bytes: int
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDelivered(Event):
    """A sealed part lies whole at the host of the peer's mailbox, and its key is on the way."""

    peer: str
    k: int
    blob: str
    bytes: int
    instances: int


class SealedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A part that waits here to be uploaded."""

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


def next_due(node: Node, peer: NodeId) -> Micros | None:
    """Give when there is a part to make or upload for a peer; None when there is nothing to carry."""
    if sealed_parts(node, peer):
        return node.now()
    times = [
        due
        for pending in pending_studies(node, peer)
        if pending.outcome is Outcome.EVERYTHING and (due := _due_at(node, peer, pending)) is not None
    ]
    return min(times, default=None)


def seal_due(node: Node, peer: NodeId) -> int:
    """Make one part of each study that has one due; gives how many were made."""
    made = 0
    for pending in pending_studies(node, peer):
        if pending.outcome is Outcome.EVERYTHING:
            due = _due_at(node, peer, pending)
            if due is not None and due <= node.now():
                made += _seal_next(node, peer, pending.key)
    return made


def try_held_back_again(node: Node) -> None:
    """Let damaged instances be tried again: their packs may have been restored."""
    rows = node.database.read(
        "SELECT DISTINCT peer, origin, study_uid FROM shared_instance WHERE k = ?", (HELD_BACK,)
    )
    held = [
        (
            NodeId(text(row, "peer")),
            StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid"))),
        )
        for row in rows
    ]
    if held:
        forget = Statement("DELETE FROM shared_instance WHERE k = ?", (HELD_BACK,))
        node.write([forget, *(touch(peer, key) for peer, key in held)])


def sealed_parts(node: Node, peer: NodeId) -> list[SealedRow]:
    """Give the parts that wait to be uploaded, oldest first."""
    return read_as(
        node.database,
        SealedRow,
        "SELECT origin, study_uid, k, blob, blob_key, bytes, instances, manifest_digest, cause FROM part"
        " WHERE peer = ? AND direction = 'out' AND state = 'sealed' ORDER BY at, k",
        (peer,),
    )


def upload(node: Node, peer: NodeId, part: SealedRow, *, host: NodeId, link: MailboxLink) -> None:
    """Bring a sealed part to the host of the peer's mailbox, from where it stopped, and offer it.

    Raises
    ------
    GridError
        As the link says; what has arrived counts when it is tried again.
    """
    path = blobs.path_of(node, part.blob)
    if not path.exists():
        node.write(_withdrawn(peer, part))
        return
    if host != node.id:
        link_offer = BlobOffer(digest=part.blob, size_bytes=part.bytes, readers=(peer,))
        state = link.offer_blob(link_offer)
        if not state.ready:
            chunks = blobs.read(path, offset=state.held_bytes)
            state = link.put_blob(part.blob, chunks, offset=state.held_bytes)
        if not state.ready:
            raise Damaged(
                f"Sending part {part.k} to {host} failed: it does not have all of it. It is sent again."
            )
    _offer(node, peer, part, keep=host == node.id)
    if host != node.id:
        path.unlink(missing_ok=True)


def _offer(node: Node, peer: NodeId, part: SealedRow, *, keep: bool) -> None:
    """Tell the peer of a part; without ``keep`` its file here has no row any more, and goes next."""
    offered = PartOffered(
        origin=part.origin,
        study_uid=part.study_uid,
        k=part.k,
        blob=part.blob,
        blob_key=part.blob_key,
        bytes=part.bytes,
        instances=part.instances,
        manifest_digest=part.manifest_digest,
    )
    delivered = PartDelivered(peer=peer, k=part.k, blob=part.blob, bytes=part.bytes, instances=part.instances)
    done = Statement(
        "UPDATE part SET state = 'offered' WHERE peer = ? AND origin = ? AND study_uid = ? AND k = ?"
        " AND direction = 'out' AND state = 'sealed'",
        (peer, part.origin, part.study_uid, part.k),
        expect=1,
    )
    node.write(
        [
            done,
            *send(node, peer, offered, cause=part.cause),
            *_told_journal(node, peer, part.key, delivered, cause=part.cause),
            touch(peer, part.key),
            *([] if keep else [Statement("DELETE FROM blob WHERE digest = ?", (part.blob,))]),
        ]
    )


def _due_at(node: Node, peer: NodeId, pending: Pending) -> Micros | None:
    (row,) = node.database.read(
        "SELECT count(*) AS n, sum(i.data_bytes) AS bytes, s.last_at AS last_at, s.state AS state FROM study AS s"
        " JOIN instance AS i ON i.origin = s.origin AND i.study_uid = s.study_uid"
        " LEFT JOIN shared_instance AS h ON h.peer = ? AND h.origin = i.origin AND h.study_uid = i.study_uid"
        " AND h.sop_uid = i.sop_uid AND h.digest = i.digest"
        " WHERE s.origin = ? AND s.study_uid = ? AND h.peer IS NULL",
        (peer, pending.origin, pending.study_uid),
    )
    if not integer(row, "n"):
        return None
    if row["state"] == "complete" or integer(row, "bytes") >= FULL_BYTES:
        return node.now()
    return min(integer(row, "last_at"), node.now()) + LULL


def _seal_next(node: Node, peer: NodeId, key: StudyKey) -> int:
    """Seal the next instances of a study; gives 1, or 0 when another process did."""
    study = node.database.read(
        "SELECT state, cause FROM study WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )[0]
    limit = PART_BYTES if study["state"] == "complete" else LIVE_BYTES
    chosen = _chosen(unshared(node, peer, key), limit_bytes=limit)
    if not chosen:
        return 0
    cause = Cause(text(study, "cause"))
    locations = [_location(row) for row in chosen]
    (last,) = node.database.read(
        "SELECT max(k) AS k FROM part WHERE peer = ? AND origin = ? AND study_uid = ? AND direction = 'out'",
        (peer, key.origin, key.study_uid),
    )
    k = integer(last, "k") + 1
    try:
        members = tuple(_member(node, row, at) for row, at in zip(chosen, locations, strict=True))
        manifest = Manifest(v=VERSION, origin=key.origin, study_uid=key.study_uid, k=k, members=members)
        part = seal_part(node.packs, manifest, locations, directory=blobs.scratch(node))
    except Damaged as error:
        return _hold_back(node, peer, key, chosen, error=error, cause=cause)
    blobs.place(node, part.file.path, part.file.digest)
    try:
        node.write(_sealed(node, peer, manifest, part, cause=cause))
    except Conflict:
        blobs.path_of(node, part.file.digest).unlink(missing_ok=True)
        return 0
    failpoint("sealed")
    return 1


def _hold_back(
    node: Node, peer: NodeId, key: StudyKey, rows: list[Row], *, error: Damaged, cause: Cause
) -> int:
    """Leave out the instances whose records are damaged, so that the others go; they are tried again at a start."""
    damaged = [row for row in rows if not _is_whole(node, row)]
    if not damaged:
        raise error
    held = [
        Statement(
            "INSERT INTO shared_instance (peer, origin, study_uid, sop_uid, digest, k) VALUES (?, ?, ?, ?, ?, ?)",
            (peer, key.origin, key.study_uid, row["sop_uid"], row["digest"], HELD_BACK),
        )
        for row in damaged
    ]
    shown = problem_once(node, "sealing-failed", about=key.subject, detail=error.message, cause=cause)
    node.write([*held, *shown])
    return 1


def _is_whole(node: Node, row: Row) -> bool:
    try:
        return node.packs.check(_location(row)) == row["digest"]
    except (Damaged, NotFound):
        return False


def _sealed(
    node: Node, peer: NodeId, manifest: Manifest, part: SealedPart, *, cause: Cause
) -> list[Statement]:
    """Give the rows of a part: its instances count as sent from here on, and as unsent without them."""
    key = StudyKey(origin=manifest.origin, study_uid=manifest.study_uid)
    file, count = part.file, len(manifest.members)
    offer = BlobOffer(digest=file.digest, size_bytes=file.size_bytes, readers=(peer,))
    event = PartSealed(peer=peer, k=manifest.k, blob=file.digest, bytes=file.size_bytes, instances=count)
    row = Statement(
        "INSERT INTO part (peer, origin, study_uid, k, direction, blob, blob_key, bytes, instances,"
        " manifest_digest, state, at, cause) VALUES (?, ?, ?, ?, 'out', ?, ?, ?, ?, ?, 'sealed', ?, ?)",
        (
            peer,
            key.origin,
            key.study_uid,
            manifest.k,
            file.digest,
            file.key,
            file.size_bytes,
            count,
            part.manifest_digest,
            node.now(),
            cause,
        ),
    )
    shared = [
        Statement(
            "INSERT INTO shared_instance (peer, origin, study_uid, sop_uid, digest, k) VALUES (?, ?, ?, ?, ?, ?)",
            (peer, key.origin, key.study_uid, member.sop_uid, member.digest, manifest.k),
        )
        for member in manifest.members
    ]
    return [
        row,
        blobs.row_of(node, offer, owner=node.id, state="ready"),
        *shared,
        *_told_journal(node, peer, key, event, cause=cause),
    ]


def _told_journal(node: Node, peer: NodeId, key: StudyKey, event: Event, *, cause: Cause) -> list[Statement]:
    subject = Subject(f"share/{peer}/{key.origin}/{key.study_uid}")
    return node.journal.append(subject, [event], after=node.journal.version(subject), cause=cause)


def _withdrawn(peer: NodeId, part: SealedRow) -> list[Statement]:
    """Let the instances of a part go again in another: its sealed file is gone before anybody had it."""
    where = (peer, part.origin, part.study_uid, part.k)
    return [
        Statement(
            "UPDATE part SET state = 'withdrawn' WHERE peer = ? AND origin = ? AND study_uid = ? AND k = ?"
            " AND direction = 'out'",
            where,
        ),
        Statement(
            "DELETE FROM shared_instance WHERE peer = ? AND origin = ? AND study_uid = ? AND k = ?", where
        ),
        Statement("DELETE FROM blob WHERE digest = ?", (part.blob,)),
        touch(peer, part.key),
    ]


def _chosen(rows: list[Row], *, limit_bytes: int) -> list[Row]:
    """Take instances up to the limit, and at least one."""
    chosen: list[Row] = []
    size = 0
    for row in rows[:MEMBERS]:
        size += integer(row, "data_bytes")
        if chosen and size > limit_bytes:
            break
        chosen.append(row)
    return chosen


def _location(row: Row) -> Location:
    names = ("pack", "offset", "meta_bytes", "data_offset", "data_bytes")
    return convert_row({name: row[name] for name in names}, Location)


def _member(node: Node, row: Row, location: Location) -> Member:
    """Describe an instance with what its record says of how it came."""
    record = next(iter(node.packs.marked(location.pack, location.offset)), None)
    if record is None or record.digest != row["digest"]:
        raise Damaged(
            f"Sealing a part failed: the record at byte {location.offset} of pack {location.pack} is not the one that"
            " the catalogue means. Run 'meridian verify'."
        )
    facts = record.facts
    return Member(
        sop_class=record.sop_class,
        sop_uid=record.sop_uid,
        digest=record.digest,
        transfer_syntax=facts.transfer_syntax,
        meta_bytes=location.meta_bytes,
        data_bytes=location.data_bytes,
        received_at=facts.received_at,
        calling=facts.calling,
        called=facts.called,
        issuer=facts.issuer,
        trust_issuer=facts.trust_issuer,
        department=facts.department,
    )
