"""The request form: what an invitation must say before it may leave the clinic.

Pure. Says which field is missing; what an urgency means in hours is
`service_level`'s.

Source: 远程医疗服务管理规范 (invitation: reason, aim, time, record summary, specialty
and title of the doctor wanted; written consent by the patient or a guardian).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from node.clock import SECOND, Micros
from node.errors import FieldMissing
from node.reporting.report import check_text

Kind = Literal["diagnosis", "consultation"]
"""远程诊断: the signed report is the report. 远程会诊: advice to a report of the clinic."""
Urgency = Literal["emergency", "routine"]
"""急 or 平."""
ConsentHow = Literal["written", "guardian", "verbal-recorded"]
LONGEST = 4000
LONGEST_NAME = 200
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Who agreed, when and how; stays with the form."""

    who: str
    at: str
    """The day, ``YYYY-MM-DD``, local to the clinic."""
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultForm:
    """A technician's request as she filled it in; fields may still be wrong."""

    origin: str
    study_uid: str
    kind: str
    urgency: str
    reason: str
    aim: str
    history: str
    specialty: str
    pool: str
    requesting_doctor: str
    consent: Consent
    acknowledge_incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FormWords:
    """The part of a form that people wrote; a text named by digest from events."""

    reason: str
    aim: str
    history: str
    requesting_doctor: str
    consent: Consent


def check_form(form: ConsultForm, *, now: Micros) -> ConsultForm:
    """Give the form with its fields trimmed.

    Raises
    ------
    FieldMissing
        Names the first field that is empty, too long, or not one of its choices, as the API spells it.
    """
    words = check_words(
        FormWords(
            reason=form.reason,
            aim=form.aim,
            history=form.history,
            requesting_doctor=form.requesting_doctor,
            consent=form.consent,
        ),
        now=now,
    )
    return replace(
        form,
        kind=_choice(form.kind, get_args(Kind), name="kind"),
        urgency=_choice(form.urgency, get_args(Urgency), name="urgency"),
        specialty=_filled(form.specialty, name="specialty", longest=LONGEST_NAME),
        pool=_filled(form.pool, name="pool", longest=LONGEST_NAME),
        reason=words.reason,
        aim=words.aim,
        history=words.history,
        requesting_doctor=words.requesting_doctor,
        consent=words.consent,
    )


def check_words(words: FormWords, *, now: Micros) -> FormWords:
    """Give the words trimmed; raises `FieldMissing` as `check_form` does."""
    consent = Consent(
        who=_filled(words.consent.who, name="consent.who", longest=LONGEST_NAME),
        at=_day(words.consent.at, now=now),
        how=_choice(words.consent.how, get_args(ConsentHow), name="consent.how"),
    )
    return FormWords(
        reason=_filled(words.reason, name="reason"),
        aim=_filled(words.aim, name="aim"),
        history=_filled(words.history, name="history"),
        requesting_doctor=_filled(words.requesting_doctor, name="requestingDoctor", longest=LONGEST_NAME),
        consent=consent,
    )


def check_reason(reason: str, *, act: str) -> str:
    """Give a reason trimmed; an empty one is refused."""
    if not reason.strip():
        raise FieldMissing(f"{act} was refused: it needs a reason. Write it.", name="reason")
    return _filled(reason, name="reason")


def _filled(value: str, *, name: str, longest: int = LONGEST) -> str:
    words = value.strip()
    if not words:
        raise FieldMissing(f"Requesting a consult was refused: {name} is empty. Fill it in.", name=name)
    if len(words) > longest:
        raise FieldMissing(
            f"Requesting a consult was refused: {name} has over {longest} characters. Shorten it.", name=name
        )
    check_text(words, name=name)
    return words


def _choice(value: str, choices: tuple[str, ...], *, name: str) -> str:
    if value not in choices:
        raise FieldMissing(
            f"Requesting a consult was refused: {name} must be one of {', '.join(choices)}. Choose one.",
            name=name,
        )
    return value


def _day(value: str, *, now: Micros) -> str:
    """Give a day back if it is one, and not in the future anywhere on earth."""
    try:
        day = date.fromisoformat(value) if _ISO_DATE.fullmatch(value) else None
    except ValueError:
        day = None
    tomorrow = datetime.fromtimestamp(now // SECOND, UTC).date() + timedelta(days=1)
    if day is None or day > tomorrow:
        raise FieldMissing(
            "Requesting a consult was refused: consent.at must be a day as YYYY-MM-DD, not in the future.",
            name="consent.at",
        )
    return value
