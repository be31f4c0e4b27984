"""The report decider: drafts under a version, one signature, a second person's review, a late cancel."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import reduce

import pytest

from node.errors import Conflict, FieldMissing, InvalidRequest
from node.reporting.report import (
    TEXT_CHARACTERS,
    Draft,
    MarkLateCancel,
    ReportCancelledLate,
    ReportCommand,
    ReportReviewed,
    ReportSigned,
    ReportState,
    Review,
    Sign,
    SignedReport,
    check_text,
    decide,
    evolve,
    signed_bytes,
    words_of,
    write,
)
from tests.kit.clock import NOON

REPORT = SignedReport(
    report_id="r1",
    case_id="c1",
    origin="alpha",
    study_uid="2.25.1",
    home="centre",
    home_name="Centre",
    version=1,
    findings="见结节。",
    impression="随访。",
    signer="li",
    signer_name="李",
    signed_at=NOON,
    sr_uid="2.25.2",
    sr_series_uid="2.25.3",
    pdf_uid="2.25.4",
    signature="s",
)
SIGN = Sign(report=REPORT, text="d" * 64)
DRAFT = Draft(version=0, findings="a", impression="b", person="li", at=NOON)


def run(*commands: ReportCommand) -> ReportState:
    state = ReportState()
    for command in commands:
        state = reduce(evolve, decide(state, command, NOON), state)
    return state


def test_signing_names_the_words_by_digest_only() -> None:
    (event,) = decide(ReportState(), SIGN, NOON)
    assert isinstance(event, ReportSigned)
    assert (event.text, event.signer) == ("d" * 64, "li")
    assert REPORT.findings not in str(event)


@pytest.mark.parametrize("field", ["findings", "impression"])
def test_both_texts_must_be_written(field: str) -> None:
    with pytest.raises(FieldMissing) as refused:
        decide(ReportState(), replace(SIGN, report=replace(REPORT, **{field: " \n\t"})), NOON)
    assert refused.value.name == field


def test_a_report_is_signed_once() -> None:
    with pytest.raises(Conflict, match="signed already"):
        decide(run(SIGN), SIGN, NOON)


def test_the_signer_cannot_review_and_a_second_person_can_once() -> None:
    with pytest.raises(Conflict, match="second person"):
        decide(run(SIGN), Review(reviewer="li", name="李"), NOON)
    with pytest.raises(Conflict, match="not signed"):
        decide(ReportState(), Review(reviewer="zhao", name="赵"), NOON)
    assert decide(run(SIGN), Review(reviewer="zhao", name="赵"), NOON) == (
        ReportReviewed(reviewer="zhao", name="赵"),
    )
    assert (
        decide(run(SIGN, Review(reviewer="zhao", name="赵")), Review(reviewer="sun", name="孙"), NOON) == ()
    )


def test_a_late_cancel_marks_once_and_changes_nothing_else() -> None:
    assert decide(run(SIGN), MarkLateCancel(), NOON) == (ReportCancelledLate(),)
    marked = run(SIGN, MarkLateCancel())
    assert marked == replace(run(SIGN), late_cancel=True)
    assert decide(marked, MarkLateCancel(), NOON) == ()
    with pytest.raises(Conflict):
        decide(ReportState(), MarkLateCancel(), NOON)


def test_a_draft_counts_up_from_the_version_its_writer_saw() -> None:
    first = write(None, DRAFT)
    assert first.version == 1
    assert write(first, replace(DRAFT, version=1)).version == 2
    for seen in (0, 2):
        with pytest.raises(Conflict, match="version 1"):
            write(first, replace(DRAFT, version=seen))


def test_text_that_no_document_can_carry_is_refused() -> None:
    check_text("两行\n\t有制表符 \U0001f600", name="findings")
    for words in ("a\0b", "a\x1bb", "a\ud800b", "x" * (TEXT_CHARACTERS + 1)):
        with pytest.raises(InvalidRequest, match="findings"):
            check_text(words, name="findings")


def test_every_field_but_the_signature_is_under_the_signature() -> None:
    signed = signed_bytes(REPORT)
    assert signed.startswith(b"meridian-report/1\n")
    assert signed_bytes(replace(REPORT, signature="other")) == signed
    for field in fields(SignedReport):
        if field.name != "signature":
            other = 2 if field.name in ("version", "signed_at") else "other"
            assert signed_bytes(replace(REPORT, **{field.name: other})) != signed, field.name


def test_words_are_canonical() -> None:
    assert words_of(REPORT) == '{"findings":"见结节。","impression":"随访。"}'
