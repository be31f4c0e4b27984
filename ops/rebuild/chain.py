"""Which blocks of a node's journal count, and why those behind them do not.

A block counts when it is whole, follows the one before it, and it or a later one that follows it is signed by a key the
node is known to have had: each block names the digest of the one before, so a signature that is known vouches for all that
stands before it. A key that was replaced may be known by the roster alone, which goes with the database.

Of a block whose file is gone or altered the row and the records of an old database do, if they are what was signed.
Behind the first block that cannot be had nothing counts: a journal with a hole is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.database.port import convert_row
from node.database.salvage import OldDatabase
from node.errors import Damaged, GridError, NotFound
from node.failpoints import planted
from node.journal.blocks import (
    NONE_BEFORE,
    Block,
    BlockRow,
    block_number,
    block_path,
    check_signature,
    read_block_file,
    remake_block,
)
from node.journal.chain import COLUMNS
from node.journal.records import Record
from node.names import NodeId
from ops.verify_blocks import NodeKey, key_fault

_RECORD = "seq, at, origin, type, subject, version, cause, body, digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The blocks that count: 1 to the last of ``rows``."""

    rows: tuple[BlockRow, ...]
    fault: str
    """Why the next one does not count; empty when there is none."""

    @property
    def last(self) -> BlockRow | None:
        return self.rows[-1] if self.rows else None


class Blocks:
    """Blocks as they can be had: from files, else from an old database."""

    def __init__(self, folder: Path, origin: NodeId, old: OldDatabase | None) -> None:
        self._folder = folder
        self._origin = origin
        self._old = old

    def get(self, n: int) -> Block:
        """Give block ``n``, whole and signed by the key that it names.

        Raises
        ------
        NotFound, Damaged, Unavailable
            It cannot be had.
        """
        try:
            return read_block_file(block_path(self._folder, n))
        except (NotFound, Damaged):
            block = self._remade(n)
            if block is None:
                raise
            return block

    def top(self) -> int:
        """Give the highest number of which there is a trace."""
        files = [block_number(path) or 0 for path in self._folder.iterdir()] if self._folder.is_dir() else []
        rows = [] if self._old is None else _read(self._old, "SELECT max(n) AS n FROM block")
        return max([0, *files, *(int(str(row["n"])) for row in rows if row["n"] is not None)])

    def _remade(self, n: int) -> Block | None:
        if self._old is None:
            return None
        try:
            rows = self._old.read(f"SELECT {COLUMNS} FROM block WHERE n = ?", (n,))
            if not rows:
                return None
            row = convert_row(rows[0], BlockRow)
            block = remake_block(
                row, records_between(self._old, row.first_seq, row.last_seq), origin=self._origin
            )
            check_signature(block.header, block.signature)
        except GridError:
            return None
        return block


def read_chain(blocks: Blocks, *, origin: NodeId, keys: list[NodeKey]) -> Chain:
    """Look at each block in turn, and say which count; none is held in memory but its row."""
    rows: list[BlockRow] = []
    fault, known = "", 0
    for n in range(1, blocks.top() + 1):
        try:
            block = blocks.get(n)
        except GridError as error:
            fault = f"block {n} cannot be had ({error.message.rstrip('.')})"
            if planted("rebuild-believes-gaps"):
                continue
            break
        if fault := _misfit(block, rows[-1] if rows else None, origin=origin):
            break
        rows.append(block.row)
        if not key_fault(block.row, keys) or planted("rebuild-believes-keys"):
            known = len(rows)
    if known < len(rows) and not fault:
        fault = f"block {known + 1} is signed by a key that this node is not known to have had"
    return Chain(rows=tuple(rows[:known]), fault=fault)


def records_between(old: OldDatabase, first: int, last: int) -> list[Record]:
    """Give records of an old database's journal by their numbers.

    Raises
    ------
    Damaged
        They cannot be read.
    """
    sql = f"SELECT {_RECORD} FROM journal WHERE seq BETWEEN ? AND ? ORDER BY seq"
    return [convert_row(row, Record) for row in old.read(sql, (first, last))]


def _misfit(block: Block, before: BlockRow | None, *, origin: NodeId) -> str:
    """Say why a block does not follow the one before it; empty when it does."""
    header = block.header
    if header.origin != origin:
        return f"block {header.n} is of node {header.origin}"
    expected = (1, NONE_BEFORE, 1) if before is None else (before.n + 1, before.digest, before.last_seq + 1)
    if (header.n, header.previous, header.first_seq) != expected and not planted("rebuild-believes-gaps"):
        return f"block {header.n} does not follow the block before it"
    return ""


def _read(old: OldDatabase, sql: str) -> list[dict[str, object]]:
    try:
        return [dict(row) for row in old.read(sql)]
    except Damaged:
        return []
