"""The printed report: A4, PDF/A-2b, Chinese fonts embedded, laid out by `report.typ`.

Texts go to the template as JSON and are never markup. Nothing of the machine is
used: not its fonts, not its clock, so the same report is the same file.

Source: ISO 19005-2 (PDF/A-2b); 远程医疗服务管理规范 (signed written opinion; the inviting
side decides).
"""

from __future__ import annotations

from pathlib import Path

from node.canonical import canonical_json, digest_of
from node.errors import Defect
from node.reporting import printed
from node.reporting.content import ReportContent, names_in
from node.reporting.glyphs import Printable, font_folder

_TEMPLATE = Path(__file__).with_name("report.typ")
_DIAGNOSIS = {
    "title": "远程影像诊断报告",
    "home_label": "诊断中心",
    "impression_label": "诊断意见",
    "signer_label": "报告医师",
    "note": "本报告依据申请方提供的影像与病史作出，供临床医师参考；患者的诊断与治疗由接诊医院决定。",
}
_CONSULTATION = {
    "title": "远程影像会诊意见",
    "home_label": "受邀医院",
    "impression_label": "会诊意见",
    "signer_label": "会诊医师",
    "note": "本会诊意见由受邀方提供，供邀请方参考；患者的诊断与治疗由邀请方医院决定并负责。",
}
_NOT_DEVICES = frozenset({"SR", "PR", "KO", "DOC"})
"""Modalities that stand for documents about images. Source: DICOM PS3.3 C.7.3.1.1.1."""
_LATE_CANCEL = "申请方在本报告签发之后提出撤销申请。报告已签发，仍然有效。"


def make_pdf(content: ReportContent) -> bytes:
    """Lay a report out as PDF/A.

    Raises
    ------
    Defect
        The template does not compile with this content.
    """
    import typst

    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(font_folder())]
    )
    try:
        made = typst.Compiler(_TEMPLATE, font_paths=fonts).compile(
            format="pdf",
            sys_inputs={"report": canonical_json(page(content))},
            pdf_standards="a-2b",
            timestamp=content.report.signed_at // 1_000_000,
        )
    except typst.TypstError as error:
        raise Defect(
            f"Printing report {content.report.report_id} failed: the template does not compile ({error.message[:80]!r})."
            " Tell the maintainers the report's id."
        ) from error
    if not isinstance(made, bytes):
        raise Defect("Printing a report failed: the compiler gave no file. Tell the maintainers.")
    return made


def page(content: ReportContent) -> dict[str, object]:
    """Give what the template shows, every text made printable."""
    show = Printable()
    report, question, study = content.report, content.question, content.study
    name, latin = printed.name_parts(study.patient_name)
    fields = {
        "clinic": question.clinic_name,
        "home": report.home_name or report.home,
        "name": name,
        "name_latin": latin,
        "sex": printed.sex(study.sex),
        "age": printed.age(study.age),
        "patient_id": study.patient_id,
        "birth_date": printed.date(study.birth_date),
        "accession": study.accession,
        "procedure": study.description,
        "body_part": "、".join(map(printed.body_part, names_in(study.body_parts))),
        "modality": "、".join(one for one in names_in(study.modalities) if one not in _NOT_DEVICES),
        "study_date": printed.moment(study.study_date, study.study_time),
        "department": study.department,
        "requesting_doctor": question.requesting_doctor,
        "signer": report.signer_name,
        "reviewer": content.reviewer_name,
    }
    asked = (("病　　史", question.history), ("申请原因", question.reason), ("申请目的", question.aim))
    shown: dict[str, object] = {key: show.line(value) for key, value in fields.items()}
    shown |= _CONSULTATION if question.kind == "consultation" else _DIAGNOSIS
    shown |= {
        "request": [[label, show.lines(words)] for label, words in asked if words.strip()],
        "findings": show.lines(report.findings),
        "impression": show.lines(report.impression),
        "report_id": report.report_id,
        "short_id": report.report_id[-12:],
        "date": [content.signed_at.year, content.signed_at.month, content.signed_at.day],
        "signed_at": printed.clock_time(content.signed_at),
        "reviewed_at": ""
        if content.reviewed_at is None
        else printed.clock_time(printed.local_time(content.reviewed_at, content.zone)),
        "late_cancel": _LATE_CANCEL if content.late_cancel else "",
        "fingerprint": fingerprint(report.signature),
    }
    return shown | {"missing": show.note()}


def fingerprint(signature: str) -> str:
    """Give the first half of a signature's digest in groups of four, to compare by eye."""
    digits = digest_of(signature)[:32].upper()
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
