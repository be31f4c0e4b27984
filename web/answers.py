"""How a handler answers: a Struct as JSON, a response of its own, or a stream that is sent later, on the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec
from aiohttp import web


class Later(ABC):
    """An answer that was prepared in a thread, and is sent from the loop as fast as the client reads."""

    @abstractmethod
    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send it whole, or break off."""


def json_answer(answer: object, *, status: int = 200) -> web.Response:
    """Write a Struct as JSON."""
    return web.Response(
        body=msgspec.json.encode(answer), status=status, content_type="application/json", charset="utf-8"
    )


def in_full(answer: object, *, status: int) -> web.StreamResponse | Later:
    """Give what a handler returned as what is sent; None is an answer without a body."""
    match answer:
        case web.StreamResponse() | Later():
            return answer
        case None:
            return web.Response(status=204)
        case _:
            return json_answer(answer, status=status)
