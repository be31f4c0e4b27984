"""From what was asked to be corrected to the fact that is kept, and the event that tells of it."""

from __future__ import annotations

from node.canonical import digest_of
from node.catalogue.correction_drafts import Draft
from node.catalogue.correction_events import (
    ContentChosen,
    InstancesRejected,
    Made,
    PatientCorrected,
    PatientsMerged,
    SeriesCorrected,
    StudyCorrected,
    StudyMoved,
)
from node.catalogue.correction_facts import (
    OF_PATIENTS,
    Correction,
    CorrectionRow,
    PatientChange,
    Words,
    encode_words,
)
from node.clock import Micros
from node.events import Event
from node.names import Cause, PatientKey
from node.node import Node
from node.people.accounts import Person


def event_of(fact: Correction, *, instances: int) -> Event:
    """Give the event that tells of a fact; ``instances`` is how many it touches."""
    said = {"correction": fact.row.id, "words": fact.row.words, "by": fact.words.by}
    plain: dict[str, type[Made]] = {
        "merge": PatientsMerged,
        "patient": PatientCorrected,
        "move": StudyMoved,
        "study": StudyCorrected,
    }
    if fact.row.kind in plain:
        return plain[fact.row.kind](**said)
    if fact.row.kind == "series":
        return SeriesCorrected(**said, series_uid=fact.row.series_uid)
    if fact.row.kind == "choose":
        return ContentChosen(**said, sop_uid=fact.words.sop_uids[0], digest=fact.words.chosen)
    return InstancesRejected(**said, code=fact.row.code, series_uid=fact.row.series_uid, instances=instances)


def fact_of_draft(
    node: Node, draft: Draft, *, by: Person | None, reason: str, id_: str, at: Micros
) -> Correction:
    """Give the fact that a draft comes to; without a person for a preview."""
    patient = draft.patient or PatientKey(issuer="", id="")
    words = Words(
        patient=draft.words.patient or (PatientChange() if draft.kind in OF_PATIENTS else None),
        values=draft.words.values,
        sop_uids=draft.words.sop_uids,
        chosen=draft.words.chosen,
        reason=reason,
        by="" if by is None else by.name,
        correction=id_,
        study="" if draft.study is None else draft.study.subject,
        about=None if draft.patient is None else (patient.issuer, patient.id),
        person="" if by is None else by.id,
        at=at,
    )
    return Correction(
        row=CorrectionRow(
            id=id_,
            n=0,
            kind=draft.kind,
            origin=node.id,
            study_uid="" if draft.study is None else draft.study.study_uid,
            series_uid=draft.series_uid,
            patient_issuer=patient.issuer,
            patient_id=patient.id,
            words=digest_of(encode_words(words)),
            code=draft.code,
            person="" if by is None else by.id,
            at=at,
            undone_at=None,
            undone_by="",
            undone_words="",
            cause=Cause(id_),
        ),
        words=words,
    )
