"""A node of many small studies in two tiers and two stores, bytes of it spoiled by chance, and everything read as it should be.

``python -m tests.kit.scrubbing FOLDER`` scrubs such a node once, as a process that can be killed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from node.archive.archived import copies_of, is_archived, peek_archived
from node.archive.archiving import archive_study
from node.archive.copies import stored_of
from node.archive.expiring import expire_study
from node.archive.package.reading import Package
from node.archive.scrub.scrubbing import Scrubbed, scrub_all
from node.catalogue.fresh import read_fresh
from node.catalogue.moving import RETIRED_FOR, retire_packs, settle_merges
from node.catalogue.search import InstanceRow, instances_of
from node.clock import SystemClock
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.archived_kinds import ct, picture, words
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.merging import associate, complete, ingest

STORES = 2
SLICES = 3
SWAPPED_BYTES = 64
KINDS = ("flip", "cut", "swap")


def hold_studies(node: Node, count: int) -> list[StudyKey]:
    """Receive, complete and archive studies of few slices."""
    keys = [StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(f"2.25.7.{n}")) for n in range(1, count + 1)]
    for key in keys:
        associate(node, *(_slice(key.study_uid, n) for n in range(1, SLICES + 1)))
    ingest(node)
    for key in keys:
        complete(node, key)
        archive_study(node, origin=key.origin, study_uid=key.study_uid)
    return keys


def leave_to_archive(node: Node, clock: FrozenClock, keys: Sequence[StudyKey]) -> None:
    """Let online copies go, and their packs."""
    for key in keys:
        expire_study(node, key, reason="age")
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)


def rows_of(node: Node, key: StudyKey) -> list[InstanceRow]:
    return instances_of(node.database, key, chosen_only=False)


def pack_of(node: Node, key: StudyKey) -> Path | None:
    """Give the pack of a study; None while it lies in the archive alone."""
    packs = {row.pack for row in rows_of(node, key) if not is_archived(row.pack)}
    return node.packs.path(packs.pop()) if packs else None


def copy_of(node: Node, key: StudyKey, store: int) -> Path:
    """Give the file of a study's package in a store."""
    archived = peek_archived(node.database, key)
    assert archived is not None
    return node.archive.folder / f"store-{store}" / archived.digest[:2] / archived.digest


def spoil(path: Path, random: Random) -> str:
    """Spoil a file in one of the ways that disks do; say how."""
    raw = path.read_bytes()
    while (spoiled := _spoiled(raw, kind := random.choice(KINDS), random)) == raw:
        pass
    path.write_bytes(spoiled)
    return f"{kind} of {path.name}"


def read_online(node: Node, keys: Sequence[StudyKey]) -> dict[tuple[str, str], str]:
    """Give the digest of each instance as a file, as whoever serves it reads it; what lies in the archive is left there."""
    return {
        (row.sop_uid, row.digest): hashlib.sha256(
            read_fresh(node, row, lambda row: node.packs.read_file(row.location))
        ).hexdigest()
        for key in keys
        for row in rows_of(node, key)
        if not is_archived(row.pack)
    }


def read_packages(node: Node, keys: Sequence[StudyKey]) -> list[dict[tuple[str, str], str]]:
    """Give the digest of each instance as a file, as each store's copy of its package has it."""
    found: list[dict[tuple[str, str], str]] = [{} for _ in range(STORES)]
    for key in keys:
        archived = peek_archived(node.database, key)
        assert archived is not None
        for n, copy in enumerate(
            sorted(copies_of(node.database, archived.digest), key=lambda copy: copy.store)
        ):
            file = node.archive.store(copy.store).open(stored_of(copy))
            package = Package(file)
            for number, _, each in package.manifest.numbered():
                original = hashlib.sha256(b"".join(package.original(number))).hexdigest()
                found[n][each.sop_uid, each.digest] = original
            file.close()
    return found


def _slice(study_uid: str, n: int) -> bytes:
    return ct(
        words(picture(12, seed=n + 100 * int(study_uid.rpartition(".")[2]))),
        change={
            0x0020000D: ("UI", study_uid),
            0x0020000E: ("UI", f"{study_uid}.1"),
            0x00080018: ("UI", f"{study_uid}.1.{n}"),
            0x00200013: ("IS", str(n)),
        },
    ).data_set


def _spoiled(raw: bytes, kind: str, random: Random) -> bytes:
    spoiled = bytearray(raw)
    if kind == "flip":
        spoiled[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    elif kind == "cut":
        del spoiled[random.randrange(len(raw)) :]
    else:
        one, other = (random.randrange(len(raw) - SWAPPED_BYTES) for _ in range(2))
        if abs(one - other) >= SWAPPED_BYTES:
            spoiled[one : one + SWAPPED_BYTES] = raw[other : other + SWAPPED_BYTES]
            spoiled[other : other + SWAPPED_BYTES] = raw[one : one + SWAPPED_BYTES]
    return bytes(spoiled)


def scrub(node: Node) -> Scrubbed:
    """Scrub everything once."""
    return scrub_all(node, lambda _: None)


def main(arguments: Sequence[str]) -> None:
    node = two_stores(Path(arguments[0]), SystemClock())
    settle_merges(node)
    scrub(node)
    node.archive.close()
    node.close()


if __name__ == "__main__":
    main(sys.argv[1:])
