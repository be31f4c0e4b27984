"""Providers that behave badly: pynetdicom's with handlers of ours, and one of bare bytes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt

from node.dimse.find_scu import PATIENT_ROOT, STUDY_ROOT
from node.dimse.get_scu import STUDY_ROOT_GET
from node.dimse.move_scu import STUDY_ROOT_MOVE

HOST = "127.0.0.1"
Handler = Callable[..., Any]


@contextmanager
def provider(
    *,
    find: Handler | None = None,
    move: Handler | None = None,
    get: Handler | None = None,
    store: Handler | None = None,
    others: Sequence[str] = (),
) -> Iterator[int]:
    """Serve queries, retrievals and storage by these handlers; ``others`` are SOP classes that it takes besides."""
    entity = AE(ae_title="QRSCP")
    entity.supported_contexts = AllStoragePresentationContexts
    for uid in (STUDY_ROOT, PATIENT_ROOT, STUDY_ROOT_MOVE, STUDY_ROOT_GET, *others):
        entity.add_supported_context(uid)
    for context in entity.supported_contexts:
        if context.abstract_syntax.startswith("1.2.840.10008.5.1.4.1.1."):
            context.scu_role = context.scp_role = True
    named = ((evt.EVT_C_FIND, find), (evt.EVT_C_MOVE, move), (evt.EVT_C_GET, get), (evt.EVT_C_STORE, store))
    handlers = [(event, handler) for event, handler in named if handler is not None]
    server = entity.start_server((HOST, 0), block=False, evt_handlers=handlers)
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()


def abort_after(count: int) -> Handler:
    """Take so many instances, then hang up in the middle of the next."""
    taken = 0

    def store(event: Any) -> int:
        nonlocal taken
        taken += 1
        if taken > count:
            event.assoc.abort()
        return 0

    return store


@contextmanager
def bare(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen, and let somebody answer each connection by hand."""
    with socket.create_server((HOST, 0)) as listening:
        stopped = threading.Event()

        def serve() -> None:
            listening.settimeout(0.1)
            while not stopped.is_set():
                try:
                    peer, _ = listening.accept()
                except TimeoutError:
                    continue
                peer.settimeout(20)
                with peer, suppress(OSError, EOFError):
                    answer(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            stopped.set()
            thread.join(30)


def read_pdu(peer: socket.socket) -> tuple[int, bytes]:
    """Read one PDU."""
    head = _exact(peer, 6)
    kind, length = struct.unpack(">BxL", head)
    return kind, _exact(peer, length)


def accept(peer: socket.socket) -> int:
    """Accept the first context proposed in the first syntax; give its number."""
    _, body = read_pdu(peer)
    called, calling = body[4:20], body[20:36]
    at, first, syntax = 68, 0, b""
    while at < len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        if kind == 0x20 and not first:
            first = body[at + 4]
            inner = at + 8
            while inner < at + 4 + length:
                sub, size = struct.unpack_from(">BxH", body, inner)
                if sub == 0x40 and not syntax:
                    syntax = body[inner + 4 : inner + 4 + size]
                inner += 4 + size
        at += 4 + length
    context = _item(0x21, bytes([first, 0, 0, 0]) + _item(0x40, syntax))
    application = _item(0x10, b"1.2.840.10008.3.1.1.1")
    user = _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"2.25.99"))
    content = b"\0\1\0\0" + called + calling + bytes(32) + application + context + user
    peer.sendall(struct.pack(">BxL", 2, len(content)) + content)
    return first


def find_response(
    context: int, *, message_id: int = 1, status: int = 0xFF00, identifier: bytes | None = None
) -> bytes:
    """Give a C-FIND-RSP as P-DATA-TF PDUs."""
    elements = [
        (0x0002, b"1.2.840.10008.5.1.4.1.2.2.1\0"),
        (0x0100, struct.pack("<H", 0x8020)),
        (0x0120, struct.pack("<H", message_id)),
        (0x0800, struct.pack("<H", 0x0101 if identifier is None else 1)),
        (0x0900, struct.pack("<H", status)),
    ]
    raw = b"".join(struct.pack("<HHL", 0, number, len(value)) + value for number, value in elements)
    command = struct.pack("<HHLL", 0, 0, 4, len(raw)) + raw
    pdus = data_pdu(context, 3, command)
    return pdus if identifier is None else pdus + data_pdu(context, 2, identifier)


def data_pdu(context: int, control: int, piece: bytes) -> bytes:
    """Give one fragment as a P-DATA-TF."""
    return struct.pack(">BxLLBB", 4, len(piece) + 6, len(piece) + 2, context, control) + piece


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _exact(peer: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = peer.recv(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
