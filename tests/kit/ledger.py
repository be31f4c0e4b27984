"""What one walk must have left at both nodes and at the PACS, and nothing more: read from their folders.

Answers in sentences; an empty list is a walk of which nothing was lost and nothing came twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, object]
ONCE = {
    "alpha": ("consult-requested/2", "report-returned/2", "documents-made/2", "report-delivered/1"),
    "centre": ("case-offered/1", "case-claimed/1", "report-signed/2", "case-signed/1"),
}
"""Facts of a walk that are true once, by the node that writes them."""
NEVER = ("amendment-sent/1", "claim-lapsed/1", "claim-released/1", "problem-found/1")
"""Facts that no walk has, whatever crashed."""
OWED = {
    "messages not acknowledged": "SELECT 1 FROM outbox WHERE state <> 'received'",
    "envelopes not collected": "SELECT 1 FROM mailbox WHERE n > 0",
    "envelopes set aside": "SELECT 1 FROM inbox",
    "parts not offered": "SELECT 1 FROM part WHERE direction = 'out' AND state = 'sealed'",
    "parts not fetched": "SELECT 1 FROM part WHERE direction = 'in' AND state <> 'done'",
    "sealed files": "SELECT 1 FROM blob",
    "studies not told": "SELECT 1 FROM decision WHERE pending = 1",
    "studies not complete": "SELECT 1 FROM study WHERE state <> 'complete'",
    "studies not compared": "SELECT 1 FROM completed_there WHERE agreed_at IS NULL",
    "jobs not done": "SELECT 1 FROM job WHERE state <> 'done'",
}


@dataclass(frozen=True)
class Walked:
    """A study that went the whole way."""

    study_uid: str
    case_id: str
    report_id: str
    images: int


class Ledger:
    """A node's rows, read while it runs or when it has stopped."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def rows(self, sql: str, *params: object) -> list[Row]:
        cursor = self._connection.execute(sql, params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]

    def count(self, sql: str, *params: object) -> int:
        return len(self.rows(sql, *params))


@contextmanager
def ledgers(directory: Path) -> Iterator[dict[str, Ledger]]:
    """Open what both nodes have written."""
    with (
        closing(sqlite3.connect(f"file:{directory}/alpha/meridian.db?mode=ro", uri=True)) as alpha,
        closing(sqlite3.connect(f"file:{directory}/centre/meridian.db?mode=ro", uri=True)) as centre,
    ):
        yield {"alpha": Ledger(alpha, "alpha"), "centre": Ledger(centre, "centre")}


def still_owed(directory: Path) -> list[str]:
    """Say what is under way; empty when nobody owes anybody anything and both hold the same."""
    with ledgers(directory) as nodes:
        owed = [
            f"{name}: {count} {what}"
            for name, node in nodes.items()
            for what, sql in OWED.items()
            if (count := node.count(sql))
        ]
        sets = [
            node.rows("SELECT origin, study_uid, sop_uid, digest FROM instance ORDER BY 1, 2, 3, 4")
            for node in nodes.values()
        ]
    return (
        owed
        if sets[0] == sets[1]
        else [*owed, f"alpha holds {len(sets[0])} instances, centre {len(sets[1])}"]
    )


def wrong_after(directory: Path, walked: Walked) -> list[str]:
    """Name what a walk lost, or did twice."""
    with ledgers(directory) as nodes:
        return [
            *(f"{node.name}: {what}" for node in nodes.values() for what in _wrong_at(node, walked)),
            *_wrong_between(nodes["alpha"], nodes["centre"], walked),
            *_wrong_at_pacs(directory / "pacs", nodes["alpha"], walked),
        ]


def repeats(directory: Path, walked: Walked) -> dict[str, int]:
    """Give how many data sets of a study came to each node again; they were counted and dropped."""
    with ledgers(directory) as nodes:
        sql = "SELECT coalesce(sum(times), 0) AS n FROM repeated WHERE study_uid = ?"
        return {name: int(str(node.rows(sql, walked.study_uid)[0]["n"])) for name, node in nodes.items()}


def _wrong_at(node: Ledger, walked: Walked) -> Iterator[str]:
    (study,) = node.rows(
        "SELECT instance_count, state, conflict FROM study WHERE study_uid = ?", walked.study_uid
    )
    if tuple(study.values()) != (walked.images + 1, "complete", 0):
        yield f"the study's row says {tuple(study.values())}"
    contents = node.rows("SELECT DISTINCT sop_uid, state FROM instance WHERE study_uid = ?", walked.study_uid)
    if [row["state"] for row in contents] != ["chosen"] * (walked.images + 1):
        yield f"{len(contents)} contents of instances, {walked.images} images and a report were sent"
    cases = node.rows(
        "SELECT state, report_id, amended, cancelling FROM consult_case WHERE study_uid = ?", walked.study_uid
    )
    if [tuple(row.values()) for row in cases] != [("signed", walked.report_id, 0, 0)]:
        yield f"cases {cases}"
    reports = node.count("SELECT 1 FROM report WHERE study_uid = ?", walked.study_uid)
    if reports != 1:
        yield f"{reports} reports"
    happened = _happened(node, walked)
    for type_ in ONCE[node.name]:
        if happened.count(type_) != 1:
            yield f"{happened.count(type_)} of {type_}"
    yield from (f"{type_} was written" for type_ in NEVER if type_ in happened)
    yield from _doubles(node, walked)


def _happened(node: Ledger, walked: Walked) -> list[object]:
    """Give the types of all that the journal holds of a walk."""
    return [row["type"] for row in node.rows(f"SELECT type FROM journal WHERE {_OF_WALK}", *_names(walked))]


def _doubles(node: Ledger, walked: Walked) -> Iterator[str]:
    for row in node.rows(
        # Two associations that bring as many slices each, registered at once, say the same: their causes differ.
        f"SELECT type, count(*) AS n FROM journal WHERE {_OF_WALK} GROUP BY subject, type, body,"
        " CASE type WHEN 'study-changed/1' THEN cause ELSE '' END HAVING count(*) > 1",
        *_names(walked),
    ):
        yield f"{row['type']} was written {row['n']} times in the same words"


def _wrong_between(alpha: Ledger, centre: Ledger, walked: Walked) -> Iterator[str]:
    for what, sql in (
        ("report", "SELECT report_id, text, signature, sr_uid FROM report WHERE study_uid = ?"),
        (
            "facts",
            "SELECT n, type, body FROM case_fact WHERE case_id IN (SELECT case_id FROM consult_case WHERE study_uid = ?)",
        ),
        ("instances", "SELECT sop_uid, digest FROM instance WHERE study_uid = ? ORDER BY 1, 2"),
    ):
        if alpha.rows(sql, walked.study_uid) != centre.rows(sql, walked.study_uid):
            yield f"the nodes hold different {what}"


def _wrong_at_pacs(folder: Path, alpha: Ledger, walked: Walked) -> Iterator[str]:
    deliveries = alpha.rows("SELECT state FROM delivery WHERE report_id = ?", walked.report_id)
    if [row["state"] for row in deliveries] != ["delivered"]:
        yield f"deliveries {deliveries}"
    reports = alpha.rows("SELECT sr_uid FROM report WHERE report_id = ?", walked.report_id)
    received = _of_study(sorted(folder.rglob("*.dcm")), walked.study_uid)
    if [path.stem for path in received] != [report["sr_uid"] for report in reports]:
        yield f"the PACS holds {len(received)} instances of the study, not the one report"


def _of_study(files: Sequence[Path], study_uid: str) -> list[Path]:
    return [path for path in files if study_uid.encode() in path.read_bytes()]


_OF_WALK = "instr(subject, ?) OR instr(subject, ?) OR instr(subject, ?) OR instr(body, ?)"


def _names(walked: Walked) -> tuple[str, ...]:
    return (walked.study_uid, walked.case_id, walked.report_id, walked.report_id)
