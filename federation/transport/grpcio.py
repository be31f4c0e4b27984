"""gRPC over mutual TLS, the dialling side: one channel per host, raw bytes for sealed files.

A clinic uses nothing else of gRPC: it has no listener. The host's certificate is
the one that the roster gives; no other authority is trusted. Channels are
made anew when the roster or this node's keys change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from federation.current_roster import Rosters
from federation.hosting import Hosting
from federation.transport.direct import DirectLink
from federation.transport.errors import error_of
from federation.transport.names import BLOB, MAILBOX, OFFSET
from federation.transport.port import BlobOffer, BlobState, Delivery, Mail, MailboxLink
from federation.transport.wire import mailbox_pb2 as wire
from node.errors import Refused, Unavailable
from node.keys.store import KeyStore
from node.names import Digest, NodeId

CALL_S = 20.0
DEPOSIT_S = 60.0
BLOB_S = 1800.0
"""The slowest line that a sealed file may travel on: 64 MiB in half an hour."""
OPTIONS: list[tuple[str, str | int]] = [
    # A line that is cut without a word is noticed within half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Waiting between tries is decided by the sync actor, not by the channel.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
]
T = TypeVar("T", bound=Message)


class GrpcTransport:
    """One node's way to every mailbox host, itself included."""

    def __init__(self, keys: KeyStore, rosters: Rosters, hosting: Hosting) -> None:
        self._keys = keys
        self._rosters = rosters
        self._hosting = hosting
        self._lock = threading.Lock()
        self._links: dict[NodeId, MailboxLink] = {}

    def link(self, host: NodeId) -> MailboxLink:
        with self._lock:
            if host not in self._links:
                own = host == self._keys.node
                self._links[host] = (
                    DirectLink(self._hosting, host) if own else GrpcLink(host, self._keys, self._rosters)
                )
            return self._links[host]

    def close(self) -> None:
        with self._lock:
            links = list(self._links.values())
        for link in links:
            link.close()


class GrpcLink:
    """A `MailboxLink` to a host over gRPC."""

    def __init__(self, host: NodeId, keys: KeyStore, rosters: Rosters) -> None:
        self._host = host
        self._keys = keys
        self._rosters = rosters
        self._lock = threading.Lock()
        self._closed = False
        self._made_for: tuple[str, str, bytes] | None = None
        self._channel: grpc.Channel | None = None

    def deposit(self, envelopes: Sequence[bytes]) -> None:
        request = wire.DepositRequest(envelopes=envelopes)
        self._call("Deposit", request, wire.Done, timeout_s=DEPOSIT_S)

    def collect(self, *, follow: bool) -> Mail:
        call = self._open().unary_stream(
            f"/{MAILBOX}/Collect",
            request_serializer=wire.CollectRequest.SerializeToString,
            response_deserializer=wire.Deliveries.FromString,
        )(wire.CollectRequest(follow=follow), timeout=None if follow else CALL_S)
        return _GrpcMail(call, self._host)

    def acknowledge(self, arrivals: Sequence[int]) -> None:
        self._call("Acknowledge", wire.AcknowledgeRequest(arrivals=arrivals), wire.Done)

    def offer_blob(self, offer: BlobOffer) -> BlobState:
        request = wire.OfferBlobRequest(digest=offer.digest, bytes=offer.size_bytes, readers=offer.readers)
        return _state(self._call("OfferBlob", request, wire.BlobState))

    def put_blob(self, digest: Digest, chunks: Iterable[bytes], *, offset: int) -> BlobState:
        call = self._open().stream_unary(
            f"/{MAILBOX}/PutBlob", request_serializer=None, response_deserializer=wire.BlobState.FromString
        )
        with _translated(self._host):
            metadata = ((BLOB, digest), (OFFSET, str(offset)))
            return _state(call(iter(chunks), timeout=BLOB_S, metadata=metadata))

    def get_blob(self, digest: Digest, *, offset: int) -> Iterator[bytes]:
        call = self._open().unary_stream(
            f"/{MAILBOX}/GetBlob",
            request_serializer=wire.GetBlobRequest.SerializeToString,
            response_deserializer=None,
        )(wire.GetBlobRequest(digest=digest, offset=offset), timeout=BLOB_S)
        try:
            with _translated(self._host):
                yield from call
        finally:
            call.cancel()  # type: ignore[no-untyped-call]  # the stubs leave it untyped

    def release_blob(self, digest: Digest) -> None:
        self._call("ReleaseBlob", wire.ReleaseBlobRequest(digest=digest), wire.Done)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _call(self, name: str, request: Message, answer: type[T], *, timeout_s: float = CALL_S) -> T:
        call = self._open().unary_unary(
            f"/{MAILBOX}/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        with _translated(self._host):
            answered: T = call(request, timeout=timeout_s)
            return answered

    def _open(self) -> grpc.Channel:
        """Give the channel to where the roster says the host listens now."""
        entry = self._rosters().peek(self._host)
        if entry is None or entry.revoked or not entry.address:
            raise Refused(f"Reaching {self._host} failed: the roster gives no address for it.")
        wanted = (entry.address, entry.tls_certificate_pem, self._keys.tls_certificate)
        with self._lock:
            if self._closed:
                raise Unavailable(f"Reaching {self._host} failed: the link was closed.")
            if self._channel is None or self._made_for != wanted:
                if self._channel is not None:
                    self._channel.close()
                self._channel = self._new_channel(*wanted)
                self._made_for = wanted
            return self._channel

    def _new_channel(self, address: str, certificate: str, own: bytes) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=certificate.encode("ascii"),
            private_key=self._keys.tls_key,
            certificate_chain=own,
        )
        # The name is checked against the node's id, which its certificate carries; addresses may change.
        named = ("grpc.ssl_target_name_override", self._host)
        return grpc.secure_channel(address, credentials, options=[*OPTIONS, named])


class _GrpcMail:
    """An open `Collect` call."""

    def __init__(self, call: grpc.CallIterator[wire.Deliveries], host: NodeId) -> None:
        self._call = call
        self._answers = iter(call)
        self._host = host

    def __iter__(self) -> Iterator[list[Delivery]]:
        return self

    def __next__(self) -> list[Delivery]:
        with _translated(self._host):
            answer = next(self._answers)
        return [
            Delivery(arrival=one.arrival, sender=NodeId(one.sender), envelope=one.envelope)
            for one in answer.deliveries
        ]

    def close(self) -> None:
        self._call.cancel()  # type: ignore[no-untyped-call]  # the stubs leave it untyped


@contextmanager
def _translated(host: NodeId) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise error_of(error, host) from error
    except ValueError as error:  # what grpcio raises for a call on a closed channel
        raise Unavailable(f"Reaching {host} failed: the link was closed.") from error


def _state(answer: wire.BlobState) -> BlobState:
    return BlobState(held_bytes=answer.held_bytes, ready=answer.ready)
