"""What the client reads and sends of corrections: patients, what would change, what was corrected."""

from __future__ import annotations

from typing import Literal

import msgspec

from node.catalogue.correction_facts import Correction, PatientChange
from node.catalogue.corrections import Preview, StudyChange
from node.catalogue.finding import PatientRow
from node.catalogue.search import StudyRow
from node.catalogue.speaking import Spoken
from node.clock import Micros
from node.names import PatientKey
from web.api.shapes import Shape, Study

_COMPARED = (
    "patient_id",
    "patient_issuer",
    "patient_name",
    "sex",
    "birth_date",
    "accession",
    "description",
    "study_date",
    "study_time",
    "modalities",
    "body_parts",
    "instance_count",
    "conflict",
)
_OF_SERIES = ("modality", "description", "body_part", "laterality", "instance_count")


class KeyShape(Shape):
    """A Patient ID with its issuer."""

    issuer: str
    id: str

    def key(self) -> PatientKey:
        return PatientKey(issuer=self.issuer, id=self.id)


class PatientShape(KeyShape):
    """A patient, as the newest of the studies that are hers here writes her."""

    name: str
    sex: str
    birth_date: str
    studies: int
    instances: int
    first_at: Micros


class Patients(Shape):
    """Patients found."""

    items: list[PatientShape]


class PatientPage(Shape):
    """A patient with all of her studies here."""

    patient: PatientShape
    studies: list[Study]


class ChangeShape(Shape, omit_defaults=True):
    """What a patient's attributes become; what is not there stays."""

    issuer: str | None = None
    id: str | None = None
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None

    def change(self) -> PatientChange:
        return PatientChange(id=self.id, name=self.name, birth_date=self.birth_date, sex=self.sex)


class PatientAsk(Shape):
    """A correction of a patient; ``to`` is who stays when two are merged."""

    kind: Literal["merge", "patient"]
    patient: KeyShape
    to: KeyShape | None = None
    change: ChangeShape | None = None
    reason: str = ""
    seen: str | None = None


class StudyAsk(Shape):
    """A correction of a study.

    ``identity`` chooses whose study it is when its instances disagree; ``others`` says what becomes of
    instances that name somebody else.
    """

    kind: Literal["move", "study", "series", "reject", "choose", "identity"]
    patient: KeyShape | None = None
    change: ChangeShape | None = None
    values: dict[str, str] = msgspec.field(default_factory=dict)
    series_uid: str = ""
    sop_uids: list[str] = msgspec.field(default_factory=list)
    chosen: str = ""
    code: str = ""
    others: Literal["move", "reject"] = "move"
    reason: str = ""
    seen: str | None = None


class UndoAsk(Shape):
    """Take a correction back."""

    reason: str
    seen: str | None = None


class Compared(Shape):
    """One value before and after."""

    name: str
    before: str
    after: str


class SeriesChange(Shape):
    """What becomes of a series."""

    series_uid: str
    number: int | None
    changes: list[Compared]


class StudyChangeShape(Shape):
    """What becomes of one study."""

    origin: str
    study_uid: str
    patient_name: str
    patient_id: str
    study_date: str
    description: str
    modalities: list[str]
    changes: list[Compared]
    series: list[SeriesChange]
    instances: int
    """Contents whose state changes."""


class PreviewShape(Shape):
    """What would change; to be sent back as ``seen``."""

    seen: str
    items: list[StudyChangeShape]
    others: int = 0
    """Instances that name somebody else and would be rejected besides."""


class CorrectionShape(Shape):
    """A correction that was made, and whether it was undone."""

    id: str
    kind: str
    origin: str
    study_uid: str
    series_uid: str
    patient: KeyShape
    to: ChangeShape | None
    values: dict[str, str]
    sop_uids: list[str]
    code: str
    reason: str
    by: str
    at: Micros
    undone_at: Micros | None
    undone_by: str
    undone_reason: str
    studies: int
    """For which it counts."""


class Corrections(Shape):
    """What was corrected lately, and what waits for somebody."""

    items: list[CorrectionShape]
    conflicts: list[Study]
    rejected: list[Study]


class Made(Shape):
    """The id of a correction."""

    id: str


class ContentShape(Shape):
    """One content of an instance, and how it came."""

    sop_uid: str
    series_uid: str
    digest: str
    state: str
    received_at: Micros
    device: str
    address: str
    patient_name: str
    patient_id: str
    sex: str
    birth_date: str
    description: str
    frames: int


class SpokenShape(KeyShape):
    """A way in which instances name the patient."""

    name: str
    sex: str
    birth_date: str
    first_at: Micros


class StudyCorrections(Shape):
    """Everything that the page of a study's corrections shows."""

    study: Study
    own: bool
    """Whether it is corrected here."""
    items: list[CorrectionShape]
    patients: list[SpokenShape]
    contents: list[ContentShape]
    """Of instances that have several which disagree."""


def preview_shape(preview: Preview, *, others: int = 0) -> PreviewShape:
    """Describe what would change."""
    return PreviewShape(seen=preview.digest, items=[_change(one) for one in preview.changes], others=others)


def patient_shape(row: PatientRow) -> PatientShape:
    """Describe a patient."""
    return PatientShape(
        issuer=row.patient_issuer,
        id=row.patient_id,
        name=row.patient_name,
        sex=row.sex,
        birth_date=row.birth_date,
        studies=row.study_count,
        instances=row.instance_count,
        first_at=row.first_at,
    )


def correction_shape(fact: Correction, *, undone: tuple[str, str], studies: int) -> CorrectionShape:
    """Describe a correction; ``undone`` is by whom and why."""
    change = fact.words.patient
    return CorrectionShape(
        id=fact.row.id,
        kind=fact.row.kind,
        origin=fact.row.origin,
        study_uid=fact.row.study_uid,
        series_uid=fact.row.series_uid,
        patient=KeyShape(issuer=fact.row.patient_issuer, id=fact.row.patient_id),
        to=None
        if change is None
        else ChangeShape(
            issuer=change.issuer,
            id=change.id,
            name=change.name,
            birth_date=change.birth_date,
            sex=change.sex,
        ),
        values=fact.words.values,
        sop_uids=list(fact.words.sop_uids),
        code=fact.row.code,
        reason=fact.words.reason,
        by=fact.words.by,
        at=fact.row.at,
        undone_at=fact.row.undone_at,
        undone_by=undone[0],
        undone_reason=undone[1],
        studies=studies,
    )


def content_shape(one: Spoken) -> ContentShape:
    """Describe a content."""
    return ContentShape(
        sop_uid=one.row.sop_uid,
        series_uid=one.row.series_uid,
        digest=one.row.digest,
        state=one.row.state,
        received_at=one.row.received_at,
        device=one.calling,
        address=one.address,
        patient_name=one.patient.name,
        patient_id=one.patient.key.id,
        sex=one.patient.sex,
        birth_date=one.patient.birth_date,
        description=one.description,
        frames=one.row.frames,
    )


def _change(one: StudyChange) -> StudyChangeShape:
    row = one.before
    before = {series.series_uid: series for series in one.series_before}
    return StudyChangeShape(
        origin=row.origin,
        study_uid=row.study_uid,
        patient_name=row.patient_name,
        patient_id=row.patient_id,
        study_date=row.study_date,
        description=row.description,
        modalities=row.modality_list,
        changes=_compared(row, one.after, _COMPARED),
        series=[
            SeriesChange(
                series_uid=after.series_uid,
                number=after.number,
                changes=_compared(before[after.series_uid], after, _OF_SERIES),
            )
            for after in one.restated.series
            if after.series_uid in before
        ],
        instances=len(one.restated.instances),
    )


def _compared(before: object, after: object, names: tuple[str, ...]) -> list[Compared]:
    return [
        Compared(name=name, before=_written(before, name), after=_written(after, name))
        for name in names
        if getattr(before, name) != getattr(after, name)
    ]


def _written(row: object, name: str) -> str:
    if isinstance(row, StudyRow) and name in ("modalities", "body_parts"):
        return ", ".join(row.modality_list if name == "modalities" else row.body_part_list)
    return str(getattr(row, name))
