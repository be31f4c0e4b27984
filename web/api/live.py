"""The live feed: server-sent events that name what changed, until the session ends.

Source: WHATWG HTML 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import msgspec
from aiohttp import web

from node.catalogue.visibility import Viewer
from node.people.sessions import peek_session
from web.auth import Caller
from web.guard import Sees
from web.live import visible_changes
from web.routes import SIGNED_IN, Call, NoBody, route

HEARTBEAT_S = 15.0
LOOK_AT_SESSION_S = 5.0
TOGETHER_S = 0.1
"""What happens in a burst is told at once."""


@route("GET /api/live", roles=SIGNED_IN, sees=Sees.LIST)
async def follow_live(call: Call[NoBody]) -> web.StreamResponse:
    """Stream the names of what changed among what the caller may see."""
    feed = call.around.feed
    newest = feed.join()
    try:
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        await response.prepare(call.request)
        await response.write(b"retry: 2000\n\n")
        await _stream(call, response, _heard(call, newest))
        return response
    finally:
        feed.leave()


async def _stream(call: Call[NoBody], response: web.StreamResponse, seq: int) -> None:
    feed, spoke = call.around.feed, time.monotonic()
    while not feed.closed:
        records = await feed.after(seq, LOOK_AT_SESSION_S)
        if records:
            await asyncio.sleep(TOGETHER_S)
            records = await feed.after(seq, 0)
        viewer = await call.run(lambda: _viewer_now(call))
        if viewer is None or call.request.transport is None or call.request.transport.is_closing():
            return
        if records:
            seq = records[-1].seq
            types, subjects = await call.run(partial(visible_changes, call.node, viewer, records))
            if subjects:
                await response.write(_event(seq, types, subjects))
                spoke = time.monotonic()
        if time.monotonic() - spoke >= HEARTBEAT_S:
            await response.write(b": still here\n\n")
            spoke = time.monotonic()


def _viewer_now(call: Call[NoBody]) -> Viewer | None:
    """Give the viewer with the roles of this moment; None when the session has ended."""
    session = peek_session(call.node, call.caller.token)
    return None if session is None else Caller(session=session).viewer


def _event(seq: int, types: list[str], subjects: list[str]) -> bytes:
    told = msgspec.json.encode({"seq": seq, "types": types, "subjects": subjects})
    return b"id: %d\nevent: changed\ndata: %b\n\n" % (seq, told)


def _heard(call: Call[NoBody], newest: int) -> int:
    """Give the number that the page heard last; the newest when it does not say, or says nonsense."""
    last = call.request.headers.get("Last-Event-ID", "")
    return min(int(last), newest) if last.isascii() and last.isdigit() and len(last) < 16 else newest


ROUTES = (follow_live,)
