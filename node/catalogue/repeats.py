"""The same SOP Instance UID again: which content is shown, and which of the others matter.

Pure, and a function of the set of contents and of what persons decided about
them: the order in which they are registered makes no difference, so a rebuild agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec.structs import replace

from node.catalogue.overlays import Choice
from node.catalogue.search import InstanceRow
from node.store.directory import is_damaged

CHOSEN, ALTERNATIVE, CONFLICT = "chosen", "alternative", "conflict"
ASIDE, REJECTED = "aside", "rejected"
"""What a person found wrong when she chose another; what is found and served no more."""


class Ruling(Protocol):
    """What persons decided about a study's instances."""

    def is_rejected(self, row: InstanceRow) -> bool:
        """Say whether a content is served no more."""

    def choice(self, sop_uid: str) -> Choice | None:
        """Give which content of an instance a person chose."""

    def meaning(self, row: InstanceRow) -> str:
        """Digest what a content says when it leaves: as corrected."""


def settle(
    contents: Iterable[InstanceRow], normal: Callable[[InstanceRow], str], ruling: Ruling | None = None
) -> list[InstanceRow]:
    """Give the contents of one instance, the first to arrive chosen and first, or the one that a person chose.

    What says the same as the chosen one is an alternative; what says something else is a conflict, both are kept,
    and a person chooses. What she chose against stays aside; what comes later and says something else again is a
    conflict again. Alone, a content needs no comparing.

    Parameters
    ----------
    normal
        Gives a content's normal digest; called only where there are several.
    """
    ordered = sorted(contents, key=lambda content: (content.received_at, content.digest))
    if len(ordered) == 1 and ruling is None:
        return ordered
    told = (
        ordered
        if len(ordered) == 1
        else [
            content if content.normal_digest else replace(content, normal_digest=normal(content))
            for content in ordered
        ]
    )
    rejected = [] if ruling is None else [content for content in told if ruling.is_rejected(content)]
    live = [content for content in told if content not in rejected]
    choice = ruling.choice(told[0].sop_uid) if ruling is not None else None
    first = next((c for c in live if choice is not None and c.digest == choice.digest), None)
    at = choice.at if choice is not None and first is not None else None
    return [
        *_states(live, first=first or next(iter(live), None), at=at, ruling=ruling),
        *(replace(content, state=REJECTED) for content in rejected),
    ]


def _states(
    live: list[InstanceRow], *, first: InstanceRow | None, at: int | None, ruling: Ruling | None
) -> list[InstanceRow]:
    """Say of each content what it is beside the first."""
    if first is None:
        return []

    def same(one: InstanceRow, other: InstanceRow) -> bool:
        if one.normal_digest == other.normal_digest:
            return True
        return ruling is not None and ruling.meaning(one) == ruling.meaning(other)

    others = [content for content in live if content is not first]
    known_wrong = [c for c in others if at is not None and c.received_at <= at and not same(c, first)]
    states = []
    for content in others:
        if same(content, first):
            state = ALTERNATIVE
        elif any(content is wrong or same(content, wrong) for wrong in known_wrong):
            state = ASIDE
        else:
            state = CONFLICT
        states.append(replace(content, state=state))
    return [replace(first, state=CHOSEN), *states]


def earlier(one: InstanceRow, other: InstanceRow) -> InstanceRow:
    """Of two receipts of the same data set, give the first: its place is the one kept, unless it is known to be damaged."""
    first = min(one, other, key=lambda row: (row.received_at, row.pack, row.offset))
    whole = other if first is one else one
    if not is_damaged(first.pack):
        return first
    place = {name: getattr(whole, name) for name in ("pack", "offset", "meta_bytes", "data_offset")}
    return replace(first, **place)
