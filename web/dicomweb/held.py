"""Which instances an address names.

Only the chosen contents of an instance are served. Another one (the same
content written otherwise, or one in conflict) is served to whoever names it by
``?digest=``.
"""

from __future__ import annotations

from collections.abc import Sequence

from node.canonical import digest_of
from node.catalogue.exits import version_of
from node.catalogue.repeats import REJECTED
from node.catalogue.search import InstanceRow, instances_of, peek_instance
from node.errors import NotFound
from node.names import StudyKey
from node.node import Node


def find_held(
    node: Node,
    key: StudyKey,
    *,
    series_uid: str = "",
    sop_uid: str = "",
    digest: str = "",
    rejected_too: bool = False,
) -> list[InstanceRow]:
    """Give instances in the order of their series and numbers.

    Parameters
    ----------
    rejected_too
        Whether a rejected content is given to whoever names it by its digest: she may restore it.

    Raises
    ------
    NotFound
        There are none.
    """
    if sop_uid and not digest:
        one = peek_instance(node.database, key, sop_uid)
        held = [one] if one is not None else []
    else:
        held = instances_of(node.database, key, series_uid or None, chosen_only=not digest)
    found = [
        one
        for one in held
        if (not sop_uid or one.sop_uid == sop_uid)
        and (not series_uid or one.series_uid == series_uid)
        and (not digest or one.digest == digest)
        and (rejected_too or one.state != REJECTED)
    ]
    if not found:
        raise NotFound("Reading instances failed: the study holds none of these here. Search again.")
    return found


def etag_of(held: Sequence[InstanceRow], *also: str) -> str:
    """Name an answer by the contents it is made of.

    Source: RFC 9110 8.8.3.
    """
    names = "\n".join([*(one.digest for one in held), *also])
    return f'"{digest_of(names)[:32]}"'


def etag_as_corrected(node: Node, held: Sequence[InstanceRow], *also: str) -> str:
    """Name an answer that leaves as corrected: it is another one when its study is corrected."""
    return etag_of(held, *also, version_of(node, held))
