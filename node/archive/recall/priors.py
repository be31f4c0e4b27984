"""Earlier studies brought back before anybody asks: those of a patient who is to be looked at, like the one at hand.

They come after all that somebody waits for, only as far as there is room, and go again by the rules for copies like any other.
A patient is the whole key, never a bare number; a study whose instances disagree about the patient is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from node.archive.archived import WHOLE
from node.archive.lifecycle.known import EARLY
from node.archive.lifecycle.ruling import effective_rules
from node.archive.recall.asking import PRIORS, ask_recall
from node.archive.recall.room import room_bytes
from node.archive.recall.tickets import lies_away, peek_open
from node.catalogue.search import StudyRow, peek_study
from node.database.port import read_as
from node.errors import Conflict, NotFound
from node.failpoints import planted
from node.names import PatientKey, StudyKey
from node.node import Node

RED = 2
"""Of ``study.conflict``: its instances speak of different people."""
LOOKED_AT = 200
"""The newest studies of a patient; further back nothing is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Whose earlier studies are wanted, and what they must share with what is to be looked at; empty: anything."""

    patient: PatientKey
    modalities: frozenset[str] = frozenset()
    body_parts: frozenset[str] = frozenset()
    besides: StudyKey | None = None


def recall_priors_of(node: Node, key: StudyKey) -> list[StudyKey]:
    """Bring back what a study of this node is compared with, for a consult; give the studies asked for."""
    study = peek_study(node.database, key)
    if study is None or key.origin != node.id or study.conflict >= RED:
        return []
    patient = PatientKey(issuer=study.patient_issuer, id=study.patient_id)
    sought = Sought(
        patient=patient,
        modalities=frozenset(study.modality_list),
        body_parts=frozenset(study.body_part_list),
        besides=key,
    )
    return recall_early(node, [sought], why=PRIORS)


def recall_early(node: Node, sought: Iterable[Sought], *, why: str) -> list[StudyKey]:
    """Bring back earlier studies of patients who are to be looked at, as far as the limits and the room allow.

    Gives those that were not on their way already.

    Parameters
    ----------
    why
        A code, for the list of recalls.
    """
    limits, room = effective_rules(node).limits, room_bytes(node)
    asked: list[StudyKey] = []
    for one in sought:
        left = limits.priors_bytes
        for key in _priors(node, one, most=limits.priors):
            _, size = lies_away(node.database, key)
            if size > left:
                break
            left -= size
            if peek_open(node.database, key) is not None:
                continue  # the room that it takes is taken
            if size > room:
                break
            with suppress(Conflict, NotFound):
                ask_recall(node, None, key, who="", why=why, priority=EARLY)
                asked.append(key)
                room -= size
    return asked


def is_held(node: Node, patient: PatientKey) -> bool:
    """Say whether a study of hers is held here, in either tier."""
    return bool(
        node.database.read(
            f"SELECT 1 AS held FROM study WHERE {_hers()} LIMIT 1", (patient.issuer, patient.id, node.id)
        )
    )


def _priors(node: Node, sought: Sought, *, most: int) -> list[StudyKey]:
    """Give those of the newest studies that are alike which lie in the archive alone, at least in part."""
    if not most:
        return []
    rows = read_as(
        node.database,
        StudyRow,
        f"SELECT * FROM study WHERE {_hers()} AND conflict < ?"
        " AND rejected = 0 ORDER BY study_date DESC, first_at DESC LIMIT ?",
        (sought.patient.issuer, sought.patient.id, node.id, RED, LOOKED_AT),
    )
    alike = [StudyKey(origin=row.origin, study_uid=row.study_uid) for row in rows if _is_alike(row, sought)]
    newest = [key for key in alike if key != sought.besides][:most]
    return [key for key in newest if _is_away(node, key)]


def _hers() -> str:
    """Give the condition on a study that is a patient's by her issuer and ID, and of an origin."""
    whose = "'' <> ?" if planted("priors-by-bare-id") else "patient_issuer = ?"
    return f"{whose} AND patient_id = ? AND origin = ?"


def _is_away(node: Node, key: StudyKey) -> bool:
    return bool(
        node.database.read(
            "SELECT 1 AS away FROM archived WHERE origin = ? AND study_uid = ? AND online <> ? AND generation ="
            " (SELECT max(generation) FROM archived WHERE origin = ? AND study_uid = ?)",
            (key.origin, key.study_uid, WHOLE, key.origin, key.study_uid),
        )
    )


def _is_alike(row: StudyRow, sought: Sought) -> bool:
    if not (sought.modalities or sought.body_parts):
        return True
    return bool(
        sought.modalities.intersection(row.modality_list)
        or sought.body_parts.intersection(row.body_part_list)
    )
