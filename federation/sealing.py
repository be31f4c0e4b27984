"""Images made ready to go: instances of a study sealed into parts for a peer while the study still arrives.

A part is due when enough instances have come or none came for a moment; completion
is not awaited. Its rows and the mark on each instance are one batch, so that a
crash leaves either a part or instances that are still to go. `federation.carrying` brings it away.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation import blobs
from federation.parts import PART_BYTES, VERSION, Manifest, Member, SealedPart, seal_part
from federation.policy import Outcome
from federation.problems import problem_once
from federation.sharing import Pending, pending_studies, share_event, touch, unshared
from federation.transport.port import BlobOffer
from node.catalogue.fresh import peek_moved, read_fresh
from node.catalogue.search import InstanceRow
from node.clock import SECOND, Micros
from node.database.port import Statement, integer, text
from node.errors import Conflict, Damaged, NotFound
from node.events import Event
from node.failpoints import failpoint
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node

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


def next_due(node: Node, peer: NodeId) -> Micros | None:
    """Give when the next part of any study is due to a peer; None when there is nothing to seal."""
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


def _due_at(node: Node, peer: NodeId, pending: Pending) -> Micros | None:
    (row,) = node.database.read(
        "SELECT count(*) AS n, sum(i.data_bytes) AS bytes, s.last_at AS last_at, s.state AS state FROM study AS s"
        " JOIN (SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND state <> 'rejected') AS i"
        " LEFT JOIN shared_instance AS h ON h.peer = ? AND h.origin = i.origin AND h.study_uid = i.study_uid"
        " AND h.sop_uid = i.sop_uid AND h.digest = i.digest"
        " WHERE s.origin = ? AND s.study_uid = ? AND h.peer IS NULL",
        (pending.origin, pending.study_uid, peer, pending.origin, pending.study_uid),
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
    chosen = _chosen(unshared(node, peer, key, limit=MEMBERS), limit_bytes=limit)
    if not chosen:
        return 0
    cause = Cause(text(study, "cause"))
    (last,) = node.database.read(
        "SELECT max(k) AS k FROM part WHERE peer = ? AND origin = ? AND study_uid = ? AND direction = 'out'",
        (peer, key.origin, key.study_uid),
    )
    k = integer(last, "k") + 1
    try:
        manifest, part = _written(node, key, k, chosen)
    except (Damaged, NotFound) as error:
        return _hold_back(node, peer, key, chosen, error=error, cause=cause)
    blobs.place(node, part.file.path, part.file.digest)
    try:
        node.write(_sealed(node, peer, manifest, part, cause=cause))
    except Conflict:
        blobs.path_of(node, part.file.digest).unlink(missing_ok=True)
        return 0
    failpoint("part-sealed")
    return 1


def _written(node: Node, key: StudyKey, k: int, rows: list[InstanceRow]) -> tuple[Manifest, SealedPart]:
    """Write a part; when a pack is gone, its rows are looked up once more: it was merged meanwhile, or lies in the archive."""
    try:
        return _written_from(node, key, k, rows)
    except NotFound:
        again = [peek_moved(node, row) or row for row in rows]
        if again == rows:
            raise
    return _written_from(node, key, k, again)


def _written_from(node: Node, key: StudyKey, k: int, rows: list[InstanceRow]) -> tuple[Manifest, SealedPart]:
    members = tuple(_member(node, row) for row in rows)
    manifest = Manifest(v=VERSION, origin=key.origin, study_uid=key.study_uid, k=k, members=members)
    locations = [row.location for row in rows]
    return manifest, seal_part(node.packs, manifest, locations, directory=blobs.scratch(node))


def _hold_back(
    node: Node,
    peer: NodeId,
    key: StudyKey,
    rows: list[InstanceRow],
    *,
    error: Damaged | NotFound,
    cause: Cause,
) -> int:
    """Leave out the instances whose records are damaged, so that the others go; they are tried again at a start."""
    damaged = [row for row in rows if not _is_whole(node, row)]
    if not damaged:
        raise error
    held = [
        Statement(
            "INSERT INTO shared_instance (peer, origin, study_uid, sop_uid, digest, k) VALUES (?, ?, ?, ?, ?, ?)",
            (peer, key.origin, key.study_uid, row.sop_uid, row.digest, HELD_BACK),
        )
        for row in damaged
    ]
    shown = problem_once(node, "sealing-failed", about=key.subject, detail=error.message, cause=cause)
    node.write([*held, *shown])
    return 1


def _is_whole(node: Node, row: InstanceRow) -> bool:
    try:
        return read_fresh(node, row, lambda row: node.packs.check(row.location)) == row.digest
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
        " manifest_digest, state, at, cause) SELECT ?, ?, ?, ?, 'out', ?, ?, ?, ?, ?, 'sealed', ?, ?"
        " WHERE EXISTS (SELECT 1 FROM study WHERE origin = ? AND study_uid = ?)",
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
            key.origin,
            key.study_uid,
        ),
        expect=1,
        refusal="Sealing a part was refused: the study was deleted meanwhile.",
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
        *share_event(node, peer, key, event, cause=cause),
    ]


def _chosen(rows: list[InstanceRow], *, limit_bytes: int) -> list[InstanceRow]:
    """Take instances up to the limit, and at least one."""
    chosen: list[InstanceRow] = []
    size = 0
    for row in rows:
        size += row.data_bytes
        if chosen and size > limit_bytes:
            break
        chosen.append(row)
    return chosen


def _member(node: Node, row: InstanceRow) -> Member:
    """Describe an instance with what its record says of how it came."""
    location = row.location
    record = next(iter(node.packs.marked(location.pack, location.offset)), None)
    if record is None or record.digest != row.digest:
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
