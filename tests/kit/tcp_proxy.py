"""A line between two nodes that a test may cut, stall and heal: a TCP proxy in threads of this process.

``toward`` is where it leads; it may be set after the port is known. Cutting ends
every connection and refuses new ones; stalling keeps them and carries nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self

PIECE = 16 << 10


class Line:
    """Listens on a free port of this machine until it is closed."""

    def __init__(self, toward: tuple[str, int] | None = None) -> None:
        self.toward = toward
        self.carried_up = 0
        """Bytes from the dialling side to the listening one, ever."""
        self.carried_down = 0
        self.pace_s = 0.0
        """How long each piece going up takes: 0.002 makes a line of 8 MB/s."""
        self.refused = 0
        """Connections tried while it was cut."""
        self._cut = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._cut_at: int | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="line", daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End every connection, let no new one come up."""
        self._cut.set()
        with self._lock:
            for connection in self._open:
                _shut(connection)
            self._open.clear()

    def cut_after(self, more_bytes: int) -> None:
        """Cut by itself when so much more has gone up."""
        self._cut_at = self.carried_up + more_bytes

    def stall(self) -> None:
        """Keep connections, carry nothing."""
        self._flowing.clear()

    def heal(self) -> None:
        self._cut_at = None
        self.pace_s = 0.0
        self._cut.clear()
        self._flowing.set()

    @property
    def is_cut(self) -> bool:
        return self._cut.is_set()

    def close(self) -> None:
        self._flowing.set()
        self.cut()
        _shut(self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut.is_set() or self.toward is None:
                self.refused += 1
                near.close()
                continue
            try:
                far = socket.create_connection(self.toward, timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            for source, sink, up in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=(source, sink, up), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        try:
            while piece := source.recv(PIECE):
                self._flowing.wait()
                if self._cut.is_set():
                    break
                sink.sendall(piece)
                if up:
                    time.sleep(self.pace_s)
                    self.carried_up += len(piece)
                    if self._cut_at is not None and self.carried_up >= self._cut_at:
                        self.cut()
                else:
                    self.carried_down += len(piece)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                _shut(end)
            with self._lock:
                self._open -= {source, sink}


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
