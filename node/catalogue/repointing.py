"""Rows that come to mean another pack, in one batch, and the packs that no row means from then on.

Who holds a row that is older looks it up once more (`fresh`), for ten minutes; then the old pack goes (`moving`).
"""

from __future__ import annotations

from collections.abc import Sequence

from node.clock import MINUTE, Micros
from node.database.port import Statement
from node.errors import Conflict
from node.failpoints import failpoint, planted
from node.node import Node
from node.store.merging import MergedPack

RETIRED_FOR: Micros = 10 * MINUTE
"""So long an old pack stays for those who hold a row that means it."""


def move_rows(node: Node, merged: MergedPack, statements: Sequence[Statement]) -> None:
    """Write the batch by which rows come to mean a new pack; among it is the pack's cursor, at its end.

    Raises
    ------
    Conflict
        A row was moved meanwhile: the pack is gone, and nothing was changed.
    """
    try:
        done = node.write(statements, key=write_key(merged.name))
    except Conflict:
        merged.drop()
        raise
    except BaseException:
        merged.release()  # whether it was written, `settle_merges` finds out
        raise
    failpoint("merge-moved")
    if done.repeated:
        merged.release()
        return
    merged.keep()


def retire(node: Node, pack: str, successor: str, *, again: bool = False) -> list[Statement]:
    """Give the statements that let a pack go in ten minutes; refused while a row means it.

    Parameters
    ----------
    successor
        The pack that has its records now, or the name that rows have in the archive.
    """
    due = node.now() + (0 if planted("merge-unlink-early") else RETIRED_FOR)
    let_go = Statement(
        "INSERT INTO retired_pack (pack, successor, due) SELECT ?, ?, ?"
        " WHERE NOT EXISTS (SELECT 1 FROM online_instance WHERE pack = ?)"
        + (" ON CONFLICT (pack) DO UPDATE SET successor = excluded.successor" if again else ""),
        (pack, successor, due, pack),
        expect=1,
        refusal="Merging packs was refused: a row means one of them still. Read them again.",
    )
    hand_on = Statement("UPDATE retired_pack SET successor = ? WHERE successor = ?", (successor, pack))
    return [let_go, hand_on]


def write_key(pack: str) -> str:
    """Name the batch by which rows come to mean a new pack."""
    return f"merge/{pack}"
