"""From standing facts to a study's overlay, and whether its instances still speak of two people: pure.

Facts count in the order they were made. One about a patient counts for whoever
is that patient when its turn comes; one that moves a study counts for all that
its instances said by then, and for what comes later unless that is somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.catalogue.correction_facts import OF_PATIENTS, Correction, PatientChange
from node.catalogue.identity import Patient, any_differ, differ
from node.catalogue.overlays import EVERY, Choice, Overlay, Rejection
from node.clock import Micros
from node.failpoints import planted
from node.names import PatientKey

MOST_PATIENTS = 20
"""A study that speaks of more is not compared pair by pair: it is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A way of naming the patient that instances of a study have, and when the first of them came."""

    patient: Patient
    first_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What the facts come to."""

    overlay: Overlay
    red: bool
    """Whether instances speak of different people, as corrected."""
    facts: tuple[str, ...]
    """Those that count for this study, in their order."""


def resolve(facts: Sequence[Correction], *, said: Patient, spoken: Iterable[Spoken]) -> Resolution:
    """Say what standing facts make of a study.

    Parameters
    ----------
    said
        The patient whom the study's row names by itself.
    spoken
        All that its instances name.
    """
    spoken = list(spoken)
    _, moved, counted = _became(said, facts, by=None)
    patients: dict[str, PatientChange] = {}
    clashing: set[str] = set()
    shown: list[Patient] = []
    for one in [Spoken(patient=said, first_at=0), *spoken]:
        patient, change, more = _became(one.patient, facts, by=one.first_at)
        shown.append(patient)
        counted |= more
        id_ = one.patient.key.id
        if patients.setdefault(id_, change) != change:
            clashing.add(id_)  # two issuers number alike: neither is taken for the other
    if any(fact.row.kind == "move" for fact in facts):
        patients = {EVERY: moved}
    else:
        patients = {
            id_: change
            for id_, change in patients.items()
            if change != PatientChange() and id_ not in clashing
        }
    others = [fact for fact in facts if fact.row.kind not in (*OF_PATIENTS, "move")]
    overlay = Overlay(
        patients=patients,
        study=_values(others, "study").get("", {}),
        series=_values(others, "series"),
        rejections=tuple(_rejection(fact) for fact in others if fact.row.kind in ("reject", "note")),
        choices={
            uid: Choice(digest=fact.words.chosen, at=fact.row.at)
            for fact in others
            if fact.row.kind == "choose"
            for uid in fact.words.sop_uids
        },
    )
    counts = tuple(
        fact.row.id for fact in facts if fact.row.id in counted or fact.row.kind not in OF_PATIENTS
    )
    newest = max((fact.row.at for fact in facts if fact.row.id in counts), default=0)
    distinct = list(dict.fromkeys(shown))
    return Resolution(
        overlay=_at(overlay, newest),
        red=len(distinct) > MOST_PATIENTS or any_differ(distinct),
        facts=counts,
    )


def _became(
    patient: Patient, facts: Sequence[Correction], *, by: Micros | None
) -> tuple[Patient, PatientChange, set[str]]:
    """Give who a patient became, what changed, and the facts that did it.

    Parameters
    ----------
    by
        When instances first spoke of this patient; None for the study itself, which every move moves.
    """
    changed, counted = PatientChange(), set()
    for fact in facts:
        change = fact.words.patient
        if change is None:
            continue
        if fact.row.kind == "move":
            moves = by is None or by <= fact.row.at or not differ(patient, change.on(patient))
        else:
            moves = _is_about(fact, patient.key)
        if moves:
            patient, changed = change.on(patient), changed.then(change)
            counted.add(fact.row.id)
    return patient, changed, counted


def _is_about(fact: Correction, key: PatientKey) -> bool:
    if fact.row.kind not in OF_PATIENTS:
        return False
    if planted("merge-by-bare-id"):
        return fact.patient.id == key.id
    return fact.patient == key


def _values(facts: Iterable[Correction], kind: str) -> dict[str, dict[str, str]]:
    """Give what studies or series say now, by series; the latest word counts."""
    values: dict[str, dict[str, str]] = {}
    for fact in facts:
        if fact.row.kind == kind:
            values.setdefault(fact.row.series_uid, {}).update(fact.words.values)
    return values


def _rejection(fact: Correction) -> Rejection:
    return Rejection(
        series_uid=fact.row.series_uid,
        sop_uids=fact.words.sop_uids,
        until=None if fact.row.kind == "note" else fact.row.at,
        code=fact.row.code,
    )


def _at(overlay: Overlay, at: Micros) -> Overlay:
    return Overlay(**{**{name: getattr(overlay, name) for name in overlay.__struct_fields__}, "at": at})
