"""From rows to what the client reads: studies, cases and reports, each built in one place.

A case may be known to somebody who no longer sees its study: then the study and
the request's words are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from federation.consult.case_table import CaseRow
from federation.consult.queries import CaseShown, facts_of, form_of
from node.catalogue.search import StudyRow
from node.catalogue.visibility import Viewer, may_see, visible_condition
from node.database.port import Row, integer, read_as, text
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from web.api.shapes import Case, CaseForm, ClaimShape, Consent, Fact, Study, StudyConsult, StudyReport

AT_ONCE = 200
"""Keys in one statement."""


def study_shapes(node: Node, rows: Sequence[StudyRow]) -> list[Study]:
    """Describe studies, each with its newest case and report."""
    keys = [row.key for row in rows]
    cases = _newest(
        node, "SELECT origin, study_uid, case_id, state, kind FROM consult_case", keys, order="requested_at"
    )
    reports = _newest(
        node, "SELECT origin, study_uid, report_id, signed_at FROM report", keys, order="signed_at"
    )
    return [_study(row, cases.get(key), reports.get(key)) for row, key in zip(rows, keys, strict=True)]


def visible_studies(node: Node, viewer: Viewer, keys: Iterable[StudyKey]) -> dict[StudyKey, Study]:
    """Describe those of some studies that a viewer sees and that are known here."""
    condition, params = visible_condition(node.id, viewer, node.now())
    found: dict[StudyKey, Study] = {}
    for some in _chunks(list(dict.fromkeys(keys))):
        listed, values = _in(some)
        sql = f"SELECT * FROM study WHERE {listed} AND {condition}"
        rows = read_as(node.database, StudyRow, sql, (*values, *params))
        found.update(zip((row.key for row in rows), study_shapes(node, rows), strict=True))
    return found


def case_shapes(node: Node, viewer: Viewer, shown: Sequence[CaseShown]) -> list[Case]:
    """Describe cases to a viewer."""
    studies = visible_studies(node, viewer, (case.row.key for case in shown))
    return [_case(node, viewer, case, studies) for case in shown]


def _case(node: Node, viewer: Viewer, shown: CaseShown, studies: Mapping[StudyKey, Study]) -> Case:
    row, claim = shown.row, shown.claim
    study = studies.get(row.key)
    # The request may be here before its study is.
    seen = study is not None or may_see(node.database, node.id, viewer, row.key, node.now())
    return Case(
        case_id=row.case_id,
        clinic=row.clinic,
        clinic_name=row.clinic_name,
        home=row.home,
        pool=row.pool,
        pool_name=shown.pool_name,
        origin=row.origin,
        study_uid=row.study_uid,
        kind=row.kind,
        urgency=row.urgency,
        specialty=row.specialty,
        state=row.state,
        cancelling=row.cancelling,
        amended=row.amended > 0,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        due=row.due,
        reason=row.reason,
        claim=None
        if claim is None
        else ClaimShape(
            person=claim.person,
            name=claim.name,
            until=claim.until,
            mine=row.home == node.id and claim.person == viewer.id,
        ),
        report_id=row.report_id,
        form=_form(node, row) if seen else None,
        study=study,
        facts=[
            Fact(at=fact.at, node=fact.node, type=fact.type.partition("/")[0], body=dict(fact.body))
            for fact in facts_of(node.database, row.case_id)
        ],
    )


def _form(node: Node, row: CaseRow) -> CaseForm | None:
    words = form_of(node, row)
    if words is None:
        return None
    return CaseForm(
        reason=words.reason,
        aim=words.aim,
        history=words.history,
        requesting_doctor=words.requesting_doctor,
        consent=Consent(who=words.consent.who, at=words.consent.at, how=words.consent.how),
    )


def _study(row: StudyRow, case: Row | None, report: Row | None) -> Study:
    return Study(
        origin=row.origin,
        study_uid=row.study_uid,
        patient_name=row.patient_name,
        patient_id=row.patient_id,
        patient_issuer=row.patient_issuer,
        sex=row.sex,
        birth_date=row.birth_date,
        age=row.age,
        study_date=row.study_date,
        study_time=row.study_time,
        accession=row.accession,
        description=row.description,
        modalities=row.modality_list,
        body_parts=row.body_part_list,
        department=row.department,
        series=row.series_count,
        instances=row.instance_count,
        expected=row.expected,
        bytes=row.bytes,
        state=row.state,
        conflict=row.conflict,
        corrections_until=row.corrections_until,
        first_at=row.first_at,
        last_at=row.last_at,
        completed_at=row.completed_at,
        consult=None
        if case is None
        else StudyConsult(case_id=text(case, "case_id"), state=text(case, "state"), kind=text(case, "kind")),
        report=None
        if report is None
        else StudyReport(report_id=text(report, "report_id"), signed_at=integer(report, "signed_at")),
    )


def _newest(node: Node, select: str, keys: Sequence[StudyKey], *, order: str) -> dict[StudyKey, Row]:
    found: dict[StudyKey, Row] = {}
    for some in _chunks(keys):
        listed, values = _in(some)
        rows = node.database.read(f"{select} WHERE {listed} ORDER BY {order}", values)
        found.update((_key(row), row) for row in rows)
    return found


def _in(keys: Sequence[StudyKey]) -> tuple[str, tuple[str, ...]]:
    marks = ", ".join(["(?, ?)"] * len(keys))
    return f"(origin, study_uid) IN (VALUES {marks})", tuple(
        part for key in keys for part in (key.origin, key.study_uid)
    )


def _chunks(keys: Sequence[StudyKey]) -> Iterable[Sequence[StudyKey]]:
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))


def _key(row: Row) -> StudyKey:
    return StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
