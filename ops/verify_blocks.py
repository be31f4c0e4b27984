"""Signed blocks: each against its file, the block before it, the journal, and the keys that the node has had.

What was altered since it was sealed is named even when the digest beside it was
altered to fit. Records that no block covers yet are the unsealed tail, which `counts` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from federation.heads import read_head
from federation.statements import KeysRotated, NodeAdmitted, SignedStatement, founding_key, read_statement
from node.clock import SECOND, Micros
from node.database.port import convert_row, text
from node.errors import Damaged, GridError, NotFound
from node.journal.blocks import (
    NONE_BEFORE,
    Block,
    BlockRow,
    block_path,
    check_signature,
    read_block_file,
    remake_block,
)
from node.journal.chain import COLUMNS, blocks_folder, file_numbers, records_of
from node.node import Node
from ops.findings import Finding, lasting, pages

_FROM_BACKUP = "restore the database from the backup and compare"
_FILE_AGAIN = (
    "restore it from the backup, or take it away: it is made again from the journal if that is whole"
)
_WHO = "find out who wrote it; restore the database and the blocks from the backup, and compare"
GRACE: Micros = 24 * 3600 * SECOND
"""How long after the root replaced a key a block may still bear it: the news travels, and clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKey:
    """A signing key that the node has had."""

    verify_key: str
    until: Micros | None
    """When the root replaced it; None for one that counts."""


def verify_blocks(node: Node) -> Iterator[Finding]:
    """Every block: its file, its place in the chain, its signature, and the records that it covers."""
    keys = keys_of(node)
    before: BlockRow | None = None
    for found in pages(node.database, "block", columns=COLUMNS, key=("n",)):
        row = convert_row(found, BlockRow)
        yield from _gone(row, before)
        for what, todo in _faults(node, row, before=before, keys=keys):
            yield Finding(where=f"block {row.n}", what=what, todo=todo)
        before = row
    yield from _told(node)
    for what in lasting(lambda: _without_row(node)):
        yield Finding(where=what, what="no row knows this file", todo=_WHO)


def keys_of(node: Node) -> list[NodeKey]:
    """Give the signing keys that the node has, or by the roster has had."""
    given: list[tuple[Micros, str]] = []
    try:
        rows = node.database.read("SELECT body, signature FROM roster_statement ORDER BY n")
        statements = [
            SignedStatement(body=text(row, "body"), signature=text(row, "signature")) for row in rows
        ]
        for signed in statements:
            said = read_statement(signed, founding_key(statements[0]))
            if isinstance(said.act, NodeAdmitted | KeysRotated) and said.act.node == node.id:
                given.append((said.at, said.act.keys.verify_key))
    except GridError:
        given = []  # `verify_roster` names it; the node's own key counts still
    ends: list[Micros | None] = [*(at for at, _ in given[1:]), None]
    lives: dict[str, Micros | None] = {}
    for (_, key), until in zip(given, ends[: len(given)], strict=True):
        lives[key] = until  # said again, as with new encryption keys, it lives on
    lives.setdefault(node.keys.verify_key, None)
    return [NodeKey(verify_key=key, until=until) for key, until in lives.items()]


def _gone(row: BlockRow, before: BlockRow | None) -> Iterator[Finding]:
    expected = 1 if before is None else before.n + 1
    if row.n != expected:
        yield Finding(
            where=f"blocks {expected} to {row.n - 1}", what="their rows are gone", todo=_FROM_BACKUP
        )


def _faults(
    node: Node, row: BlockRow, *, before: BlockRow | None, keys: list[NodeKey]
) -> Iterator[tuple[str, str]]:
    """Give what is wrong with a block, and what to do."""
    block: Block | None = None
    try:
        block = read_block_file(block_path(blocks_folder(node), row.n))
    except (Damaged, NotFound) as error:
        yield f"its file cannot be used ({error})", _FILE_AGAIN
    if block is not None:
        for name, (here, there) in _differences(row, block.row).items():
            yield f"{name} by its row: {here}, by its file: {there}", _WHO
        if block.header.origin != node.id:
            yield f"its file is of node {block.header.origin}", _WHO
    if (before is None or before.n == row.n - 1) and row.previous != (
        NONE_BEFORE if before is None else before.digest
    ):
        yield "it does not follow the block before it", _WHO
    if row.first_seq != (1 if before is None else before.last_seq + 1):
        yield (
            f"it begins with record {row.first_seq}, not with the one that follows the block before it",
            _WHO,
        )
    if unknown := key_fault(row, keys):
        yield unknown, _WHO
    yield from _record_faults(node, row, block)


def _differences(row: BlockRow, block: BlockRow) -> dict[str, tuple[object, object]]:
    here, there = asdict(row), asdict(block)
    return {name: (here[name], there[name]) for name in here if here[name] != there[name]}


def key_fault(row: BlockRow, keys: list[NodeKey]) -> str:
    """Say what is wrong with the key that signed a block; empty when it is one that the node had then."""
    key = next((key for key in keys if key.verify_key == row.verify_key), None)
    if key is None:
        return "it is signed by a key that this node never had"
    if key.until is not None and row.at > key.until + GRACE:
        return "it is signed by a key that had been replaced by then"
    return ""


def _record_faults(node: Node, row: BlockRow, block: Block | None) -> Iterator[tuple[str, str]]:
    """Hold the journal against the block: record by record where its file can be read, else as a whole."""
    here = records_of(node, row if block is None else block.row)
    if block is None:
        try:
            check_signature(remake_block(row, here, origin=node.id).header, row.signature)
        except Damaged as error:
            yield f"the journal is not what was sealed ({error})", _FROM_BACKUP
        return
    left = {record.seq: record for record in here}
    for record in block.records:
        if left.get(record.seq) != record:
            how = "is not the one that was sealed" if record.seq in left else "is gone"
            yield f"record {record.seq} ({record.type} of {record.subject}) {how}", _FROM_BACKUP


def _told(node: Node) -> Iterator[Finding]:
    """Hold the blocks that peers were told of, as the outbox has kept it, against those that are here."""
    for said in node.database.read("SELECT DISTINCT head FROM outbox WHERE head > '' ORDER BY head"):
        head = read_head(text(said, "head"))
        if head is None:
            continue  # not the message that was sealed: `verify_outbox` names it
        rows = node.database.read("SELECT digest FROM block WHERE n = ?", (head.n,))
        if not rows or rows[0]["digest"] != head.digest:
            what = "peers were told of another one" if rows else "peers were told of it, and it is gone"
            yield Finding(where=f"block {head.n}", what=what, todo=_WHO)


def _without_row(node: Node) -> list[str]:
    """Give the files that no row knows, but for the one that a running node is about to give its row."""
    rows = {row["n"] for row in node.database.read("SELECT n FROM block")}
    top = max((int(str(n)) for n in rows), default=0)
    strays = sorted(n for n in file_numbers(node) if n not in rows)
    return [block_path(blocks_folder(node), n).name for n in strays if not _waits(node, n, top=top)]


def _waits(node: Node, n: int, *, top: int) -> bool:
    """Say whether a file says what the journal says, and only its row is still to come."""
    if n != top + 1:
        return False
    try:
        block = read_block_file(block_path(blocks_folder(node), n))
    except GridError:
        return False
    return records_of(node, block.row) == list(block.records)
