"""A package in the stores: put and read back, fetched whole, opened where it lies; a copy that is damaged is noted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from node.archive.archived import DAMAGED, GONE, VERIFIED, CopyRow, copies_of, verified_stores
from node.archive.package.reading import Package
from node.archive.package.source import FileSource
from node.archive.stores.encrypted import EncryptedStore
from node.archive.stores.port import ArchiveStore, Stored
from node.archive.stores.verifying import verify_copy
from node.database.port import Statement
from node.errors import Conflict, Damaged, GridError, NotFound, Unavailable
from node.failpoints import failpoint, planted
from node.names import Cause, Digest
from node.node import Node


def put_copy(
    node: Node, store: ArchiveStore, *, digest: Digest, file: Path, believed: bool = False
) -> CopyRow:
    """Put a package into a store, read it back from there, and give the row that says so.

    Parameters
    ----------
    believed
        A planted fault: it is not read back.

    Raises
    ------
    Unavailable
        The store does not take it now.
    Damaged
        It gives back other bytes than it was given.
    """
    stored = store.put(digest, file)
    if not believed and not planted("copy-unverified"):
        verify_copy(store, stored, node.clock)
    return CopyRow(
        digest=digest,
        store=store.name,
        stored=stored.stored_name,
        bytes=stored.size_bytes,
        wrapped_key=stored.wrapped_key,
        state=VERIFIED,
        verified_at=node.now(),
    )


def keep_key(node: Node, copy: CopyRow) -> None:
    """Let the key of a sealed copy lie beside it, where it does not yet; raises as the store does."""
    store = node.archive.store(copy.store)
    if isinstance(store, EncryptedStore):
        store.keep_key(stored_of(copy))


def is_there(node: Node, copy: CopyRow, *, size_bytes: int) -> bool:
    """Say whether a copy lies in its store, a package as long as it was; raises as the store does."""
    file = node.archive.store(copy.store).open(stored_of(copy))
    try:
        return file.size == size_bytes or planted("size-unlooked")
    finally:
        file.close()


def remove_copy(node: Node, copy: CopyRow) -> None:
    """Remove a copy from its store; raises as the store does."""
    node.archive.store(copy.store).remove(Digest(copy.stored))


@contextmanager
def open_package(node: Node, digest: Digest) -> Iterator[Package]:
    """Open a package where it lies, in the first store that has it.

    Raises
    ------
    Unavailable, Damaged
        No store has it now; no copy of it is whole.
    """
    errors: list[GridError] = []
    for copy in usable_copies(node, digest):
        try:
            file = node.archive.store(copy.store).open(stored_of(copy))
        except GridError as error:
            errors.append(error)
            continue
        try:
            package = Package(file)
        except GridError as error:
            file.close()
            errors.append(error)
            continue
        try:
            yield package
        finally:
            file.close()
        return
    raise nowhere(errors, copies_of(node.database, digest))


@contextmanager
def local_package(node: Node, digest: Digest, folder: Path) -> Iterator[tuple[Package, Path]]:
    """Fetch a package into a folder, whole and compared with its digest; give it open, and where it lies.

    A copy that is not what was archived is noted and shown, and the next one is taken.

    Raises
    ------
    Unavailable, Damaged
        As `open_package`.
    """
    path, errors = folder / "package.zip", list[GridError]()
    for copy in usable_copies(node, digest):
        store = node.archive.store(copy.store)
        try:
            _fetch(store, copy, path)
        except Damaged as error:
            note_copy(node, copy, DAMAGED, error)
            errors.append(error)
            continue
        except NotFound as error:
            note_copy(node, copy, GONE, error)
            errors.append(error)
            continue
        except GridError as error:
            errors.append(error)
            continue
        with FileSource(path) as source:
            yield Package(source), path
        return
    raise nowhere(errors, copies_of(node.database, digest))


def spoiled_copies(node: Node, digest: Digest) -> list[CopyRow]:
    """Compare all copies of a package that count as whole; note those that are not, and give them."""
    spoiled = []
    for copy in usable_copies(node, digest):
        try:
            verify_copy(node.archive.store(copy.store), stored_of(copy), node.clock)
        except Damaged as error:
            note_copy(node, copy, DAMAGED, error)
            spoiled.append(copy)
        except GridError:  # away: it says nothing of the copy
            continue
    return spoiled


def copy_row(copy: CopyRow) -> Statement:
    """Give the statement that says where a copy lies, in place of what was known of that store's."""
    return Statement(
        "INSERT INTO package_copy (digest, store, stored, bytes, wrapped_key, state, verified_at)"
        " SELECT ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM archived WHERE digest = ?)"
        " ON CONFLICT (digest, store) DO UPDATE SET stored = excluded.stored,"
        " bytes = excluded.bytes, wrapped_key = excluded.wrapped_key, state = excluded.state,"
        " verified_at = excluded.verified_at",
        (
            copy.digest,
            copy.store,
            copy.stored,
            copy.bytes,
            copy.wrapped_key,
            copy.state,
            copy.verified_at,
            copy.digest,
        ),
        expect=1,
        refusal="Keeping a copy was refused: its study was deleted meanwhile.",
    )


def mend_copies(node: Node, digest: Digest) -> tuple[str, ...]:
    """Put a package into each store that has no verified copy of it, from one that has; give those stores.

    Raises
    ------
    Unavailable, Damaged
        No store has it whole, or one does not take it; what was put until then is written down.
    """
    before = {copy.store: copy for copy in copies_of(node.database, digest)}
    verified = verified_stores(before.values())
    lacking = [store for store in node.archive.stores if store.name not in verified]
    if not lacking:
        return ()
    with node.archive.work_folder(node.clock) as folder, local_package(node, digest, folder) as (_, path):
        for store in lacking:
            copy = put_copy(node, store, digest=digest, file=path, believed=planted("heal-unverified"))
            try:
                node.write([copy_row(copy), _healed(node, copy)])
            except Conflict:
                remove_copy(node, copy)
                raise
            failpoint("copy-mended")
            old = before.get(store.name)
            if old is not None and old.stored != copy.stored:
                with suppress(GridError):  # `verify` names one that stays
                    remove_copy(node, old)
    return tuple(store.name for store in lacking)


def note_copy(node: Node, copy: CopyRow, state: str, error: GridError) -> None:
    """Write down that a copy is not what it was, and show it to the administrator once."""
    row = Statement(
        "UPDATE package_copy SET state = ? WHERE digest = ? AND store = ? AND state <> ?",
        (state, copy.digest, copy.store, state),
        expect=1,
    )
    shown = node.problem(
        "archive-copy",
        about=copy_subject(copy),
        detail=error.message,
        cause=Cause(node.new_id()),
    )
    found = Statement(
        "INSERT INTO damage (subject, found_at, tier, pack, digest, state) VALUES (?, ?, 'archive', '', ?, 'found')"
        " ON CONFLICT DO NOTHING",
        (copy_subject(copy), node.now(), copy.digest),
    )
    with suppress(GridError):
        node.write([row, found, *shown])


def copy_subject(copy: CopyRow) -> str:
    """Name a copy in tables of what was found."""
    return f"store/{copy.store}/{copy.digest}"


def _healed(node: Node, copy: CopyRow) -> Statement:
    return Statement(
        "UPDATE damage SET state = 'healed', ended_at = ? WHERE subject = ? AND state <> 'healed'",
        (node.now(), copy_subject(copy)),
    )


def stored_of(copy: CopyRow) -> Stored:
    """Give a copy as its store knows it."""
    return Stored(
        package=copy.digest,
        stored_name=Digest(copy.stored),
        size_bytes=copy.bytes,
        wrapped_key=copy.wrapped_key,
    )


def usable_copies(node: Node, digest: Digest) -> list[CopyRow]:
    """Give verified copies in the order of the configuration's stores."""
    order = {store.name: n for n, store in enumerate(node.archive.stores)}
    copies = [
        copy for copy in copies_of(node.database, digest) if copy.state == VERIFIED and copy.store in order
    ]
    return sorted(copies, key=lambda copy: order[copy.store])


def nowhere(errors: Sequence[GridError], copies: Sequence[CopyRow]) -> GridError:
    """Make the error of a package that no copy gives: it is lost, or away."""
    if all(isinstance(error, Damaged | NotFound) for error in errors) and (errors or _is_lost(copies)):
        said = errors[0].message if errors else "Look at the stores."
        return Damaged(f"Reading a package failed: no copy of it is whole. {said}")
    said = errors[0].message if errors else "No verified copy is known. Run 'meridian verify'."
    return Unavailable(f"Reading a package was put off: no store has it now. {said}")


def _fetch(store: ArchiveStore, copy: CopyRow, path: Path) -> None:
    hash_ = hashlib.sha256()
    with path.open("wb") as file:
        for piece in store.read_back(stored_of(copy)):
            hash_.update(piece)
            file.write(piece)
    _compare(hash_.hexdigest(), copy.digest, store)


def _is_lost(copies: Sequence[CopyRow]) -> bool:
    """Say whether every copy that there was is known to be spoiled."""
    return bool(copies) and not verified_stores(copies)


def _compare(found: str, expected: Digest, store: ArchiveStore) -> None:
    if found != expected:
        raise Damaged(
            f"Reading a package from archive store {store.name!r} failed: it is not what was put there."
            " Check the store; another copy is used."
        )
