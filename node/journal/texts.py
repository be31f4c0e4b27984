"""A person's words, named by digest from events and erasable without breaking them.

Each text is a row, and also one file beside the packs, since nothing else can
rebuild it.
"""

from __future__ import annotations

import os
from pathlib import Path

from node.canonical import digest_of
from node.clock import Clock, new_id
from node.database.port import Database, Statement, text
from node.durable import put_file, sync_directory
from node.errors import Damaged, NotFound
from node.failpoints import planted
from node.names import Digest

NAMED_BY = (
    ("correction", "words"),
    ("correction", "undone_words"),
    ("consult_case", "form"),
    ("consult_case", "reason"),
    ("report", "text"),
    ("deletion", "words"),
    ("deletion", "deed"),
    ("deletion", "certificate"),
)
"""Rows that name a text; as long as one does, it is not erased."""


class Texts:
    """Content rows and their files."""

    def __init__(self, database: Database, clock: Clock, directory: Path) -> None:
        self._database = database
        self._clock = clock
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def put(self, kind: str, body: str) -> tuple[Digest, Statement]:
        """Write the file, synced; give its digest and the statement for the batch that names it."""
        digest = digest_of(body)
        path = self.path(digest)
        if not _is_here(path):
            path.parent.mkdir(exist_ok=True)
            put_file(path, body.encode())
        statement = Statement(
            "INSERT INTO text (digest, kind, body, at) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            (digest, kind, body, self._clock.now()),
        )
        return digest, statement

    def get(self, digest: Digest) -> str:
        """Give a text.

        Raises
        ------
        NotFound
            It was erased, or never here.
        Damaged
            The row's text is not what its name says.
        """
        rows = self._database.read("SELECT body FROM text WHERE digest = ?", (digest,))
        if not rows:
            raise NotFound(f"Reading text {digest[:12]} failed: it was erased or never arrived.")
        body = text(rows[0], "body")
        if digest_of(body) != digest:
            raise Damaged(f"Reading text {digest[:12]} failed: its row was altered. Run 'meridian verify'.")
        return body

    def erase(self, digest: Digest) -> bool:
        """Erase a text that no row names any more, its row before its file; say whether it is gone.

        What stays when a crash comes between the two is a file without a row: erased again, or named by `verify`.
        """
        named = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {table} WHERE {column} = text.digest)" for table, column in NAMED_BY
        )
        self._database.write(
            [Statement(f"DELETE FROM text WHERE digest = ? AND {named}", (digest,))], new_id(self._clock)
        )
        if self._database.read("SELECT 1 AS one FROM text WHERE digest = ?", (digest,)):
            return False
        path = self.path(digest)
        if path.exists():
            path.unlink(missing_ok=True)
            sync_directory(path.parent)
        return True

    def folders(self) -> list[Path]:
        """Give the folders of files, each named by the first two digits of what lies in it."""
        return sorted(self._directory.glob("??"))

    def path(self, digest: Digest) -> Path:
        """Give where a text's file lies."""
        return self._directory / digest[:2] / f"{digest}.txt"


def _is_here(path: Path) -> bool:
    """Say whether a text has its file, and make it young: nobody takes it for one that nothing has named for long (`unnamed.py`)."""
    if planted("text-stays-old"):
        return path.exists()
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
