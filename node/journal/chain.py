"""Seals the journal into its chain of blocks: which records are next, and the order of effects that a crash cannot break.

The file is written and synced first, its row second. The row goes in only after the
block that it follows, by compare-and-set, so of two sealers one wins; the rows are the
cursor, and there is no other. A file without a row is what a crash leaves: it becomes
the row's when it says what the journal says, and is set aside when not, as after a
restore of an older database. A file that is gone is made again from its row and records.

The journal is counted inside the transaction that appends, and transactions come one
after the other: what is seen is stable, and a gap is no record to come but one that is
gone. Neither a gap nor an altered record is sealed: a signature must not vouch for it.
A block is no event: it would ask for the next one.
"""

from __future__ import annotations

import logging
from pathlib import Path

from node.canonical import digest_of
from node.clock import MINUTE, Micros
from node.database.port import Database, Statement, integer, read_as
from node.durable import sync_directory
from node.errors import Conflict, Damaged, NotFound, Unavailable
from node.failpoints import failpoint
from node.journal.blocks import (
    NONE_BEFORE,
    Block,
    BlockRow,
    block_number,
    block_path,
    is_whole,
    make_block,
    read_block_file,
    remake_block,
    write_block_file,
)
from node.journal.records import Record
from node.keys.private_files import folder_lock
from node.names import Cause
from node.node import Node

RECORDS = 1_000
"""A block is made when so many records wait; none holds more."""
AGE: Micros = 10 * MINUTE
"""... or when one has waited so long."""
BODY_CHARACTERS = 4_000_000
"""A block that would hold more ends sooner, so that reading one stays cheap."""
COLUMNS = "n, first_seq, last_seq, previous, digest, signature, at, verify_key"
_log = logging.getLogger(__name__)


def blocks_folder(node: Node) -> Path:
    """Give where block files lie, beside the packs."""
    return node.state / "blocks"


def newest_block(database: Database) -> BlockRow | None:
    """Give the chain's head; None before the first block."""
    rows = read_as(database, BlockRow, f"SELECT {COLUMNS} FROM block ORDER BY n DESC LIMIT 1")
    return rows[0] if rows else None


def due_at(node: Node) -> Micros | None:
    """Give when the next block is due; None when no record waits for one."""
    after = _last_seq(newest_block(node.database))
    waiting = node.journal.head() - after
    if waiting <= 0:
        return None
    if waiting >= RECORDS:
        return node.now()
    (row,) = node.database.read("SELECT min(at) AS at FROM journal WHERE seq > ?", (after,))
    return integer(row, "at") + AGE


def seal_next(node: Node, *, early: bool = False) -> BlockRow | None:
    """Make the next block if it is due; gives its row, None when nothing was due.

    Parameters
    ----------
    early
        Whatever waits is due: for whoever stops and will not be there when it is.

    Raises
    ------
    Damaged
        The next record is gone, or not what its digest says; nothing is sealed until it is back.
    Conflict
        Another sealer was first.
    Unavailable
        The disk is full or failing.
    """
    if not _is_due(node, early=early):
        return None
    with folder_lock(_made_folder(node)):
        if adopt_next(node) is not None:
            return newest_block(node.database)
        if not _is_due(node, early=early):
            return None  # another sealer took what was
        before = newest_block(node.database)
        block = make_block(node.keys, _next_records(node, before), after=before, at=node.now())
        write_block_file(block_path(blocks_folder(node), block.header.n), block)
        failpoint("block-written")
        _write_row(node, block, before=before)
    return block.row


def mend(node: Node) -> None:
    """Make files and rows agree after a crash, a restore or a lost file; changes nothing where they do.

    Raises
    ------
    Damaged
        A file that is gone cannot be made again: its row or its records were altered.
    """
    with folder_lock(_made_folder(node)):
        while adopt_next(node) is not None:
            continue
        newest = newest_block(node.database)
        top = 0 if newest is None else newest.n
        numbers = file_numbers(node)
        for n in sorted(number for number in numbers if number > top):
            _set_aside(node, n)
        for row in _rows_without_file(node, numbers, top=top):
            write_block_file(block_path(blocks_folder(node), row.n), _remade(node, row))
            _log.warning("the file of block %d was gone; it was made again from the journal", row.n)


def adopt_next(node: Node) -> Block | None:
    """Give the row to a file that a crash left without one; one that is not the next block is set aside.

    For holders of the folder's lock.
    """
    before = newest_block(node.database)
    n = 1 if before is None else before.n + 1
    try:
        block = read_block_file(block_path(blocks_folder(node), n))
    except NotFound:
        return None
    except Damaged:
        _set_aside(node, n)
        return None
    if not _is_next(node, block, before):
        _set_aside(node, n)
        return None
    _write_row(node, block, before=before)
    return block


def file_numbers(node: Node) -> set[int]:
    """Give the numbers of the block files that are here."""
    folder = blocks_folder(node)
    if not folder.is_dir():
        return set()
    return {number for path in folder.iterdir() if (number := block_number(path)) is not None}


def records_of(node: Node, row: BlockRow) -> list[Record]:
    """Give the journal's records that a block covers; those that are gone are missing here too."""
    found = node.journal.since(row.first_seq - 1, limit=RECORDS)
    return [record for record in found if record.seq <= row.last_seq]


def _is_due(node: Node, *, early: bool) -> bool:
    due = due_at(node)
    return due is not None and (early or due <= node.now())


def _last_seq(block: BlockRow | None) -> int:
    return 0 if block is None else block.last_seq


def _made_folder(node: Node) -> Path:
    folder = blocks_folder(node)
    if not folder.is_dir():
        try:
            folder.mkdir(exist_ok=True)
            sync_directory(folder.parent)
        except OSError as error:
            raise Unavailable(
                f"Making folder {folder} failed ({error.strerror}): see to the disk."
            ) from error
    return folder


def _next_records(node: Node, before: BlockRow | None) -> list[Record]:
    """Give the records of the next block: those that follow without a gap, as many as one may hold."""
    seq, size = _last_seq(before), 0
    chosen: list[Record] = []
    for record in node.journal.since(seq, limit=RECORDS):
        fault = _fault(record, after=seq)
        if fault and not chosen:
            raise Damaged(
                f"Sealing the journal stopped before record {seq + 1}: {fault}. Restore the database from the"
                " backup; until then nothing after it is signed."
            )
        size += len(record.body)
        if fault or (chosen and size > BODY_CHARACTERS):
            break
        chosen.append(record)
        seq = record.seq
    if not chosen:
        raise Conflict("Sealing the journal was refused: another sealer took what was due.")
    return chosen


def _fault(record: Record, *, after: int) -> str:
    if record.seq != after + 1:
        return f"records {after + 1} to {record.seq - 1} are gone"
    return "" if is_whole(record) else "it was altered after it was written"


def _is_next(node: Node, block: Block, before: BlockRow | None) -> bool:
    """Say whether a block that lies here without a row is what would be made of the journal now."""
    header, row = block.header, block.row
    expected = (node.id, node.keys.verify_key, NONE_BEFORE if before is None else before.digest)
    return (
        (header.origin, header.verify_key, header.previous) == expected
        and header.n == (1 if before is None else before.n + 1)
        and header.first_seq == _last_seq(before) + 1
        and records_of(node, row) == list(block.records)
    )


def _write_row(node: Node, block: Block, *, before: BlockRow | None) -> None:
    """Write the row after the block that it follows; the loser's file makes room for the winner's.

    No bell: nobody follows blocks.
    """
    row = block.row
    statement = Statement(
        f"INSERT INTO block ({COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, ?"
        " WHERE coalesce((SELECT digest FROM block ORDER BY n DESC LIMIT 1), '') = ?",
        (
            row.n,
            row.first_seq,
            row.last_seq,
            row.previous,
            row.digest,
            row.signature,
            row.at,
            row.verify_key,
            "" if before is None else before.digest,
        ),
        expect=1,
        refusal=f"Sealing block {row.n} was refused: another sealer was first.",
    )
    try:
        node.database.write([statement], node.new_id())
    except Conflict:
        _give_way(node, row)
        raise
    failpoint("block-rowed")


def _give_way(node: Node, lost: BlockRow) -> None:
    """Put the winner's block in the place of a file that lost; only a sealer on another machine can win."""
    rows = read_as(node.database, BlockRow, f"SELECT {COLUMNS} FROM block WHERE n = ?", (lost.n,))
    if rows and rows[0].digest != lost.digest:
        write_block_file(block_path(blocks_folder(node), lost.n), _remade(node, rows[0]))


def _remade(node: Node, row: BlockRow) -> Block:
    return remake_block(row, records_of(node, row), origin=node.id)


def _rows_without_file(node: Node, numbers: set[int], *, top: int) -> list[BlockRow]:
    missing = [n for n in range(1, top + 1) if n not in numbers]
    found: list[BlockRow] = []
    for n in missing:
        found += read_as(node.database, BlockRow, f"SELECT {COLUMNS} FROM block WHERE n = ?", (n,))
    return found


def _set_aside(node: Node, n: int) -> None:
    """Take away the name of a file that is no block of this chain, and show it; its bytes stay."""
    path = block_path(blocks_folder(node), n)
    aside = path.with_name(f"{path.stem}.{digest_of(path.read_bytes())[:16]}.aside")
    detail = (
        f"Sealing the journal found a file of block {n} that its rows do not know, and that says something else than"
        f" the journal. It was set aside as blocks/{aside.name}. After a restore of an older database it holds what"
        " happened since the backup; otherwise run 'meridian verify' and find out who wrote it."
    )
    path.rename(aside)
    sync_directory(path.parent)
    _log.error(detail)
    node.write(node.problem("block-set-aside", about=f"block/{n}", detail=detail, cause=Cause(node.new_id())))
