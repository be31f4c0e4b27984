"""Decompress a frame in a process of its own, which may die without harm.

Codecs are C and meet bytes from anywhere: none runs inside a server. A worker
(`node.imaging.codecs`) has limits on memory and time and meets a deadline; after
its death another takes its place. A frame that killed two is not tried again for
a while.
"""

from __future__ import annotations

import hashlib
import math
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, LifoQueue
from typing import IO

import msgspec
import numpy as np

from node.errors import Unavailable
from node.failpoints import planted
from node.imaging.codecs import DECODABLE, GIVES_RGB, LENGTHS, Answer, NotThis, Request, decode, message
from node.imaging.pixels import NoPicture, Stored

__all__ = ["DECODABLE", "GIVES_RGB", "Undecodable", "decode_frame"]
WORKERS = 2
WAIT_S = 30.0
"""From a frame's first byte to its last value."""
PLACE_S = 60.0
"""For a worker to become free."""
DEATHS = 2
LONG_S = 2.0
"""A frame that is refused only after so long is not tried again for a while either."""
SHUNNED_S = 600.0
"""How long a frame that killed its workers is not tried."""
REMEMBERED = 256
REQUESTS = 1000
"""After so many a worker is replaced, whatever codecs leave behind."""
_PIECE = 1 << 20
_MOST_WORDS = 1 << 16
_WIDEST = 8
"""Bytes of a sample."""
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class Undecodable(NoPicture):
    """A frame cannot be turned into pixels here; as it is stored it can be had."""


class _Died(Exception):
    """A worker ended, or was ended, over a frame."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


def decode_frame(
    frame: bytes,
    transfer_syntax: str,
    *,
    rows: int,
    columns: int,
    samples: int,
    bits_allocated: int,
    photometric: str = "",
) -> Stored:
    """Give the stored values of a compressed frame: rows x columns, or rows x columns x samples.

    Raises
    ------
    Undecodable
        No codec for this transfer syntax, the frame is not what it says, or it kills whatever decodes it.
    Unavailable
        No worker is free, or none can be started.
    """
    if transfer_syntax not in DECODABLE:
        raise Undecodable(
            f"Decoding a frame was refused: no codec for {transfer_syntax}. Ask for the frame as stored."
        )
    request = Request(
        transfer_syntax=transfer_syntax,
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=bits_allocated,
        photometric=photometric,
    )
    if planted("decode-inside"):
        return _inside(frame, request)
    return _WORKSHOP.decode(frame, request)


class Worker:
    """One process that decodes; for one thread at a time."""

    def __init__(self) -> None:
        """Start it.

        Raises
        ------
        Unavailable
            The machine has no room for another process.
        """
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "node.imaging.codecs"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, **_ALONE},
            )
        except OSError as error:
            raise Unavailable(
                f"Decoding a frame failed: its process cannot be started ({error.strerror}). Try again later."
            ) from error
        self._served = 0
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(_number(pipe), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def spent(self) -> bool:
        """Whether another should take its place."""
        return self._served >= REQUESTS or self._process.poll() is not None

    def decode(self, frame: bytes, request: Request) -> Stored:
        """Give the values.

        Raises
        ------
        Undecodable
            It says so.
        _Died
            It is gone.
        """
        self._served += 1
        until = time.monotonic() + WAIT_S
        try:
            self._send(message(request, len(frame)), until)
            self._send(frame, until)
            json_bytes, size = LENGTHS.unpack(self._receive(LENGTHS.size, until))
            if json_bytes > _MOST_WORDS or size > math.prod(request.shape) * _WIDEST:
                raise _Died(late=False)  # whatever that process is by now, it is no longer ours
            answer = msgspec.json.decode(self._receive(json_bytes, until), type=Answer)
            raw = self._receive(size, until)
        except BaseException:
            self.end()
            raise
        if answer.refused:
            raise Undecodable(f"Decoding a frame was refused: {answer.refused}. Ask for the frame as stored.")
        return np.frombuffer(raw, answer.dtype).reshape(request.shape)

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
                raise _Died(late=False) from error

    def _receive(self, size: int, until: float) -> bytearray:
        pipe, found, at = _number(self._process.stdout), bytearray(size), 0
        while at < size:
            self._wait(pipe, select.POLLIN, until)
            count = os.readv(pipe, [memoryview(found)[at : at + _PIECE]])
            if not count:
                raise _Died(late=False)
            at += count
        return found

    def _wait(self, pipe: int, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        if not poll.poll(max(until - time.monotonic(), 0) * 1000):
            raise _Died(late=True)


class Workshop:
    """The workers of this process, started when they are needed; for all threads."""

    def __init__(self, start: Callable[[], Worker] = Worker) -> None:
        self._start = start
        self._places: LifoQueue[Worker | None] = LifoQueue()
        for _ in range(WORKERS):
            self._places.put(None)
        self._deaths: dict[bytes, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def decode(self, frame: bytes, request: Request) -> Stored:
        """Give the values; raises as `decode_frame` says."""
        self._check_shunned(frame)
        began = time.monotonic()
        for _ in range(DEATHS):
            try:
                return self._decode_once(frame, request)
            except Undecodable:
                if time.monotonic() - began > LONG_S:
                    self._note_death(frame, count=DEATHS)  # in vain, and dear: as bad as a death
                raise
            except _Died as died:
                if self._note_death(frame) >= DEATHS or died.late:
                    break
        raise _killing()

    def _decode_once(self, frame: bytes, request: Request) -> Stored:
        try:
            worker = self._places.get(timeout=PLACE_S)
        except Empty:
            raise Unavailable(
                "Decoding a frame was put off: too many wait for it. Try again in a moment."
            ) from None
        try:
            if worker is not None and worker.spent:
                worker.end()
                worker = None
            if worker is None:
                worker = self._start()
            return worker.decode(frame, request)
        except _Died:
            worker = None
            raise
        finally:
            self._places.put(worker)

    def _check_shunned(self, frame: bytes) -> None:
        if not self._deaths:
            return
        with self._lock:
            deaths, at = self._deaths.get(_name(frame), (0, 0.0))
        if deaths >= DEATHS and time.monotonic() - at < SHUNNED_S:
            raise _killing()

    def _note_death(self, frame: bytes, *, count: int = 1) -> int:
        """Count it, and say how many there were."""
        name, now = _name(frame), time.monotonic()
        with self._lock:
            deaths, at = self._deaths.pop(name, (0, now))
            deaths = deaths + count if now - at < SHUNNED_S else count
            self._deaths[name] = (deaths, now)
            if len(self._deaths) > REMEMBERED:
                self._deaths.pop(next(iter(self._deaths)))
        return deaths


def _killing() -> Undecodable:
    return Undecodable(
        "Decoding a frame was given up: what decodes it runs out of memory or time, or ends."
        " Ask for the frame as stored, and have its device checked."
    )


def _inside(frame: bytes, request: Request) -> Stored:
    try:
        return decode(frame, request)
    except Exception as error:
        what = str(error) if isinstance(error, NotThis) else "it is not of its transfer syntax"
        raise Undecodable(f"Decoding a frame was refused: {what}. Ask for the frame as stored.") from error


def _name(frame: bytes) -> bytes:
    return hashlib.sha256(frame).digest()


def _number(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return pipe.fileno()


_WORKSHOP = Workshop()
