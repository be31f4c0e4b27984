"""Which instances an address names.

Only the chosen contents of an instance are served. Another one (the same
content written otherwise, or one in conflict) is served to whoever names it by
``?digest=``.
"""

from __future__ import annotations

from collections.abc import Sequence

from node.canonical import digest_of
from node.catalogue.search import InstanceRow, instances_of, peek_instance
from node.errors import NotFound
from node.names import StudyKey
from node.node import Node


def find_held(
    node: Node, key: StudyKey, *, series_uid: str = "", sop_uid: str = "", digest: str = ""
) -> list[InstanceRow]:
    """Give instances in the order of their series and numbers.

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
