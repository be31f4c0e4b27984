"""Final deletions as rows: what was asked, what is left to be erased, and what each peer answered."""

from __future__ import annotations

from dataclasses import dataclass

from node.clock import Micros
from node.database.port import Database, read_as
from node.errors import NotFound
from node.names import Cause, Digest, NodeId, StudyKey, StudyUID, Subject
from node.store.directory import DELETED

ASKED, WITHDRAWN, LAPSED, GONE, DONE, KEPT = "asked", "withdrawn", "lapsed", "deleted", "done", "kept"
"""States: see `node.database.deletion_tables`."""
OVER, BY_RULE, BY_ORIGIN = "retention-over", "rule", "origin"
REASONS = (OVER, "person-asked", "mistaken", "test", "ordered")
"""Codes of reasons that an administrator gives: its time is over; the patient asked by law; it came here by mistake; it is
no patient's; a court or an authority ordered it."""

MEANT_COPIES = (
    "SELECT stored FROM package_copy WHERE store = ?"
    " UNION SELECT what FROM deletion_step WHERE kind = 'copy' AND store = ? AND state <> 'done'"
)
"""Files of a store that rows mean; those of deleted studies stand among them until they are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A row of table ``deletion``."""

    id: str
    origin: NodeId
    study_uid: StudyUID
    state: str
    by_peer: str
    code: str
    words: str
    asked_by: str
    asked_name: str
    asked_at: Micros
    ended_by: str
    ended_name: str
    ended_at: Micros | None
    seen: Digest
    instances: int
    bytes: int
    deed: str
    cases: str
    done_at: Micros | None
    certificate: str
    issue: int
    turn: int
    answered: int
    cause: Cause

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)

    @property
    def subject(self) -> Subject:
        return Subject(f"deletion/{self.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A row of table ``deletion_step``."""

    deletion: str
    kind: str
    store: str
    what: str
    state: str
    attempts: int
    words: str
    at: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAnswer:
    """A row of table ``deletion_peer``."""

    deletion: str
    peer: NodeId
    state: str
    code: str
    at: Micros | None
    told_at: Micros | None
    answered_at: Micros | None
    mail: int


def peek_deletion(database: Database, id_: str) -> Deletion | None:
    """Give a deletion; None when there is none of this id."""
    rows = read_as(database, Deletion, "SELECT * FROM deletion WHERE id = ?", (id_,))
    return rows[0] if rows else None


def get_deletion(database: Database, id_: str) -> Deletion:
    """Give a deletion.

    Raises
    ------
    NotFound
        There is none of this id.
    """
    found = peek_deletion(database, id_)
    if found is None:
        raise NotFound("Reading a deletion failed: there is none of this id. Load the list again.")
    return found


def deletions_of(database: Database, key: StudyKey) -> list[Deletion]:
    """Give what was asked and done about a study, the newest first."""
    sql = "SELECT * FROM deletion WHERE origin = ? AND study_uid = ? ORDER BY asked_at DESC, id DESC"
    return read_as(database, Deletion, sql, (key.origin, key.study_uid))


def list_deletions(database: Database, *, states: tuple[str, ...], limit: int) -> list[Deletion]:
    """Give deletions in some states, the newest first."""
    marks = ", ".join("?" * len(states))
    sql = f"SELECT * FROM deletion WHERE state IN ({marks}) ORDER BY asked_at DESC, id DESC LIMIT ?"
    return read_as(database, Deletion, sql, (*states, limit))


def steps_of(database: Database, id_: str) -> list[Step]:
    """Give the steps of a deletion in the order in which they are taken."""
    return read_as(
        database,
        Step,
        "SELECT * FROM deletion_step WHERE deletion = ? ORDER BY kind <> 'key', kind = 'log', kind = 'strays', kind, store,"
        " what",
        (id_,),
    )


def answers_of(database: Database, id_: str) -> list[PeerAnswer]:
    """Give the peers that are told of a deletion, with what they answered."""
    return read_as(
        database, PeerAnswer, "SELECT * FROM deletion_peer WHERE deletion = ? ORDER BY peer", (id_,)
    )


def was_deleted(database: Database, key: StudyKey) -> bool:
    """Say whether a study went for good once."""
    sql = f"SELECT 1 AS one FROM deletion WHERE origin = ? AND study_uid = ? AND state IN ('{GONE}', '{DONE}') LIMIT 1"
    return bool(database.read(sql, (key.origin, key.study_uid)))


def successor_name(id_: str) -> str:
    """Name what packs of a deleted study give way to: nothing."""
    return f"{DELETED}-{id_}"
