"""What the receiver saw and refused, as lines of one file, while it needs no database.

Written by the receiver, registered by `registration` from a cursor. The cursor
counts the bytes ever written: the first line says how many of them were taken
away before, so the reader may take away what it has registered at any time.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.clock import SECOND, Clock, Micros
from node.durable import put_file

FILE = "refusals"
QUIET: Micros = 10 * SECOND
"""The same refused association, or the same device seen again, is written once in this time, with its count."""
REWRITE_BYTES = 1 << 20
_MOST_QUIET = 1000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that the receiver wants to be known."""

    kind: str
    """``seen`` (a device was let in); ``unknown``, ``blocked``, ``called`` (why it was not); ``handshake`` (TLS failed);
    ``instance`` (refused); ``retrieved`` (instances of a study were sent, so many as ``times`` says).
    """
    at: Micros
    calling: str
    called: str
    address: str
    rule: str = ""
    """The name of the rule that decided; empty when there was none."""
    certificate: str = ""
    """SHA-256 of the certificate that the device showed."""
    times: int = 1
    words: str = ""
    sop_class: str = ""
    sop_uid: str = ""
    study: str = ""
    status: int = 0


class _Begin(msgspec.Struct):
    """The first line."""

    begin: int


class RefusalLog:
    """The writer's side."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet: dict[tuple[str, ...], tuple[Micros, int]] = {}
        """When an association was last written, and how many came since."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def association(
        self,
        kind: str,
        *,
        calling: str,
        called: str,
        address: str,
        certificate: str = "",
        rule: str = "",
        words: str = "",
    ) -> None:
        """Write that a device was let in or not; a device that tries every second is counted, not repeated."""
        now, key = self._clock.now(), (kind, calling, called, address, certificate)
        with self._lock:
            at, more = self._quiet.get(key, (0, 0))
            if now - at < QUIET:
                self._quiet[key] = (at, more + 1)
                return
            if len(self._quiet) >= _MOST_QUIET:
                self._quiet.clear()
            self._quiet[key] = (now, 0)
        self.write(
            Line(
                kind=kind,
                at=now,
                calling=calling,
                called=called,
                address=address,
                certificate=certificate,
                rule=rule,
                times=1 + more,
                words=words,
            )
        )

    def write(self, line: Line) -> None:
        """Append a line; it is on disk when the system next writes, and a lost one is found by the sender anyway.

        Never raises: a full disk keeps no device from associating, and so from being told what is wrong.
        """
        try:
            # what a stranger calls itself need not be Unicode
            self._append(canonical_json(msgspec.to_builtins(line)).encode(errors="replace") + b"\n")
        except OSError as error:
            _LOG.error(
                "Writing down what %s sent failed (%s): %s", line.calling, error, line.words or line.kind
            )

    def _append(self, text: bytes) -> None:
        with _held(self._path) as descriptor:
            size = os.fstat(descriptor).st_size
            if not size:
                text = b'{"begin":0}\n' + text
            elif os.pread(descriptor, 1, size - 1) != b"\n":
                text = b"\n" + text  # a crash tore the line before
            os.pwrite(descriptor, text, size)


def read_lines(path: Path, position: int, *, limit: int = 200) -> tuple[list[Line], int]:
    """Give lines after a position, and the position after them; a torn line is stepped over."""
    lines: list[Line] = []
    try:
        with path.open("rb") as file:
            begin, head = _begin(file.readline())
            if not begin <= position <= begin + os.fstat(file.fileno()).st_size - head:
                position = begin  # somebody removed the file: what stands here now is new
            file.seek(head + position - begin)
            while len(lines) < limit and (raw := file.readline()).endswith(b"\n"):
                position += len(raw)
                if (line := _line(raw)) is not None:
                    lines.append(line)
    except FileNotFoundError:
        return [], position
    return lines, position


def take_away(path: Path, position: int) -> None:
    """Empty the file when all of it lies before a position and it has grown."""
    try:
        with _held(path) as descriptor:
            size = os.fstat(descriptor).st_size
            begin, head = _begin(os.pread(descriptor, 64, 0).partition(b"\n")[0] + b"\n")
            if size < REWRITE_BYTES or begin + size - head != position:
                return
            put_file(path, b'{"begin":%d}\n' % position, mode=0o600)
    except OSError:
        return  # it is gone, or the disk is full: then the next time


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """Hold the file that bears this name now; the reader may have put another one in its place."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _begin(first: bytes) -> tuple[int, int]:
    """Give how many bytes were taken away before, and how long the line that says so is."""
    try:
        return msgspec.json.decode(first, type=_Begin).begin, len(first)
    except msgspec.MsgspecError:
        return 0, 0


def _line(raw: bytes) -> Line | None:
    try:
        return msgspec.json.decode(raw, type=Line)
    except msgspec.MsgspecError:
        return None
