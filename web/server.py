"""Listen for people and programs: an event loop in a thread of its own, TLS when configured.

Off loopback plain HTTP is refused when the configuration is read; here again,
so that no caller can get round it.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from node.config import Config, is_loopback
from node.errors import GridError, InvalidRequest, Unavailable
from node.keys.store import KeyStore
from node.node import Node
from web.app import make_app

OWN = "own"
"""In place of file names in ``[web]``: the node's own certificate, which peers know by the roster."""
START_S = 30.0
STOP_S = 5.0
App = Callable[[Node], web.Application]


class WebServer:
    """One node's web address. `start` returns when it listens, `stop` when it no longer does."""

    def __init__(
        self, node: Node, *, host: str | None = None, port: int | None = None, app: App = make_app
    ) -> None:
        self._node = node
        self._make_app = app
        self._host = node.config.web.host if host is None else host
        self._port = node.config.web.port if port is None else port
        self._ready: threading.Event = threading.Event()
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self.port = self._port
        """As bound; differs from the configured one only when that was 0."""

    def start(self) -> None:
        """Begin to listen.

        Raises
        ------
        Unavailable
            The address is taken, or not this machine's.
        InvalidRequest
            The certificate cannot be used, or the address would show plain HTTP to others.
        """
        self._thread.start()
        self._ready.wait(START_S)
        if self._failure is not None:
            raise self._failure
        if not self._ready.is_set():
            raise Unavailable("Starting the web server failed: it does not listen in time. Start it again.")

    def stop(self) -> None:
        """Let open requests finish for a moment, then end."""
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:  # it was started
            self._thread.join(2 * STOP_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (GridError, OSError) as error:
            self._failure = _in_words(error, self._host, self._port)
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        context = tls_context(self._node.config, self._node.keys, host=self._host)
        # No access log: an address holds what was searched for, which may be a patient's name.
        runner = web.AppRunner(self._make_app(self._node), access_log=None, shutdown_timeout=STOP_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port, ssl_context=context, backlog=512)
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stopping.wait()
        finally:
            await runner.cleanup()


def tls_context(config: Config, keys: KeyStore, *, host: str) -> ssl.SSLContext | None:
    """Give the TLS of the configured certificate; None for plain HTTP on loopback.

    Raises
    ------
    InvalidRequest
        The files cannot be used, or plain HTTP would leave this machine.

    Source: RFC 9325 (TLS 1.2 at least).
    """
    certificate, key = config.web.certificate, config.web.key
    if not certificate:
        if not is_loopback(host):
            raise InvalidRequest(
                f"Listening on {host} was refused: plain HTTP would show patients' data."
                " Give [web] certificate and key, or listen on 127.0.0.1."
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        if certificate == OWN:
            _load_own(context, keys)
        else:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest(
            f"Reading [web] certificate {certificate} and key was refused ({error}): give PEM files that belong together."
        ) from error
    return context


def _load_own(context: ssl.SSLContext, keys: KeyStore) -> None:
    """Hand the node's own pair to OpenSSL, which takes files only; the copy is gone at once."""
    with tempfile.TemporaryDirectory(prefix="meridian-tls-") as folder:  # made with mode 0700
        certificate, key = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
        certificate.write_bytes(keys.tls_certificate)
        key.touch(mode=0o600)
        key.write_bytes(keys.tls_key)
        context.load_cert_chain(certificate, key)


def _in_words(error: Exception, host: str, port: int) -> Exception:
    if isinstance(error, OSError):
        return Unavailable(
            f"Listening on {host}:{port} failed ({error.strerror or error}): choose another [web] port, or end what uses it."
        )
    return error
