"""Around every request: errors become answers, and every answer carries its safety headers.

An unexpected exception is our own defect: the caller gets a cause id, the log
gets the same id with where it happened, and neither gets the exception's words,
since those may quote a patient's data.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from node.clock import SystemClock, new_id
from node.errors import Defect, GridError, NotFound, Unavailable
from web.errors import SOON_S, HttpError, Malformed, TooLarge, retry_after_s, to_http

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
STARTED = web.RequestKey("started", bool)
"""Set on a request whose answer has begun to go out."""
LOG = structlog.get_logger()

PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        # The viewer's codecs are WebAssembly in workers; nothing else may be evaluated, nothing stands inline.
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "connect-src 'self' blob: data:",
        "img-src 'self' blob: data:",
        "font-src 'self' data:",
        # antd writes its rules into style elements at run time.
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Source: W3C Content Security Policy Level 3."""
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""For everything that is not a page: even shown as one, it runs nothing."""
PDF_POLICY = "script-src 'none'; frame-ancestors 'self'"
"""A sandbox would shut out the browser's own viewer; our page may print it from a frame."""
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@web.middleware
async def translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into one kind of JSON answer."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 (the edge: nothing may pass it unexplained)
        if _client_is_gone(request):
            return web.Response(status=499)  # reaches nobody
        if not request.get(STARTED):
            return _answer_to(request, error)
        # The status is gone out already: break off, so that nobody takes a part for the whole.
        _logged(request, error)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)


def _client_is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _answer_to(request: web.Request, error: Exception) -> web.StreamResponse:
    match error:
        case web.HTTPException():
            return _library_answer(error)
        case GridError() if not isinstance(error, Defect):
            after_s = retry_after_s(error, now=SystemClock().now())
            return error_answer(to_http(error), after_s=after_s)
        case _:
            return error_answer(to_http(_logged(request, error)))


def error_answer(error: HttpError, *, after_s: int = SOON_S) -> web.Response:
    """Write an error the one way the client reads."""
    response = web.Response(
        body=msgspec.json.encode(error.body()),
        status=error.status,
        content_type="application/json",
        charset="utf-8",
    )
    if error.status in (429, 503):
        response.headers["Retry-After"] = str(after_s)
    return response


def _library_answer(error: web.HTTPException) -> web.StreamResponse:
    """Say the library's own refusals in our words; redirects and the like pass."""
    match error.status:
        case 404:
            return error_answer(to_http(NotFound("The request failed: there is no such address. Check it.")))
        case 413:
            return error_answer(
                to_http(TooLarge("The request was refused: its body is too large. Send less."))
            )
        case 405:
            words = (
                "The request was refused: this address does not take that method. See the API's description."
            )
            answer = error_answer(HttpError(status=405, code="method-not-allowed", message=words))
            answer.headers["Allow"] = error.headers.get("Allow", "")
            return answer
        case status if 400 <= status < 500:
            return error_answer(
                to_http(Malformed("The request was refused: it is not HTTP as agreed. Correct it."))
            )
        case status if status < 400:
            return error
        case _:
            return error_answer(to_http(Unavailable("Answering failed: the server is busy. Try again.")))


def _logged(request: web.Request, error: Exception) -> Defect:
    cause = new_id(SystemClock())
    resource = request.match_info.route.resource
    LOG.error(
        "defect",
        cause=cause,
        method=request.method,
        route=resource.canonical if resource is not None else "",  # the template: a path holds UIDs
        error=type(error).__name__,
        at=[
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ],
    )
    return Defect(
        f"Answering failed through a mistake of ours. Report it to your administrator with {cause}."
    )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every answer carries; hooked where also streams pass."""
    request[STARTED] = True
    is_page = not request.path.startswith(("/api/", "/dicomweb"))
    # Not `response.content_type`: reading a boundary that nobody saw before takes longer than to send a frame.
    is_pdf = response.headers.get("Content-Type", "").startswith("application/pdf")
    policy = PAGE_POLICY if is_page else PDF_POLICY if is_pdf else DATA_POLICY
    response.headers.setdefault("Content-Security-Policy", policy)
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if not is_page:
        response.headers.setdefault("Cache-Control", "no-store")
    if request.secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
