"""The application of one node: every route of the table, errors and headers around them, pages for the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from aiohttp import web

from federation.current_roster import CurrentRoster
from node.archive.stores.probing import Probe
from node.node import Node
from web.auth import Attempts
from web.dicomweb.capabilities import RESOURCES, resources_of
from web.dicomweb.pictures import Pictures
from web.dicomweb.places import FramePlaces, Readings
from web.live import Feed
from web.middleware import add_headers, translate_errors
from web.routes import API_BODY_BYTES, Route
from web.static import PAGES, serve_page
from web.storing import Storing
from web.surroundings import SURROUNDINGS, Surroundings
from web.table import ROUTES
from web.threads import Threads

WORKERS = 8
HEAVY_WORKERS = 2
"""As many as burn a core each; a password check or a picture waits for one."""
WAITING = 512
CALLING_WORKERS = 6
"""Questions to remote AEs at once; as many more wait."""


def make_app(node: Node, *, pages: Path = PAGES, routes: Sequence[Route] = ROUTES) -> web.Application:
    """Put the application together; ``pages`` is the folder of the built client."""
    app = web.Application(middlewares=[translate_errors], client_max_size=API_BODY_BYTES)
    frames = FramePlaces()
    threads = Threads("web", workers=WORKERS, waiting=WAITING)
    app[SURROUNDINGS] = Surroundings(
        node=node,
        threads=threads,
        heavy=Threads("web-heavy", workers=HEAVY_WORKERS, waiting=WAITING),
        calls=Threads("web-calls", workers=CALLING_WORKERS, waiting=CALLING_WORKERS),
        storing=Storing(),
        attempts=Attempts(node.clock),
        feed=Feed(node, threads),
        roster=CurrentRoster(node.database),
        frames=frames,
        pictures=Pictures(frames=frames),
        readings=Readings(),
        viewed=Readings(),
        probe=Probe(node.archive.stores),
        pages=pages,
    )
    app[RESOURCES] = resources_of(routes)
    for route in routes:
        app.router.add_route(route.method, route.path, route.serve)
    app.router.add_get("/{name:.*}", serve_page)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_send_pages_away)
    app.cleanup_ctx.append(_life)
    return app


async def _life(app: web.Application) -> AsyncIterator[None]:
    surroundings = app[SURROUNDINGS]
    await surroundings.feed.start()
    yield
    surroundings.threads.close()
    surroundings.heavy.close()
    surroundings.calls.close()
    surroundings.storing.close()


async def _send_pages_away(app: web.Application) -> None:
    """Before the server waits for its requests: a live page's never ends by itself."""
    await app[SURROUNDINGS].feed.close()
