"""What leaves goes through `node.catalogue.exits`: nobody else opens packs for what a device or a person gets."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READS = re.compile(
    r"packs\.path\(|read_data_set\(|stored_region\(|stored_whole\(|stored_beginning\(|packs\.marked\("
)
MAY = {
    "node/catalogue/arrivals.py": "registration reads what came",
    "node/catalogue/deriving.py": "the index reads what an earlier version did not keep",
    "node/catalogue/contents.py": "contents are compared as they are stored",
    "node/catalogue/rejection_notes.py": "a device's note is read",
    "node/catalogue/speaking.py": "whoever chooses sees what each content says itself",
    "node/archive/archiving.py": "packages hold stored bytes; corrections stay rows",
    "node/archive/scrub/examining.py": "bytes are compared with their digests",
    "node/archive/deletion/erasing.py": "whether a pack of a deleted study is gone",
    "node/archive/deletion/strays.py": "whose a pack is that no row means, before it goes",
    "node/archive/lifecycle/fullness.py": "sizes of packs",
    "node/archive/scrub/healing.py": "whole records of a damaged pack are copied byte for byte",
    "node/catalogue/moving.py": "packs are merged byte for byte",
    "node/archive/recall/key_images.py": "what a study's own key objects list",
    "node/archive/orphans.py": "whether packs are there",
    "node/catalogue/superfluous.py": "records of packs that no row means are looked for elsewhere",
    "node/catalogue/crowding.py": "sizes of packs",
    "node/catalogue/stored.py": "where bytes lie",
    "node/catalogue/exits.py": "the exits",
    "web/dicomweb/places.py": "frames: pixel data alone",
    "web/dicomweb/pictures.py": "pictures: pixel data alone; what is written on them comes from the exits",
    "federation/parts.py": "peers get stored bytes, and the overlay beside them",
    "federation/sealing.py": "peers get stored bytes, and the overlay beside them",
    "actors/ingest.py": "the index follows the packs",
    "actors/completion.py": "the index follows the packs",
    "ops/backup/packs.py": "a backup holds stored bytes, and the rows beside them",
    "ops/rebuild/records.py": "the index is written again",
    "ops/verify_packs.py": "bytes are compared with their digests",
}
"""Who reads packs, and why that is no exit."""


def strays(source: str, name: str) -> list[str]:
    return [] if name in MAY else READS.findall(source)


def test_no_exit_reads_packs_around_the_overlay() -> None:
    found = {}
    for package in ("node", "federation", "actors", "web", "ops"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith("node/store/") and "node_modules" not in name:
                found[name] = strays(path.read_text(), name)
    assert {name: calls for name, calls in found.items() if calls} == {}
    assert set(MAY) <= found.keys()


def test_a_planted_exit_around_the_overlay_is_caught() -> None:
    assert strays("pieces = [stored_region(node, row)]", "web/dicomweb/uri.py")
    assert strays("node.packs.read_data_set(row.location)", "node/dimse/retrieve_scp.py")
