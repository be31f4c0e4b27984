"""What an old database has of cases and their studies and no event says: cases behind a hole in the journal, how long a claim
was renewed, and what else than a case keeps a study or shows it to somebody.
"""

from __future__ import annotations

from contextlib import suppress

from federation.consult.case_table import HOLD_REASON, peek_case
from federation.consult.claims import Claim, move_claim, peek_claim
from node.database.port import Row, Statement, convert_row, integer, text
from node.database.salvage import OldDatabase
from node.errors import Damaged, GridError
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from ops.rebuild.cases import Cases
from ops.rebuild.deleted import Deleted

_OF_CASE = ("consult_case", "case_fact", "claim", "report", "referral")
_HOLDER = {"hold": "who", "access": "reason"}


def copy_remembered(node: Node, old: OldDatabase, deleted: Deleted, found: Cases) -> None:
    """Take over what the journal does not say."""
    for row in old.rows("consult_case"):
        if peek_case(node.database, text(row, "case_id")) is None and not deleted.covers(
            _key(row), integer(row, "requested_at")
        ):
            _copy_case(node, old, text(row, "case_id"))
            found.cases += 1
            found.lacking[text(row, "case_id")] = [
                "its events: it is as the old database has it, which no block confirms"
            ]
    for row in old.rows("claim"):
        claim, case_id = (
            convert_row({name: row[name] for name in ("person", "name", "epoch", "until")}, Claim),
            text(row, "case_id"),
        )
        held = peek_claim(node.database, case_id)
        if held is not None and (held.person, held.epoch) == (claim.person, claim.epoch):
            node.database.write([move_claim(case_id, held, until=claim.until)], node.new_id())
    for table, holder in _HOLDER.items():
        for row in old.rows(table):
            of_case = text(row, holder).startswith("case/") and (
                table == "access" or row["reason"] == HOLD_REASON
            )
            if not of_case or text(row, holder).removeprefix("case/") in found.lacking:
                _copy(node, table, row)


def _copy_case(node: Node, old: OldDatabase, case_id: str) -> None:
    for table in _OF_CASE:
        with suppress(Damaged):
            for row in old.read(f"SELECT * FROM {table} WHERE case_id = ?", (case_id,)):
                _copy(node, table, row)


def _copy(node: Node, table: str, row: Row) -> None:
    """Copy one row; one that is refused costs no other."""
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    with suppress(GridError):
        node.database.write([Statement(sql, tuple(row.values()))], node.new_id())


def _key(row: Row) -> StudyKey:
    return StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
