"""Sealed files at their host: kept for their readers, uploaded and read by offset, named by digest.

The host sees ciphertext only. A file is ready when all of it is synced and its
digest was checked; not before is a byte of it given out. Who may call is
decided in `federation.hosting`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from federation.transport.port import CHUNK_BYTES, BlobOffer, BlobState
from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Database, Row, Statement, integer, text
from node.durable import sync_directory, sync_file
from node.errors import Conflict, Damaged, InvalidRequest, NotFound, Refused, Unavailable
from node.names import Digest, NodeId
from node.node import Node

BLOB_LIMIT_BYTES = 8 << 30
"""A part is 64 MiB, or one instance when a single one is larger."""
QUOTA_BYTES = 64 << 30
"""Sealed files of one owner that a host keeps."""


def offer(node: Node, owner: NodeId, blob: BlobOffer) -> BlobState:
    """Reserve a name for an owner's sealed file; say how much of it is here.

    Raises
    ------
    Unavailable
        The owner's quota or the disk's reserve is reached.
    """
    row = _peek(node.database, blob.digest)
    if row is not None:
        if row["owner"] != owner:
            raise Refused(f"Offering blob {blob.digest[:12]} was refused: it is another node's.")
        if row["state"] != "ready" and path_of(node, blob.digest).exists():
            # It was checked and named, and the host stopped before its row said so.
            _set_ready(node, blob.digest)
            return _state(node, blob.digest, ready=True)
        return _state(node, blob.digest, ready=row["state"] == "ready")
    if not 0 < blob.size_bytes <= BLOB_LIMIT_BYTES:
        raise InvalidRequest(f"Offering a blob of {blob.size_bytes} bytes was refused: too large.")
    _check_space(node, owner, blob.size_bytes)
    node.write([row_of(node, blob, owner=owner, state="arriving")])
    return _state(node, blob.digest, ready=False)


def row_of(node: Node, blob: BlobOffer, *, owner: NodeId, state: str) -> Statement:
    """Give the statement for a sealed file's row; state is ``arriving`` or ``ready``."""
    return Statement(
        "INSERT INTO blob (digest, path, bytes, owner, readers, state, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (digest) DO NOTHING",
        (
            blob.digest,
            str(path_of(node, blob.digest).relative_to(node.state)),
            blob.size_bytes,
            owner,
            canonical_json(sorted(blob.readers)),
            state,
            node.now(),
        ),
    )


def append(node: Node, owner: NodeId, digest: Digest, chunk: bytes, *, offset: int) -> int:
    """Write bytes of an offered file at its end; gives the new length.

    Raises
    ------
    Conflict
        ``offset`` is not where the file ends.
    """
    row = _get_own(node.database, owner, digest)
    path = _arriving(node, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with on_disk(f"Keeping blob {digest[:12]}"), path.open("ab") as file:
        end = file.tell()
        if end != offset:
            raise Conflict(
                f"Sending blob {digest[:12]} from byte {offset} failed: the host holds {end}. Offer it again."
            )
        if end + len(chunk) > integer(row, "bytes"):
            raise InvalidRequest(f"Sending blob {digest[:12]} was refused: longer than offered.")
        file.write(chunk)
    return end + len(chunk)


def finish(node: Node, owner: NodeId, digest: Digest) -> BlobState:
    """Make an upload ready when all of it is here: sync, check its digest, give it its name.

    Raises
    ------
    Damaged
        The bytes are not what the name says; they were dropped.
    """
    row = _get_own(node.database, owner, digest)
    path = _arriving(node, digest)
    if row["state"] == "ready" or not path.exists() or path.stat().st_size < integer(row, "bytes"):
        return _state(node, digest, ready=row["state"] == "ready")
    if file_digest(path) != digest:
        path.unlink()
        raise Damaged(f"Sending blob {digest[:12]} failed: its bytes changed on the way. Send it again.")
    place(node, path, digest)
    _set_ready(node, digest)
    return _state(node, digest, ready=True)


def place(node: Node, path: Path, digest: Digest) -> Path:
    """Sync a whole sealed file and give it its name."""
    final = path_of(node, digest)
    with on_disk(f"Keeping blob {digest[:12]}"):
        final.parent.mkdir(parents=True, exist_ok=True)
        sync_file(path)
        path.rename(final)
        sync_directory(final.parent)
    return final


def readable(node: Node, reader: NodeId, digest: Digest) -> Path:
    """Give the file of a blob to one who may read it.

    Raises
    ------
    NotFound
        It is not here, or not wholly.
    Refused
        It is here for others.
    """
    row = _peek(node.database, digest)
    if row is None or row["state"] != "ready":
        raise NotFound(f"Reading blob {digest[:12]} failed: it is not here. Ask its sender for it again.")
    if reader != row["owner"] and reader not in _readers(text(row, "readers")):
        raise Refused(f"Reading blob {digest[:12]} was refused: it is sealed for others.")
    path = path_of(node, digest)
    if not path.exists():
        raise NotFound(f"Reading blob {digest[:12]} failed: its file is gone. Ask its sender for it again.")
    return path


def read(path: Path, *, offset: int, length: int = 0) -> Iterator[bytes]:
    """Give a file's bytes from an offset in chunks; length 0 is to the end."""
    left = length or max(0, path.stat().st_size - offset)
    with path.open("rb") as file:
        file.seek(offset)
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk


def release(node: Node, reader: NodeId, digest: Digest) -> None:
    """Take a reader off a blob; the last one takes the file with it."""
    row = _peek(node.database, digest)
    if row is None:
        return
    before = text(row, "readers")
    left = [name for name in _readers(before) if name != reader]
    if left:
        node.write(
            [
                Statement(
                    "UPDATE blob SET readers = ? WHERE digest = ? AND readers = ?",
                    (canonical_json(left), digest, before),
                    expect=1,
                )
            ]
        )
        return
    node.write([Statement("DELETE FROM blob WHERE digest = ? AND readers = ?", (digest, before))])
    path_of(node, digest).unlink(missing_ok=True)


def expire(node: Node, *, before: Micros) -> int:
    """Remove files that no reader came for since a time, or whose upload was given up; gives how many."""
    rows = node.database.read("SELECT digest FROM blob WHERE at < ?", (before,))
    for row in rows:
        digest = Digest(text(row, "digest"))
        node.write([Statement("DELETE FROM blob WHERE digest = ?", (digest,))])
        path_of(node, digest).unlink(missing_ok=True)
        _arriving(node, digest).unlink(missing_ok=True)
    return len(rows)


def path_of(node: Node, digest: Digest) -> Path:
    """Where a ready blob lies."""
    return node.state / "blobs" / digest[:2] / digest


def scratch(node: Node) -> Path:
    """The folder of files that are being made, sent or fetched; nothing in it is promised to anybody."""
    directory = node.state / "blobs" / "arriving"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def sweep(node: Node) -> int:
    """Remove files that no row names: what a crash left between a file and its row. Gives how many.

    Uploads that may still go on keep their row and therefore their bytes.
    """
    known = {text(row, "digest") for row in node.database.read("SELECT digest FROM blob")}
    removed = 0
    for path in (node.state / "blobs").glob("*/*"):
        if path.name.partition(".")[0] not in known:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


@contextmanager
def on_disk(what: str) -> Iterator[None]:
    """Say a failing disk as `Unavailable`; ``what`` begins the sentence."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{what} failed ({error.strerror}). See to the disk; it is tried again.") from error


def file_digest(path: Path) -> Digest:
    """SHA-256 of a file, read in chunks."""
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def _peek(database: Database, digest: Digest) -> Row | None:
    rows = database.read("SELECT owner, bytes, readers, state FROM blob WHERE digest = ?", (digest,))
    return rows[0] if rows else None


def _get_own(database: Database, owner: NodeId, digest: Digest) -> Row:
    row = _peek(database, digest)
    if row is None or row["owner"] != owner:
        raise NotFound(f"Sending blob {digest[:12]} failed: it was not offered. Offer it first.")
    return row


def _set_ready(node: Node, digest: Digest) -> None:
    node.write([Statement("UPDATE blob SET state = 'ready' WHERE digest = ?", (digest,))])


def _readers(listed: str) -> list[str]:
    return msgspec.json.decode(listed.encode(), type=list[str])


def _arriving(node: Node, digest: Digest) -> Path:
    return node.state / "blobs" / "arriving" / digest


def _state(node: Node, digest: Digest, *, ready: bool) -> BlobState:
    path = path_of(node, digest) if ready else _arriving(node, digest)
    held = path.stat().st_size if path.exists() else 0
    return BlobState(held_bytes=held, ready=ready)


def _check_space(node: Node, owner: NodeId, size_bytes: int) -> None:
    (used,) = node.database.read("SELECT sum(bytes) AS bytes FROM blob WHERE owner = ?", (owner,))
    if integer(used, "bytes") + size_bytes > QUOTA_BYTES:
        raise Unavailable(
            f"Offering a blob failed: {owner} has {QUOTA_BYTES >> 30} GiB waiting here already."
            " It goes on when the readers have fetched theirs."
        )
    reserve = node.config.storage.reserve_mb << 20
    if shutil.disk_usage(node.state).free - size_bytes < reserve:
        raise Unavailable("Offering a blob failed: the host's disk is at its reserve. Free space there.")
