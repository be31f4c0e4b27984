"""A report as a decider: written as a draft, signed by one person, open to a second person's 审核.

Decides who may still change what: a draft moves only from the version its
writer saw, a signed report never changes, a review is by somebody other than
the signer, and a cancel that came too late is marked and undoes nothing. Pure.
Who may write at all is the consult case's matter; rows are `node.reporting.reports`'.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import ClassVar, assert_never

import msgspec

from node.canonical import canonical_json
from node.clock import Micros
from node.errors import Conflict, FieldMissing, InvalidRequest
from node.events import Event

TEXT_CHARACTERS = 40_000
"""The longest findings or impression that is taken: both fit one envelope."""
SIGNATURE_PREFIX = b"meridian-report/1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Words being written; content at the case's home, not an event."""

    version: int
    findings: str
    impression: str
    person: str
    at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReport:
    """A report as its signer signed it: the same words at both nodes, under one signature."""

    report_id: str
    case_id: str
    origin: str
    study_uid: str
    home: str
    """Node id of the hospital that reads."""
    home_name: str
    version: int
    findings: str
    impression: str
    signer: str
    """Account id at the home."""
    signer_name: str
    signed_at: Micros
    sr_uid: str
    """SOP Instance UIDs and series UID, drawn once at signing, so that documents made twice are the same."""
    sr_series_uid: str
    pdf_uid: str
    signature: str = ""
    """Base64 of the home node's Ed25519 signature over `signed_bytes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """A signed report without its words: with them it is what was signed. Stands in events, so no patient data."""

    report_id: str
    case_id: str
    origin: str
    study_uid: str
    home: str
    home_name: str
    version: int
    signer: str
    signer_name: str
    signed_at: Micros
    sr_uid: str
    sr_series_uid: str
    pdf_uid: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked, as the documents print it; the case's form without the consent."""

    kind: str
    """``diagnosis`` (远程诊断) or ``consultation`` (远程会诊)."""
    urgency: str
    reason: str
    aim: str
    history: str
    requesting_doctor: str
    clinic: str
    clinic_name: str
    requested_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSigned(Event):
    """A person signed. Subject ``report/ID``. Version 1 had no head: what was drawn at signing stood in the row alone."""

    VERSION: ClassVar[int] = 2
    EARLIER: ClassVar[tuple[int, ...]] = (1,)
    case_id: str
    text: str
    """Digest of the words."""
    signer: str
    signature: str
    head: ReportHead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReviewed(Event):
    """A second person approved (审核)."""

    reviewer: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCancelledLate(Event):
    """The clinic asked to cancel, and the report had been signed by then: it stands, marked."""


ReportEvent = ReportSigned | ReportReviewed | ReportCancelledLate
REPORT_EVENTS: tuple[type[ReportEvent], ...] = (ReportSigned, ReportReviewed, ReportCancelledLate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportState:
    """What is decided on; the empty one is a report that nobody has signed."""

    signer: str = ""
    reviewer: str = ""
    late_cancel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Sign these words."""

    report: SignedReport
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Approve what another person signed."""

    reviewer: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkLateCancel:
    """Note that the clinic asked to cancel after the signature."""


ReportCommand = Sign | Review | MarkLateCancel


def decide(state: ReportState, command: ReportCommand, _now: Micros) -> tuple[ReportEvent, ...]:
    """Give the events a command leads to; none when it changes nothing.

    Raises
    ------
    Conflict
        It is signed already, not signed yet, or the reviewer is the signer.
    FieldMissing
        Findings or impression are empty.
    """
    match command:
        case Sign():
            return _sign(state, command)
        case Review():
            return _review(state, command)
        case MarkLateCancel():
            if not state.signer:
                raise Conflict("Marking a report was refused: it is not signed. Cancel its case instead.")
            return () if state.late_cancel else (ReportCancelledLate(),)
        case _:
            assert_never(command)


def evolve(state: ReportState, event: ReportEvent) -> ReportState:
    """Give the state after an event."""
    match event:
        case ReportSigned():
            return replace(state, signer=event.signer)
        case ReportReviewed():
            return replace(state, reviewer=event.reviewer)
        case ReportCancelledLate():
            return replace(state, late_cancel=True)
        case _:
            assert_never(event)


def write(draft: Draft | None, words: Draft) -> Draft:
    """Give the next draft; ``words.version`` is the version its writer saw, 0 before the first.

    Raises
    ------
    Conflict
        Another window or person wrote since.
    InvalidRequest
        A text is too long, or holds characters that no document can.
    """
    seen = draft.version if draft is not None else 0
    if words.version != seen:
        raise Conflict(
            f"Saving the draft was refused: it is at version {seen}, this page has {words.version}."
            " Load the draft, then add what is missing; what you sent has been kept beside it."
        )
    check_text(words.findings, name="findings")
    check_text(words.impression, name="impression")
    return replace(words, version=seen + 1)


def check_text(words: str, *, name: str) -> None:
    """Refuse text that is too long or that XML, DICOM and PDF cannot carry."""
    if len(words) > TEXT_CHARACTERS:
        raise InvalidRequest(
            f"Taking {name} was refused: it has over {TEXT_CHARACTERS} characters. Shorten it."
        )
    if any(
        unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\r\t" for character in words
    ):
        raise InvalidRequest(f"Taking {name} was refused: it has control characters. Remove them.")


def head_of(report: SignedReport) -> ReportHead:
    """Give a report without its words."""
    fields = msgspec.to_builtins(report)
    return ReportHead(**{name: fields[name] for name in ReportHead.__dataclass_fields__})


def words_of(report: SignedReport) -> str:
    """Give the canonical JSON of a report's words: the text that events name by digest."""
    return canonical_json({"findings": report.findings, "impression": report.impression})


def signed_bytes(report: SignedReport) -> bytes:
    """Give what the home node signs: every field but the signature, under a prefix of its own."""
    fields = {name: value for name, value in msgspec.to_builtins(report).items() if name != "signature"}
    return SIGNATURE_PREFIX + canonical_json(fields).encode()


def _sign(state: ReportState, command: Sign) -> tuple[ReportEvent, ...]:
    if state.signer:
        raise Conflict(
            "Signing was refused: the report is signed already. Request a new case for a correction."
        )
    report = command.report
    for name, words in (("findings", report.findings), ("impression", report.impression)):
        if not words.strip():
            raise FieldMissing(f"Signing was refused: {name} is empty. Write it first.", name=name)
        check_text(words, name=name)
    return (
        ReportSigned(
            case_id=report.case_id,
            text=command.text,
            signer=report.signer,
            signature=report.signature,
            head=head_of(report),
        ),
    )


def _review(state: ReportState, command: Review) -> tuple[ReportEvent, ...]:
    if not state.signer:
        raise Conflict("Approving was refused: the report is not signed yet. Ask its writer to sign.")
    if command.reviewer == state.signer:
        raise Conflict("Approving was refused: its signer cannot review it. Ask a second person.")
    if state.reviewer:
        return ()
    return (ReportReviewed(reviewer=command.reviewer, name=command.name),)
