"""One kept HTTP connection that costs next to nothing itself, so that what is measured is the server.

Python's own client reads an answer's headers as if they were a letter's: 0.4 ms for one in parts, as long as a frame takes.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader

WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, read to its end."""

    status: int
    size: int
    body: bytes
    """Empty when it was not to be kept."""
    first_s: float
    """From the request to the first byte of the body."""
    whole_s: float


class Connection:
    """Asks one server, over a connection that is opened anew after `close`."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._place = memoryview(bytearray(1 << 20))
        self._socket: socket.socket | None = None
        self._file: BufferedReader | None = None

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._socket is not None and self._file is not None:
            self._file.close()
            self._socket.close()
        self._socket = self._file = None

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None = None, keep: bool = True
    ) -> Answered:  # fmt: skip
        """Ask, and read the answer whole; a large one need not be kept, since that takes longer than to send it."""
        connection, file = self._opened()
        said = {"Host": f"{self._host}:{self._port}", **headers}
        if body is not None:
            said["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
        began = time.perf_counter()
        connection.sendall("\r\n".join(lines).encode())
        if body is not None:
            connection.sendall(body)
        status = int(file.readline().split()[1])
        first_s, size, kept = 0.0, 0, []
        for length in _runs(file, _read_headers(file)):
            first = b"" if size else file.read(1)
            first_s = first_s or time.perf_counter() - began
            kept.append(first)
            left = length - len(first)
            if keep:
                kept.append(file.read(left if length else -1))
                size += len(first) + len(kept[-1])
            else:
                size += len(first) + self._pass_over(file, left if length else sys.maxsize)
            if not length:
                self.close()
        whole_s = time.perf_counter() - began
        return Answered(status, size, b"".join(kept), first_s or whole_s, whole_s)

    def _pass_over(self, file: BufferedReader, most: int) -> int:
        passed = 0
        while passed < most and (count := file.readinto(self._place[: most - passed])):
            passed += count
        return passed

    def _opened(self) -> tuple[socket.socket, BufferedReader]:
        if self._socket is None or self._file is None:
            self._socket = socket.create_connection((self._host, self._port), timeout=WAIT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._file = self._socket.makefile("rb", buffering=64 << 10)
        return self._socket, self._file


def _read_headers(file: BufferedReader) -> dict[str, str]:
    found = {}
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        found[name.strip().lower()] = value.strip()
    return found


def _runs(file: BufferedReader, headers: Mapping[str, str]) -> Iterator[int]:
    """Give the lengths of the runs of bytes that a body comes in, each when the one before was read; 0: until it closes."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        if headers.get("content-length") != "0":
            yield int(headers.get("content-length", 0))
        return
    while length := int(file.readline().split(b";")[0], 16):
        yield length
        file.readline()
    _read_headers(file)
