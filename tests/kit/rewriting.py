"""A past rewritten by somebody with a shell: records, block files and rows made to fit, as far as that person can."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from node.canonical import digest_of
from node.journal.blocks import PREFIX, Block, Header, block_path, read_block_file
from node.journal.records import record_digest
from node.keys.encoding import from_base64, to_base64
from node.keys.keyfile import read_key_file
from node.keys.signing import new_signing_key, sign, verify_key_of

Sign = Callable[[bytes], str]


def record_changed(state: Path, seq: int) -> None:
    """Change a record and the digest beside it."""
    with sqlite3.connect(state / "meridian.db") as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT * FROM journal WHERE seq = ?", (seq,)).fetchone()
        row = dict(found) | {"cause": "another"}
        digest = record_digest(
            at=row["at"],
            origin=row["origin"],
            type_=row["type"],
            subject=row["subject"],
            version=row["version"],
            cause=row["cause"],
            body=row["body"],
        )
        sql = "UPDATE journal SET cause = ?, digest = ? WHERE seq = ?"
        assert database.execute(sql, (row["cause"], digest, seq)).rowcount == 1


def block_dropped(state: Path, n: int, *, file: bool) -> None:
    """Take a block out of the chain."""
    with sqlite3.connect(state / "meridian.db") as database:
        assert database.execute("DELETE FROM block WHERE n = ?", (n,)).rowcount == 1
    if file:
        block_path(state / "blocks", n).unlink()


def block_forged(state: Path, n: int) -> None:
    """Sign a block anew with a key of one's own, in file and row."""
    private = new_signing_key()
    block = read_block_file(block_path(state / "blocks", n))
    header = replace(block.header, verify_key=verify_key_of(private))
    _put(state, _signed(block, header, private))


def past_rewritten(state: Path, n: int) -> None:
    """Change a record and the block that holds it, signed by the node's own key, as whoever took the machine can."""
    private = from_base64(read_key_file(state / "keys").signing)
    block = read_block_file(block_path(state / "blocks", n))
    record_changed(state, block.header.first_seq)
    with sqlite3.connect(state / "meridian.db") as database:
        sql = "SELECT cause, digest FROM journal WHERE seq = ?"
        cause, digest = database.execute(sql, (block.header.first_seq,)).fetchone()
    records = (replace(block.records[0], cause=cause, digest=digest), *block.records[1:])
    block = replace(block, records=records)
    lines = b"".join(line + b"\n" for line in block.to_bytes().split(b"\n")[1:-2])
    _put(state, _signed(block, replace(block.header, records=digest_of(lines)), private))


def _signed(block: Block, header: Header, private: bytes) -> Block:
    signature = to_base64(sign(private, PREFIX + header.to_bytes()))
    return replace(block, header=header, signature=signature)


def _put(state: Path, block: Block) -> None:
    block_path(state / "blocks", block.header.n).write_bytes(block.to_bytes())
    row = asdict(block.row)
    changes = ", ".join(f"{name} = :{name}" for name in row if name != "n")
    with sqlite3.connect(state / "meridian.db") as database:
        assert database.execute(f"UPDATE block SET {changes} WHERE n = :n", row).rowcount == 1
