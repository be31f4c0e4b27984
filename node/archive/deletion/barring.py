"""What keeps a study from being deleted, as rows say it now, and as the batch that deletes says it once more."""

from __future__ import annotations

from node.archive.deletion.deed import retention_of
from node.archive.deletion.strays import is_landing
from node.catalogue.search import StudyRow, peek_study
from node.catalogue.visibility import Condition
from node.database.port import text
from node.errors import Conflict, NotFound, Refused
from node.failpoints import planted
from node.names import StudyKey
from node.node import Node

_HELD = "EXISTS (SELECT 1 FROM hold WHERE hold.origin = ? AND hold.study_uid = ? AND (hold.until IS NULL OR hold.until > ?))"
_ASKED_ABOUT = (
    "EXISTS (SELECT 1 FROM consult_case AS c WHERE c.origin = ? AND c.study_uid = ?"
    " AND (c.state IN ('requested', 'offered', 'claimed') OR c.cancelling = 1))"
)
_SIGNED_HERE = "EXISTS (SELECT 1 FROM report AS r WHERE r.origin = ? AND r.study_uid = ? AND r.home = ?)"


def check_deletable(node: Node, key: StudyKey, *, by_time: bool) -> StudyRow:
    """Give the study, if nothing keeps it.

    Parameters
    ----------
    by_time
        Its time is what it goes for: then that must be over.

    Raises
    ------
    NotFound, Refused, Conflict
        It is not here; not ours; something keeps it, and the message says what.
    """
    study = peek_study(node.database, key)
    if study is None:
        raise NotFound("Deleting a study failed: it is not here. Load the list again.")
    if key.origin != node.id:
        raise Refused(
            f"Deleting a study was refused: it is one of {key.origin}, which alone deletes it for good. Ask there."
        )
    if study.state != "complete":
        raise _barred("it is not complete: instances may be on their way. Wait until it is")
    if is_landing(node, key):
        raise _barred("an association that brings it is open. Try again when that has ended")
    kept = retention_of(node, key)
    if kept.years is None:
        raise _barred(f"rule {kept.rule!r} keeps it for good. Change that rule first, if the law lets you")
    if by_time and not kept.over:
        raise _barred("its time is not over. Give another reason, or wait until it is")
    why = barred_by(node, key)
    if why == "hold":
        raise _barred("somebody holds it. The study's storage says who; let go of it there first")
    if why == "case":
        raise _barred("a consult case about it is open. Wait for its report, or cancel the case")
    return study


def barred_by(node: Node, key: StudyKey, *, own_reports: bool = False) -> str:
    """Give the code of what keeps a study here: ``hold``, ``case``, ``report``; empty when nothing does."""
    where = (key.origin, key.study_uid)
    (row,) = node.database.read(
        f"SELECT {_HELD} AS held, {_ASKED_ABOUT} AS asked, {_SIGNED_HERE} AS signed",
        (*where, node.now(), *where, *where, node.id),
    )
    if row["held"] and not planted("deletion-hold-ignored"):
        return "hold"
    if row["asked"]:
        return "case"
    return "report" if own_reports and row["signed"] else ""


def unbarred(node: Node, key: StudyKey, *, own_reports: bool = False) -> Condition:
    """Give the condition, as SQL, that nothing keeps a study when the batch is written."""
    where = (key.origin, key.study_uid)
    conditions: list[Condition] = [(f"NOT {_ASKED_ABOUT}", where)]
    if not planted("deletion-hold-ignored"):
        conditions.append((f"NOT {_HELD}", (*where, node.now())))
    if own_reports:
        conditions.append((f"NOT {_SIGNED_HERE}", (*where, node.id)))
    params = tuple(value for _, given in conditions for value in given)
    return " AND ".join(sql for sql, _ in conditions), params


def _barred(why: str) -> Conflict:
    return Conflict(f"Deleting a study was refused: {why}.")


def names_of_patient(node: Node, key: StudyKey) -> set[str]:
    """Give the words that no reason may hold: the patient's names and numbers, as they are written here."""
    rows = node.database.read(
        "SELECT patient_name, patient_id FROM study_identity WHERE origin = ? AND study_uid = ?"
        " UNION SELECT patient_name, patient_id FROM study WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid) * 2,
    )
    ids = {text(row, "patient_id") for row in rows}
    names = {part.replace("^", "") for row in rows for part in text(row, "patient_name").split("=")}
    return {word.casefold() for word in names if len(word) > 1} | {
        word.casefold() for word in ids if len(word) > 3
    }
