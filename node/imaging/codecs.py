"""Decompress frames, one after the other, in a process that may die: started and limited by `node.imaging.decode`.

Reads requests on standard input and writes stored values on standard output.
What a frame says of its own size is looked at before a codec believes it.
"""

from __future__ import annotations

import os
import resource
import struct
import sys

import msgspec
import numpy as np
import numpy.typing as npt

from node.failpoints import failpoint
from node.imaging.codec_process import message, read_message

MEMORY_BYTES = 2 << 30
CPU_S = 20

_JPEG_8 = "1.2.840.10008.1.2.4.50"
_JPEG_12 = "1.2.840.10008.1.2.4.51"
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
_RLE = "1.2.840.10008.1.2.5"
DECODABLE = frozenset({_JPEG_8, _JPEG_12, *_JPEG_LOSSLESS, *_JPEG_LS, *_JPEG_2000, *_HTJ2K, _RLE})
"""Source: DICOM PS3.5 Annex A.4."""
GIVES_RGB = frozenset({_JPEG_8, _JPEG_12})
"""Codecs that undo the colour transform themselves."""
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
"""Markers without a length. Source: ITU-T T.81 B.1.1.3, T.87 C.1.1."""
_SIZE = b"\xff\x4f\xff\x51"
"""Start of a JPEG 2000 codestream with its size. Source: ITU-T T.800 A.4.1, A.5.1."""

Stored = npt.NDArray[np.generic]


class Request(msgspec.Struct, kw_only=True, frozen=True):
    """A frame to decode, as its object describes it."""

    transfer_syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    photometric: str

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)


class Answer(msgspec.Struct, kw_only=True, frozen=True):
    """Values follow; or none, and why."""

    dtype: str = ""
    refused: str = ""


class NotThis(Exception):
    """A frame is not what its object says."""


def decode(frame: bytes, request: Request) -> Stored:
    """Give the stored values of a frame, in the shape that its object describes.

    Raises
    ------
    Exception
        Whatever a codec raises: the frame is not of its transfer syntax.
    """
    failpoint("decoding")
    declared = declared_size(frame, request.transfer_syntax)
    if declared not in (None, (request.rows, request.columns)):
        raise NotThis("its size is not what its header says")
    values = _decoded(frame, request)
    if values.size != request.rows * request.columns * request.samples:
        raise NotThis("its size is not what its header says")
    return np.ascontiguousarray(values).reshape(request.shape)


def declared_size(frame: bytes, transfer_syntax: str) -> tuple[int, int] | None:
    """Give the rows and columns that a compressed frame itself says; None when it says none."""
    if transfer_syntax in (*_JPEG_2000, *_HTJ2K):
        at = frame[:4096].find(_SIZE)
        if at < 0 or len(frame) < at + 24:
            return None
        x, y, x_offset, y_offset = struct.unpack_from(">LLLL", frame, at + 8)
        return y - y_offset, x - x_offset
    if transfer_syntax == _RLE:
        return None
    at = 2
    while at + 9 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker in _START_OF_FRAME:
            rows, columns = struct.unpack_from(">HH", frame, at + 5)
            return (rows, columns) if rows else None  # the number of lines may come later
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _decoded(frame: bytes, request: Request) -> Stored:
    import imagecodecs

    syntax, samples, bits = request.transfer_syntax, request.samples, request.bits_allocated
    values: Stored
    if syntax == _RLE:
        # Decoded plane by plane; the values lie little endian, as the standard's segments say.
        raw = imagecodecs.dicomrle_decode(frame, np.dtype(f"<u{bits // 8}"))
        values = np.frombuffer(raw, f"<u{bits // 8}")
        if samples > 1:
            values = values.reshape(samples, -1).T
    elif syntax in (_JPEG_8, _JPEG_12):
        # Without a marker that tells, a decoder takes three components for YCbCr; the header may know better.
        told = any(marker in frame[:1024] for marker in (b"Adobe", b"JFIF"))
        space = "RGB" if request.photometric == "RGB" and samples == 3 and not told else None
        values = imagecodecs.jpeg8_decode(frame, colorspace=space, outcolorspace=space)
    elif syntax in _JPEG_LOSSLESS:
        values = imagecodecs.ljpeg_decode(frame) if samples == 1 else imagecodecs.jpegsof3_decode(frame)
    elif syntax in _JPEG_LS:
        values = imagecodecs.jpegls_decode(frame)
    elif syntax in _HTJ2K:
        values = imagecodecs.htj2k_decode(frame)
    else:
        values = imagecodecs.jpeg2k_decode(frame)
    return values


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time() -> None:
    """Let the next frame use so much of a core: the limit counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_S, hard))


def main() -> int:
    """Decode until nothing more comes."""
    import imagecodecs  # noqa: F401  # before the limits, and before anybody waits

    _limit_memory()
    os.nice(5)  # pictures wait, answers do not
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (asked := read_message(source)) is not None:
        _limit_time()
        head, frame = asked
        try:
            values = decode(frame, msgspec.json.decode(head, type=Request))
        except Exception as error:  # noqa: BLE001  # whatever a codec says of foreign bytes
            refused = str(error) if isinstance(error, NotThis) else "it is not of its transfer syntax"
            sink.write(message(Answer(refused=refused), 0))
        else:
            sink.write(message(Answer(dtype=values.dtype.str), values.nbytes))
            sink.write(values.data.cast("B"))
            del values
        sink.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
