"""What the keys of a C-FIND or QIDO query ask of the catalogue's rows, as one SQL condition.

The one home of attribute matching: which attributes are matched on, at which
level each stands, and how its value representation is compared. An empty key is
universal, and so is ``*`` where wildcards are allowed; an empty sequence comes
here as an empty text. Of several values, divided by backslashes, any may match:
the standard says so for UIDs and leaves the others open (C.2.2.2.8, note 4).
Whole numbers are compared as numbers, so ``007`` finds 7.

Keys of higher levels go together with those of lower ones (relational queries).
A key below the queried level is left out, since the search method ends at that
level (C.4.1.3.2.2), as is one that is not matched on.
Pure: text in, SQL out.

Source: DICOM PS3.4 C.2.2.2, C.4.1.3.2, C.6.1.1, C.6.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from node.canonical import canonical_json
from node.catalogue.moments import (
    check_order,
    date_condition,
    date_span,
    joined,
    joined_condition,
    time_condition,
    time_span,
)
from node.catalogue.patterns import (
    NOTHING,
    Matched,
    collapse,
    is_any_name,
    is_wild,
    name_condition,
    text_condition,
)
from node.database.port import Value
from node.database.subset import storable
from node.errors import InvalidRequest

MOST_PATTERNS = 3
"""Values with wildcards, names, dates and times in one key: each is compared with every row, and what several mean is
left open by the standard. Of plain values and UIDs, which are looked up at once, there may be any number."""
_EVERYTHING: Matched = ("1 = 1", ())
_WHOLE = re.compile(r"[+-]?0*([0-9]{1,12})")


class QueryLevel(StrEnum):
    """Query/Retrieve Level (0008,0052). Source: DICOM PS3.4 C.6.1.1.1."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    INSTANCE = "IMAGE"


@dataclass(frozen=True, slots=True)
class Key:
    """An attribute that is matched on."""

    level: QueryLevel
    column: str
    compare: Callable[[str, str, str], Matched]
    """Keyword, column, value; the value is not empty."""

    def column_at(self, level: QueryLevel) -> str:
        """Give the column to compare; instances have an index by their own series UID."""
        of_instance = level is QueryLevel.INSTANCE and self.column == "series.series_uid"
        return "instance.series_uid" if of_instance else self.column


def key_condition(filters: Mapping[str, str], level: QueryLevel, *, combined: bool = False) -> Matched:
    """Give the condition that keys ask of rows ``study``, ``series`` and ``instance``, as far as a level has them.

    Parameters
    ----------
    filters
        Values by keyword, as text; several in one key are divided by backslashes.
    combined
        Whether ranges of Study Date and Study Time are one range of moments (C.2.2.2.5.4).

    Raises
    ------
    InvalidRequest
        A date, time or number is none, a range ends before it begins, or a key has too many values to compare.

    Source: DICOM PS3.4 C.2.2.2.
    """
    asked = {keyword: _stripped(value) for keyword, value in filters.items()}
    matched: list[Matched] = []
    if combined and level is not QueryLevel.PATIENT:
        matched += _combined(asked)
    for keyword, value in asked.items():
        if keyword in matched_keys(level) and value:
            key = _KEYS[keyword]
            matched.append(key.compare(keyword, key.column_at(level), value))
    matched = [one for one in matched if one != _EVERYTHING]
    if not matched:
        return _EVERYTHING
    if NOTHING in matched:
        return NOTHING
    sql = " AND ".join(f"({condition})" for condition, _ in matched)
    return sql, tuple(param for _, params in matched for param in params)


def asked_of(filters: Mapping[str, str], level: QueryLevel) -> dict[str, tuple[Key, str]]:
    """Give the keys that count at a level with their values, the empty ones left out."""
    counted = matched_keys(level)
    asked = ((keyword, _stripped(value)) for keyword, value in filters.items() if keyword in counted)
    return {keyword: (_KEYS[keyword], value) for keyword, value in asked if value}


def texts_asked(value: str) -> list[str]:
    """Give the texts of a key that a row may hold, collapsed; none when it asks for everything or for nothing."""
    values = [collapse(one) for one in _values(value)]
    return [] if "*" in values else [storable(one) for one in values if _is_holdable(one)]


def names_asked(value: str) -> list[str]:
    """Give the names of a key that a row may hold; none when it asks for everything or for nothing."""
    names = _values(value)
    return [] if any(map(is_any_name, names)) else [name for name in names if _is_holdable(name)]


def moments_asked(date: str) -> Matched:
    """Give the condition that a study's date lies in a range, which may be of moments: it then lies in it too."""
    return _any_of([date_condition("study.date_key", date_span("StudyDate", one)) for one in _values(date)])


def _stripped(value: str) -> str:
    return value.strip(" \0\t\r\n\\")


@lru_cache(maxsize=4)
def matched_keys(level: QueryLevel) -> frozenset[str]:
    """Give the keywords that a query at a level is matched on; a server says of others that it ignored them."""
    levels = list(QueryLevel)
    return frozenset(
        keyword for keyword, key in _KEYS.items() if levels.index(key.level) <= levels.index(level)
    )


def _combined(asked: dict[str, str]) -> list[Matched]:
    """Take Study Date and Study Time out of the keys when they are one range."""
    date, time = asked.get("StudyDate", ""), asked.get("StudyTime", "")
    if not date or not time or "\\" in date + time:
        return []
    span = joined(date_span("StudyDate", date), time_span("StudyTime", time))
    if span is None:
        return []
    check_order("StudyDate and StudyTime", span)
    del asked["StudyDate"], asked["StudyTime"]
    return [joined_condition("study.date_key", "study.study_time", span)]


def _text(keyword: str, column: str, value: str, dividers: str = r"\\") -> Matched:
    """AE, AS, LO, SH: exact, case and all, or by wildcards (C.2.2.2.1, C.2.2.2.4)."""
    values = [collapse(one) for one in _values(value, dividers)]
    if not values or "*" in values:
        return _EVERYTHING
    plain = [storable(one) for one in values if not is_wild(one) and _is_holdable(one)]
    wild = [one for one in values if is_wild(one) and _is_holdable(one)]
    _check_number(keyword, wild)
    found = [_among(column, plain)] if plain else []
    return _any_of([*found, *(text_condition(column, one) for one in wild)])


def _code(keyword: str, column: str, value: str) -> Matched:
    """CS: as a text; a comma divides too, which PS3.18 writes in lists and no code contains."""
    return _text(keyword, column, value, r"\\,")


def _codes(keyword: str, column: str, value: str) -> Matched:
    """CS of which a row holds several, as a JSON list: one that matches is enough (C.2.2.3)."""
    sql, params = _code(keyword, "held.value", value)
    if (sql, params) in (_EVERYTHING, NOTHING):
        return sql, params
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS held WHERE {sql})", params


def _listed(keyword: str, column: str, value: str) -> Matched:
    """UI of which a row holds several, as a JSON list: one that matches is enough."""
    sql, params = _uid(keyword, "held.value", value)
    if (sql, params) in (_EVERYTHING, NOTHING):
        return sql, params
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS held WHERE {sql})", params


def _name(keyword: str, column: str, value: str) -> Matched:
    """PN (C.2.2.2.1.1)."""
    names = _values(value)
    if not names or any(is_any_name(name) for name in names):
        return _EVERYTHING
    _check_number(keyword, names)
    return _any_of([name_condition(column, name) for name in names if _is_holdable(name)])


def _uid(keyword: str, column: str, value: str) -> Matched:
    """UI: each of a list (C.2.2.2.2); there are no wildcards."""
    values = _values(value, r"\\,\s")
    if not values:
        return _EVERYTHING
    uids = [uid for uid in values if _is_holdable(uid)]
    # The plus keeps SQLite from looking a long list up once for every row of a higher level.
    return _among(column if keyword == "StudyInstanceUID" or len(uids) == 1 else f"+{column}", uids)


def _whole(keyword: str, column: str, value: str) -> Matched:
    """IS and US, by number (C.2.2.2.1; CP-2305 leaves spellings to us)."""
    values, numbers = _values(value, r"\\,"), list[Value]()
    if not values:
        return _EVERYTHING
    for one in values:
        if (match := _WHOLE.fullmatch(one)) is None:
            if one.isascii() and one.lstrip("+-").isdecimal():
                continue  # longer than IS may be: nothing held is that number
            raise InvalidRequest(f"Searching by {keyword} was refused: it must be a whole number.")
        numbers.append(-int(match[1]) if one.startswith("-") else int(match[1]))
    return _among(column, numbers)


def _date(keyword: str, column: str, value: str) -> Matched:
    """DA (C.2.2.2.5.1)."""
    spans = [date_span(keyword, one) for one in _few(keyword, value)]
    for span in spans:
        check_order(keyword, span)
    return _any_of([date_condition(column, span) for span in spans])


def _time(keyword: str, column: str, value: str) -> Matched:
    """TM (C.2.2.2.5.2)."""
    spans = [time_span(keyword, one) for one in _few(keyword, value)]
    for span in spans:
        check_order(keyword, span)
    return _any_of([time_condition(column, span) for span in spans])


def _few(keyword: str, value: str) -> list[str]:
    values = _values(value)
    _check_number(keyword, values)
    return values


def _values(value: str, dividers: str = r"\\") -> list[str]:
    """Give the values of a key, each once, without padding; empty ones ask for nothing."""
    stripped = (one.strip(" \0") for one in re.split(f"[{dividers}]", value))
    return list(dict.fromkeys(one for one in stripped if one))


def _is_holdable(value: str) -> bool:
    """Say whether a row can hold a text at all; SQLite would read one with a NUL as what stands before it."""
    return "\0" not in value and value.encode(errors="replace").decode() == value


def _check_number(keyword: str, values: list[str]) -> None:
    if len(values) > MOST_PATTERNS:
        raise InvalidRequest(
            f"Searching by {keyword} was refused: it has {len(values)} values. Ask for at most {MOST_PATTERNS} at once."
        )


def _among(column: str, values: list[str] | list[Value]) -> Matched:
    if not values:
        return NOTHING
    if len(values) == 1:
        return f"{column} = ?", (values[0],)
    return f"{column} IN (SELECT value FROM json_each(?))", (canonical_json(values),)


def _any_of(conditions: list[Matched]) -> Matched:
    if not conditions:
        return NOTHING
    sql = " OR ".join(f"({condition})" for condition, _ in conditions)
    return sql, tuple(param for _, params in conditions for param in params)


_KEYS: dict[str, Key] = {
    "PatientName": Key(QueryLevel.PATIENT, "study.name_key", _name),
    "PatientID": Key(QueryLevel.PATIENT, "study.patient_id", _text),
    "IssuerOfPatientID": Key(QueryLevel.PATIENT, "study.patient_issuer", _text),
    "PatientBirthDate": Key(QueryLevel.PATIENT, "study.birth_key", _date),
    "PatientSex": Key(QueryLevel.PATIENT, "study.sex", _code),
    "StudyInstanceUID": Key(QueryLevel.STUDY, "study.study_uid", _uid),
    "StudyDate": Key(QueryLevel.STUDY, "study.date_key", _date),
    "StudyTime": Key(QueryLevel.STUDY, "study.study_time", _time),
    "AccessionNumber": Key(QueryLevel.STUDY, "study.accession", _text),
    "StudyID": Key(QueryLevel.STUDY, "study.study_id", _text),
    "StudyDescription": Key(QueryLevel.STUDY, "study.description", _text),
    "ReferringPhysicianName": Key(QueryLevel.STUDY, "study.physician_key", _name),
    "ModalitiesInStudy": Key(QueryLevel.STUDY, "study.modalities", _codes),
    "SOPClassesInStudy": Key(QueryLevel.STUDY, "study.sop_classes", _listed),
    "SeriesInstanceUID": Key(QueryLevel.SERIES, "series.series_uid", _uid),
    "Modality": Key(QueryLevel.SERIES, "series.modality", _code),
    "SeriesNumber": Key(QueryLevel.SERIES, "series.number", _whole),
    "SeriesDescription": Key(QueryLevel.SERIES, "series.description", _text),
    "BodyPartExamined": Key(QueryLevel.SERIES, "series.body_part", _code),
    "Laterality": Key(QueryLevel.SERIES, "series.laterality", _code),
    "SOPInstanceUID": Key(QueryLevel.INSTANCE, "instance.sop_uid", _uid),
    "SOPClassUID": Key(QueryLevel.INSTANCE, "instance.sop_class", _uid),
    "InstanceNumber": Key(QueryLevel.INSTANCE, "instance.number", _whole),
    "NumberOfFrames": Key(QueryLevel.INSTANCE, "instance.frames", _whole),
    "Rows": Key(QueryLevel.INSTANCE, "instance.rows", _whole),
    "Columns": Key(QueryLevel.INSTANCE, "instance.columns", _whole),
}
