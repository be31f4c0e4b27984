"""Images on their way out: sealed parts brought to the host of a peer's mailbox, then offered to the peer.

Each step is a row before the next begins, so that whatever ends this process, the
next one goes on from there, an upload from the byte where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from federation import blobs
from federation.messages import PartOffered
from federation.outbox import send
from federation.sharing import share_event, touch
from federation.transport.port import BlobOffer, MailboxLink
from node.database.port import Statement, read_as
from node.errors import Damaged
from node.events import Event
from node.names import Cause, Digest, NodeId, StudyKey, StudyUID
from node.node import Node


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
            try:
                state = link.put_blob(part.blob, chunks, offset=state.held_bytes)
            except Damaged:
                if blobs.file_digest(path) == part.blob:
                    raise  # it was altered on the way: the same bytes go again
                node.write(_withdrawn(peer, part))
                path.unlink(missing_ok=True)
                return
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
            *share_event(node, peer, part.key, delivered, cause=part.cause),
            touch(peer, part.key),
            *([] if keep else [Statement("DELETE FROM blob WHERE digest = ?", (part.blob,))]),
        ]
    )


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
