"""Decompress a frame in a process of its own, which may die without harm.

Codecs are C and meet bytes from anywhere: none runs inside a server. A worker
(`node.imaging.codecs`) has limits on memory and time and meets a deadline; after
its death another takes its place. A frame that killed two is not tried again for
a while.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable
from queue import Empty, LifoQueue

import numpy as np

from node.errors import Unavailable
from node.failpoints import planted
from node.imaging.codec_process import CodecProcess, Died
from node.imaging.codecs import DECODABLE, GIVES_RGB, Answer, NotThis, Request, decode
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
_WIDEST = 8
"""Bytes of a sample."""


class Undecodable(NoPicture):
    """A frame cannot be turned into pixels here; as it is stored it can be had."""


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
        """Start it; raises as `CodecProcess`."""
        self._process = CodecProcess("node.imaging.codecs", requests=REQUESTS)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def spent(self) -> bool:
        """Whether another should take its place."""
        return self._process.spent

    def decode(self, frame: bytes, request: Request) -> Stored:
        """Give the values.

        Raises
        ------
        Undecodable
            It says so.
        Died
            It is gone.
        """
        most = math.prod(request.shape) * _WIDEST
        answer, raw = self._process.ask(request, frame, answer=Answer, wait_s=WAIT_S, most_bytes=most)
        if answer.refused:
            raise Undecodable(f"Decoding a frame was refused: {answer.refused}. Ask for the frame as stored.")
        return np.frombuffer(raw, answer.dtype).reshape(request.shape)

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.end()


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
            except Died as died:
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
        except Died:
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


_WORKSHOP = Workshop()
