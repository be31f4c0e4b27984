"""Hold a node's packs, catalogue, journal, words and mail against each other and name what is wrong.

Reads only, also while the node runs. Every finding names the file or row, what
is wrong with it, and what to do. Each part goes on where another cannot be read.

Altered bytes are found by the digest that stands beside them. Whoever could write to the
database could write that too: only signed blocks tell, and the records that no
block covers yet are named as the unsealed tail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from node.clock import SECOND
from node.database.port import integer, text
from node.errors import GridError
from node.journal.unnamed import rowless
from node.node import Node
from ops.findings import Finding
from ops.verify_archive import verify_archive
from ops.verify_blocks import verify_blocks
from ops.verify_corrections import verify_corrections
from ops.verify_found import verify_found
from ops.verify_journal import verify_cases, verify_records, verify_studies
from ops.verify_mail import verify_inbox, verify_mailbox, verify_outbox, verify_roster, verify_sealed_files
from ops.verify_packs import verify_packs
from ops.verify_words import verify_reports, verify_texts

Check = Callable[[Node], Iterator[Finding]]
UNSEALED = "unsealed records"
_COUNTED = {
    "instances": "SELECT count(*) AS n FROM instance",
    "journal records": "SELECT count(*) AS n FROM journal",
    "packages": "SELECT count(*) AS n FROM archived",
    UNSEALED: "SELECT count(*) AS n FROM journal WHERE seq > (SELECT coalesce(max(last_seq), 0) FROM block)",
    "blocks": "SELECT count(*) AS n FROM block",
    "texts": "SELECT count(*) AS n FROM text",
    "cases": "SELECT count(*) AS n FROM consult_case",
    "reports": "SELECT count(*) AS n FROM report",
    "sealed files": "SELECT count(*) AS n FROM blob",
    "envelopes": "SELECT (SELECT count(*) FROM outbox WHERE envelope IS NOT NULL) + (SELECT count(*) FROM mailbox)"
    " + (SELECT count(*) FROM inbox) AS n",
}


def verify(node: Node) -> Iterator[Finding]:
    """Give every finding; none means all bytes and rows are what they were."""
    for part in CHECKS:
        yield from verify_part(node, part)


def verify_part(node: Node, part: str) -> Iterator[Finding]:
    """Give the findings of one part of `CHECKS`; that it cannot be read is one too."""
    try:
        yield from CHECKS[part](node)
    except GridError as error:
        yield Finding(where=part, what=str(error), todo="restore the database from the backup and compare")


def counts(node: Node) -> dict[str, int]:
    """Say how much there is to verify."""
    counted = {what: integer(node.database.read(sql)[0], "n") for what, sql in _COUNTED.items()}
    left = len(rowless(node))  # no finding: most are of commands that were refused
    without = {"files of texts without a row": left} if left else {}
    return {"packs": len(node.packs.names()), **counted, **without}


def unsealed_since(node: Node) -> str:
    """Say since when records wait for a block, to the second, UTC; empty when none waits."""
    sql = "SELECT min(at) AS at FROM journal WHERE seq > (SELECT coalesce(max(last_seq), 0) FROM block)"
    (row,) = node.database.read(sql)
    if row["at"] is None:
        return ""
    return datetime.fromtimestamp(integer(row, "at") // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _database(node: Node) -> Iterator[Finding]:
    """The database by its own word: pages, indexes, constraints."""
    for row in node.database.read("PRAGMA integrity_check"):
        if text(row, "integrity_check") != "ok":
            yield Finding(
                where="database",
                what=text(row, "integrity_check"),
                todo="restore it from the backup; packs, texts and blocks beside it are whole",
            )


CHECKS: dict[str, Check] = {
    "database": _database,
    "packs": verify_packs,
    "archive": verify_archive,
    "journal": verify_records,
    "blocks": verify_blocks,
    "studies": verify_studies,
    "corrections": verify_corrections,
    "found": verify_found,
    "cases": verify_cases,
    "texts": verify_texts,
    "reports": verify_reports,
    "outbox": verify_outbox,
    "mailbox": verify_mailbox,
    "inbox": verify_inbox,
    "sealed files": verify_sealed_files,
    "roster": verify_roster,
}
"""In the order in which they run; the name stands for all of a part that cannot be read."""
