"""The rows of a case, at its home and at its clinic: how it stands, its facts, and what it keeps from expiry.

Projections of the two deciders' events and the texts they name; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from federation.consult.messages import Fact, Standing
from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Database, Statement, read_as
from node.errors import NotFound
from node.names import Cause, NodeId, StudyKey, StudyUID

COLUMNS = (
    "case_id, clinic, clinic_name, home, pool, origin, study_uid, kind, urgency, specialty, form, state,"
    " cancelling, amended, overdue, requested_at, requested_by, due, reason, claimed_by, claimed_name,"
    " claimed_at, report_id, returned_at, version, cause"
)
HOLD_REASON = "consult"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A case as it stands here; what has defaults, nothing has happened of yet."""

    case_id: str
    clinic: NodeId
    clinic_name: str
    home: NodeId
    pool: str
    origin: NodeId
    study_uid: StudyUID
    kind: str
    urgency: str
    specialty: str
    form: str
    """Digest of the request's words."""
    state: str
    cancelling: bool = False
    amended: int = 0
    overdue: bool = False
    requested_at: Micros
    requested_by: str
    due: Micros
    reason: str = ""
    """Why it was declined or cancelled."""
    claimed_by: str = ""
    claimed_name: str = ""
    claimed_at: Micros | None = None
    report_id: str | None = None
    returned_at: Micros | None = None
    version: int = 0
    cause: Cause

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)


def peek_case(database: Database, case_id: str) -> CaseRow | None:
    """Give a case's row, or None."""
    rows = read_as(database, CaseRow, f"SELECT {COLUMNS} FROM consult_case WHERE case_id = ?", (case_id,))
    return rows[0] if rows else None


def get_case(database: Database, case_id: str) -> CaseRow:
    """Give a case's row.

    Raises
    ------
    NotFound
        There is none here.
    """
    row = peek_case(database, case_id)
    if row is None:
        raise NotFound("Reading the case failed: it is not here. Load the list again.")
    return row


def insert_case(row: CaseRow) -> Statement:
    """Give the statement that adds a case; where clinic and home are one node, the row is there already."""
    values = {name: getattr(row, name) for name in COLUMNS.split(", ")}
    marks = ", ".join("?" * len(values))
    return Statement(
        f"INSERT INTO consult_case ({COLUMNS}) VALUES ({marks}) ON CONFLICT (case_id) DO NOTHING",
        tuple(int(value) if isinstance(value, bool) else value for value in values.values()),
    )


def put_standing(case_id: str, standing: Standing, *, cancelling: bool) -> Statement:
    """Give the statement that makes the row say home's newest word; an older one changes nothing."""
    return Statement(
        "UPDATE consult_case SET state = ?, due = ?, reason = ?, claimed_by = ?, claimed_name = ?, claimed_at = ?,"
        " overdue = ?, cancelling = ?, version = ? WHERE case_id = ? AND version < ?",
        (
            standing.state,
            standing.due,
            standing.reason,
            standing.claimed_by,
            standing.claimed_name,
            standing.claimed_at,
            int(standing.overdue),
            int(cancelling),
            standing.version,
            case_id,
            standing.version,
        ),
    )


def put_amended(case_id: str, times: int) -> Statement:
    """Give the statement that notes how often the study changed since it was asked about."""
    return Statement("UPDATE consult_case SET amended = max(amended, ?) WHERE case_id = ?", (times, case_id))


def put_report(case_id: str, report_id: str, *, returned_at: Micros | None) -> Statement:
    """Give the statement that names a case's report, and when it came home."""
    return Statement(
        "UPDATE consult_case SET report_id = ?, returned_at = coalesce(?, returned_at) WHERE case_id = ?",
        (report_id, returned_at, case_id),
    )


def insert_facts(case_id: str, home: NodeId, facts: Sequence[Fact]) -> list[Statement]:
    """Give the statements that keep facts; one that is here already stays as it is."""
    return [
        Statement(
            "INSERT INTO case_fact (case_id, n, at, node, type, body) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (case_id, n) DO NOTHING",
            (case_id, fact.n, fact.at, home, fact.type, canonical_json(fact.body)),
        )
        for fact in facts
    ]


def hold_study(key: StudyKey, case_id: str, *, until: Micros | None) -> Statement:
    """Give the statement that keeps a study's copy while a case needs it."""
    return Statement(
        "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (origin, study_uid, reason, who) DO UPDATE SET until = excluded.until",
        (key.origin, key.study_uid, HOLD_REASON, f"case/{case_id}", until),
    )


def unhold_study(key: StudyKey, case_id: str) -> Statement:
    """Give the statement that lets a study go as far as this case is concerned."""
    return Statement(
        "DELETE FROM hold WHERE origin = ? AND study_uid = ? AND reason = ? AND who = ?",
        (key.origin, key.study_uid, HOLD_REASON, f"case/{case_id}"),
    )
