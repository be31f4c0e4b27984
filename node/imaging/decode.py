"""Decompress one frame in a process of its own, which may die without harm.

Codecs are C and meet bytes from anywhere: none runs inside a server. The child
has limits on memory and time, reads one frame on standard input and writes the
stored values as a NumPy array on standard output.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys

import numpy as np

from node.errors import InvalidRequest, Unavailable
from node.imaging.pixels import Stored

MEMORY_BYTES = 3 << 30
CPU_S = 20
WAIT_S = 30.0
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
    InvalidRequest
        No codec for this transfer syntax, or the frame is not what it says.
    Unavailable
        The child took too long.
    """
    if transfer_syntax not in DECODABLE:
        raise InvalidRequest(
            f"Decoding a frame was refused: no codec for {transfer_syntax}. Ask for the frame as stored."
        )
    told = (str(one) for one in (rows, columns, samples, bits_allocated, photometric or "UNKNOWN"))
    try:
        child = subprocess.run(
            [sys.executable, "-m", "node.imaging.decode", transfer_syntax, *told],
            input=frame,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WAIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            "Decoding a frame was given up: it takes too long. Ask for it as stored."
        ) from error
    if child.returncode != 0:
        raise InvalidRequest(
            "Decoding a frame was refused: it is not of its transfer syntax. Send the instance again."
        )
    return _checked(child.stdout, rows=rows, columns=columns, samples=samples)


def _checked(answer: bytes, *, rows: int, columns: int, samples: int) -> Stored:
    try:
        values: Stored = np.load(io.BytesIO(answer), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise Unavailable("Decoding a frame failed: its answer is unreadable. Ask again.") from error
    expected = (rows, columns) if samples == 1 else (rows, columns, samples)
    if values.shape != expected:
        raise InvalidRequest("Decoding a frame was refused: its size is not what its header says.")
    return values


def main(arguments: list[str]) -> int:
    """Decode standard input to standard output, within limits."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    transfer_syntax, *numbers, photometric = arguments
    rows, columns, samples, bits = map(int, numbers)
    frame = sys.stdin.buffer.read()
    values = _decode(frame, transfer_syntax, samples=samples, bits=bits, photometric=photometric)
    answer = io.BytesIO()
    np.save(
        answer, np.ascontiguousarray(values).reshape((rows, columns, samples)[: 2 if samples == 1 else 3])
    )
    sys.stdout.buffer.write(answer.getbuffer())
    sys.stdout.buffer.flush()
    return 0


def _decode(frame: bytes, transfer_syntax: str, *, samples: int, bits: int, photometric: str) -> Stored:
    import imagecodecs

    values: Stored
    if transfer_syntax == _RLE:
        # Decoded plane by plane; the values lie little endian, as the standard's segments say.
        raw = imagecodecs.dicomrle_decode(frame, np.dtype(f"<u{bits // 8}"))
        values = np.frombuffer(raw, f"<u{bits // 8}")
        if samples > 1:
            values = values.reshape(samples, -1).T
    elif transfer_syntax in (_JPEG_8, _JPEG_12):
        # Without a marker that tells, a decoder takes three components for YCbCr; the header may know better.
        told = any(marker in frame[:1024] for marker in (b"Adobe", b"JFIF"))
        space = "RGB" if photometric == "RGB" and samples == 3 and not told else None
        values = imagecodecs.jpeg8_decode(frame, colorspace=space, outcolorspace=space)
    elif transfer_syntax in _JPEG_LOSSLESS:
        values = imagecodecs.ljpeg_decode(frame) if samples == 1 else imagecodecs.jpegsof3_decode(frame)
    elif transfer_syntax in _JPEG_LS:
        values = imagecodecs.jpegls_decode(frame)
    elif transfer_syntax in _HTJ2K:
        values = imagecodecs.htj2k_decode(frame)
    else:
        values = imagecodecs.jpeg2k_decode(frame)
    return values


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
