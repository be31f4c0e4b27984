"""What a person may ask to be corrected, checked before anybody looks at what it would change.

Only this node's own patients and studies are corrected here; a peer's are corrected where they came from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from node.catalogue.correction_facts import SERIES_VALUES, STUDY_VALUES, Kind, PatientChange, Words
from node.catalogue.identity import Patient, is_placeholder
from node.catalogue.search import StudyRow, get_study
from node.database.port import read_as
from node.database.subset import storable
from node.errors import FieldMissing, InvalidRequest, NotFound, Refused
from node.names import PatientKey, StudyKey, is_uid
from node.node import Node

QUALITY, SAFETY, WORKLIST, RETENTION = "113001", "113037", "113038", "113039"
REJECTIONS = {
    QUALITY: "Rejected for Quality Reasons",
    SAFETY: "Rejected for Patient Safety Reasons",
    WORKLIST: "Incorrect Modality Worklist Entry",
    RETENTION: "Data Retention Policy Expired",
}
"""Source: DICOM PS3.16 CID 7011; IHE RAD TF-3 4.66."""
REASON_LIMIT = 1_000
INSTANCES_LIMIT = 20_000
_LIMITS = {"accession": 16, "description": 64, "modality": 16, "body_part": 16, "laterality": 16, "id": 64}
_CODES = re.compile(r"[A-Z0-9 _]{0,16}")
_DATE = re.compile(r"([0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01]))?")
_TIME = re.compile(r"(([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?)?")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A correction that nobody has made yet."""

    kind: Kind
    study: StudyKey | None = None
    series_uid: str = ""
    patient: PatientKey | None = None
    words: Words = field(default_factory=Words)
    code: str = ""


def draft_merge(node: Node, source: PatientKey, target: PatientKey) -> Draft:
    """Ask that all of one patient's studies be another's.

    Raises
    ------
    Refused
        Either is another hospital's patient: two hospitals number their patients alike.
    InvalidRequest
        They are one already.
    NotFound
        The one who is to stay has no study here.
    """
    _check_own_patient(node, source)
    _check_own_patient(node, target)
    if source == target:
        raise InvalidRequest("Merging patients was refused: they are one already. Choose two.")
    stays = patient_row(node, target)
    return Draft(
        kind="merge",
        patient=source,
        words=Words(
            patient=PatientChange(
                issuer=target.issuer,
                id=target.id,
                name=stays.patient_name,
                birth_date=stays.birth_date,
                sex=stays.sex,
            )
        ),
    )


def draft_patient(node: Node, patient: PatientKey, change: PatientChange) -> Draft:
    """Ask that a patient's attributes be others, in all of her studies.

    Raises
    ------
    InvalidRequest
        Nothing changes, a value has not its form, or the Patient ID is another patient's: that is merging.
    """
    _check_own_patient(node, patient)
    patient_row(node, patient)
    clean = _clean_patient(change)
    if clean.issuer not in (None, patient.issuer):
        raise InvalidRequest(
            "Correcting a patient was refused: who issued the Patient ID is not to be written."
        )
    if clean == PatientChange():
        raise _nothing()
    if clean.id is not None:
        issuer = f"{node.id}:" if "study/" in patient.issuer else patient.issuer
        if clean.id != patient.id and _is_held(node, PatientKey(issuer=issuer, id=clean.id)):
            raise InvalidRequest(
                "Correcting a patient was refused: another has this Patient ID. Merge the two instead."
            )
        clean = PatientChange(
            issuer=issuer, id=clean.id, name=clean.name, birth_date=clean.birth_date, sex=clean.sex
        )
    return Draft(kind="patient", patient=patient, words=Words(patient=clean))


def draft_move(node: Node, key: StudyKey, to: PatientKey | Patient) -> Draft:
    """Ask that a study be another patient's: one who is here, or one whose attributes are given.

    Raises
    ------
    InvalidRequest
        A value has not its form; or a new patient has the Patient ID of one who is here.
    """
    row = _own_study(node, key)
    if isinstance(to, PatientKey):
        _check_own_patient(node, to)
        there = patient_row(node, to)
        to = Patient(key=to, name=there.patient_name, birth_date=there.birth_date, sex=there.sex)
    else:
        _check_own_patient(node, to.key)
        if is_placeholder(to.key.id):
            raise FieldMissing("Moving a study was refused: give the right patient's ID.", name="patient_id")
        if _is_held(node, to.key) and to.key != PatientKey(issuer=row.patient_issuer, id=row.patient_id):
            raise InvalidRequest(
                "Moving a study was refused: a patient with this ID is here. Choose that patient instead."
            )
    change = _clean_patient(
        PatientChange(issuer=to.key.issuer, id=to.key.id, name=to.name, birth_date=to.birth_date, sex=to.sex)
    )
    return Draft(kind="move", study=key, words=Words(patient=change))


def draft_study(node: Node, key: StudyKey, values: Mapping[str, str]) -> Draft:
    """Ask that a study's attributes be others."""
    _own_study(node, key)
    return Draft(kind="study", study=key, words=Words(values=_clean(values, STUDY_VALUES)))


def draft_series(node: Node, key: StudyKey, series_uid: str, values: Mapping[str, str]) -> Draft:
    """Ask that the attributes of a series be others."""
    _own_study(node, key)
    _check_series(node, key, series_uid)
    return Draft(
        kind="series", study=key, series_uid=series_uid, words=Words(values=_clean(values, SERIES_VALUES))
    )


def draft_rejection(
    node: Node, key: StudyKey, *, series_uid: str = "", sop_uids: Sequence[str] = (), code: str = QUALITY
) -> Draft:
    """Ask that a study, a series or instances be found and served no more.

    Source: IHE RAD TF-3 4.66 (reasons); DICOM PS3.16 CID 7011.
    """
    _own_study(node, key)
    if series_uid:
        _check_series(node, key, series_uid)
    if code not in REJECTIONS:
        raise InvalidRequest(
            f"Rejecting instances was refused: the reason must be one of {', '.join(REJECTIONS)}."
        )
    if len(sop_uids) > INSTANCES_LIMIT or not all(is_uid(uid) for uid in sop_uids):
        raise InvalidRequest("Rejecting instances was refused: a SOP Instance UID is not one.")
    return Draft(
        kind="reject", study=key, series_uid=series_uid, words=Words(sop_uids=tuple(sop_uids)), code=code
    )


def draft_choice(node: Node, key: StudyKey, sop_uid: str, digest: str) -> Draft:
    """Ask that one of an instance's contents be the one that is shown."""
    _own_study(node, key)
    if not node.database.read(
        "SELECT 1 AS one FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ?",
        (key.origin, key.study_uid, sop_uid, digest),
    ):
        raise NotFound("Choosing a content was refused: it is not held here. Load the page again.")
    return Draft(kind="choose", study=key, words=Words(sop_uids=(sop_uid,), chosen=digest))


def patient_row(node: Node, patient: PatientKey) -> StudyRow:
    """Give a patient's newest study, whose words are hers."""
    rows = read_as(
        node.database,
        StudyRow,
        "SELECT * FROM study WHERE origin = ? AND patient_issuer = ? AND patient_id = ? ORDER BY first_at DESC LIMIT 1",
        (node.id, patient.issuer, patient.id),
    )
    if not rows:
        raise NotFound("Correcting a patient failed: no study of that patient is here. Search again.")
    return rows[0]


def check_reason(reason: str) -> str:
    """Give what a person wrote as a reason.

    Raises
    ------
    FieldMissing
        It is empty, or too long.
    """
    said = storable(reason.strip())
    if not said or len(said) > REASON_LIMIT:
        raise FieldMissing(
            f"Correcting was refused: say why, in up to {REASON_LIMIT} characters.", name="reason"
        )
    return said


def _own_study(node: Node, key: StudyKey) -> StudyRow:
    if key.origin != node.id:
        raise Refused(
            "Correcting a study was refused: it is another hospital's. Ask there; the correction comes here by itself."
        )
    return get_study(node.database, key)


def _check_own_patient(node: Node, patient: PatientKey) -> None:
    if patient.issuer.partition(":")[0] != node.id:
        raise Refused("Correcting a patient was refused: the Patient ID is another hospital's. Ask there.")


def _is_held(node: Node, patient: PatientKey) -> bool:
    return bool(
        node.database.read(
            "SELECT 1 AS one FROM study WHERE origin = ? AND patient_issuer = ? AND patient_id = ? LIMIT 1",
            (node.id, patient.issuer, patient.id),
        )
    )


def _check_series(node: Node, key: StudyKey, series_uid: str) -> None:
    if not node.database.read(
        "SELECT 1 AS one FROM series WHERE origin = ? AND study_uid = ? AND series_uid = ?",
        (key.origin, key.study_uid, series_uid),
    ):
        raise NotFound("Correcting a series failed: the study has none of that UID. Load the page again.")


def _clean(values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    unknown = set(values) - set(names)
    if unknown:
        raise InvalidRequest(f"Correcting was refused: {min(unknown)} is not corrected here.")
    if not values:
        raise _nothing()
    return {name: _checked(name, value) for name, value in values.items()}


def _clean_patient(change: PatientChange) -> PatientChange:
    return PatientChange(
        issuer=change.issuer,
        id=_optional("id", change.id),
        name=_optional("name", change.name),
        birth_date=_optional("birth_date", change.birth_date),
        sex=_optional("sex", change.sex),
    )


def _optional(name: str, value: str | None) -> str | None:
    return None if value is None else _checked(name, value)


def _checked(name: str, value: str) -> str:
    """Give a value as it is written. Source: DICOM PS3.5 6.2 (CS, DA, LO, PN, SH, TM)."""
    text = storable(value.strip())
    good = not _FORBIDDEN.search(text) and len(text) <= _LIMITS.get(name, 200)
    match name:
        case "birth_date" | "study_date":
            good = bool(_DATE.fullmatch(text))
        case "study_time":
            good = bool(_TIME.fullmatch(text))
        case "sex":
            good = text in ("M", "F", "O", "")
        case "modality" | "body_part" | "laterality":
            good = bool(_CODES.fullmatch(text))
        case "name":
            groups = text.split("=")
            good = good and len(groups) <= 3 and all(len(group) <= 64 for group in groups)
    if not good:
        raise FieldMissing(f"Correcting was refused: {name} has not the form that DICOM gives it.", name=name)
    return text


def _nothing() -> InvalidRequest:
    return InvalidRequest("Correcting was refused: nothing would change. Write what is right.")
