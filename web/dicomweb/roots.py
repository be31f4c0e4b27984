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


def root_of(call: Call[NoBody]) -> str:
    """Give the absolute address of the root that a request came to."""
    base = call.node.config.web.origin.rstrip("/") or f"{call.request.scheme}://{call.request.host}"
    return base + (f"/dicomweb/from/{call.path['origin']}" if "origin" in call.path else OWN_ROOT)
