"""A process that codes instances and turns members back: codecs are C and meet pixels from anywhere.

Started and given work by `node.archive.package.workers`. Large bytes go from file to file, not through its pipes.
"""

from __future__ import annotations

import mmap
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from node.archive.package.members import code, keep, turned_back
from node.archive.package.requests import Code, Done, Patience, TurnBack
from node.archive.package.source import FileSource
from node.archive.package.unzipping import Hashed, OriginalDigests, Unzipped
from node.dicom.header import scan
from node.dicom.part10 import PREAMBLE
from node.errors import Damaged, GridError
from node.imaging.codec_process import message, read_message
from node.imaging.lossless import load_codecs

MEMORY_BYTES = 2 << 30
CPU_S = 60
CPU_BYTES = 2 << 20
"""So many bytes more take a second more of a core, at most."""


_REQUESTS = msgspec.json.Decoder(Code | TurnBack)


def main() -> int:
    """Work until nothing more comes."""
    load_codecs()  # before anybody waits
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _give_way(Patience(sys.argv[1]))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (asked := read_message(source)) is not None:
        request = _REQUESTS.decode(asked[0])
        _limit_time(request.data_bytes if isinstance(request, Code) else request.size)
        try:
            done, record = (
                _code(request) if isinstance(request, Code) else (_turn_back(request, asked[1]), b"")
            )
        except FileNotFoundError:
            done, record = Done(gone=True), b""
        except GridError as error:
            done, record = Done(refused=error.message), b""
        except OSError as error:
            done, record = (
                Done(refused=f"Archiving failed ({error.strerror}). Free some space, check the disk."),
                b"",
            )
        sink.write(message(done, len(record)) + record)
        sink.flush()
    return 0


def _give_way(patience: Patience) -> None:
    """Work only when nobody else has work, or a little behind those who answer. Source: sched(7)."""
    if patience is Patience.SOON:
        os.nice(5)
        return
    os.nice(19)  # also what tells its time from that of others: `node.archive.package.yielding`
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _code(request: Code) -> tuple[Done, bytes]:
    with _mapped(request) as whole, Path(request.sink).open("w+b") as sink:
        file_meta, raw = bytes(whole[: request.meta_bytes]), whole[request.meta_bytes :]
        header = scan(raw, request.transfer_syntax)
        record = b""
        if request.kept:
            coded = keep(file_meta, header, raw, request.kept, sink)
        else:
            coded, record = code(file_meta, header, raw, request.profile, sink)
        del header
        raw.release()
    return Done(coded=coded), record


def _turn_back(request: TurnBack, record: bytes) -> Done:
    source = FileSource(Path(request.package))
    unzipped = Unzipped(source, request.at, request.method, request.size, request.stored)
    try:
        read, original = Hashed(unzipped), OriginalDigests(request.meta_bytes)
        with _sink(request) as write:
            for chunk in turned_back(read, record):
                if request.compared:
                    original.update(chunk)
                write(chunk)
    finally:
        source.close()
    return Done(member=read.digest, meta=original.meta, digest=original.data_set)


@contextmanager
def _sink(request: TurnBack) -> Iterator[Callable[[bytes], object]]:
    """Give what takes the chunks of an original, and leaves out its preamble."""
    if not request.sink:
        yield len
        return
    skip, room = len(PREAMBLE), request.room_bytes
    with Path(request.sink).open("r+b") as sink:
        sink.seek(request.sink_at)

        def write(chunk: bytes) -> None:
            nonlocal skip, room
            kept = memoryview(chunk)[skip:]
            skip, room = skip - len(chunk) + len(kept), room - len(kept)
            if room < 0:
                raise Damaged(
                    "Reading an archived instance failed: it is longer than it was. Use the other copy."
                )
            sink.write(kept)

        yield write


@contextmanager
def _mapped(request: Code) -> Iterator[memoryview]:
    """Map an instance: of a large one only what is looked at comes into memory."""
    skipped = request.offset % mmap.ALLOCATIONGRANULARITY
    length = request.meta_bytes + request.data_bytes
    descriptor = os.open(request.pack, os.O_RDONLY | os.O_CLOEXEC)
    try:
        mapped = mmap.mmap(
            descriptor, length + skipped, access=mmap.ACCESS_READ, offset=request.offset - skipped
        )
    finally:
        os.close(descriptor)
    yield memoryview(mapped)[skipped:]


def _limit_time(size: int) -> None:
    """Let the next instance use so much of a core: the limit counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = CPU_S + size // CPU_BYTES
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, hard))


if __name__ == "__main__":
    sys.exit(main())
