"""What a C-FIND or QIDO key asks of a study row, as SQL conditions.

Single values, lists of UIDs, wildcards, and ranges of dates and times; names
match in any of their groups, without regard to case. Pure: text in, SQL out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from node.database.port import Value

Matched = tuple[str, tuple[Value, ...]]

_ESCAPE = "ESCAPE '~'"


def study_conditions(filters: Mapping[str, str]) -> tuple[list[str], tuple[Value, ...]]:
    """Give the conditions on ``study`` that keys ask for; a key that is not matched on is left out.

    Source: DICOM PS3.4 C.2.2.2.
    """
    conditions: list[str] = []
    params: list[Value] = []
    for keyword, value in filters.items():
        if keyword in _KEYS and value.strip():
            matcher, column = _KEYS[keyword]
            sql, more = matcher(f"study.{column}", value.strip())
            conditions.append(f"({sql})")
            params += more
    return conditions, tuple(params)


def _single_or_wild(column: str, value: str) -> Matched:
    """Exact, case and all; ``*`` and ``?`` as wildcards (C.2.2.2.1, C.2.2.2.4)."""
    if not re.search(r"[*?]", value):
        return f"{column} = ?", (value,)
    return f"{column} GLOB ?", (re.sub(r"\[", "[[]", value),)


def _name(column: str, value: str) -> Matched:
    """A PN matches when any of its groups does, whatever the case (C.2.2.2.1.1)."""
    pattern = _like(value)
    if "=" in value:
        return f"{column} LIKE ? {_ESCAPE}", (pattern,)
    return f"('=' || {column} || '=') LIKE ? {_ESCAPE}", (f"%={pattern}=%",)


def _uids(column: str, value: str) -> Matched:
    """A list of UIDs matches each of them (C.2.2.2.2)."""
    uids = [uid for uid in re.split(r"[\\,\s]+", value) if uid]
    return f"{column} IN ({', '.join('?' * len(uids))})", tuple(uids)


def _range(column: str, value: str) -> Matched:
    """A date or time, or a range of them with either end open (C.2.2.2.5)."""
    low, dash, high = (part.strip() for part in value.partition("-"))
    if not dash:
        return f"{column} = ?", (low,)
    conditions, params = [f"{column} <> ''"], []
    if low:
        conditions.append(f"{column} >= ?")
        params.append(low)
    if high:
        # A time to the minute takes in its seconds: whatever begins with it is not past it.
        conditions.append(f"substr({column}, 1, {len(high)}) <= ?")
        params.append(high)
    return " AND ".join(conditions), tuple(params)


def _in_list(column: str, value: str) -> Matched:
    """One of several codes held as a JSON list."""
    codes = [code for code in re.split(r"[\\,]+", value) if code]
    return " OR ".join([f"{column} LIKE ? {_ESCAPE}"] * len(codes)), tuple(
        f'%"{_like(code)}"%' for code in codes
    )


def _like(value: str) -> str:
    escaped = re.sub(r"([%_~])", r"~\1", value)
    return escaped.replace("*", "%").replace("?", "_")


_KEYS: dict[str, tuple[Callable[[str, str], Matched], str]] = {
    "StudyInstanceUID": (_uids, "study_uid"),
    "PatientID": (_single_or_wild, "patient_id"),
    "PatientName": (_name, "patient_name"),
    "PatientBirthDate": (_range, "birth_date"),
    "PatientSex": (_single_or_wild, "sex"),
    "StudyDate": (_range, "study_date"),
    "StudyTime": (_range, "study_time"),
    "AccessionNumber": (_single_or_wild, "accession"),
    "StudyDescription": (_single_or_wild, "description"),
    "ReferringPhysicianName": (_name, "referring_physician"),
    "ModalitiesInStudy": (_in_list, "modalities"),
}
MATCHED_KEYS = frozenset(_KEYS)
"""What `study_conditions` matches on; a server says of other keys that it ignored them."""
