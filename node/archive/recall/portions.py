"""What of a study comes back first: what somebody looks at, what was marked, the first series, then the rest. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from node.catalogue.search import InstanceRow

SPLIT_BYTES = 64 << 20
"""A smaller study comes in one go: each portion is a pack of its own."""


def portions(
    rows: Sequence[InstanceRow], *, keys: Collection[str] = (), first_series: str = ""
) -> list[list[InstanceRow]]:
    """Cut what is to come into portions, in the order in which they come; each row stands in one of them.

    Parameters
    ----------
    keys
        SOP Instance UIDs that a Key Object Selection of the study lists, and of those objects themselves.
    first_series
        The series that is shown first.
    """
    if sum(row.data_bytes for row in rows) < SPLIT_BYTES:
        return [list(rows)] if rows else []
    marked = [row for row in rows if row.sop_uid in keys]
    first = [row for row in rows if row.sop_uid not in keys and row.series_uid == first_series]
    rest = [row for row in rows if row.sop_uid not in keys and row.series_uid != first_series]
    return [portion for portion in (marked, first, rest) if portion]
