"""Dates and times in query keys: a value names a period, a range runs from one period to another.

A value of less precision is the whole of what it names: ``1030`` is that minute,
``202603`` that month, alone as at either end of a range; so a single value is
the range from itself to itself, and ``2230`` finds ``223000``. A held value that
leaves parts out is their beginning. What is no date or time, or a range that
ends before it begins, is refused: an empty answer would read as "no studies".
Pure: text in, SQL out.

Source: DICOM PS3.4 C.2.2.2.1.3, C.2.2.2.5; PS3.5 6.2 (DA, TM).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from node.database.port import Value
from node.errors import InvalidRequest

Form = Literal["single", "between", "until", "from"]
_DATE = re.compile(r"([0-9]{4})(?:\.?(0[1-9]|1[0-2])(?:\.?(0[1-9]|[12][0-9]|3[01]))?)?")
"""With the dots of ACR-NEMA, which PS3.5 says may still be met; 31 ends any month that is asked for."""
_TIME = re.compile(r"([01][0-9]|2[0-3])(?::?([0-5][0-9])(?::?([0-5][0-9]|60)(?:\.([0-9]{1,6}))?)?)?")
_HELD_DATE = re.compile(r"[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")
_DATE_DIGITS, _TIME_DIGITS = 8, 12
_DIGIT = "[0-9]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a key asks for: all digits from ``low`` to ``high``, both included."""

    low: str
    high: str
    form: Form


def date_span(keyword: str, value: str) -> Span:
    """Read a date or a range of dates, as 8 digits.

    Raises
    ------
    InvalidRequest
        It is neither.

    Source: DICOM PS3.4 C.2.2.2.5.1.
    """
    return _span(keyword, value, _DATE, _DATE_DIGITS)


def time_span(keyword: str, value: str) -> Span:
    """Read a time or a range of times within a day, as 12 digits; see `date_span`.

    Source: DICOM PS3.4 C.2.2.2.5.2.
    """
    return _span(keyword, value, _TIME, _TIME_DIGITS)


def joined(date: Span, time: Span) -> Span | None:
    """Give a date and a time as one range, if both are ranges of the same form.

    Source: DICOM PS3.4 C.2.2.2.5.4.
    """
    if date.form == "single" or date.form != time.form:
        return None
    return Span(low=date.low + time.low, high=date.high + time.high, form=date.form)


def check_order(keyword: str, span: Span) -> None:
    """Refuse a range that ends before it begins.

    Raises
    ------
    InvalidRequest
        Such a range is not of the standard's form, and times do not cross midnight (C.2.2.2.5.2).
    """
    if span.low > span.high:
        raise InvalidRequest(
            f"Searching by {keyword} was refused: the range ends before it begins. Write the earlier end first;"
            " past midnight ask for each day."
        )


def date_key(written: str) -> str:
    """Give a held date as 8 digits; the empty text for what is no date."""
    digits = written.replace(".", "")
    return digits if _HELD_DATE.fullmatch(digits) else ""


def date_condition(column: str, span: Span) -> tuple[str, tuple[Value, ...]]:
    """Give the condition that a column of date keys lies in a span; what is no date lies in none."""
    return f"{column} BETWEEN ? AND ?", (span.low, span.high)


def time_condition(column: str, span: Span) -> tuple[str, tuple[Value, ...]]:
    """Give the condition that a column's time lies in a span; what is no time lies in none."""
    return f"{_time(column)} BETWEEN ? AND ? AND {_is_time(column)}", (span.low, span.high)


def joined_condition(date: str, time: str, span: Span) -> tuple[str, tuple[Value, ...]]:
    """Give the condition that a date key and a time are a moment in a span; without a time it is its day's beginning."""
    sql = f"{date} || {_time(time)} BETWEEN ? AND ? AND {date} <> '' AND ({time} = '' OR {_is_time(time)})"
    return sql, (span.low, span.high)


def _span(keyword: str, value: str, pattern: re.Pattern[str], digits: int) -> Span:
    first, dash, last = (part.strip() for part in value.partition("-"))
    # Where a day's moment counts, a month begins with its first day, and 31 ends it as it ends any other.
    begin, end = ("00000101", "99991231") if pattern is _DATE else ("0" * digits, "9" * digits)
    if not dash:
        period = _period(keyword, first, pattern)
        return Span(low=period + begin[len(period) :], high=period + end[len(period) :], form="single")
    low, high = (_period(keyword, one, pattern) if one else "" for one in (first, last))
    if not (low or high):
        raise _malformed(keyword)
    until = high or ("23" if pattern is _TIME else "")
    return Span(
        low=low + begin[len(low) :] if low else "0" * digits,
        high=until + end[len(until) :],
        form="between" if low and high else "from" if low else "until",
    )


def _period(keyword: str, value: str, pattern: re.Pattern[str]) -> str:
    if (match := pattern.fullmatch(value)) is None:
        raise _malformed(keyword)
    return "".join(part for part in match.groups() if part)


def _malformed(keyword: str) -> InvalidRequest:
    return InvalidRequest(
        f"Searching by {keyword} was refused: it is neither a value nor a range. Write dates as YYYYMMDD, times as"
        " HHMMSS, ranges as FIRST-LAST, FIRST- or -LAST."
    )


def _time(column: str) -> str:
    return (
        f"substr(replace(replace({column}, ':', ''), '.', '') || '{'0' * _TIME_DIGITS}', 1, {_TIME_DIGITS})"
    )


def _is_time(column: str) -> str:
    time = f"replace({column}, ':', '')"
    whole = " OR ".join(f"{time} GLOB '{_DIGIT * digits}'" for digits in (2, 4, 6))
    return f"({whole} OR ({time} GLOB '{_DIGIT * 6}.*' AND substr({time}, 8) NOT GLOB '*[^0-9]*'))"
