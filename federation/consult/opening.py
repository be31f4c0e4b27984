"""Let an expert at a case: her role, her pool, whether it is sure whose images these are, and what is no image."""

from __future__ import annotations

from federation.consult.home import HomeCase, load_home
from federation.consult.refusals import PatientUncertain
from node.database.port import Database, integer
from node.errors import NotFound, Refused
from node.names import StudyKey
from node.node import Node
from node.people.accounts import Person
from node.people.roles import EXPERT


def open_case(node: Node, person: Person, case_id: str, *, act: str) -> HomeCase:
    """Give a case to a member of the pool it was offered to.

    Raises
    ------
    NotFound
        It is not at this node.
    Refused
        She is no expert, or not in the pool (any more).
    """
    person.require(EXPERT, act=act)
    case = load_home(node, case_id)
    if case.offered is None:
        raise NotFound(f"{act} failed: the case is not at this node. Load the list again.")
    member = "SELECT 1 AS one FROM membership WHERE person = ? AND pool = ?"
    if not node.database.read(member, (person.id, case.offered.pool)):
        raise Refused(
            f"{act} was refused: you are not in the pool it was offered to. Ask a node administrator."
        )
    return case


def check_patient(node: Node, key: StudyKey, *, act: str) -> None:
    """Refuse an act about a study whose instances disagree about the patient."""
    sql = "SELECT 1 AS one FROM study WHERE origin = ? AND study_uid = ? AND conflict = 2"
    if node.database.read(sql, (key.origin, key.study_uid)):
        raise PatientUncertain(
            f"{act} was refused: images of this study name different patients. Choose the right ones first."
        )


def reports_in(database: Database, key: StudyKey) -> int:
    """Give how many of a study's instances are reports that came home: they are no news to who reads its images."""
    (row,) = database.read(
        "SELECT count(*) AS n FROM instance WHERE origin = ? AND study_uid = ? AND state = 'chosen' AND door = 'report'",
        (key.origin, key.study_uid),
    )
    return integer(row, "n")
