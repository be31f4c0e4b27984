"""A message for tests of what carries messages, and the table that takes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from federation.appliers import Appliers, Entry
from federation.messages import Message, Receipt, Received
from federation.receipts import apply_receipt
from node.database.port import Statement
from node.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Message):
    """Says something."""

    words: str


@dataclass
class Notebook:
    """Takes notes as rows of the node's own database; ``fail`` is raised once for the words it names."""

    fail: dict[str, Exception] = field(default_factory=dict)

    def apply(self, node: Node, received: Received, note: Note) -> list[Statement]:
        if (error := self.fail.pop(note.words, None)) is not None:
            raise error
        return [
            Statement(
                "INSERT INTO text (digest, kind, body, at)"
                " SELECT printf('note %06d', (SELECT count(*) FROM text WHERE kind = 'note')), 'note', ?, ?",
                (note.words, received.at),
                expect=1,
            )
        ]

    @property
    def appliers(self) -> Appliers:
        entries = (Entry(Note, self.apply), Entry(Receipt, apply_receipt))
        return {entry.type: entry for entry in entries}


def notes_of(node: Node) -> list[str]:
    """Give the words that were taken, in order, each as often as it was taken."""
    rows = node.database.read("SELECT body FROM text WHERE kind = 'note' ORDER BY digest")
    return [str(row["body"]) for row in rows]
