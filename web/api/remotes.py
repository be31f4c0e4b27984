"""Remote AEs: edited by the node administrator, named to whoever may call them."""

from __future__ import annotations

from time import monotonic

from aiohttp import web

from node.dimse.calling import called
from node.dimse.echo_scu import echo
from node.dimse.remote_form import Remote, RemoteForm
from node.dimse.remotes import add_remote, change_remote, get_remote, list_remotes, remove_remote
from node.errors import GridError
from web.answers import json_answer
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, TECHNICIAN, Call, NoBody, route


class RemoteShape(Shape):
    """A remote AE."""

    id: str
    name: str
    aet: str
    host: str
    port: int
    tls: bool
    calling: str
    charset: str
    retrieve_by: str
    reports: bool
    query: bool
    send: bool
    worklist: bool
    issuer: str
    enabled: bool
    version: int


class RemoteList(Shape):
    """All remote AEs, by name."""

    items: list[RemoteShape]


class RemoteName(Shape):
    """A remote AE as whoever calls it knows it: no address."""

    id: str
    name: str
    aet: str
    query: bool
    send: bool


class RemoteNames(Shape):
    """Those that may be asked or sent to, by name."""

    items: list[RemoteName]


class RemoteBody(Shape):
    """What the form sends; ``version`` is what its editor saw, if it says."""

    name: str = ""
    aet: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False
    calling: str = ""
    charset: str = ""
    retrieve_by: str = "auto"
    reports: bool = False
    query: bool = False
    send: bool = False
    worklist: bool = False
    issuer: str = ""
    enabled: bool = True
    version: int | None = None

    def form(self) -> RemoteForm:
        return RemoteForm(
            name=self.name,
            aet=self.aet,
            host=self.host,
            port=self.port,
            tls=self.tls,
            calling=self.calling,
            charset=self.charset,
            retrieve_by=self.retrieve_by,
            reports=self.reports,
            query=self.query,
            send=self.send,
            worklist=self.worklist,
            issuer=self.issuer,
            enabled=self.enabled,
        )


class Echo(Shape):
    """Whether a remote AE answered and how soon; ``message`` says in words what it did not."""

    ok: bool
    message: str
    ms: int


@route("GET /api/remotes", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_remotes(call: Call[NoBody]) -> RemoteList:
    """Give all remote AEs."""
    return RemoteList(items=[_shape(one) for one in list_remotes(call.node.database)])


@route("GET /api/remote-names", roles=ADMINISTRATOR | TECHNICIAN, sees=Sees.NOTHING)
def show_names(call: Call[NoBody]) -> RemoteNames:
    """Give those that may be asked for studies or sent to."""
    usable = [one for one in list_remotes(call.node.database) if one.enabled and (one.query or one.send)]
    return RemoteNames(
        items=[
            RemoteName(id=one.id, name=one.name, aet=one.aet, query=one.query, send=one.send)
            for one in usable
        ]
    )


@route("GET /api/remotes/{id}", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_remote(call: Call[NoBody]) -> RemoteShape:
    """Give one remote AE."""
    return _shape(get_remote(call.node.database, call.path["id"]))


@route("POST /api/remotes", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=RemoteBody, status=201)
def post_remote(call: Call[RemoteBody]) -> RemoteShape:
    """Add a remote AE."""
    return _shape(add_remote(call.node, call.person, call.body.form(), address=call.address))


@route("PUT /api/remotes/{id}", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=RemoteBody)
def put_remote(call: Call[RemoteBody]) -> RemoteShape:
    """Edit a remote AE."""
    return _shape(
        change_remote(
            call.node,
            call.person,
            call.path["id"],
            call.body.form(),
            version=call.body.version,
            address=call.address,
        )
    )


@route("DELETE /api/remotes/{id}", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def delete_remote(call: Call[NoBody]) -> None:
    """Remove a remote AE."""
    remove_remote(call.node, call.person, call.path["id"], address=call.address)


@route("POST /api/remotes/{id}/echo", roles=ADMINISTRATOR, sees=Sees.NOTHING)
async def echo_remote(call: Call[NoBody]) -> web.StreamResponse:
    """Ask a remote AE for a C-ECHO; that it fails is an answer, not an error of ours."""
    return json_answer(await call.around.calls.run(lambda: _echo(call)))


def _echo(call: Call[NoBody]) -> Echo:
    remote = get_remote(call.node.database, call.path["id"])
    began = monotonic()
    try:
        echo(called(call.node.config, remote))
    except GridError as error:
        return Echo(ok=False, message=error.message, ms=_since(began))
    return Echo(ok=True, message="", ms=_since(began))


def _since(began: float) -> int:
    return round((monotonic() - began) * 1000)


def _shape(one: Remote) -> RemoteShape:
    return RemoteShape(
        id=one.id,
        name=one.name,
        aet=one.aet,
        host=one.host,
        port=one.port,
        tls=one.tls,
        calling=one.calling,
        charset=one.charset,
        retrieve_by=one.retrieve_by,
        reports=one.reports,
        query=one.query,
        send=one.send,
        worklist=one.worklist,
        issuer=one.issuer,
        enabled=one.enabled,
        version=one.version,
    )


ROUTES = (show_remotes, show_names, show_remote, post_remote, put_remote, delete_remote, echo_remote)
