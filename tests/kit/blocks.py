"""Journals sealed without waiting, in blocks of a few records; and, as a program, by a process that may be ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from node.clock import SystemClock
from node.errors import Conflict
from node.events import StudyCompleted
from node.journal.blocks import BlockRow
from node.journal.chain import COLUMNS, mend, seal_next
from node.names import Cause, Subject
from node.node import Node
from ops.findings import Finding
from ops.verify_blocks import verify_blocks
from tests.kit.bare_node import bare_node

FEW = 4


@contextmanager
def few_a_block(records: int = FEW) -> Iterator[None]:
    """Make each block due at once, and let it hold a few records."""
    with patch("node.journal.chain.RECORDS", records), patch("node.journal.chain.AGE", 0):
        yield


def happen(node: Node, count: int = 1) -> None:
    """Let things happen to one study."""
    subject = Subject("study/alpha/2.25.9")
    for _ in range(count):
        event = StudyCompleted(instances=1, reason="quiet")
        version = node.journal.version(subject)
        node.write(node.journal.append(subject, [event], after=version, cause=Cause("c")))


def seal_all(node: Node) -> int:
    """Seal whatever waits; gives how many blocks were made."""
    made = 0
    while seal_next(node) is not None:
        made += 1
    return made


def rows(node: Node) -> list[BlockRow]:
    """Give the chain as its rows say it."""
    found = node.database.read(f"SELECT {COLUMNS} FROM block ORDER BY n")
    return [BlockRow(**row) for row in found]  # type: ignore[arg-type]


def covered(node: Node) -> list[int]:
    """Give the records that blocks cover, as often as they do."""
    return [seq for row in rows(node) for seq in range(row.first_seq, row.last_seq + 1)]


def findings(node: Node) -> list[Finding]:
    """Give what `verify` says of the chain."""
    return list(verify_blocks(node))


def main(arguments: Sequence[str]) -> None:
    """Mend and seal all that waits in a folder's node ``alpha``."""
    node = bare_node(Path(arguments[0]), "alpha", SystemClock())
    with few_a_block():
        mend(node)
        while True:
            try:
                seal_all(node)
                break
            except Conflict:
                continue
    node.close()


if __name__ == "__main__":
    main(sys.argv[1:])
