"""Cases as pages read them. Nothing is decided here; the documents and the story read rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec

from federation.consult.case_table import COLUMNS, CaseRow
from federation.consult.drafts import peek_draft
from federation.consult.forms import FormWords
from federation.consult.messages import FactBody
from federation.consult.opening import open_case
from node.clock import Micros
from node.database.port import Database, Row, Value, convert_row, integer, text
from node.errors import NotFound
from node.names import Digest, NodeId, StudyKey
from node.node import Node
from node.people.accounts import Person
from node.people.roles import EXPERT, TECHNICIAN
from node.reporting.report import Draft

Box = Literal["sent", "queue", "mine", "done"]
"""Sent by this clinic · offered to the viewer's pools · claimed by her · ended."""

_SELECT = (
    "SELECT "
    + ", ".join(f"consult_case.{name} AS {name}" for name in COLUMNS.split(", "))
    + ", coalesce(pool.name, consult_case.pool) AS pool_name, claim.until AS claim_until FROM consult_case"
    " LEFT JOIN pool ON pool.id = consult_case.pool LEFT JOIN claim ON claim.case_id = consult_case.case_id"
)
_MY_POOLS = "consult_case.pool IN (SELECT pool FROM membership WHERE person = ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimShown:
    """Who holds a case; ``until`` is None at the clinic: only home knows of renewals."""

    person: str
    name: str
    until: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseShown:
    """A case with what a list shows beside it."""

    row: CaseRow
    pool_name: str
    claim: ClaimShown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFact:
    """Something dated that happened to a case at its home."""

    n: int
    at: Micros
    node: NodeId
    type: str
    """An event's stable name, such as ``case-claimed/1``."""
    body: FactBody


def find_cases(node: Node, person: Person, *, box: Box, limit: int = 200) -> list[CaseShown]:
    """Give a person's box: what is open by deadline, what has ended newest first. Empty without its role."""
    technician, expert = TECHNICIAN in person.roles, EXPERT in person.roles
    params: tuple[Value, ...]
    match box:
        case "sent":
            where, params = "consult_case.clinic = ? AND ?", (node.id, int(technician))
            order = "requested_at DESC"
        case "queue":
            where = f"consult_case.home = ? AND state = 'offered' AND {_MY_POOLS} AND ?"
            params, order = (node.id, person.id, int(expert)), "due"
        case "mine":
            where = "consult_case.home = ? AND state = 'claimed' AND claimed_by = ? AND ?"
            params, order = (node.id, person.id, int(expert)), "due"
        case "done":
            where = (
                "state IN ('signed', 'declined', 'cancelled') AND ((consult_case.clinic = ? AND ?)"
                f" OR (consult_case.home = ? AND {_MY_POOLS} AND ?))"
            )
            params = (node.id, int(technician), node.id, person.id, int(expert))
            order = "requested_at DESC"
        case _:
            assert_never(box)
    return _cases(node.database, f"{where} ORDER BY {order}, consult_case.case_id LIMIT ?", (*params, limit))


def get_case_shown(node: Node, case_id: str) -> CaseShown:
    """Give a case.

    Raises
    ------
    NotFound
        There is none here.
    """
    shown = _cases(node.database, "consult_case.case_id = ?", (case_id,))
    if not shown:
        raise NotFound("Reading the case failed: it is not here. Load the list again.")
    return shown[0]


def cases_of(database: Database, key: StudyKey) -> list[CaseShown]:
    """Give the cases about a study, newest first."""
    return _cases(
        database,
        "consult_case.origin = ? AND consult_case.study_uid = ? ORDER BY requested_at DESC, consult_case.case_id",
        (key.origin, key.study_uid),
    )


def facts_of(database: Database, case_id: str) -> list[CaseFact]:
    """Give the dated facts of a case as its home wrote them, oldest first."""
    rows = database.read(
        "SELECT n, at, node, type, body FROM case_fact WHERE case_id = ? ORDER BY n", (case_id,)
    )
    return [_fact(row) for row in rows]


def form_of(node: Node, row: CaseRow) -> FormWords | None:
    """Give the words of a case's request; None when they were erased."""
    try:
        return msgspec.json.decode(node.texts.get(Digest(row.form)), type=FormWords)
    except NotFound:
        return None


def draft_of(node: Node, person: Person, case_id: str) -> Draft:
    """Give the draft of a case to a member of its pool; an empty one at version 0 before the first save."""
    open_case(node, person, case_id, act="Reading the draft")
    return peek_draft(node.database, case_id) or Draft(version=0, findings="", impression="", person="", at=0)


def _cases(database: Database, where: str, params: tuple[Value, ...]) -> list[CaseShown]:
    return [_shown(row) for row in database.read(f"{_SELECT} WHERE {where}", params)]


def _shown(row: Row) -> CaseShown:
    case = convert_row({name: row[name] for name in COLUMNS.split(", ")}, CaseRow)
    until = None if row["claim_until"] is None else integer(row, "claim_until")
    held = case.state == "claimed"
    claim = ClaimShown(person=case.claimed_by, name=case.claimed_name, until=until) if held else None
    return CaseShown(row=case, pool_name=text(row, "pool_name"), claim=claim)


def _fact(row: Row) -> CaseFact:
    return CaseFact(
        n=integer(row, "n"),
        at=integer(row, "at"),
        node=NodeId(text(row, "node")),
        type=text(row, "type"),
        body=msgspec.json.decode(text(row, "body"), type=FactBody),
    )
