"""A signed report at its clinic, as rows: the study, the case that asked, the words."""

from __future__ import annotations

from dataclasses import replace

from node.canonical import canonical_json
from node.clock import SECOND
from node.database.port import Statement, Value
from node.keys.encoding import to_base64
from node.names import Cause
from node.node import Node
from node.reporting.content import ReportContent, ReportedStudy
from node.reporting.report import Question, SignedReport, signed_bytes, words_of
from node.reporting.reports import insert_report
from tests.kit.clock import NOON

STUDY_UID = "2.25.1001"
SIGNED_AT = NOON + 90 * 60 * SECOND + 33 * SECOND
FINDINGS = "胸廓对称，纵隔居中，气管通畅。\n右肺上叶见一实性结节，大小约 9 mm × 9 mm（IM 27），边缘光整。"
IMPRESSION = "1. 右肺上叶实性结节，建议 3 个月后复查胸部薄层 CT。\n2. 心、膈未见明确异常。"
REPORT = SignedReport(
    report_id="019caedb-7f3a-7c10-9d6e-5a1b0c2d3e4f",
    case_id="case-1",
    origin="alpha",
    study_uid=STUDY_UID,
    home="centre",
    home_name="江城医学影像中心",
    version=1,
    findings=FINDINGS,
    impression=IMPRESSION,
    signer="person-9",
    signer_name="陈思远",
    signed_at=SIGNED_AT,
    sr_uid="2.25.2001",
    sr_series_uid="2.25.2002",
    pdf_uid="2.25.2003",
    signature="c2lnbmF0dXJl",
)
QUESTION = Question(
    kind="diagnosis",
    urgency="routine",
    reason="发现肺部结节，请上级医院明确诊断。",
    aim="明确结节性质，指导下一步随访。",
    history="男，58 岁，体检发现肺部结节 1 周。",
    requesting_doctor="刘明",
    clinic="alpha",
    clinic_name="清河县人民医院",
    requested_at=NOON,
)
STUDY = ReportedStudy(
    patient_name="ZHANG^SAN=张^三",
    patient_id="P000137",
    patient_issuer="alpha:",
    sex="M",
    birth_date="19670412",
    age="058Y",
    study_date="20260302",
    study_time="093012",
    accession="A20260302001",
    description="胸部CT平扫",
    referring_physician="",
    modalities='["CT"]',
    body_parts='["CHEST"]',
    department="呼吸内科",
)


def report_content(
    *, kind: str = "diagnosis", findings: str = FINDINGS, impression: str = IMPRESSION, **changed: object
) -> ReportContent:
    """Give what documents say, without a node."""
    content = ReportContent(
        report=replace(REPORT, findings=findings, impression=impression),
        question=replace(QUESTION, kind=kind),
        study=STUDY,
        reviewer_name="",
        reviewed_at=None,
        late_cancel=False,
        zone="Asia/Shanghai",
    )
    return replace(content, **changed)  # type: ignore[arg-type]  # a test names real fields


def put_signed_report(node: Node, report: SignedReport = REPORT, *, instances: int = 3) -> SignedReport:
    """Write the rows that `make_documents` reads, at the clinic; give the report as signed."""
    signed = replace(report, signature=to_base64(node.keys.sign(signed_bytes(report))))
    form, form_text = node.texts.put(
        "consult-form",
        canonical_json(
            {
                "reason": QUESTION.reason,
                "aim": QUESTION.aim,
                "history": QUESTION.history,
                "requesting_doctor": QUESTION.requesting_doctor,
                "consent": {"who": "张三", "at": "2026-03-02", "how": "written"},
            }
        ),
    )
    words, words_text = node.texts.put("report", words_of(signed))
    statements = [
        form_text,
        words_text,
        insert_report(signed, text=words, late_cancel=False, documents="waiting", cause=Cause("cause-1")),
        _insert_case(signed, form),
        _insert_study(signed),
        *(_insert_instance(signed, n) for n in range(1, instances + 1)),
    ]
    node.write(statements)
    return signed


def _insert(table: str, **columns: Value) -> Statement:
    marks = ", ".join("?" * len(columns))
    return Statement(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING",
        tuple(columns.values()),
    )


def _insert_case(report: SignedReport, form: str) -> Statement:
    return _insert(
        "consult_case",
        case_id=report.case_id,
        clinic=report.origin,
        home=report.home,
        pool=f"{report.home}/radiology",
        origin=report.origin,
        study_uid=report.study_uid,
        kind=QUESTION.kind,
        urgency=QUESTION.urgency,
        specialty="放射",
        form=form,
        state="signed",
        cancelling=0,
        amended=0,
        requested_at=NOON,
        requested_by="王技师",
        due=NOON,
        reason="",
        claimed_by="",
        claimed_name="",
        report_id=report.report_id,
        clinic_name=QUESTION.clinic_name,
        version=3,
        cause="cause-1",
    )


def _insert_study(report: SignedReport) -> Statement:
    return _insert(
        "study",
        origin=report.origin,
        study_uid=report.study_uid,
        patient_issuer=STUDY.patient_issuer,
        patient_id=STUDY.patient_id,
        patient_name=STUDY.patient_name,
        sex=STUDY.sex,
        birth_date=STUDY.birth_date,
        age=STUDY.age,
        study_date=STUDY.study_date,
        study_time=STUDY.study_time,
        accession_issuer="alpha:",
        accession=STUDY.accession,
        description=STUDY.description,
        referring_physician=STUDY.referring_physician,
        modalities=STUDY.modalities,
        body_parts=STUDY.body_parts,
        department=STUDY.department,
        series_count=1,
        instance_count=3,
        bytes=3000,
        state="complete",
        first_at=NOON,
        last_at=NOON,
        cause="cause-1",
    )


def _insert_instance(report: SignedReport, n: int) -> Statement:
    return _insert(
        "online_instance",
        origin=report.origin,
        study_uid=report.study_uid,
        sop_uid=f"2.25.1001.{n}",
        digest=f"{n:064}",
        normal_digest=f"{n:064}",
        series_uid="2.25.1001.0",
        sop_class="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.1",
        number=n,
        frames=1,
        pack="none",
        offset=0,
        meta_bytes=0,
        data_offset=0,
        data_bytes=0,
        state="chosen",
        door="dicom",
        received_at=NOON,
    )
