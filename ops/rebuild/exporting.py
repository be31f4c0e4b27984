"""What the index of a node says, as canonical lines: two that say the same are equal byte for byte.

A line is a row, canonical JSON with its table. Names that mean something on this machine alone are replaced by what they
hold: of a place in a pack only the tier is left, beside the digest of what lies there, and for the archive the package.
When somebody looked at something last is no word of the index, nor how long a claim was renewed, nor how often a report was
sent that has not arrived.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.archive.archived import is_archived, peek_archived_pack
from node.canonical import canonical_json
from node.database.port import Row, text
from node.node import Node
from node.store.directory import is_damaged
from ops.findings import pages
from ops.rebuild.tables import EXPORTED

_LEFT_OUT = {
    "instance": {"pack", "offset", "data_offset"},
    "archived": {"pack"},
    "package_copy": {"verified_at", "wrapped_key"},
    "text": {"at"},
    "problem": {"at", "seen_at"},
    "claim": {"until"},
    "delivery": {"state", "attempts", "next_at", "last_error"},
}


def export_index(node: Node) -> Iterator[str]:
    """Give every row of what can be rebuilt, table by table in the order of its key."""
    for table, key in EXPORTED.items():
        rows = _instances(node) if table == "instance" else pages(node.database, table, columns="*", key=key)
        for row in rows:
            left = {name: value for name, value in row.items() if name not in _LEFT_OUT.get(table, ())}
            yield canonical_json({"table": table, **left, **_held(node, table, row)})


def _instances(node: Node) -> Iterator[Row]:
    """Give the instances of all studies, study by study: those that lie in the archive alone have no order of their own."""
    sql = "SELECT * FROM instance WHERE origin = ? AND study_uid = ? ORDER BY sop_uid, digest"
    for study in pages(node.database, "study", columns="origin, study_uid", key=("origin", "study_uid")):
        yield from node.database.read(sql, (study["origin"], study["study_uid"]))


def _held(node: Node, table: str, row: Row) -> dict[str, str | bool]:
    """Say what names that were left out stand for."""
    if table == "package_copy":
        return {"sealed": bool(row["wrapped_key"])}
    if table != "instance":
        return {}
    pack = text(row, "pack")
    if is_archived(pack):
        archived = peek_archived_pack(node.database, pack)
        return {"lies": "" if archived is None else archived.digest}
    return {"lies": "damaged" if is_damaged(pack) else "online"}
