"""A C-STORE sender on bare sockets: any data set bytes, in any transfer syntax, of any SOP class, as they are.

It shares no code with the receiver, so what arrives there can be held against
what left here. ``python -m tests.kit.raw_sender HOST PORT FILE...`` sends files.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from node.dicom.header import scan
from node.errors import InvalidRequest

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
VERIFICATION = "1.2.840.10008.1.1"
UNNAMED_CLASS = "2.25.1234567890"
"""Proposed for an instance that does not say its SOP class."""
NO_CONTEXT, ABORTED = 0x0122, -1
Context = tuple[str, str]
"""SOP class and transfer syntax."""

_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_ASSOCIATE_RQ, _ASSOCIATE_AC, _ASSOCIATE_RJ, _DATA, _RELEASE_RQ, _RELEASE_RP, _ABORT = range(1, 8)


class Rejected(Exception):
    """A-ASSOCIATE-RJ: result, source, reason."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"rejected: result {result}, source {source}, reason {reason}")
        self.result, self.source, self.reason = result, source, reason


class Aborted(Exception):
    """The other side aborted, or hung up."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a C-STORE was answered with."""

    status: int
    comment: str


@dataclass(frozen=True, slots=True)
class FileParts:
    """A file as it is to be sent."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str
    data_set: bytes


class RawSender:
    """One association. Contexts are proposed one each, so that nothing is negotiated away."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        calling: str = "RAW",
        called: str = "ALPHA",
        contexts: Sequence[Context] = (),
        timeout_s: float = 30.0,
        fragment_bytes: int = 0,
    ) -> None:
        """Associate; raises `Rejected` or `Aborted`.

        Parameters
        ----------
        fragment_bytes
            Length of a P-DATA value; 0 for the longest that the other side takes.
        """
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ids = {context: 2 * n + 1 for n, context in enumerate(dict.fromkeys(contexts))}
        self._message = 0
        self.socket.sendall(associate_rq(calling, called, list(self._ids)))
        kind, body = self._read_pdu()
        if kind == _ASSOCIATE_RJ:
            self.socket.close()
            raise Rejected(*body[1:4])
        if kind != _ASSOCIATE_AC:
            self.socket.close()
            raise Aborted(f"PDU type {kind}")
        self.accepted, peer_bytes = _accepted(body)
        """Context ids that were accepted."""
        self._fragment = fragment_bytes or max(1024, min(peer_bytes or 1 << 17, 1 << 17) - 6)

    def store(
        self,
        *,
        sop_class: str,
        sop_uid: str,
        transfer_syntax: str,
        data_set: bytes,
        context: Context | None = None,
    ) -> Sent:
        """Send an instance and wait for the answer; raises `Aborted`.

        What no context was accepted for is not sent: its status is 0x0122.
        """
        if self._ids[context or (sop_class, transfer_syntax)] not in self.accepted:
            return Sent(NO_CONTEXT, "its SOP class was not accepted")
        self.send_store(
            sop_class=sop_class,
            sop_uid=sop_uid,
            transfer_syntax=transfer_syntax,
            data_set=data_set,
            context=context,
        )
        return self.answer()

    def send_store(
        self,
        *,
        sop_class: str,
        sop_uid: str,
        transfer_syntax: str,
        data_set: bytes,
        context: Context | None = None,
    ) -> None:
        """Send an instance without waiting."""
        self._message += 1
        elements = [
            _us(0x0100, 0x0001),
            _us(0x0110, self._message & 0xFFFF),
            _us(0x0700, 0),
            _us(0x0800, 0x0001),
        ]
        if sop_class:
            elements.append(_ui(0x0002, sop_class))
        if sop_uid:
            elements.append(_ui(0x1000, sop_uid))
        id_ = self._ids[context or (sop_class, transfer_syntax)]
        self.socket.sendall(_data_pdu(id_, 0x03, _command(elements)))
        view = memoryview(data_set)
        for at in range(0, max(len(view), 1), self._fragment):
            piece = view[at : at + self._fragment]
            last = at + self._fragment >= len(view)
            self.socket.sendall(_data_pdu(id_, 0x02 if last else 0x00, piece))

    def answer(self) -> Sent:
        """Wait for the next answer; raises `Aborted`."""
        command = b""
        while True:
            kind, body = self._read_pdu()
            if kind != _DATA:
                raise Aborted(f"PDU type {kind}")
            for control, piece in _values(body):
                command += piece
                if control & 0x03 == 0x03:
                    elements = _elements(command)
                    status = struct.unpack("<H", elements[0x0900])[0]
                    return Sent(status, elements.get(0x0902, b"").decode("latin-1").strip(" \0"))

    def send_find(self, context: Context, identifier: bytes) -> None:
        """Send a C-FIND-RQ without waiting."""
        self._message = self._message % 0xFFFF + 1
        command = [
            _ui(0x0002, context[0]),
            _us(0x0100, 0x0020),
            _us(0x0110, self._message),
            _us(0x0700, 0),
            _us(0x0800, 0x0001),
        ]
        id_ = self._ids[context]
        request = _data_pdu(id_, 0x03, _command(command))
        for at in range(0, max(len(identifier), 1), self._fragment):
            last = at + self._fragment >= len(identifier)
            request += _data_pdu(id_, 0x02 if last else 0x00, identifier[at : at + self._fragment])
        self.socket.sendall(request)

    def fragments(self) -> list[tuple[int, bytes]]:
        """Read a P-DATA-TF; give control and content of each fragment. Raises `Aborted`."""
        kind, body = self._read_pdu()
        if kind != _DATA:
            raise Aborted(f"PDU type {kind}")
        return list(_values(body))

    def elements(self, command: bytes) -> dict[int, bytes]:
        """Take a command set apart."""
        return _elements(command)

    def echo(self) -> int:
        """Send a C-ECHO and give its status; the context must have been proposed."""
        self._message += 1
        elements = [
            _ui(0x0002, VERIFICATION),
            _us(0x0100, 0x0030),
            _us(0x0110, self._message),
            _us(0x0800, 0x0101),
        ]
        self.socket.sendall(_data_pdu(self._ids[(VERIFICATION, IMPLICIT)], 0x03, _command(elements)))
        return self.answer().status

    def release(self) -> None:
        """Release and hang up; raises `Aborted` when the other side does not agree."""
        self.socket.sendall(struct.pack(">BBLL", _RELEASE_RQ, 0, 4, 0))
        kind, _ = self._read_pdu()
        self.socket.close()
        if kind != _RELEASE_RP:
            raise Aborted(f"PDU type {kind}")

    def close(self) -> None:
        """Hang up without a word."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxL", self._read(6))
        return kind, self._read(length)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self.socket.recv(size - len(parts))
            except ConnectionError as error:
                raise Aborted("the connection broke") from error
            if not part:
                raise Aborted("the other side hung up")
            parts += part
        return bytes(parts)


def send_file(path: Path, host: str, port: int, *, calling: str = "RAW", called: str = "ALPHA") -> Sent:
    """Send a file's data set byte for byte in an association of its own."""
    return send_files([path], host, port, calling=calling, called=called)[0]


def send_files(
    paths: Iterable[Path], host: str, port: int, *, calling: str = "RAW", called: str = "ALPHA"
) -> list[Sent]:
    """Send files byte for byte, as many in one association as it has contexts for.

    An abort is status -1; the rest goes in the next association.
    """
    answers: list[Sent] = []
    files = [read_file(path) for path in paths]
    while len(answers) < len(files):
        batch, contexts = _one_association(files[len(answers) :])
        with RawSender(host, port, calling=calling, called=called, contexts=contexts) as sender:
            for file in batch:
                try:
                    answers.append(_store(sender, file))
                except Aborted as error:
                    answers.append(Sent(ABORTED, str(error)))
                    break
            else:
                sender.release()
    return answers


def _store(sender: RawSender, file: FileParts) -> Sent:
    return sender.store(
        sop_class=file.sop_class,
        sop_uid=file.sop_uid,
        transfer_syntax=file.transfer_syntax,
        data_set=file.data_set,
        context=_context(file),
    )


def read_file(path: Path) -> FileParts:
    """Take a file apart; without meta information its syntax is guessed and its UIDs are those of the data set.

    The command must say what the data set says, so UIDs are read from there; what cannot be read falls back to the
    file meta information.
    """
    raw = path.read_bytes()
    begin = 132 if raw[128:132] == b"DICM" else 0
    end, meta = _meta(raw, begin)
    data_set = raw[end:]
    syntax = meta.get(0x0010) or _guess(data_set)
    sop_class, sop_uid = meta.get(0x0002, ""), meta.get(0x0003, "")
    try:
        header = scan(data_set, syntax)
        sop_class, sop_uid = header.text(0x00080016) or sop_class, header.text(0x00080018) or sop_uid
    except InvalidRequest:
        pass
    return FileParts(sop_class, sop_uid, syntax, data_set)


def associate_rq(
    calling: str, called: str, contexts: Sequence[Context], *, max_pdu_bytes: int = 1 << 17
) -> bytes:
    """Give an A-ASSOCIATE-RQ with one context for each SOP class and syntax.

    Source: DICOM PS3.8 9.3.2.
    """
    items = [_item(0x10, _APPLICATION_CONTEXT)]
    for n, (sop_class, syntax) in enumerate(contexts):
        names = _item(0x30, (sop_class or UNNAMED_CLASS).encode()) + _item(0x40, syntax.encode())
        items.append(_item(0x20, bytes([2 * n + 1, 0, 0, 0]) + names))
    user = _item(0x51, struct.pack(">L", max_pdu_bytes)) + _item(0x52, b"2.25.5") + _item(0x55, b"RAW")
    items.append(_item(0x50, user))
    titles = called.encode().ljust(16)[:16] + calling.encode().ljust(16)[:16]
    body = struct.pack(">HH", 1, 0) + titles + bytes(32) + b"".join(items)
    return struct.pack(">BBL", _ASSOCIATE_RQ, 0, len(body)) + body


def _one_association(files: list[FileParts]) -> tuple[list[FileParts], list[Context]]:
    contexts: dict[Context, None] = {}
    for n, file in enumerate(files):
        if len(contexts) == 128 and _context(file) not in contexts:
            return files[:n], list(contexts)
        contexts[_context(file)] = None
    return files, list(contexts)


def _context(file: FileParts) -> Context:
    return (file.sop_class, file.transfer_syntax)


def _guess(data_set: bytes) -> str:
    if data_set[4:6].isalpha() and data_set[4:6].isupper():
        return EXPLICIT if data_set[0:1] != b"\0" else BIG
    return IMPLICIT


def _meta(raw: bytes, begin: int) -> tuple[int, dict[int, str]]:
    """Step over group 0002, which is always explicit little endian.

    Source: DICOM PS3.10 7.1.
    """
    at, found = begin, {}
    while raw[at : at + 2] == b"\x02\x00" and at + 8 <= len(raw):
        number, vr = struct.unpack_from("<H2s", raw, at + 2)
        long = vr in (b"OB", b"OW", b"UN", b"UT", b"SQ")
        (length,) = struct.unpack_from("<L" if long else "<H", raw, at + (8 if long else 6))
        at += 12 if long else 8
        found[number] = raw[at : at + length].decode("latin-1").strip(" \0")
        at += length
    return at, found


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _data_pdu(context: int, control: int, piece: bytes | memoryview) -> bytes:
    return struct.pack(">BBLLBB", _DATA, 0, len(piece) + 6, len(piece) + 2, context, control) + bytes(piece)


def _us(number: int, value: int) -> bytes:
    return struct.pack("<HHLH", 0, number, 2, value)


def _ui(number: int, uid: str) -> bytes:
    value = uid.encode()
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", 0, number, len(value)) + value


def _command(elements: list[bytes]) -> bytes:
    body = b"".join(sorted(elements, key=lambda one: struct.unpack_from("<HH", one)))
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _elements(command: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at + 8 <= len(command):
        _, number, length = struct.unpack_from("<HHL", command, at)
        found[number] = command[at + 8 : at + 8 + length]
        at += 8 + length
    return found


def _values(body: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at + 6 <= len(body):
        length, _, control = struct.unpack_from(">LBB", body, at)
        yield control, body[at + 6 : at + 4 + length]
        at += 4 + length


def _accepted(body: bytes) -> tuple[set[int], int]:
    """Give the contexts accepted, and the longest PDU that the other side takes."""
    ids, most, at = set(), 0, 68
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        if kind == 0x21 and body[at + 6] == 0:
            ids.add(body[at + 4])
        if kind == 0x50:
            inner = body[at + 4 : at + 4 + length]
            if inner[0] == 0x51:
                most = struct.unpack_from(">L", inner, 4)[0]
        at += 4 + length
    return ids, most


def main(arguments: list[str]) -> int:
    """Send files and print what each was answered with; 0 when all were stored."""
    host, port, names = arguments[0], int(arguments[1]), arguments[2:]
    answers = send_files([Path(name) for name in names], host, port)
    for name, sent in zip(names, answers, strict=True):
        print(f"{sent.status & 0xFFFF:04X} {name} {sent.comment}")
    return 0 if all(sent.status == 0 for sent in answers) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
