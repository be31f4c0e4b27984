"""The two roots of every DICOMweb address: this node's own studies, and those received from another.

``/dicomweb/...`` shows studies of this node, ``/dicomweb/from/NODE/...`` those
whose origin is NODE: a Study UID alone is no key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from aiohttp import web

from node.names import NodeId
from web.errors import Malformed
from web.guard import Sees
from web.routes import EXPERT, PRINCIPAL, TECHNICIAN, Call, NoBody, Route, route

READERS = TECHNICIAN | EXPERT | PRINCIPAL
OWN_ROOT = "/dicomweb"
FROM_ROOT = "/dicomweb/from/{origin}"
Handler = Callable[[Call[NoBody]], object]


def at_both_roots(
    path: str,
    *,
    lists: bool = False,
    heavy: bool = False,
    sees: Sees | None = None,
    quick: Callable[[Call[NoBody]], web.Response | None] | None = None,
) -> Callable[[Handler], tuple[Route, Route]]:
    """Declare a GET below both roots; ``lists`` when it names no study but finds some, or as ``sees`` says."""
    alike = Sees.LIST if lists else sees

    def declare(handler: Handler) -> tuple[Route, Route]:
        own = route(f"GET {OWN_ROOT}{path}", roles=READERS, sees=alike or Sees.OWN, heavy=heavy)
        received = route(f"GET {FROM_ROOT}{path}", roles=READERS, sees=alike or Sees.STUDY, heavy=heavy)
        at_once = cast("Callable[[Call[object]], web.Response | None] | None", quick)
        return replace(own(handler), quick=at_once), replace(received(handler), quick=at_once)

    return declare


def origin_of(call: Call[NoBody]) -> NodeId:
    """Give the node whose studies an address is about."""
    return NodeId(call.path.get("origin", call.node.id))


def base_of(call: Call[NoBody]) -> str:
    """Give the absolute address of this node's web, as it is configured or as the request names it.

    Raises
    ------
    Malformed
        The request names a host that no address can hold.

    Source: RFC 9110 7.2, RFC 3986 3.2.2.
    """
    if origin := call.node.config.web.origin.rstrip("/"):
        return origin
    host = call.request.host
    if not host.isascii():
        raise Malformed(
            "The request was refused: its Host header is not ASCII. Send the address as it is called."
        )
    return f"{call.request.scheme}://{host}"


def root_of(call: Call[NoBody]) -> str:
    """Give the absolute address of the root that a request came to; raises as `base_of` does."""
    return base_of(call) + (f"/dicomweb/from/{call.path['origin']}" if "origin" in call.path else OWN_ROOT)
