"""A person's words, named by digest from events and erasable without breaking them.

Each text is a row, and also one file beside the packs, since nothing else can
rebuild it.
"""

from __future__ import annotations

from pathlib import Path

from node.canonical import digest_of
from node.clock import Clock
from node.database.port import Database, Statement, text
from node.durable import put_file
from node.errors import Damaged, NotFound
from node.names import Digest


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
        if not path.exists():
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

    def path(self, digest: Digest) -> Path:
        """Give where a text's file lies."""
        return self._directory / digest[:2] / f"{digest}.txt"
