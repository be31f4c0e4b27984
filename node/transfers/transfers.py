"""A transfer: one study sent to a remote AE or fetched from it, as a row that people watch.

Asking for one writes the row and its job in one batch; the job carries it out,
writes how far it has come at most once a second, and tries again what may succeed later.
A page that is closed and opened again finds the row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from node.catalogue.search import get_study
from node.clock import MINUTE, SECOND, Micros
from node.database.port import Database, Statement, Value, read_as
from node.dimse.remote_form import Remote
from node.dimse.remotes import get_remote
from node.errors import InvalidRequest, NotFound, Refused
from node.events import Event
from node.journal.jobs import enqueue
from node.names import Cause, NodeId, StudyKey, StudyUID, Subject, is_uid
from node.node import Node
from node.people.audit import Acting, record_act

SEND, GET = "send", "get"
JOBS = {SEND: "send_study", GET: "retrieve_study"}
QUEUE = "transfers"
"""Of their own, so that a study on its way for hours keeps no report waiting."""
KEPT: Micros = 30 * 24 * 60 * MINUTE
LONGEST_LABEL = 200
MOST_SERIES = 1000
_COLUMNS = (
    "id, kind, remote, remote_name, origin, study_uid, series, label, by, by_name, state, stop, asked, done, warned,"
    " failed, bytes, words, attempts, next_at, at, began_at, ended_at, seen_at, cause"
)
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One row of table ``transfer``."""

    id: str
    kind: str
    """``send`` or ``get``."""
    remote: str
    remote_name: str
    origin: NodeId
    study_uid: StudyUID
    series: str
    """A JSON list of Series Instance UIDs; empty: all."""
    label: str
    """The patient's name as written, a tab, her ID; for the list, and never told elsewhere."""
    by: str
    by_name: str
    state: str
    """``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``."""
    stop: bool
    asked: int | None
    done: int
    warned: int
    """Of those done."""
    failed: int
    bytes: int
    words: str
    attempts: int
    next_at: Micros
    at: Micros
    began_at: Micros | None
    ended_at: Micros | None
    seen_at: Micros
    cause: Cause

    @property
    def subject(self) -> Subject:
        return Subject(f"transfer/{self.id}")

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)

    @property
    def series_uids(self) -> tuple[str, ...]:
        return tuple(json.loads(self.series or "[]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAsked(Event):
    """Somebody asked for a study to be sent or fetched. Subject ``transfer/ID``."""

    kind: str
    remote: str
    origin: str
    study_uid: str
    series: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEnded(Event):
    """It ended, one way or another."""

    kind: str
    state: str
    done: int
    failed: int
    bytes: int
    attempts: int


def list_transfers(database: Database, *, limit: int = 200, study: StudyKey | None = None) -> list[Transfer]:
    """Give the newest, those that go on first; or those of one study."""
    sql, params = "1 = 1", list[Value]()
    if study is not None:
        sql, params = "origin = ? AND study_uid = ?", [study.origin, study.study_uid]
    return read_as(
        database,
        Transfer,
        f"SELECT {_COLUMNS} FROM transfer WHERE {sql}"
        " ORDER BY state NOT IN ('running', 'waiting'), at DESC, id LIMIT ?",
        (*params, limit),
    )


def get_transfer(database: Database, id_: str) -> Transfer:
    """Give one.

    Raises
    ------
    NotFound
        It is not here, or ended more than a month ago.
    """
    rows = read_as(database, Transfer, f"SELECT {_COLUMNS} FROM transfer WHERE id = ?", (id_,))
    if not rows:
        raise NotFound("Reading the transfer failed: it is not here any more. Load the list again.")
    return rows[0]


def ask_send(
    node: Node,
    by: Acting,
    key: StudyKey,
    remote_id: str,
    *,
    series_uids: Sequence[str] = (),
    name: str = "",
    address: str = "",
    not_before: Micros = 0,
) -> Transfer:
    """Ask for a study, or series of it, to be sent to a remote AE.

    Raises
    ------
    NotFound
        The study is not held here, or the remote AE was removed.
    Refused
        The remote AE is switched off, or is not one to send to.
    """
    remote = get_remote(node.database, remote_id)
    if not (remote.enabled and remote.send):
        raise _not_for(remote, "Sending", "sending")
    study = get_study(node.database, key)
    label = f"{study.patient_name}\t{study.patient_id}"
    made = _made(node, by, SEND, remote, key, series_uids=series_uids, label=label, name=name)
    return _ask(node, by, made, address=address, not_before=not_before)


def ask_retrieve(
    node: Node,
    by: Acting,
    study_uid: str,
    remote_id: str,
    *,
    series_uids: Sequence[str] = (),
    label: str = "",
    name: str = "",
    address: str = "",
    not_before: Micros = 0,
) -> Transfer:
    """Ask for a study, or series of it, to be fetched from a remote AE; it becomes this node's own.

    Parameters
    ----------
    label
        What people call the study until it is here: the patient's name as written, a tab, her ID.

    Raises
    ------
    InvalidRequest
        A UID is none.
    NotFound
        The remote AE was removed.
    Refused
        It is switched off, or is not one to fetch from.
    """
    remote = get_remote(node.database, remote_id)
    if not (remote.enabled and remote.query):
        raise _not_for(remote, "Retrieving", "query and retrieve")
    if not is_uid(study_uid):
        raise InvalidRequest(
            "Retrieving was refused: the study has no valid Study Instance UID. Ask its sender."
        )
    key = StudyKey(origin=node.id, study_uid=StudyUID(study_uid))
    made = _made(node, by, GET, remote, key, series_uids=series_uids, label=label, name=name)
    return _ask(node, by, made, address=address, not_before=not_before)


def stop_transfer(node: Node, by: Acting, id_: str, *, address: str = "") -> Transfer:
    """Ask for a transfer to end; one that runs ends within seconds, keeping what has gone or come."""
    one = get_transfer(node.database, id_)
    if one.state in ENDED:
        return one
    now = node.now()
    ask = Statement(
        "UPDATE transfer SET stop = 1, state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END,"
        " ended_at = CASE state WHEN 'waiting' THEN ? ELSE ended_at END WHERE id = ?",
        (now, id_),
    )
    ended = [] if one.state == "running" else end_event(node, one, state="cancelled")
    node.write([ask, *ended, record_act(node, by, act="stop-transfer", subject=one.subject, address=address)])
    return get_transfer(node.database, id_)


def try_again(node: Node, by: Acting, id_: str, *, address: str = "") -> Transfer:
    """Carry out a transfer that failed or was cancelled once more; what went is not sent again."""
    one = get_transfer(node.database, id_)
    now = node.now()
    ask = Statement(
        "UPDATE transfer SET state = 'waiting', stop = 0, attempts = 0, failed = 0, words = '', next_at = ?,"
        " ended_at = NULL WHERE id = ? AND state = ? AND state IN ('failed', 'cancelled')",
        (now, id_, one.state),
        expect=1,
        refusal="Trying again was refused: it goes on already, or is done. Load the list again.",
    )
    act = record_act(node, by, act="retry-transfer", subject=one.subject, address=address)
    node.write([ask, job_of(node, one, key=node.new_id()), act])
    return get_transfer(node.database, id_)


def job_of(node: Node, one: Transfer, *, key: str, not_before: Micros = 0) -> Statement:
    """Ask for the job that carries it out."""
    return enqueue(
        JOBS[one.kind],
        {"transfer_id": one.id},
        key=f"transfer/{one.id}/{key}",
        cause=one.cause,
        now=node.now(),
        not_before=not_before,
        queue=QUEUE,
    )


def end_event(node: Node, one: Transfer, *, state: str) -> list[Statement]:
    """Tell that it ended."""
    event = TransferEnded(
        kind=one.kind,
        state=state,
        done=one.done,
        failed=one.failed,
        bytes=one.bytes,
        attempts=one.attempts,
    )
    after = node.journal.version(one.subject)
    return list(node.journal.append(one.subject, [event], after=after, cause=one.cause))


def _made(
    node: Node,
    by: Acting,
    kind: str,
    remote: Remote,
    key: StudyKey,
    *,
    series_uids: Sequence[str],
    label: str,
    name: str,
) -> Transfer:
    if len(series_uids) > MOST_SERIES or not all(map(is_uid, series_uids)):
        raise InvalidRequest("The transfer was refused: a series has no valid UID. Choose from the list.")
    now, cause = node.now(), Cause(node.new_id())
    return Transfer(
        id=node.new_id(), kind=kind, remote=remote.id, remote_name=remote.name, origin=key.origin,
        study_uid=key.study_uid, series=json.dumps(list(series_uids)) if series_uids else "",
        label=label[:LONGEST_LABEL], by=by.id, by_name=name, state="waiting", stop=False, asked=None, done=0, warned=0,
        failed=0, bytes=0, words="", attempts=0, next_at=now, at=now, began_at=None, ended_at=None, seen_at=now,
        cause=cause,
    )  # fmt: skip


def _ask(node: Node, by: Acting, made: Transfer, *, address: str, not_before: Micros) -> Transfer:
    columns = _COLUMNS.split(", ")
    insert = Statement(
        f"INSERT INTO transfer ({_COLUMNS}) VALUES ({', '.join('?' * len(columns))})",
        tuple(int(made.stop) if column == "stop" else getattr(made, column) for column in columns),
    )
    event = TransferAsked(
        kind=made.kind,
        remote=made.remote,
        origin=made.origin,
        study_uid=made.study_uid,
        series=len(made.series_uids),
        by=by.id,
    )
    node.write(
        [
            *_forgotten(made.at),
            insert,
            job_of(node, made, key="1", not_before=not_before),
            *node.journal.append(made.subject, [event], after=0, cause=made.cause),
            record_act(node, by, act=f"{made.kind}-study", subject=made.subject, address=address),
        ]
    )
    return made


def _forgotten(now: Micros) -> list[Statement]:
    """Forget what ended a month ago."""
    old = "at < ? AND state IN ('done', 'failed', 'cancelled')"
    return [
        Statement(
            f"DELETE FROM transferred WHERE transfer IN (SELECT id FROM transfer WHERE {old})", (now - KEPT,)
        ),
        Statement(f"DELETE FROM transfer WHERE {old}", (now - KEPT,)),
    ]


def _not_for(remote: Remote, what: str, use: str) -> Refused:
    return Refused(
        f"{what} was refused: {remote.name} is switched off, or is not for {use}."
        " Have an administrator change it under Remote AEs."
    )


FRESH: Micros = 8 * SECOND
"""A running transfer that was written this lately is being carried out by somebody."""
