"""The PDF's text as a reader of PDF gets it, not as the template was given it."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pypdf
import pytest

from node.reporting.pdf import fingerprint, make_pdf
from node.reporting.report import TEXT_CHARACTERS
from tests.kit.clock import NOON
from tests.kit.reports import FINDINGS, IMPRESSION, QUESTION, REPORT, STUDY, report_content


def pages(pdf: bytes) -> list[str]:
    """Give each page's text without white space, which a PDF does not keep."""
    return [re.sub(r"\s", "", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.fixture(scope="module")
def diagnosis() -> bytes:
    return make_pdf(report_content())


@pytest.mark.parametrize(
    "written",
    [
        FINDINGS,
        IMPRESSION,
        QUESTION.history,
        QUESTION.reason,
        QUESTION.aim,
        QUESTION.requesting_doctor,
        QUESTION.clinic_name,
        REPORT.home_name,
        REPORT.signer_name,
        REPORT.report_id,
        "张三",
        "ZHANG SAN",
        STUDY.patient_id,
        STUDY.accession,
        STUDY.description,
        STUDY.department,
        "58岁",
        "1967-04-12",
        "2026-03-02 09:30",
        "2026-03-02 13:30:33",
        "远程影像诊断报告",
        "影像所见",
        "诊断意见",
        "审核医师",
        "第1页/共1页",
        fingerprint(REPORT.signature),
    ],
)
def test_page_carries_what_was_written(diagnosis, written):
    assert squeezed(written) in "".join(pages(diagnosis))


def test_consultation_is_titled_as_advice_and_leaves_the_decision_to_the_inviting_hospital():
    (text,) = pages(make_pdf(report_content(kind="consultation")))
    assert "远程影像会诊意见" in text
    assert "患者的诊断与治疗由邀请方医院决定并负责" in text
    assert "诊断报告" not in text


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '#panic("x") #read("/etc/passwd") $x^2$ *a* _b_ `c` @ref <label> = 标题 // 注释 /* 注 */ \\ ~ --- [x] {y}',
        '"引号" \\n \\u{4e00} { "json": 1 }',
    ],
)
def test_markup_is_shown_as_it_was_typed(hostile):
    (text,) = pages(make_pdf(report_content(findings=hostile, impression=hostile)))
    assert text.count(squeezed(hostile)) == 2


def test_long_report_flows_on_and_each_page_says_whose_it_is():
    findings = "\n".join(
        f"{n}. 双肺野清晰，未见明确实变影及占位性病变；气管及主支气管通畅。" for n in range(1, 61)
    )
    text = pages(make_pdf(report_content(findings=findings)))
    assert len(text) >= 2
    assert all(f"第{n}页/共{len(text)}页" in page for n, page in enumerate(text, start=1))
    assert all("张三" in page and STUDY.accession in page for page in text)
    assert all(f"{n}.双肺野清晰" in "".join(text) for n in range(1, 61))


@pytest.mark.parametrize("count", range(24, 34))
def test_signature_never_stands_alone_on_a_page(count):
    findings = "\n".join(f"{n}. 未见异常。" for n in range(1, count))
    last = pages(make_pdf(report_content(findings=findings)))[-1]
    assert squeezed(REPORT.signer_name) in last
    assert "心、膈未见明确异常" in last


def test_longest_text_that_may_be_signed_is_printed_whole():
    line = "右肺上叶结节，边缘光整。"
    findings = line * (TEXT_CHARACTERS // len(line))
    text = "".join(
        re.sub(r"清河县人民医院远程影像诊断报告张三检查号A\d+|报告编号[\w-]+第\d+页/共\d+页", "", page)
        for page in pages(make_pdf(report_content(findings=findings)))
    )
    assert text.count(line) == TEXT_CHARACTERS // len(line)


def test_same_report_is_the_same_file_byte_for_byte(diagnosis):
    assert make_pdf(report_content()) == diagnosis
    assert make_pdf(report_content(findings="另一份。")) != diagnosis


def test_file_is_pdf_a_2b_with_every_font_inside(diagnosis):
    reader = pypdf.PdfReader(io.BytesIO(diagnosis))
    metadata = reader.trailer["/Root"]["/Metadata"].get_object().get_data().decode()
    assert re.search(r"pdfaid:part>\s*2|pdfaid:part=\"2\"", metadata)
    assert re.search(r"pdfaid:conformance>\s*B|pdfaid:conformance=\"B\"", metadata)
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    assert len(fonts) >= 2
    for font in fonts:
        assert font["/BaseFont"].split("+")[1].startswith(("NotoSansSC", "NotoSerifSC"))
        assert "/FontFile3" in font["/DescendantFonts"][0].get_object()["/FontDescriptor"]


def test_page_is_a4(diagnosis):
    box = pypdf.PdfReader(io.BytesIO(diagnosis)).pages[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx((595.28, 841.89), abs=0.01)


def test_character_without_a_glyph_is_marked_and_the_page_says_which():
    (text,) = pages(make_pdf(report_content(findings="患者😀自述。")))
    assert "患者〓自述" in text
    assert "U+1F600" in text


def test_review_is_printed_when_there_is_one():
    (text,) = pages(make_pdf(report_content(reviewer_name="王建国", reviewed_at=NOON)))
    assert "审核医师王建国" in text
    assert "审核时间2026-03-0212:00:00" in text


def test_cancel_that_came_too_late_is_marked():
    (text,) = pages(make_pdf(report_content(late_cancel=True)))
    assert "申请方在本报告签发之后提出撤销申请。报告已签发，仍然有效。" in text


def test_device_is_that_of_the_images_not_of_the_documents_about_them():
    (text,) = pages(make_pdf(report_content(study=replace(STUDY, modalities='["CT","SR"]'))))
    assert "检查设备CT" in text
    assert "SR" not in text


def test_empty_fields_are_dashes_and_nothing_fails():
    study = replace(
        STUDY, patient_name="", patient_id="", accession="", age="", sex="", modalities="[]", body_parts="[]"
    )
    (text,) = pages(make_pdf(report_content(study=study)))
    assert "患者编号—" in text
