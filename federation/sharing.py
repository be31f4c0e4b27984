"""What of this hospital's studies each peer is told, as the journal moves: decided, announced, completed.

Reads the journal from a durable cursor per peer. A study that changed is decided
anew; what is granted stays ``pending`` until everything due has been put into the outbox.
Images travel in parts, made by `federation.sealing`. Nothing here waits or sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from federation.corrections import told_corrections
from federation.messages import AnnouncedSeries, AnnouncedStudy, StudyAnnounced, StudyCompletedThere
from federation.outbox import send
from federation.policy import Decision, Facts, Outcome, Policy, PolicyChanged, decide, policy_of
from federation.problems import problem_once
from federation.roster import Roster
from federation.roster_news import roster_news
from node.canonical import canonical_json, digest_of
from node.catalogue.search import InstanceRow
from node.clock import SECOND, Micros
from node.database.port import Row, Statement, integer, read_as, text
from node.errors import Conflict
from node.events import Event, event_type
from node.journal.cursors import advance, position
from node.journal.records import Record
from node.names import Cause, Digest, NodeId, StudyKey, StudyUID, Subject, study_of
from node.node import Node

RECORDS = 500
SCAN = 200
"""Studies decided in one batch when a peer is new or its policy changed."""
UNWRITTEN = 2_000
"""Records without news for a peer that its cursor may lag behind what was read."""
ANNOUNCE_EVERY: Micros = SECOND
"""A study that keeps changing is announced again this often."""
_POLICY_CHANGED = event_type(PolicyChanged)


@dataclass(slots=True)
class Follower:
    """How far one peer's follower has read; may be lost, the cursor row counts."""

    peer: NodeId
    seen: int = 0


def follow_journal(node: Node, roster: Roster, follower: Follower) -> bool:
    """Decide anew about every study that changed; says whether there may be more to read.

    Decisions, roster news and the cursor are one batch. Two followers of one peer
    are safe: the slower one's batch fails whole.
    """
    peer, reader = follower.peer, f"sync/{follower.peer}"
    before = position(node.database, reader)
    if before == 0:
        _begin(node, peer)
        return True
    records = node.journal.since(max(before, follower.seen), limit=RECORDS)
    if not records:
        follower.seen = max(before, follower.seen)
        return _scan(node, peer)
    statements = _decided(node, peer, _touched(node, peer, records))
    statements += roster_news(node, roster, peer, records)
    if any(record.type == _POLICY_CHANGED and record.subject == f"policy/{peer}" for record in records):
        statements.append(_scan_from(peer, 0))
    last = records[-1].seq
    if statements or last - before > UNWRITTEN:
        node.write([*statements, advance(reader, before=before, after=last)])
    follower.seen = last
    return True


def announce(node: Node, peer: NodeId) -> Micros | None:
    """Put into the outbox what is due about pending studies; gives when to look again, if anything waits.

    A study is let go of when all is told, unless it changed in the meantime.
    """
    again: list[Micros] = []
    for pending in pending_studies(node, peer):
        statements, due = _due(node, peer, pending)
        if due is not None:
            again.append(due)
        if statements:
            try:
                node.write(statements)
            except Conflict:
                again.append(node.now())
    return min(again, default=None)


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of which something is still due."""

    origin: NodeId
    study_uid: StudyUID
    outcome: Outcome
    told: str
    told_at: Micros
    completed: str
    corrected: str
    """Digest of the corrections last told; empty: none."""
    pending: int

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)


def pending_studies(node: Node, peer: NodeId) -> list[Pending]:
    """Give the studies of which a peer is still due something.

    Not those whose corrections are unknown: a rebuild marks studies of which something is due, and they are decided anew later.
    """
    return read_as(
        node.database,
        Pending,
        "SELECT origin, study_uid, outcome, told, told_at, completed, corrected, pending FROM decision"
        " WHERE peer = ? AND pending > 0 AND NOT EXISTS (SELECT 1 FROM study WHERE study.origin = decision.origin"
        " AND study.study_uid = decision.study_uid AND study.corrections_until IS NOT NULL) ORDER BY at",
        (peer,),
    )


def touch(peer: NodeId, key: StudyKey) -> Statement:
    """Give the statement that makes a granted study due again."""
    return Statement(
        "UPDATE decision SET pending = pending + 1 WHERE peer = ? AND origin = ? AND study_uid = ?"
        " AND outcome IN ('metadata', 'everything')",
        (peer, key.origin, key.study_uid),
    )


def set_digest(digests: Iterable[str]) -> Digest:
    """Digest a set of instance digests, whatever order they came in."""
    return digest_of("\n".join(sorted(digests)))


def unshared(node: Node, peer: NodeId, key: StudyKey, *, limit: int) -> list[InstanceRow]:
    """Give the first instances of a study that are in no part for a peer yet, in the order they came."""
    return read_as(
        node.database,
        InstanceRow,
        "SELECT i.* FROM instance AS i LEFT JOIN shared_instance AS s ON s.peer = ? AND s.origin = i.origin"
        " AND s.study_uid = i.study_uid AND s.sop_uid = i.sop_uid AND s.digest = i.digest"
        " WHERE i.origin = ? AND i.study_uid = ? AND s.peer IS NULL AND i.state <> 'rejected' ORDER BY i.received_at, i.pack, i.offset LIMIT ?",
        (peer, key.origin, key.study_uid, limit),
    )


def share_event(node: Node, peer: NodeId, key: StudyKey, event: Event, *, cause: Cause) -> list[Statement]:
    """Give the statements that note what was done about a study for, or by, a peer.

    Its subject is not the study's own, so that nobody who registers instances has to wait.
    """
    subject = Subject(f"share/{peer}/{key.origin}/{key.study_uid}")
    return node.journal.append(subject, [event], after=node.journal.version(subject), cause=cause)


def _begin(node: Node, peer: NodeId) -> None:
    """A peer is new: read the journal from here on, and decide about all studies there are."""
    head = max(1, node.journal.head())
    reader = f"sync/{peer}"
    node.write([advance(reader, before=0, after=head), _scan_from(peer, 0)])


def _scan_from(peer: NodeId, at: Micros) -> Statement:
    return Statement(
        "INSERT INTO cursor (reader, position) VALUES (?, ?)"
        " ON CONFLICT (reader) DO UPDATE SET position = excluded.position",
        (f"sync/{peer}/scan", at),
    )


def _scan(node: Node, peer: NodeId) -> bool:
    """Decide about the next own studies, oldest first, while a scan is under way."""
    reader = f"sync/{peer}/scan"
    rows = node.database.read("SELECT position FROM cursor WHERE reader = ?", (reader,))
    if not rows:
        return False
    after = integer(rows[0], "position")
    ahead = node.database.read(
        "SELECT first_at FROM study WHERE origin = ? AND first_at > ? ORDER BY first_at LIMIT ?",
        (node.id, after, SCAN),
    )
    if not ahead:
        node.write([Statement("DELETE FROM cursor WHERE reader = ? AND position = ?", (reader, after))])
        return False
    until = integer(ahead[-1], "first_at")
    keys = [
        StudyKey(origin=node.id, study_uid=StudyUID(text(row, "study_uid")))
        for row in node.database.read(
            "SELECT study_uid FROM study WHERE origin = ? AND first_at > ? AND first_at <= ?",
            (node.id, after, until),
        )
    ]
    moved = Statement(
        "UPDATE cursor SET position = ? WHERE reader = ? AND position = ?", (until, reader, after), expect=1
    )
    node.write([*_decided(node, peer, keys), moved])
    return True


def _touched(node: Node, peer: NodeId, records: Sequence[Record]) -> list[StudyKey]:
    """Give this hospital's studies that records are about, each once."""
    keys: dict[StudyKey, None] = {}
    for record in records:
        kind, _, name = record.subject.partition("/")
        if kind == "study":
            keys[study_of(record.subject)] = None
        elif kind in ("case", "request"):
            for row in node.database.read(
                "SELECT origin, study_uid FROM consult_case WHERE case_id = ? AND home = ?", (name, peer)
            ):
                keys[
                    StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
                ] = None
    return [key for key in keys if key.origin == node.id]


def _decided(node: Node, peer: NodeId, keys: Iterable[StudyKey]) -> list[Statement]:
    policy = policy_of(node.database, peer)
    statements: list[Statement] = []
    for key in keys:
        facts, cause = _facts(node, peer, key)
        if facts is not None:
            statements += _decide(node, peer, key, policy=policy, facts=facts, cause=cause)
    return statements


def _facts(node: Node, peer: NodeId, key: StudyKey) -> tuple[Facts | None, Cause]:
    rows = node.database.read(
        "SELECT modalities, department, conflict, cause, corrections_until, EXISTS (SELECT 1 FROM referral AS r WHERE r.peer = ?"
        " AND r.origin = study.origin AND r.study_uid = study.study_uid) AS referred"
        " FROM study WHERE origin = ? AND study_uid = ?",
        (peer, key.origin, key.study_uid),
    )
    if not rows:
        return None, Cause("")
    row = rows[0]
    modalities = msgspec.json.decode(text(row, "modalities").encode(), type=frozenset[str])
    facts = Facts(
        own=key.origin == node.id,
        modalities=modalities,
        department=text(row, "department"),
        conflict=integer(row, "conflict"),
        referred=bool(row["referred"]),
        known=row["corrections_until"] is None,
    )
    return facts, Cause(text(row, "cause"))


def _decide(
    node: Node, peer: NodeId, key: StudyKey, *, policy: Policy, facts: Facts, cause: Cause
) -> list[Statement]:
    decision = decide(policy, facts)
    granted = decision.outcome in (Outcome.METADATA, Outcome.EVERYTHING)
    rows = node.database.read(
        "SELECT outcome, reason FROM decision WHERE peer = ? AND origin = ? AND study_uid = ?",
        (peer, key.origin, key.study_uid),
    )
    same = bool(rows) and (rows[0]["outcome"], rows[0]["reason"]) == (
        decision.outcome.value,
        decision.reason,
    )
    statements = []
    if not same:
        statements.append(_keep(node, peer, key, decision))
    if granted:
        statements.append(touch(peer, key))
    if decision.outcome is Outcome.BLOCKED and facts.known:  # else one problem tells of all of them
        detail = f"Sending a study to {peer} waits: {decision.reason}. Choose in the study's conflicts which is right."
        statements += problem_once(node, "sealing-blocked", about=key.subject, detail=detail, cause=cause)
    return statements


def _keep(node: Node, peer: NodeId, key: StudyKey, decision: Decision) -> Statement:
    return Statement(
        "INSERT INTO decision (peer, origin, study_uid, outcome, reason, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (peer, origin, study_uid) DO UPDATE SET outcome = excluded.outcome,"
        " reason = excluded.reason, at = excluded.at, pending = 0",
        (peer, key.origin, key.study_uid, decision.outcome.value, decision.reason, node.now()),
    )


def _due(node: Node, peer: NodeId, pending: Pending) -> tuple[list[Statement], Micros | None]:
    """Give what is due of one study now, and when the rest is."""
    key = pending.key
    study = node.database.read(
        "SELECT * FROM study WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )[0]
    cause = Cause(text(study, "cause"))
    images = pending.outcome is Outcome.EVERYTHING
    message = _announcement(node, key, study, images=images)
    digest = _look_of(message)
    statements = told_corrections(node, peer, key, study, told=pending.corrected, cause=cause)
    unheard = (
        bool(study["rejected"]) and not pending.told
    )  # all of it is rejected: the peer need not hear of it
    if digest != pending.told and not unheard:
        due = pending.told_at + ANNOUNCE_EVERY
        if pending.told and study["state"] != "complete" and due > node.now():
            return statements, due
        statements += [*send(node, peer, message, cause=cause), _told(node, peer, key, told=digest)]
    if images:
        waits, completed = _completion(node, peer, key, study)
        if waits:
            return statements, None  # parts are sealed and carried beside; the bell rings when one is offered
        if completed is not None and completed.set_digest != pending.completed:
            statements += [
                *send(node, peer, completed, cause=cause),
                Statement(
                    "UPDATE decision SET completed = ? WHERE peer = ? AND origin = ? AND study_uid = ?",
                    (completed.set_digest, peer, key.origin, key.study_uid),
                ),
            ]
    done = Statement(
        "UPDATE decision SET pending = 0 WHERE peer = ? AND origin = ? AND study_uid = ? AND pending = ?",
        (peer, key.origin, key.study_uid, pending.pending),
    )
    return [*statements, done], None


def _completion(
    node: Node, peer: NodeId, key: StudyKey, study: Row
) -> tuple[bool, StudyCompletedThere | None]:
    """Say whether images are still to go, and what to tell when the study is complete."""
    where = (key.origin, key.study_uid)
    (row,) = node.database.read(
        "SELECT (SELECT count(*) FROM instance WHERE origin = ? AND study_uid = ? AND state <> 'rejected') AS here,"
        " (SELECT count(*) FROM shared_instance AS s"
        " JOIN (SELECT sop_uid, digest FROM instance WHERE origin = ? AND study_uid = ? AND state <> 'rejected') AS i"
        " USING (sop_uid, digest) WHERE s.peer = ? AND s.origin = ? AND s.study_uid = ? AND s.k > 0) AS shared,"
        " (SELECT count(*) FROM part WHERE peer = ? AND origin = ? AND study_uid = ? AND direction = 'out'"
        " AND state = 'sealed') AS unsent",
        (*where, *where, peer, *where, peer, *where),
    )
    if integer(row, "shared") < integer(row, "here") or integer(row, "unsent"):
        return True, None
    if study["state"] != "complete":
        return False, None
    digests = node.database.read(
        "SELECT digest FROM instance WHERE origin = ? AND study_uid = ? AND state <> 'rejected'", where
    )
    return False, StudyCompletedThere(
        origin=key.origin,
        study_uid=key.study_uid,
        instances=integer(study, "instance_count"),
        contents=len(digests),
        set_digest=set_digest(text(digest, "digest") for digest in digests),
    )


def _announcement(node: Node, key: StudyKey, study: Row, *, images: bool) -> StudyAnnounced:
    columns = AnnouncedStudy.__dataclass_fields__
    series = read_as(
        node.database,
        AnnouncedSeries,
        "SELECT series_uid, modality, number, description, body_part, laterality, instance_count FROM series"
        " WHERE origin = ? AND study_uid = ? ORDER BY series_uid LIMIT 1000",
        (key.origin, key.study_uid),
    )
    announced = msgspec.convert({name: study[name] for name in columns}, AnnouncedStudy)
    return StudyAnnounced(origin=key.origin, study=announced, series=tuple(series), images=images)


def _look_of(message: StudyAnnounced) -> Digest:
    """Digest what a peer shows of a study; counts only where no images go that it could count itself."""
    look = msgspec.to_builtins(message)
    if message.images:
        for name in ("series_count", "instance_count", "bytes", "last_at"):
            del look["study"][name]
        for series in look["series"]:
            del series["instance_count"]
    return digest_of(canonical_json(look))


def _told(node: Node, peer: NodeId, key: StudyKey, *, told: Digest) -> Statement:
    return Statement(
        "UPDATE decision SET told = ?, told_at = ? WHERE peer = ? AND origin = ? AND study_uid = ?",
        (told, node.now(), peer, key.origin, key.study_uid),
    )
