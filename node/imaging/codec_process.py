"""A process that runs codecs and may die without harm: started with a module, given requests, ended when it is late.

Codecs are C and meet bytes from anywhere: none runs inside a server. What the process is asked and answers is its
module's; a message is a JSON text and bytes behind it, each with its length.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO, BinaryIO, TypeVar

import msgspec

from node.errors import Unavailable

LENGTHS = struct.Struct("<LQ")
"""Before each message: of its JSON, and of the bytes behind that."""
_PIECE = 1 << 20
_MOST_WORDS = 64 << 20
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
A = TypeVar("A", bound=msgspec.Struct)


class Died(Exception):
    """A process ended, or was ended, over what it was asked."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


class CodecProcess:
    """One process; for one thread at a time."""

    def __init__(self, module: str, *arguments: str, requests: int) -> None:
        """Start it.

        Parameters
        ----------
        arguments
            What the module finds in ``sys.argv``.
        requests
            After so many another is to take its place, whatever codecs leave behind.

        Raises
        ------
        Unavailable
            The machine has no room for another process.
        """
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, **_ALONE},
            )
        except OSError as error:
            raise Unavailable(
                f"Running a codec failed: its process cannot be started ({error.strerror}). Try again later."
            ) from error
        self._left = requests
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(_number(pipe), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def spent(self) -> bool:
        """Whether another should take its place."""
        return self._left <= 0 or self._process.poll() is not None

    def ask(
        self, request: msgspec.Struct, behind: bytes, *, answer: type[A], wait_s: float, most_bytes: int
    ) -> tuple[A, bytearray]:
        """Have something done; give the answer and the bytes behind it.

        Parameters
        ----------
        most_bytes
            More behind an answer is not believed: whatever that process is by then, it is no longer ours.

        Raises
        ------
        Died
            It is gone.
        """
        self._left -= 1
        until = time.monotonic() + wait_s
        try:
            self._send(message(request, len(behind)), until)
            self._send(behind, until)
            json_bytes, size = LENGTHS.unpack(self._receive(LENGTHS.size, until))
            if json_bytes > _MOST_WORDS or size > most_bytes:
                raise Died(late=False)
            found = msgspec.json.decode(self._receive(json_bytes, until), type=answer)
            return found, self._receive(size, until)
        except msgspec.MsgspecError as error:
            self.end()
            raise Died(late=False) from error
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _send(self, content: bytes, until: float) -> None:
        pipe, left = _number(self._process.stdin), memoryview(content)
        while left:
            self._wait(pipe, select.POLLOUT, until)
            try:
                left = left[os.write(pipe, left[:_PIECE]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Died(late=False) from error

    def _receive(self, size: int, until: float) -> bytearray:
        pipe, found, at = _number(self._process.stdout), bytearray(size), 0
        while at < size:
            self._wait(pipe, select.POLLIN, until)
            count = os.readv(pipe, [memoryview(found)[at : at + _PIECE]])
            if not count:
                raise Died(late=False)
            at += count
        return found

    def _wait(self, pipe: int, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        if not poll.poll(max(until - time.monotonic(), 0) * 1000):
            raise Died(late=True)


def read_message(source: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read JSON and bytes; None at the end."""
    lengths = source.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    json_bytes, rest = LENGTHS.unpack(lengths)
    return source.read(json_bytes), source.read(rest)


def message(head: msgspec.Struct, size: int) -> bytes:
    """Give what stands before the bytes of a message."""
    written = msgspec.json.encode(head)
    return LENGTHS.pack(len(written), size) + written


def _number(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return pipe.fileno()
