"""One hospital's deployment as a value: what every command needs to decide and write.

A command is a plain function that takes the node first. It reads, decides, and
writes events and rows in one batch. Composed in `ops.compose`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.archive.tier import ArchiveTier
from node.bell import Bell
from node.clock import Clock, Micros, new_id
from node.config import Config
from node.database.port import Database, Done, Statement
from node.events import ProblemFound
from node.journal.records import Journal
from node.journal.texts import Texts
from node.keys.store import KeyStore
from node.names import Cause, NodeId, Subject
from node.store.packs import Packs


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a node is made of; holds no state of its own."""

    config: Config
    state: Path
    """The state folder; packs, blobs, keys, texts and the database lie below it."""
    clock: Clock
    database: Database
    journal: Journal
    texts: Texts
    packs: Packs
    keys: KeyStore
    archive: ArchiveTier
    bell: Bell
    """Rung after each batch that followers of the database must see."""
    landed: Bell
    """Rung when an instance, or a refusal, lies in the landing."""

    @property
    def id(self) -> NodeId:
        return self.config.id

    def now(self) -> Micros:
        return self.clock.now()

    def new_id(self) -> str:
        return new_id(self.clock)

    def write(self, statements: Sequence[Statement], key: str | None = None) -> Done:
        """Write a batch and ring the bell, so that followers look."""
        done = self.database.write(statements, key or self.new_id())
        self.bell.ring()
        return done

    def problem(self, kind: str, *, about: str, detail: str, cause: Cause) -> list[Statement]:
        """Give the statements that show the administrator something refused or damaged.

        ``detail`` begins with what was attempted, ends with what to do, and holds no patient data.
        """
        subject = Subject(f"problem/{self.new_id()}")
        event = ProblemFound(kind=kind, about=about, detail=detail)
        row = Statement(
            "INSERT INTO problem (id, kind, subject, detail, at) VALUES (?, ?, ?, ?, ?)",
            (subject.removeprefix("problem/"), kind, about, detail, self.now()),
        )
        return [*self.journal.append(subject, [event], after=0, cause=cause), row]

    def close(self) -> None:
        """Let go of the database and the bells; for whoever composed it."""
        self.archive.close()
        self.bell.close()
        self.landed.close()
        self.database.close()
