"""What the client reads: one Struct per thing, in camelCase, times in microseconds UTC.

The names here are the contract with ``web/client``; where the values come from
stands beside each route.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from node.clock import Micros
from node.database.port import Row
from node.errors import Damaged


class Shape(msgspec.Struct, rename="camel", kw_only=True):
    """The root: fields in snake_case here, in camelCase on the wire."""


S = TypeVar("S", bound=Shape)


def shape_of(row: Row, shape: type[S], **more: object) -> S:
    """Fill a shape from the columns of the same names, and from what else is given.

    Raises
    ------
    Damaged
        A column is missing or of another kind.
    """
    fields = msgspec.structs.fields(shape)
    found = {field.encode_name: row[field.name] for field in fields if field.name in row}
    given = {field.encode_name: more[field.name] for field in fields if field.name in more}
    try:
        return msgspec.convert({**found, **given}, shape, strict=False)
    except msgspec.ValidationError as error:
        raise Damaged(
            f"Reading a row as {shape.__name__} failed ({error}): run 'meridian verify'."
        ) from error


class DicomShape(Shape):
    """Where devices send to; an empty host stands for the one of the page."""

    aet: str
    host: str
    port: int


class NodeShape(Shape):
    """The node whose pages these are."""

    id: str
    name: str
    zone: str
    language: str
    dicom: DicomShape | None
    """None for nobody: who is not signed in need not know."""


class PersonShape(Shape):
    """Somebody with an account here."""

    id: str
    user: str
    name: str
    roles: list[str]
    must_change: bool


class Me(Shape):
    """Who is signed in, and what the next change must carry."""

    node: NodeShape
    person: PersonShape | None
    csrf: str
    setup: bool
    """No account exists yet: the one-time link makes the first."""
    now: Micros


class StudyConsult(Shape):
    """The newest case of a study."""

    case_id: str
    state: str
    kind: str


class StudyReport(Shape):
    """The newest signed report of a study."""

    report_id: str
    signed_at: Micros


class Study(Shape):
    """A study as lists and pages show it."""

    origin: str
    study_uid: str
    patient_name: str
    patient_id: str
    patient_issuer: str
    sex: str
    birth_date: str
    age: str
    study_date: str
    study_time: str
    accession: str
    description: str
    modalities: list[str]
    body_parts: list[str]
    department: str
    series: int
    instances: int
    expected: int | None
    bytes: int
    state: str
    conflict: int
    """0 none, 1 an instance exists with two contents, 2 the patient differs."""
    corrections_until: Micros | None
    """Up to when its corrections are known, where the index was rebuilt without all of them; None: all are."""
    first_at: Micros
    last_at: Micros
    completed_at: Micros | None
    consult: StudyConsult | None
    report: StudyReport | None


class Studies(Shape):
    """One page of studies, newest first."""

    items: list[Study]
    next: str | None
    total: int
    """Of words or a state no more than 10,000 are counted, and then one more."""


class Series(Shape):
    """A series of a study."""

    series_uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    laterality: str
    instances: int


class InstanceConflict(Shape):
    """One SOP Instance UID with several contents; a person chooses."""

    sop_uid: str
    digests: list[str]
    patient_differs: bool


class Consent(Shape):
    """Who agreed to the images being sent, when and how."""

    who: str
    at: str
    """YYYY-MM-DD."""
    how: str
    """``written``, ``guardian`` or ``verbal-recorded``."""


class CaseForm(Shape):
    """The words of a request."""

    reason: str
    aim: str
    history: str
    requesting_doctor: str
    consent: Consent


class ClaimShape(Shape):
    """Who reads the case, and until when unless renewed."""

    person: str
    name: str
    until: Micros | None
    """None where only the home node knows."""
    mine: bool


class Fact(Shape):
    """What happened to a case, told by the node where it happened."""

    at: Micros
    node: str
    type: str
    body: dict[str, object]


class Case(Shape):
    """A question about a study, as both nodes show it."""

    case_id: str
    clinic: str
    clinic_name: str
    home: str
    pool: str
    pool_name: str
    origin: str
    study_uid: str
    kind: str
    urgency: str
    specialty: str
    state: str
    cancelling: bool
    amended: bool
    requested_at: Micros
    requested_by: str
    due: Micros
    reason: str
    claim: ClaimShape | None
    report_id: str | None
    form: CaseForm | None
    study: Study | None
    facts: list[Fact]


class Cases(Shape):
    """Cases of one box."""

    items: list[Case]


class DeliveryShape(Shape):
    """A report on its way to a destination."""

    id: str
    report_id: str
    destination: str
    destination_name: str
    kind: str
    state: str
    attempts: int
    next_at: Micros
    last_error: str
    delivered_at: Micros | None


class Deliveries(Shape):
    """All deliveries, newest first."""

    items: list[DeliveryShape]


class ReportShape(Shape):
    """A signed report with its words."""

    report_id: str
    case_id: str
    origin: str
    study_uid: str
    state: str
    findings: str
    impression: str
    signer_name: str
    signed_at: Micros
    reviewer_name: str
    late_cancel: bool
    documents: str
    deliveries: list[DeliveryShape]


class DraftShape(Shape):
    """Words being written."""

    version: int
    findings: str
    impression: str
    at: Micros


class DraftSaved(Shape):
    """The version that the next save must name."""

    version: int
    at: Micros


class StudyPage(Shape):
    """Everything a study's page shows."""

    study: Study
    series: list[Series]
    cases: list[Case]
    reports: list[ReportShape]
    conflicts: list[InstanceConflict]
    dicomweb: str


class StoryEvent(Shape, omit_defaults=True):
    """One dated fact of a study's journey."""

    at: Micros
    node: str
    what: str
    who: str
    detail: dict[str, object]
    bytes: int | None = None


class Story(Shape):
    """A study's journey on this node, oldest first."""

    events: list[StoryEvent]
