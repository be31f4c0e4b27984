"""What a QIDO-RS address asks for, below whatever level: keys, page, and what nothing is matched on.

How keys match, at every level, is `node.catalogue.matching`'s.

Source: DICOM PS3.18 8.3.4, PS3.4 C.2.2.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from node.errors import InvalidRequest

PAGE = 200
PAGE_LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query as its address says it."""

    filters: Mapping[str, str]
    """By keyword; only keys that are matched on, without the empty ones."""
    ignored: tuple[str, ...]
    """Names in the address that nothing is matched on."""
    limit: int
    offset: int


def read_query(items: Iterable[tuple[str, str]], tags: Mapping[str, str]) -> Query:
    """Read an address's parameters.

    Parameters
    ----------
    tags
        The keywords that this level is matched on, by tag of 8 hex digits.

    Raises
    ------
    InvalidRequest
        Limit or offset is no number.
    """
    filters: dict[str, str] = {}
    ignored: list[str] = []
    limit, offset = PAGE, 0
    for name, value in items:
        keyword = tags.get(name.upper(), name)
        match name:
            case "limit":
                limit = min(_count(name, value), PAGE_LIMIT)
            case "offset":
                offset = _count(name, value)
            case "includefield" | "accept" | "charset":
                continue  # answers carry all that the catalogue knows
            case "fuzzymatching" if value.lower() == "false":
                continue
            case _ if keyword not in tags.values():
                ignored.append(name)
            case _ if value.strip():
                filters[keyword] = value.strip()
    return Query(filters=filters, ignored=tuple(ignored), limit=limit, offset=offset)


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise InvalidRequest(f"Searching was refused: {name} must be a whole number, not {value[:20]!r}.")
    return int(value)
