"""From a request's address to the instances it names, found again when their packs move."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from node.archive.archived import is_archived
from node.archive.recall.asking import READ, VIEWED
from node.archive.recall.awaited import bring_for, let_follow
from node.archive.scrub.healing import heal_study
from node.catalogue.search import InstanceRow
from node.errors import Damaged
from node.failpoints import planted
from node.store.directory import is_damaged
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


def with_held(
    call: Call[NoBody],
    use: Callable[[list[InstanceRow]], T],
    *,
    brought: bool = True,
    rest: bool = True,
) -> T:
    """Use the instances a request names; look them up once more when packs were merged meanwhile.

    What lies in the archive alone is brought first, and waited for, of a series that alone; what is known to be damaged is healed first.

    Parameters
    ----------
    brought
        False for whoever reads what lies in the archive where it lies; it is brought when that raises
        FileNotFoundError.
    rest
        False for whoever fetches what she names, and no more; of a series that is viewed the rest of its study follows.

    Raises
    ------
    Damaged
        Their pack is missing, or no whole copy of one is here.
    Unavailable
        No store of the archive has them now, or they take longer to come than a client waits.
    """
    find = partial(held_by_call, call)
    online = partial(_online, call, find, call.path.get("series_uid", ""), rest=rest)
    return _twice(online if brought else find, online, use)


def with_named(
    call: Call[NoBody], use: Callable[[list[InstanceRow]], T], *, series_uid: str, sop_uid: str
) -> T:
    """Use the instance that a query names, as `with_held` does."""
    find = partial(find_held, call.node, call.study, series_uid=series_uid, sop_uid=sop_uid)
    online = partial(_online, call, find, series_uid, rest=True)
    return _twice(online, online, use)


def follow_viewed(call: Call[NoBody]) -> None:
    """Let the study follow that a person views where it lies in the archive; asked for once in a while.

    A program fetches what it names, and no more.
    """
    person = call.caller.person
    if person is None or not call.around.viewed.is_new(person.id, call.study, "", now=call.node.now()):
        return
    who, asker = _asking(call)
    let_follow(call.node, call.study, who=who, asker=asker, why=VIEWED)


def _twice(
    find: Callable[[], list[InstanceRow]],
    again: Callable[[], list[InstanceRow]],
    use: Callable[[list[InstanceRow]], T],
) -> T:
    try:
        return use(find())
    except FileNotFoundError:
        pass
    try:
        return use(again())
    except FileNotFoundError as error:
        raise Damaged("Reading an instance failed: its pack is missing. Run 'meridian verify'.") from error


def _online(
    call: Call[NoBody], find: Callable[[], list[InstanceRow]], series_uid: str, *, rest: bool
) -> list[InstanceRow]:
    held = find()
    if any(is_damaged(row.pack) for row in held):
        heal_study(call.node, call.study)
        held = find()
    if not any(is_archived(row.pack) for row in held):
        return held
    who, asker = _asking(call)
    why = VIEWED if rest else READ
    bring_for(call.node, call.study, who=who, asker=asker, why=why, series_uid=series_uid)
    if series_uid and (rest or planted("series-brings-study")):
        let_follow(call.node, call.study, who=who, asker=asker, why=VIEWED)
    return find()


def _asking(call: Call[NoBody]) -> tuple[str, str]:
    """Give whom the list of recalls names, and by what id she is told apart from others."""
    person = call.caller.person
    return (call.caller.principal,) * 2 if person is None else (person.name, person.id)
