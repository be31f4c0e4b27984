"""The journal against itself, and the studies and cases that were derived from it.

A row is compared twice before it is called wrong: the node may run, and rows
move between two reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from federation.consult.case_table import get_case
from federation.consult.cases import ENDED
from federation.consult.claims import peek_claim
from federation.consult.clinic import load_clinic
from federation.consult.home import load_home
from node.database.port import integer, text
from node.errors import NotFound
from node.events import StudyChanged, StudyCompleted, StudyDeleted, decode
from node.journal.records import Record, record_digest
from node.names import Digest, NodeId, StudyKey, StudyUID
from node.node import Node
from ops.findings import Finding, lasting, moment, pages

FROM_BACKUP = "restore the database from the backup and compare"
_STUDY = (
    "SELECT state, instance_count AS counted, bytes, chosen, chosen_bytes, contents FROM study,"
    " (SELECT count(*) AS contents, coalesce(sum(state = 'chosen'), 0) AS chosen,"
    " coalesce(sum((state = 'chosen') * data_bytes), 0) AS chosen_bytes FROM instance WHERE origin = ? AND study_uid = ?)"
    " WHERE origin = ? AND study_uid = ?"
)


_REJECTING = ("instances-rejected", "correction-undone", "corrections-told")
"""Events after which a study counts otherwise than its instances came."""


def verify_records(node: Node) -> Iterator[Finding]:
    """Every record against its own digest; no hole in the sequence, or in a subject's versions."""
    seq = 0
    while records := node.journal.since(seq):
        for record in records:
            if record.seq != seq + 1:
                yield Finding(
                    where=f"journal records {seq + 1} to {record.seq - 1}",
                    what="they are gone",
                    todo=FROM_BACKUP,
                )
            seq = record.seq
            if _digest(record) != record.digest:
                yield Finding(
                    where=f"journal record {record.seq} ({record.type} of {record.subject})",
                    what="it was altered after it was written",
                    todo=FROM_BACKUP,
                )
    for row in node.database.read(
        "SELECT subject, max(version) AS top, count(*) AS n FROM journal GROUP BY subject"
        " HAVING max(version) <> count(*)"
    ):
        yield Finding(
            where=f"journal of {row['subject']}",
            what=f"{integer(row, 'n')} of its {integer(row, 'top')} records are left",
            todo=FROM_BACKUP,
        )


def verify_studies(node: Node) -> Iterator[Finding]:
    """Every study's row against its instances, and against what the journal says came in."""
    rows = pages(
        node.database,
        "study",
        columns="origin, study_uid",
        key=("origin", "study_uid"),
        where="state <> 'announced'",
    )
    for row in rows:
        key = StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for what in lasting(partial(_study_faults, node, key)):
            yield Finding(where=key.subject, what=what, todo=FROM_BACKUP)


def verify_cases(node: Node) -> Iterator[Finding]:
    """Every case's row, claim and facts against the events of its subject; and of which a rebuild left the end unknown."""
    for row in pages(node.database, "consult_case", columns="case_id", key=("case_id",)):
        case_id = text(row, "case_id")
        try:
            for what in lasting(partial(_case_faults, node, case_id)):
                yield Finding(where=f"case {case_id}", what=what, todo=FROM_BACKUP)
            yield from _unknown_end(node, case_id)
        except NotFound as error:  # no event tells of it; others are still compared
            yield Finding(where=f"case {case_id}", what=str(error), todo=FROM_BACKUP)


def _study_faults(node: Node, key: StudyKey) -> list[str]:
    (row,) = node.database.read(_STUDY, (key.origin, key.study_uid) * 2)
    came, total, state = 0, 0, "receiving"
    rejected = False
    for record in node.journal.of(key.subject):
        rejected |= record.type.partition("/")[0] in _REJECTING
        match decode((StudyChanged, StudyCompleted, StudyDeleted), record.type, record.body):
            case StudyChanged() as event:
                came, total, state = came + event.instances, event.total, "receiving"
            case StudyCompleted():
                state = "complete"
            case StudyDeleted():
                came, total, state, rejected = 0, 0, "receiving", False
    if rejected:
        total = integer(
            row, "counted"
        )  # what it shows is held against its corrections, by `verify_corrections`
    return _differences(
        ("instances by its row", row["counted"], "in the catalogue", row["chosen"]),
        ("bytes by its row", row["bytes"], "in the catalogue", row["chosen_bytes"]),
        ("contents in the catalogue", row["contents"], "by the journal", came),
        ("instances by its row", row["counted"], "by the journal", total),
        ("state by its row", row["state"], "by the journal", state),
    )


def _case_faults(node: Node, case_id: str) -> list[str]:
    row = get_case(node.database, case_id)
    told: tuple[str, int, str, int]
    if row.home == node.id:
        home = load_home(node, case_id)
        told = (home.state.state, home.number, home.state.report_id, home.version)
        claim = home.state.claim
    else:
        clinic = load_clinic(node, case_id).state
        told = (clinic.standing, clinic.version, clinic.report_id, len(clinic.told))
        claim = None
    state, version, report_id, happened = told
    held = peek_claim(node.database, case_id)
    (facts,) = node.database.read("SELECT count(*) AS n FROM case_fact WHERE case_id = ?", (case_id,))
    return _differences(
        ("state by its row", row.state, "by the journal", state),
        ("version by its row", row.version, "by the journal", version),
        ("report by its row", row.report_id or "", "by the journal", report_id),
        ("facts", facts["n"], "by the journal", happened),
        (
            "claim by its row",
            0 if held is None else held.epoch,
            "by the journal",
            0 if claim is None else claim.epoch,
        ),
    )


def _unknown_end(node: Node, case_id: str) -> Iterator[Finding]:
    """Name a case that is open and of which it is not known what happened before the index was written again."""
    row = get_case(node.database, case_id)
    if row.home == node.id:
        case = load_home(node, case_id).state
        until, other = (None if case.state in ENDED else case.known_until), row.clinic
    else:
        until, other = load_clinic(node, case_id).state.doubted, row.home
    if until is not None:
        yield Finding(
            where=f"case {case_id}",
            what=f"what happened to it after {moment(until)} is not known, since the index was written again",
            todo=f"ask {other} whether it was cancelled or answered; it is named until there is news of it",
        )


def _differences(*compared: tuple[str, object, str, object]) -> list[str]:
    return [f"{here}: {one}, {there}: {other}" for here, one, there, other in compared if one != other]


def _digest(record: Record) -> Digest:
    return record_digest(
        at=record.at,
        origin=record.origin,
        type_=record.type,
        subject=record.subject,
        version=record.version,
        cause=record.cause,
        body=record.body,
    )
