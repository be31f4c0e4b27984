"""A QIDO-RS query as an SQL condition over the catalogue's rows.

Single value, list of UIDs, wildcard and range matching; no fuzzy matching. What
cannot be matched on is left out and named, so that the answer can say so.

Source: DICOM PS3.18 8.3.4 and 10.6.1.2, PS3.4 C.2.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from node.database.port import Value
from node.errors import InvalidRequest

Matcher = Callable[[str, str], "Condition"]
PAGE = 200
PAGE_LIMIT = 1000
_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Part of a WHERE, with its parameters."""

    sql: str
    params: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What one level of a search asks for."""

    conditions: list[Condition] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Names in the query that nothing here is matched on."""
    limit: int = PAGE
    offset: int = 0

    def where(self, *also: Condition) -> Condition:
        parts = [*also, *self.conditions]
        return Condition(
            sql=" AND ".join(f"({part.sql})" for part in parts) or "1",
            params=tuple(value for part in parts for value in part.params),
        )


def read_query(items: Iterable[tuple[str, str]], keys: dict[str, tuple[str, Matcher]]) -> Query:
    """Read an address's parameters against the keys of a level.

    Parameters
    ----------
    keys
        By keyword and by tag of 8 hex digits: the column, and how it is matched.

    Raises
    ------
    InvalidRequest
        A date, UID, limit or offset is not one.
    """
    conditions: list[Condition] = []
    ignored: list[str] = []
    limit, offset = PAGE, 0
    for name, value in items:
        match name:
            case "limit":
                limit = min(_count(name, value), PAGE_LIMIT)
            case "offset":
                offset = _count(name, value)
            case "includefield" | "accept" | "charset":
                continue  # answers carry all that the catalogue knows
            case "fuzzymatching":
                if value.lower() != "false":
                    ignored.append(name)
            case _:
                known = keys.get(name) or keys.get(name.upper())
                if known is None:
                    ignored.append(name)
                elif value not in ("", "*"):
                    conditions.append(known[1](known[0], value))
    return Query(conditions=conditions, ignored=ignored, limit=limit, offset=offset)


def match_text(column: str, value: str) -> Condition:
    """Match one value, ``*`` and ``?`` as wildcards. Source: DICOM PS3.4 C.2.2.2.1, C.2.2.2.4."""
    if "*" not in value and "?" not in value:
        return Condition(sql=f"{column} = ?", params=(value,))
    return Condition(sql=f"{column} LIKE ? ESCAPE '!'", params=(_pattern(value),))


def match_name(column: str, value: str) -> Condition:
    """Match a person's name in any of its writings, without regard to case.

    Source: DICOM PS3.4 C.2.2.2.1.1, PS3.5 6.2.1.
    """
    pattern = _pattern(value.rstrip("^"))
    written = (pattern, f"{pattern}=%", f"%={pattern}", f"%={pattern}=%")
    return Condition(sql=" OR ".join([f"rtrim({column}, '^') LIKE ? ESCAPE '!'"] * 4), params=written)


def match_uids(column: str, value: str) -> Condition:
    """Match any of a list of UIDs. Source: DICOM PS3.4 C.2.2.2.2, PS3.18 8.3.4.1."""
    uids = [uid for uid in re.split(r"[,\\]", value) if uid]
    return Condition(sql=f"{column} IN ({', '.join('?' * len(uids))})", params=tuple(uids))


def match_date(column: str, value: str) -> Condition:
    """Match a date or a range of dates. Source: DICOM PS3.4 C.2.2.2.5.1."""
    return _match_range(column, value, _DATE, "a date as YYYYMMDD, or two with - between")


def match_time(column: str, value: str) -> Condition:
    """Match a time or a range of times. Source: DICOM PS3.4 C.2.2.2.5.2."""
    return _match_range(column, value, _TIME, "a time as HHMMSS, or two with - between")


def match_listed(column: str, value: str) -> Condition:
    """Match an entry of a column that holds a JSON list, such as the modalities of a study."""
    entries = [entry for entry in re.split(r"[,\\]", value) if entry]
    patterns = tuple(f'%"{_pattern(entry)}"%' for entry in entries)
    return Condition(sql=" OR ".join([f"{column} LIKE ? ESCAPE '!'"] * len(patterns)) or "1", params=patterns)


def match_number(column: str, value: str) -> Condition:
    """Match a whole number."""
    return Condition(sql=f"{column} = ?", params=(_count("a number", value),))


def _match_range(column: str, value: str, shape: re.Pattern[str], words: str) -> Condition:
    first, dash, last = value.partition("-")
    if any(part and not shape.fullmatch(part) for part in (first, last)) or not (first or last):
        raise InvalidRequest(f"Searching was refused: {column} must be {words}.")
    if not dash:
        return Condition(sql=f"{column} LIKE ?", params=(f"{first}%",))
    # A value may be written to more places than the end of the range: the range holds all that begin so.
    bounds = [(">=", first)] * bool(first) + [("<=", f"{last}~")] * bool(last)
    return Condition(
        sql=" AND ".join([f"{column} <> ''", *(f"{column} {sign} ?" for sign, _ in bounds)]),
        params=tuple(bound for _, bound in bounds),
    )


def _pattern(value: str) -> str:
    escaped = re.sub(r"([!%_])", r"!\1", value)
    return escaped.replace("*", "%").replace("?", "_")


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise InvalidRequest(f"Searching was refused: {name} must be a whole number, not {value[:20]!r}.")
    return int(value)
