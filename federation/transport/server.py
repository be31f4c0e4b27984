"""gRPC over mutual TLS, the hosting side: who calls is who the certificate says, asked at every call.

The trust list is the roster as it stands at each handshake, so admissions need no
restart; a revoked caller is refused at its next call on a connection it still has.
One asyncio thread serves every open `Collect`, however many peers listen; what
touches the database or a file runs in a few worker threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import NoReturn, ParamSpec, TypeAlias, TypeVar

import grpc
import grpc.aio

from federation.hosting import Hosting
from federation.roster import Roster
from federation.transport.errors import status_of
from federation.transport.grpcio import OPTIONS
from federation.transport.names import BLOB, MAILBOX, OFFSET
from federation.transport.port import BlobOffer, BlobState, Delivery
from federation.transport.wire import mailbox_pb2 as wire
from node.errors import GridError, InvalidRequest, Unauthenticated, Unavailable
from node.keys.certificates import certificate_digest
from node.names import Digest, NodeId

WORKERS = 8
CALLS_LIMIT = 2_000
"""Calls in flight, one open `Collect` of each peer among them; above it a caller is told to come again."""
LOOK_S = 5.0
"""A bell may be lost; look for new mail by yourself this often."""
STOP_S = 2.0
COLLECT_LIMIT = 4
"""Open `Collect` calls of one caller: its processes, and what a cut line has not ended yet."""
SERVER_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
]
P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")
Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"


class MailboxServer:
    """Listens for peers until it is closed."""

    def __init__(self, hosting: Hosting, *, address: str) -> None:
        """``address`` is ``host:port``; port 0 takes a free one."""
        self._hosting = hosting
        self._address = address
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="mailbox")
        self._started: Future[int] = Future()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="mailbox-server", daemon=True)

    def start(self) -> int:
        """Listen; gives the port.

        Raises
        ------
        Unavailable
            The address cannot be listened at.
        """
        self._thread.start()
        return self._started.result()

    def close(self) -> None:
        """Stop listening, end every call."""
        if self._thread.is_alive():
            self._started.result()
            self._stop()
            self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        calls = _Calls(self._hosting, self._pool)
        server = grpc.aio.server(options=[*OPTIONS, *SERVER_OPTIONS], maximum_concurrent_rpcs=CALLS_LIMIT)
        server.add_generic_rpc_handlers((calls.handlers(),))
        try:
            port = server.add_secure_port(self._address, _credentials(self._hosting))
        except RuntimeError as error:
            raise Unavailable(
                f"Listening for peers at {self._address} failed: the address is taken or not this machine's."
                " Change [alliance] in meridian.toml."
            ) from error
        await server.start()
        self._stop = partial(_tell, loop, stop.set)
        self._hosting.node.bell.listen(partial(_tell, loop, calls.ring))
        looking = loop.create_task(calls.look_by_yourself())
        self._started.set_result(port)
        await stop.wait()
        looking.cancel()
        calls.end()
        await server.stop(STOP_S)


class _Calls:
    """What each call does; the names are those of ``mailbox.proto``."""

    def __init__(self, hosting: Hosting, pool: ThreadPoolExecutor) -> None:
        self._hosting = hosting
        self._pool = pool
        self._named_for: Roster | None = None
        self._names: dict[Digest, NodeId] = {}
        self._collecting: dict[NodeId, set[asyncio.Event]] = {}
        self._arrived: dict[NodeId, int] = {}
        self._rung = asyncio.Event()
        self._ending = False

    def handlers(self) -> grpc.GenericRpcHandler[object, object]:
        """Give the table of calls."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        table = {
            "Deposit": unary(self._unary(self._deposit), wire.DepositRequest.FromString, _to_bytes),
            "Collect": stream(self.collect, wire.CollectRequest.FromString, _to_bytes),
            "Acknowledge": unary(
                self._unary(self._acknowledge), wire.AcknowledgeRequest.FromString, _to_bytes
            ),
            "OfferBlob": unary(self._unary(self._offer_blob), wire.OfferBlobRequest.FromString, _to_bytes),
            "PutBlob": grpc.stream_unary_rpc_method_handler(self.put_blob, None, _to_bytes),
            "GetBlob": stream(self.get_blob, wire.GetBlobRequest.FromString, None),
            "ReleaseBlob": unary(
                self._unary(self._release_blob), wire.ReleaseBlobRequest.FromString, _to_bytes
            ),
        }
        return grpc.method_handlers_generic_handler(MAILBOX, table)

    async def collect(self, request: wire.CollectRequest, context: Context) -> AsyncIterator[wire.Deliveries]:
        """Deliver what waits and then what comes."""
        try:
            caller = await self._caller(context)
            event = self._join(caller)
        except GridError as error:
            await _abort(context, error)
        try:
            await self._on_pool(self._hosting.presence, caller, present=True)
            after, first = 0, True
            while True:
                event.clear()
                deliveries = await self._on_pool(self._hosting.waiting, caller, after=after)
                if deliveries or first:
                    after = deliveries[-1].arrival if deliveries else after
                    first = False
                    yield wire.Deliveries(deliveries=map(_delivery, deliveries))
                elif request.follow and not self._ending:
                    await event.wait()
                else:
                    return
        except GridError as error:
            await _abort(context, error)
        finally:
            self._leave(caller, event)

    async def put_blob(self, chunks: AsyncIterator[bytes], context: Context) -> wire.BlobState:
        """Append what comes to an offered file."""
        try:
            caller = await self._caller(context)
            metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
            digest, offset = Digest(metadata.get(BLOB, "")), _number(metadata.get(OFFSET, ""))
            async for chunk in chunks:
                offset = await self._on_pool(self._hosting.append_blob, caller, digest, chunk, offset=offset)
            return _state(await self._on_pool(self._hosting.finish_blob, caller, digest))
        except GridError as error:
            await _abort(context, error)

    async def get_blob(self, request: wire.GetBlobRequest, context: Context) -> AsyncIterator[bytes]:
        """Give bytes of a file to one of its readers."""
        try:
            caller = await self._caller(context)
            chunks = await self._on_pool(
                self._hosting.read_blob,
                caller,
                Digest(request.digest),
                offset=request.offset,
                length=request.length,
            )
            while chunk := await self._on_pool(next, chunks, b""):
                yield chunk
        except GridError as error:
            await _abort(context, error)

    def end(self) -> None:
        """Let every open `collect` end in order."""
        self._ending = True
        for events in self._collecting.values():
            for event in events:
                event.set()

    def ring(self) -> None:
        """Look for new mail soon; many rings make one look."""
        self._rung.set()

    async def look_by_yourself(self) -> None:
        """Wake every open `collect` whose mailbox has grown."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), LOOK_S)
            self._rung.clear()
            with suppress(GridError):
                arrived = await self._on_pool(self._hosting.arrived)
                for recipient, count in arrived.items():
                    if self._arrived.get(recipient) != count:
                        for event in self._collecting.get(recipient, ()):
                            event.set()
                self._arrived = arrived

    def _deposit(self, caller: NodeId, request: wire.DepositRequest) -> wire.Done:
        self._hosting.deposit(caller, request.envelopes)
        return wire.Done()

    def _acknowledge(self, caller: NodeId, request: wire.AcknowledgeRequest) -> wire.Done:
        self._hosting.acknowledge(caller, request.arrivals)
        return wire.Done()

    def _offer_blob(self, caller: NodeId, request: wire.OfferBlobRequest) -> wire.BlobState:
        readers = tuple(NodeId(reader) for reader in request.readers)
        offer = BlobOffer(digest=Digest(request.digest), size_bytes=request.bytes, readers=readers)
        return _state(self._hosting.offer_blob(caller, offer))

    def _release_blob(self, caller: NodeId, request: wire.ReleaseBlobRequest) -> wire.Done:
        self._hosting.release_blob(caller, Digest(request.digest))
        return wire.Done()

    def _unary(self, act: Callable[[NodeId, Q], A]) -> Callable[[Q, Context], Awaitable[A]]:
        async def call(request: Q, context: Context) -> A:
            try:
                return await self._on_pool(act, await self._caller(context), request)
            except GridError as error:
                await _abort(context, error)

        return call

    async def _caller(self, context: Context) -> NodeId:
        """Give the roster member whose certificate this connection showed."""
        shown = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
        return await self._on_pool(self._member_of, shown)

    def _member_of(self, shown: bytes) -> NodeId:
        roster = self._hosting.rosters()
        if roster is not self._named_for:
            self._names = {
                certificate_digest(entry.tls_certificate_pem): entry.node for entry in roster.members()
            }
            self._named_for = roster
        caller = self._names.get(certificate_digest(shown.decode("ascii"))) if shown else None
        if caller is None:
            raise Unauthenticated(
                f"Calling {self._hosting.node.id} was refused: the certificate shown is no member's of its alliance."
            )
        return caller

    def _join(self, caller: NodeId) -> asyncio.Event:
        events = self._collecting.setdefault(caller, set())
        if len(events) >= COLLECT_LIMIT:
            raise Unavailable(f"Collecting mail failed: {caller} collects {COLLECT_LIMIT} times already.")
        event = asyncio.Event()
        events.add(event)
        return event

    def _leave(self, caller: NodeId, event: asyncio.Event) -> None:
        events = self._collecting[caller]
        events.discard(event)
        if not events:
            with suppress(RuntimeError):  # the pool is shut when the server ends
                self._pool.submit(self._hosting.presence, caller, present=False)

    async def _on_pool(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(act, *args, **kwargs))


def _credentials(hosting: Hosting) -> grpc.ServerCredentials:
    """Trust whoever is in the roster at the time of each handshake."""
    lock, given = threading.Lock(), [_trusting(hosting)]

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        with lock:
            try:
                now = _trusting(hosting)
            except GridError:
                return None  # what was trusted a moment ago still is; the caller is asked for again
            if now == given[0]:
                return None
            given[0] = now
            return _configuration(*now)

    # The stubs miss that None keeps what was given before.
    return grpc.dynamic_ssl_server_credentials(_configuration(*given[0]), fetch, True)  # type: ignore[arg-type]


def _trusting(hosting: Hosting) -> tuple[bytes, bytes, bytes]:
    keys = hosting.node.keys
    return keys.tls_key, keys.tls_certificate, hosting.rosters().trust_pem() or keys.tls_certificate


def _configuration(key: bytes, certificate: bytes, trusted: bytes) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=trusted)


async def _abort(context: Context, error: GridError) -> NoReturn:
    await context.abort(status_of(error), error.message)


def _tell(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Run something on the loop from any thread; a loop that has ended needs to hear nothing."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act)


def _to_bytes(message: wire.Done) -> bytes:
    return message.SerializeToString()


def _delivery(delivery: Delivery) -> wire.Delivery:
    return wire.Delivery(arrival=delivery.arrival, sender=delivery.sender, envelope=delivery.envelope)


def _state(state: BlobState) -> wire.BlobState:
    return wire.BlobState(held_bytes=state.held_bytes, ready=state.ready)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidRequest(f"Sending a blob was refused: metadata {OFFSET} is not a number.") from error
