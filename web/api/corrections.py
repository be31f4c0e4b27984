"""Corrections: patients side by side, what would change, doing it and taking it back. For technicians.

Every answer is of this hospital's own studies: a peer's are corrected where they came from.
"""

from __future__ import annotations

import msgspec

from node.catalogue.correction_drafts import (
    Draft,
    draft_choice,
    draft_merge,
    draft_move,
    draft_patient,
    draft_rejection,
    draft_series,
    draft_study,
)
from node.catalogue.correction_facts import Correction, Words, facts_applied_to, newest_facts
from node.catalogue.corrections import make_correction, preview_correction, preview_undo, undo_correction
from node.catalogue.finding import match_patients
from node.catalogue.identity import Patient
from node.catalogue.said import spoken_of
from node.catalogue.search import (
    StudyRow,
    conflicts_of,
    find_visible,
    get_study,
    named_patients,
)
from node.catalogue.speaking import instances_of_others, read_spoken
from node.catalogue.typed import REJECTED_STUDIES
from node.catalogue.visibility import Condition, visible_condition
from node.database.port import integer, read_as
from node.errors import FieldMissing, GridError, NotFound
from node.names import PatientKey, StudyKey
from node.node import Node
from web.api.correction_shapes import (
    Corrections,
    CorrectionShape,
    Made,
    PatientAsk,
    PatientPage,
    Patients,
    PreviewShape,
    SpokenShape,
    StudyAsk,
    StudyCorrections,
    UndoAsk,
    content_shape,
    correction_shape,
    patient_shape,
    preview_shape,
)
from web.api.showing import study_shapes
from web.guard import Sees
from web.routes import TECHNICIAN, Call, NoBody, route

LISTED = 50
CONTENTS = 200
"""Contents in conflict that one page shows."""


@route("GET /api/corrections", roles=TECHNICIAN, sees=Sees.LIST)
def list_corrections(call: Call[NoBody]) -> Corrections:
    """Give what was corrected lately, studies in conflict, and studies of which all is rejected."""
    node, condition = call.node, _own(call)
    return Corrections(
        items=[_shape(node, fact) for fact in newest_facts(node.database, node.id, limit=LISTED)],
        conflicts=study_shapes(node, _in_conflict(node, condition)),
        rejected=study_shapes(
            node, find_visible(node.database, condition, state=REJECTED_STUDIES, limit=LISTED)
        ),
    )


@route("GET /api/corrections/patients", roles=TECHNICIAN, sees=Sees.LIST)
def find_patients(call: Call[NoBody]) -> Patients:
    """Find patients by what is typed of name or ID."""
    words = call.query.get("text", "")
    condition = named_patients(_own(call), words)
    rows = match_patients(call.node.database, condition, filters={}, limit=LISTED)
    return Patients(items=[patient_shape(row) for row in rows])


@route("GET /api/corrections/patient", roles=TECHNICIAN, sees=Sees.LIST)
def show_patient(call: Call[NoBody]) -> PatientPage:
    """Give a patient with her studies."""
    key = PatientKey(issuer=call.query.get("issuer", ""), id=call.query.get("id", ""))
    seen, params = _own(call)
    condition: Condition = (
        f"({seen}) AND study.patient_issuer = ? AND study.patient_id = ?",
        (*params, key.issuer, key.id),
    )
    rows = match_patients(call.node.database, condition, filters={}, limit=1)
    if not rows:
        raise NotFound("Reading a patient failed: no study of hers is here. Search again.")
    studies = find_visible(call.node.database, condition, limit=500)
    return PatientPage(patient=patient_shape(rows[0]), studies=study_shapes(call.node, studies))


@route("POST /api/corrections/preview", roles=TECHNICIAN, sees=Sees.LIST, body=PatientAsk)
def preview_patient(call: Call[PatientAsk]) -> PreviewShape:
    """Say what correcting a patient would change."""
    return preview_shape(preview_correction(call.node, _of_patient(call.node, call.body)))


@route("POST /api/corrections", roles=TECHNICIAN, sees=Sees.LIST, body=PatientAsk)
def correct_patient(call: Call[PatientAsk]) -> Made:
    """Merge two patients, or correct one."""
    body = call.body
    draft = _of_patient(call.node, body)
    id_ = make_correction(
        call.node, call.person, draft, reason=body.reason, seen=body.seen, address=call.address
    )
    return Made(id=id_)


@route("GET /api/corrections/{id}/undo", roles=TECHNICIAN, sees=Sees.LIST)
def preview_taking_back(call: Call[NoBody]) -> PreviewShape:
    """Say what taking a correction back would change."""
    return preview_shape(preview_undo(call.node, call.path["id"]))


@route("POST /api/corrections/{id}/undo", roles=TECHNICIAN, sees=Sees.LIST, body=UndoAsk)
def take_back(call: Call[UndoAsk]) -> Made:
    """Take a correction back."""
    undo_correction(
        call.node,
        call.person,
        call.path["id"],
        reason=call.body.reason,
        seen=call.body.seen,
        address=call.address,
    )
    return Made(id=call.path["id"])


@route("GET /api/studies/{origin}/{study_uid}/corrections", roles=TECHNICIAN, sees=Sees.STUDY)
def show_study(call: Call[NoBody]) -> StudyCorrections:
    """Give what was corrected of a study, and what of it is in conflict."""
    node, key = call.node, call.study
    row = get_study(node.database, key)
    return StudyCorrections(
        study=study_shapes(node, [row])[0],
        own=key.origin == node.id,
        items=[_shape(node, fact) for fact in facts_applied_to(node.database, key)],
        patients=[
            SpokenShape(
                issuer=one.patient.key.issuer,
                id=one.patient.key.id,
                name=one.patient.name,
                sex=one.patient.sex,
                birth_date=one.patient.birth_date,
                first_at=one.first_at,
            )
            for one in spoken_of(node.database, key)
        ],
        contents=[
            content_shape(one) for one in read_spoken(node, conflicts_of(node.database, key)[:CONTENTS])
        ],
    )


@route(
    "POST /api/studies/{origin}/{study_uid}/corrections/preview",
    roles=TECHNICIAN,
    sees=Sees.STUDY,
    body=StudyAsk,
)
def preview_study(call: Call[StudyAsk]) -> PreviewShape:
    """Say what correcting a study would change."""
    preview = preview_correction(call.node, _of_study(call.node, call.study, call.body))
    return preview_shape(preview, others=len(_others(call.node, call.study, call.body)))


@route("POST /api/studies/{origin}/{study_uid}/corrections", roles=TECHNICIAN, sees=Sees.STUDY, body=StudyAsk)
def correct_study(call: Call[StudyAsk]) -> Made:
    """Move, correct, reject, or choose a side."""
    node, key, body = call.node, call.study, call.body
    draft = _of_study(node, key, body)
    others = _others(node, key, body)
    if others:
        rejection = draft_rejection(node, key, sop_uids=others, code=body.code or "113038")
        make_correction(node, call.person, rejection, reason=body.reason, address=call.address)
    id_ = make_correction(
        node,
        call.person,
        draft,
        reason=body.reason,
        seen=None if others else body.seen,
        address=call.address,
    )
    return Made(id=id_)


def _others(node: Node, key: StudyKey, body: StudyAsk) -> list[str]:
    """Give the instances that are to be rejected because they name somebody else than who was chosen."""
    if body.kind != "identity" or body.others != "reject" or body.patient is None:
        return []
    return instances_of_others(node, key, body.patient.key())


def _of_patient(node: Node, body: PatientAsk) -> Draft:
    if body.kind == "merge":
        if body.to is None:
            raise FieldMissing("Merging patients was refused: choose the one that stays.", name="to")
        return draft_merge(node, body.patient.key(), body.to.key())
    if body.change is None:
        raise FieldMissing("Correcting a patient was refused: write what is right.", name="change")
    return draft_patient(node, body.patient.key(), body.change.change())


def _of_study(node: Node, key: StudyKey, body: StudyAsk) -> Draft:
    match body.kind:
        case "move":
            return draft_move(node, key, _whom(node, key, body))
        case "identity":
            return draft_move(node, key, _spoken(node, key, body))
        case "study":
            return draft_study(node, key, body.values)
        case "series":
            return draft_series(node, key, body.series_uid, body.values)
        case "reject":
            return draft_rejection(
                node, key, series_uid=body.series_uid, sop_uids=body.sop_uids, code=body.code
            )
        case "choose":
            return draft_choice(node, key, next(iter(body.sop_uids), ""), body.chosen)


def _whom(node: Node, key: StudyKey, body: StudyAsk) -> PatientKey | Patient:
    """Give who a study is to be moved to: a patient who is here, or one who is written."""
    if body.patient is not None:
        return body.patient.key()
    change = body.change
    if change is None or not change.id:
        raise FieldMissing("Moving a study was refused: give the right patient's ID.", name="id")
    issuer = get_study(node.database, key).patient_issuer
    own = f"{node.id}:" if issuer.startswith(f"{node.id}:study/") else issuer
    return Patient(
        key=PatientKey(issuer=own, id=change.id),
        name=change.name or "",
        birth_date=change.birth_date or "",
        sex=change.sex or "",
    )


def _spoken(node: Node, key: StudyKey, body: StudyAsk) -> Patient:
    """Give the patient that was chosen, of those whom the study's instances name."""
    if body.patient is not None:
        for one in spoken_of(node.database, key):
            if one.patient.key == body.patient.key():
                return one.patient
    raise NotFound("Choosing a patient was refused: no instance of the study names that patient.")


def _own(call: Call[NoBody]) -> Condition:
    """Give the condition of what the caller sees, of this hospital alone."""
    seen, params = visible_condition(call.node.id, call.caller.viewer, call.node.now())
    return f"({seen}) AND study.origin = ?", (*params, call.node.id)


def _in_conflict(node: Node, condition: Condition) -> list[StudyRow]:
    seen, params = condition
    return read_as(
        node.database,
        StudyRow,
        f"SELECT * FROM study WHERE ({seen}) AND study.conflict > 0 AND study.rejected = 0"
        " ORDER BY study.conflict DESC, study.last_at DESC LIMIT ?",
        (*params, LISTED),
    )


def _shape(node: Node, fact: Correction) -> CorrectionShape:
    (row,) = node.database.read(
        "SELECT count(*) AS n FROM study_correction WHERE correction = ?", (fact.row.id,)
    )
    return correction_shape(fact, undone=_undone(node, fact), studies=integer(row, "n"))


def _undone(node: Node, fact: Correction) -> tuple[str, str]:
    """Give who took a correction back, and why; the words may have been erased."""
    if not fact.row.undone_words:
        return "", ""
    try:
        words = msgspec.json.decode(node.texts.get(fact.row.undone_words), type=Words)  # type: ignore[arg-type]
    except (GridError, msgspec.DecodeError):
        return "", ""
    return words.by, words.reason


ROUTES = (
    list_corrections,
    find_patients,
    show_patient,
    preview_patient,
    correct_patient,
    preview_taking_back,
    take_back,
    show_study,
    preview_study,
    correct_study,
)
