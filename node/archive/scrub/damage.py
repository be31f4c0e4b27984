"""Records known to be damaged, as rows: from the batch that notes one on, its row means a name under which no bytes lie.

So whoever reads it looks the row up once more (`node.catalogue.fresh`), and there it is healed first or refused, as one that
lies in the archive is brought first; where nothing is damaged, this costs a reader nothing. Not protected is who reads a
byte that flipped since its record was last compared: online records are served as they lie. Nor who has opened it already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from node.archive.scrub.examining import examine
from node.archive.scrub.rotation import BROKEN, begun_at, enrolled
from node.catalogue.search import InstanceRow
from node.database.port import Statement, read_as, text
from node.errors import Damaged
from node.failpoints import planted
from node.names import Cause, StudyKey
from node.node import Node
from node.store.directory import damaged_name

FOUND, HEALED, LOST = "found", "healed", "lost"
_LISTED = 20


def note_damage(node: Node, pack: str, rows: Sequence[InstanceRow], words: str) -> None:
    """Write down that records of a pack are damaged, or its frame, and show it once; from here on none of them is served.

    Raises
    ------
    Conflict
        A row was moved meanwhile: nothing was written; look again.
    """
    statements = [
        enrolled(node, pack, verified_at=begun_at(pack)),
        Statement("UPDATE scrubbed SET state = ?, position = 0 WHERE pack = ?", (BROKEN, pack)),
    ]
    for row in rows:
        statements.append(_found(node, row))
        if not planted("damaged-served"):
            statements.append(moved(row, damaged_name(row.pack), row.offset, row.data_offset))
    detail = (
        f"Comparing pack {pack} found {len(rows)} records that are not what was received ({words.rstrip('.')})."
        " They are put right from the archive where it has them. Check the disk."
    )
    node.write([*statements, *_shown_once(node, "damaged-record", f"pack/{pack}", detail)])


def look_at(node: Node, pack: str) -> bool:
    """Compare all of a pack that somebody could not read, now; say whether it is damaged, which is noted.

    Raises
    ------
    Conflict, Unavailable
        As `note_damage` and `examine`.
    """
    found = examine(node, pack, after=0, most_bytes=1 << 62)
    if found.words:
        note_damage(node, pack, found.damaged, found.words)
    return bool(found.words)


def moved(row: InstanceRow, pack: str, offset: int, data_offset: int) -> Statement:
    """Give the statement by which a row comes to mean another place, unless it was moved meanwhile."""
    return Statement(
        "UPDATE online_instance SET pack = ?, offset = ?, data_offset = ? WHERE origin = ? AND study_uid = ?"
        " AND sop_uid = ? AND digest = ? AND pack = ? AND offset = ?",
        (
            pack, offset, data_offset, row.origin, row.study_uid, row.sop_uid, row.digest, row.pack, row.offset,
        ),
        expect=1,
        refusal="Healing a pack was refused: one of its rows was moved meanwhile. It is tried again.",
    )  # fmt: skip


def healed(node: Node, rows: Iterable[InstanceRow]) -> list[Statement]:
    """Give the statements that say that damaged records were put right."""
    return _ended(node, rows, HEALED)


def lost(node: Node, pack: str, rows: Sequence[InstanceRow]) -> list[Statement]:
    """Give the statements that say that nothing whole is left of records, and list them once."""
    key = f"{rows[0].origin}/{rows[0].study_uid}"
    listed = ", ".join(row.sop_uid for row in rows[:_LISTED])
    more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    detail = (
        f"Healing pack {pack} failed: no whole copy is left of {len(rows)} instances of study {key}: {listed}{more}."
        " They are not served. Have them sent again by their device or fetch them from a peer; what is left of the pack"
        " lies in packs/damaged."
    )
    return [*_ended(node, rows, LOST), *_shown_once(node, "scrub-lost", f"pack/{pack}", detail)]


def lost_package(node: Node, key: StudyKey, digest: str, instances: int) -> list[Statement]:
    """Give the statements that say, once, that no copy of a package is whole whose instances lie in it alone."""
    detail = (
        f"Healing package {digest[:16]} of study {key.origin}/{key.study_uid} failed: no store has a whole copy, and"
        f" {instances} instances lie in it alone. They are not served. Bring back a store's file from its backup, have them"
        " sent again by their device, or fetch them from a peer."
    )
    state = Statement(
        "UPDATE damage SET state = ? WHERE tier = 'archive' AND digest = ? AND state = ?",
        (LOST, digest, FOUND),
    )
    return [state, *_shown_once(node, "scrub-lost", f"package/{digest}", detail)]


def sent_again(node: Node) -> Statement:
    """Give the statement that ends the damage of records that came again, or whose study lies in the archive alone now."""
    return Statement(
        "UPDATE damage SET state = ?, ended_at = ? WHERE tier = 'online' AND state IN (?, ?) AND NOT EXISTS"
        " (SELECT 1 FROM online_instance AS one WHERE one.origin = damage.origin AND one.study_uid = damage.study_uid"
        " AND one.sop_uid = damage.sop_uid AND one.digest = damage.digest AND (one.pack LIKE 'damaged-%'"
        " OR one.pack = damage.pack))",
        (HEALED, node.now(), FOUND, LOST),
    )


def packs_to_heal(node: Node) -> list[str]:
    """Give packs whose rows are to be moved away, and those that records are to be put right of."""
    rows = node.database.read(
        "SELECT pack FROM (SELECT pack FROM scrubbed WHERE state = ? UNION"
        " SELECT pack FROM damage WHERE tier = 'online' AND state = ?)"
        " WHERE NOT EXISTS (SELECT 1 FROM scrub_later WHERE subject = 'pack/' || pack AND until > ?) ORDER BY pack",
        (BROKEN, FOUND, node.now()),
    )
    return [text(row, "pack") for row in rows]


def packs_of_study(node: Node, key: StudyKey) -> list[str]:
    """Give packs in which records of a study were found damaged, and not put right or given up yet."""
    rows = node.database.read(
        "SELECT DISTINCT pack FROM damage WHERE origin = ? AND study_uid = ? AND state = ?",
        (key.origin, key.study_uid, FOUND),
    )
    return [text(row, "pack") for row in rows]


def rows_apart(node: Node, pack: str) -> list[InstanceRow]:
    """Give the rows whose records in a pack are known to be damaged."""
    sql = "SELECT * FROM online_instance WHERE pack = ? ORDER BY offset"
    return read_as(node.database, InstanceRow, sql, (damaged_name(pack),))


def refusal() -> Damaged:
    """Give what whoever reads a record is told of which nothing whole is left."""
    return Damaged(
        "Reading an instance failed: its record is damaged, and no whole copy of it is here now. The list of problems"
        " says what to do."
    )


def _found(node: Node, row: InstanceRow) -> Statement:
    return Statement(
        "INSERT INTO damage (subject, found_at, tier, pack, origin, study_uid, sop_uid, digest, state)"
        " VALUES (?, ?, 'online', ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            f"pack/{row.pack}/{row.offset}", node.now(), row.pack, row.origin, row.study_uid, row.sop_uid,
            row.digest, FOUND,
        ),
    )  # fmt: skip


def _ended(node: Node, rows: Iterable[InstanceRow], state: str) -> list[Statement]:
    return [
        Statement(
            "UPDATE damage SET state = ?, ended_at = ? WHERE origin = ? AND study_uid = ? AND sop_uid = ?"
            " AND digest = ? AND tier = 'online' AND state <> ?",
            (state, node.now(), row.origin, row.study_uid, row.sop_uid, row.digest, HEALED),
        )
        for row in rows
    ]


def _shown_once(node: Node, kind: str, about: str, detail: str) -> list[Statement]:
    shown = node.database.read(
        "SELECT 1 AS shown FROM problem WHERE kind = ? AND subject = ? AND seen_at IS NULL LIMIT 1",
        (kind, about),
    )
    if shown:
        return []
    cause = Cause(node.new_id())
    if kind == "scrub-lost":
        return node.problem("scrub-lost", about=about, detail=detail, cause=cause)
    return node.problem("damaged-record", about=about, detail=detail, cause=cause)
