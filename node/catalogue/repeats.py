"""The same SOP Instance UID again: which content is shown, and which of the others matter.

Pure, and a function of the set of contents alone: the order in which they are
registered makes no difference, so a rebuild agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from node.catalogue.search import InstanceRow

CHOSEN, ALTERNATIVE, CONFLICT = "chosen", "alternative", "conflict"


def settle(contents: Iterable[InstanceRow], normal: Callable[[InstanceRow], str]) -> list[InstanceRow]:
    """Give the contents of one instance, the first to arrive chosen and first.

    What says the same as the chosen one is an alternative; what says something else is a conflict, both are kept,
    and a person chooses. Alone, a content needs no comparing.

    Parameters
    ----------
    normal
        Gives a content's normal digest; called only where there are several.
    """
    ordered = sorted(contents, key=lambda content: (content.received_at, content.digest))
    if len(ordered) == 1:
        return ordered
    told = [
        content if content.normal_digest else replace(content, normal_digest=normal(content))
        for content in ordered
    ]
    first = told[0].normal_digest
    return [
        replace(told[0], state=CHOSEN),
        *(replace(c, state=ALTERNATIVE if c.normal_digest == first else CONFLICT) for c in told[1:]),
    ]


def earlier(one: InstanceRow, other: InstanceRow) -> InstanceRow:
    """Of two receipts of the same data set, give the first: its place is the one kept."""
    return min(one, other, key=lambda row: (row.received_at, row.pack, row.offset))
