"""Which statements may be written: what both stores do the same way, and do again the same way.

A replicated store runs the same text on every member, so SQL that asks the
machine for time or chance would leave them different; it rewrites some texts
and reads ``x'..'`` as a blob. What is refused here never reaches an adapter.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from node.database.port import Statement, Value
from node.errors import InvalidRequest

_A_CHANGE = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|WITH)\b", re.IGNORECASE)
_CLOCK_OR_CHANCE = re.compile(
    r"\bCURRENT_(TIMESTAMP|DATE|TIME)\b|'now'|\brandom(blob)?\s*\("
    r"|\b(date|time|datetime|julianday|unixepoch)\s*\(\s*\)|\bOR\s+ROLLBACK\b",
    re.IGNORECASE,
)
_BLOB_LITERAL = re.compile(r"\s*x'([0-9a-f]{2})*'\s*", re.IGNORECASE)
_INTEGER_LIMIT = 2**63


def check_key(key: str) -> None:
    """Refuse a write without a key: nobody could ask later whether it was applied."""
    if not key:
        raise InvalidRequest("Writing to the database was refused: it has no key. Draw one with new_id.")


def check_subset(statement: Statement) -> None:
    """Refuse what a replicated store would not do the same way.

    Raises
    ------
    InvalidRequest
        Anything but one INSERT, UPDATE or DELETE; clocks, chance or RETURNING in SQL; a value that is
        not INTEGER, REAL or TEXT, or a text that reads as a blob.
    """
    _check_sql(statement.sql)
    for value in statement.params:
        check_value(value)


def check_value(value: Value) -> None:
    """Refuse a value that no row may hold.

    Raises
    ------
    InvalidRequest
        Not INTEGER, REAL or TEXT, or a text that reads as a blob.
    """
    match value:
        case None:
            return
        case int():
            if not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
                raise InvalidRequest("Writing a whole number beyond 64 bits was refused: write it as text.")
        case float():
            if not math.isfinite(value):
                raise InvalidRequest("Writing an infinite number was refused: store NULL instead.")
        case str():
            if _BLOB_LITERAL.fullmatch(value):
                raise InvalidRequest("Writing a text of the form x'..' was refused: pass it inside JSON.")
            if not _is_unicode(value):
                raise InvalidRequest("Writing a text was refused: it has a lone surrogate. Decode it first.")
        case _:
            raise InvalidRequest(f"Writing a {type(value).__name__} was refused: use a number, text or NULL.")


def storable(text: str) -> str:
    """Give a text from outside as one that may be written: one that reads as a blob gets another apostrophe."""
    return text.replace("'", "’") if _BLOB_LITERAL.fullmatch(text) else text


@lru_cache(maxsize=1024)
def _check_sql(sql: str) -> None:
    if not _A_CHANGE.match(sql) or _CLOCK_OR_CHANCE.search(sql) or re.search(r"\bRETURNING\b", sql, re.I):
        raise InvalidRequest(f"Writing {sql[:60]!r} was refused: not of the SQL subset of both stores.")
    if ";" in sql:
        raise InvalidRequest(f"Writing {sql[:60]!r} was refused: one statement per string.")


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
