"""Where signed reports go, edited by the node administrator."""

from __future__ import annotations

from node.errors import GridError, NotFound
from node.reporting.delivery import echo_destination as echo
from node.reporting.destinations import (
    Destination,
    DestinationForm,
    add_destination,
    change_destination,
    get_destination,
    list_destinations,
    remove_destination,
)
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route


class DestinationShape(Shape):
    """A storage SCP that takes reports."""

    id: str
    name: str
    aet: str
    host: str
    port: int
    enabled: bool
    version: int


class DestinationList(Shape):
    """All destinations, by name."""

    items: list[DestinationShape]


class DestinationBody(Shape):
    """What the form sends; ``version`` is what its editor saw, if it says."""

    name: str = ""
    aet: str = ""
    host: str = ""
    port: int = 0
    enabled: bool = True
    version: int | None = None

    def form(self) -> DestinationForm:
        return DestinationForm(
            name=self.name, aet=self.aet, host=self.host, port=self.port, enabled=self.enabled
        )


class Echo(Shape):
    """Whether a destination answered; ``message`` says in words what it did not."""

    ok: bool
    message: str


@route("GET /api/destinations", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_destinations(call: Call[NoBody]) -> DestinationList:
    """Give all destinations."""
    return DestinationList(items=[_shape(one) for one in list_destinations(call.node.database)])


@route("GET /api/destinations/{id}", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_destination(call: Call[NoBody]) -> DestinationShape:
    """Give one destination."""
    return _shape(get_destination(call.node.database, call.path["id"]))


@route("POST /api/destinations", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=DestinationBody, status=201)
def post_destination(call: Call[DestinationBody]) -> DestinationShape:
    """Add a destination."""
    return _shape(add_destination(call.node, call.person, call.body.form(), address=call.address))


@route("PUT /api/destinations/{id}", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=DestinationBody)
def put_destination(call: Call[DestinationBody]) -> DestinationShape:
    """Edit a destination."""
    return _shape(
        change_destination(
            call.node,
            call.person,
            call.path["id"],
            call.body.form(),
            version=call.body.version,
            address=call.address,
        )
    )


@route("DELETE /api/destinations/{id}", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def delete_destination(call: Call[NoBody]) -> None:
    """Remove a destination."""
    remove_destination(call.node, call.person, call.path["id"], address=call.address)


@route("POST /api/destinations/{id}/echo", roles=ADMINISTRATOR, sees=Sees.NOTHING, heavy=True)
def echo_destination(call: Call[NoBody]) -> Echo:
    """Ask a destination for a C-ECHO; that it fails is an answer, not an error of ours."""
    try:
        echo(call.node, call.path["id"])
    except NotFound:
        raise
    except GridError as error:
        return Echo(ok=False, message=error.message)
    return Echo(ok=True, message="")


def _shape(one: Destination) -> DestinationShape:
    return DestinationShape(
        id=one.id,
        name=one.name,
        aet=one.aet,
        host=one.host,
        port=one.port,
        enabled=one.enabled,
        version=one.version,
    )


ROUTES = (
    show_destinations,
    show_destination,
    post_destination,
    put_destination,
    delete_destination,
    echo_destination,
)
