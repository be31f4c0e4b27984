"""What is not known of cases after a rebuild, said: to the journal, to the administrator, and to the node at the other end.

Where an old database was read to its end nothing is missing, and what waited in it goes on. Else whatever happened after the
last block is unknown: each open case says so until there is news of it, and what may not have arrived is said anew.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from federation.consult.case_table import peek_case
from federation.consult.resuming import resume_cases
from node.database.port import integer
from node.failpoints import planted
from node.journal.unnamed import rowless
from node.names import Cause
from node.node import Node
from ops.rebuild.cases import Cases
from ops.rebuild.journal import Journal

_OPEN = "SELECT count(*) AS n FROM consult_case WHERE state IN ('requested', 'offered', 'claimed')"


def resume(node: Node, journal: Journal, cases: Cases) -> None:
    """Mark and say anew what the end of the journal leaves open."""
    if not journal.to_end and not planted("rebuild-forgets-tail"):
        (row,) = node.database.read(_OPEN)
        cases.resumed = integer(row, "n")
        for statements in resume_cases(node, until=journal.known_to):
            if statements:
                node.database.write(statements, node.new_id())
        cases.orphans = _orphans(node)
    if cases.resumed or cases.lacking or cases.orphans:
        _show(node, cases)


def _show(node: Node, cases: Cases) -> None:
    said = []
    if cases.resumed:
        said.append(
            f"{cases.resumed} open cases of which it is not known what happened after the last block: compare each with the"
            " other hospital."
        )
    if cases.orphans:
        said.append(
            f"{cases.orphans} texts of requests or reports that no event names: they were written just then, and the other"
            " hospital may have them."
        )
    if cases.lacking:
        case_id = min(cases.lacking)
        row = peek_case(node.database, case_id)
        about = case_id if row is None else f"{case_id} of study {row.origin}/{row.study_uid}"
        said.append(
            f"{len(cases.lacking)} cases of which something is lost; the first is {about}: {cases.lacking[case_id][0]}."
        )
    detail = f"Rebuilding the index left {' '.join(said)} 'meridian verify' names them."
    problem = node.problem(
        "cases-unknown", about=f"node/{node.id}", detail=detail, cause=Cause(node.new_id())
    )
    node.database.write(problem, node.new_id())


def _orphans(node: Node) -> int:
    """Count texts of requests and reports that no event names."""
    return sum(_is_of_case(node.texts.path(digest)) for digest in rowless(node))


def _is_of_case(path: Path) -> bool:
    try:
        said = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, OSError):
        return False
    return isinstance(said, dict) and bool({"findings", "consent"} & said.keys())
