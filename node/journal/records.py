"""The journal: append under a version, read since a position.

Appending gives statements, not a write, so that events and the rows they
explain stand in one batch. Two writers of one subject cannot both win: the
second finds its version taken and gets `Conflict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.canonical import canonical_json, digest_of
from node.clock import Clock, Micros
from node.database.port import Database, Statement, integer, read_as
from node.events import Event, encode, event_type
from node.names import Cause, Digest, NodeId, Subject

_COLUMNS = "seq, at, origin, type, subject, version, cause, body, digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One event as it stands in the journal; ``body`` is canonical JSON."""

    seq: int
    at: Micros
    origin: NodeId
    type: str
    subject: Subject
    version: int
    cause: Cause
    body: str
    digest: Digest


class Journal:
    """One node's ordered events."""

    def __init__(self, database: Database, clock: Clock, origin: NodeId) -> None:
        self._database = database
        self._clock = clock
        self._origin = origin

    def append(
        self,
        subject: Subject,
        events: Sequence[Event],
        *,
        after: int,
        cause: Cause,
        at: Micros | None = None,
    ) -> list[Statement]:
        """Give the statements that append events as versions ``after + 1`` onward of a subject.

        The batch that holds them fails with `Conflict` when the subject has moved on.

        Parameters
        ----------
        at
            The moment that rows of the same batch name, where those must be written again from the events alone.
        """
        moment = self._clock.now() if at is None else at
        return [
            self._insert(moment, event, subject=subject, version=after + n, cause=cause)
            for n, event in enumerate(events, start=1)
        ]

    def version(self, subject: Subject) -> int:
        """Give the number of events a subject has; 0 when it is new."""
        rows = self._database.read(
            "SELECT max(version) AS version FROM journal WHERE subject = ?", (subject,)
        )
        return integer(rows[0], "version")

    def since(self, seq: int, *, limit: int = 500) -> list[Record]:
        """Give records after a position, oldest first."""
        return self._records("seq > ? ORDER BY seq LIMIT ?", (seq, limit))

    def of(self, subject: Subject) -> list[Record]:
        """Give all records of a subject, oldest first."""
        return self._records("subject = ? ORDER BY version", (subject,))

    def by_cause(self, cause: Cause) -> list[Record]:
        """Give everything one stimulus led to here, oldest first."""
        return self._records("cause = ? ORDER BY seq", (cause,))

    def head(self) -> int:
        """Give the position of the newest record; 0 when there is none."""
        return integer(self._database.read("SELECT max(seq) AS seq FROM journal")[0], "seq")

    def _records(self, where: str, params: tuple[int | str, ...]) -> list[Record]:
        return read_as(self._database, Record, f"SELECT {_COLUMNS} FROM journal WHERE {where}", params)

    def _insert(self, at: Micros, event: Event, *, subject: Subject, version: int, cause: Cause) -> Statement:
        type_, body = event_type(type(event)), encode(event)
        digest = record_digest(
            at=at, origin=self._origin, type_=type_, subject=subject, version=version, cause=cause, body=body
        )
        return Statement(
            "INSERT INTO journal (at, origin, type, subject, version, cause, body, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (at, self._origin, type_, subject, version, cause, body, digest),
        )


def record_digest(
    *, at: Micros, origin: str, type_: str, subject: str, version: int, cause: str, body: str
) -> Digest:
    """Digest every column of a record but ``seq``, which is the store's own."""
    return digest_of(
        canonical_json(
            {
                "at": at,
                "origin": origin,
                "type": type_,
                "subject": subject,
                "version": version,
                "cause": cause,
                "body": body,
            }
        )
    )
