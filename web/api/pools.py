"""Expert pools: which may be asked, and, for the node administrator, new ones here."""

from __future__ import annotations

import msgspec

from federation.consult.pools import Pool, create_pool, find_pools
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, SIGNED_IN, Call, NoBody, route


class PoolShape(Shape):
    """An expert pool; the node before the slash of its id is its home."""

    id: str
    name: str
    specialty: str
    home: str


class PoolList(Shape):
    """All pools known here."""

    items: list[PoolShape]


class NewPool(msgspec.Struct):
    """A pool of this node; ``slug`` is the part of its id after the slash."""

    slug: str
    name: str
    specialty: str


@route("GET /api/pools", roles=SIGNED_IN, sees=Sees.NOTHING)
def list_pools(call: Call[NoBody]) -> PoolList:
    """Give all pools known here."""
    return PoolList(items=[_shape(pool) for pool in find_pools(call.node.database)])


@route("POST /api/pools", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=NewPool, status=201)
def add_pool(call: Call[NewPool]) -> PoolShape:
    """Add a pool at this node."""
    body = call.body
    return _shape(
        create_pool(
            call.node,
            call.person,
            slug=body.slug,
            name=body.name,
            specialty=body.specialty,
            address=call.address,
        )
    )


def _shape(pool: Pool) -> PoolShape:
    return PoolShape(id=pool.id, name=pool.name, specialty=pool.specialty, home=pool.home)


ROUTES = (list_pools, add_pool)
