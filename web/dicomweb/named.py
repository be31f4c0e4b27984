"""From a request's address to the instances it names, found again when their packs move."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from node.catalogue.search import InstanceRow
from node.errors import Damaged
from web.dicomweb.held import find_held
from web.routes import TECHNICIAN, Call, NoBody

T = TypeVar("T")


def held_by_call(call: Call[NoBody]) -> list[InstanceRow]:
    """Give the instances that a request's address names."""
    return find_held(
        call.node,
        call.study,
        series_uid=call.path.get("series_uid", ""),
        sop_uid=call.path.get("sop_uid", ""),
        digest=call.query.get("digest", "") if "sop_uid" in call.path else "",
        rejected_too=call.study.origin == call.node.id and bool(call.caller.roles & TECHNICIAN),
    )


def with_held(call: Call[NoBody], use: Callable[[list[InstanceRow]], T]) -> T:
    """Use the instances a request names; look them up once more when packs were merged meanwhile.

    Raises
    ------
    Damaged
        Their pack is missing.
    """
    return _twice(lambda: held_by_call(call), use)


def with_named(
    call: Call[NoBody], use: Callable[[list[InstanceRow]], T], *, series_uid: str, sop_uid: str
) -> T:
    """Use the instance that a query names, as `with_held` does."""
    return _twice(lambda: find_held(call.node, call.study, series_uid=series_uid, sop_uid=sop_uid), use)


def _twice(find: Callable[[], list[InstanceRow]], use: Callable[[list[InstanceRow]], T]) -> T:
    try:
        return use(find())
    except FileNotFoundError:
        pass
    try:
        return use(find())
    except FileNotFoundError as error:
        raise Damaged("Reading an instance failed: its pack is missing. Run 'meridian verify'.") from error
