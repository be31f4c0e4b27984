"""Lossless coding of native frames: JPEG-LS and HTJ2K as every reader of DICOM takes them, and back to the same bytes.

Decides how a frame is coded, not whether: that is `node.archive.package.rule`'s. For processes that may die; a server
decodes by `node.imaging.decode`.

Source: DICOM PS3.5 8.2.3 (JPEG-LS), 8.2.14 (HTJ2K), A.4.3, A.4.11; ITU-T T.87; ITU-T T.814.
"""

from __future__ import annotations

from typing import NewType

import msgspec
import numpy as np
import numpy.typing as npt

from node.failpoints import planted
from node.imaging.codecs import declared_size

Syntax = NewType("Syntax", str)
"""A transfer syntax of this module."""
JPEG_LS = Syntax("1.2.840.10008.1.2.4.80")
HTJ2K = Syntax("1.2.840.10008.1.2.4.201")
_SIZ = b"\xff\x51"
_FIRST_PRECISION = 40
"""From the marker SIZ to the first component's precision. Source: ITU-T T.800 A.5.1."""
_SIGNED = 0x80

Frame = npt.NDArray[np.generic]
"""Rows x columns x samples, unsigned and as wide as a sample is stored."""


class Layout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the samples of a native frame lie; ``stored`` bits of ``allocated`` count, the lowest.

    Source: DICOM PS3.3 C.7.6.3; PS3.5 8.1.1, 8.2.
    """

    rows: int
    columns: int
    allocated: int
    stored: int
    samples: int = 1
    signed: bool = False
    planar: bool = False
    """All samples of one colour, then all of the next."""
    frames: int = 1

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.samples * self.allocated // 8

    @property
    def narrow(self) -> bool:
        """Whether samples have bits above those that count."""
        return self.stored < self.allocated

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(f"<u{self.allocated // 8}")


class Above(msgspec.Struct, frozen=True):
    """What the bits above those that count may be, in all frames looked at so far: zeros, copies of the sign, or either."""

    zero: bool = True
    sign: bool = True

    def narrowed(self, frame: Frame, layout: Layout) -> Above:
        """Give what is left when a frame is looked at too."""
        if not layout.narrow:
            return self
        low = _low(frame, layout)
        return Above(
            zero=self.zero and np.array_equal(low, frame),
            sign=self.sign and np.array_equal(_sign_extended(low, layout), frame),
        )


def read_frame(raw: bytes | memoryview, layout: Layout) -> Frame:
    """Give a native frame as an array."""
    flat = np.frombuffer(raw, layout.dtype, layout.frame_bytes // layout.dtype.itemsize)
    if not layout.planar:
        return flat.reshape(layout.rows, layout.columns, layout.samples)
    planes = flat.reshape(layout.samples, layout.rows, layout.columns)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def write_frame(frame: Frame, layout: Layout, *, sign_above: bool) -> bytes:
    """Give the bytes that `read_frame` read, of a frame whose bits above are zero."""
    if sign_above:
        frame = _sign_extended(frame, layout)
    return (np.ascontiguousarray(frame.transpose(2, 0, 1)) if layout.planar else frame).tobytes()


def encode(frame: Frame, syntax: Syntax, layout: Layout, *, colour: bool) -> bytes:
    """Code a frame.

    Parameters
    ----------
    colour
        Whether the samples are RGB, so that HTJ2K transforms them (YBR_RCT).

    Raises
    ------
    Exception
        Whatever a codec raises of a frame that it does not take.
    """
    low = _low(frame, layout) if layout.narrow else frame
    if planted("encoder-wrong"):
        low = low.copy()
        low[0, 0, 0] ^= 1
    return _encode_htj2k(low, layout, colour=colour) if syntax == HTJ2K else _encode_jpeg_ls(low, layout)


def decode(code: bytes, syntax: Syntax, layout: Layout) -> Frame:
    """Give a coded frame again, the bits above those that count as zeros.

    Raises
    ------
    ValueError
        It is another picture's.
    Exception
        Whatever a codec raises of damaged bytes.
    """
    import imagecodecs

    if declared_size(code, syntax) != (layout.rows, layout.columns):
        raise ValueError("its size is not what its layout says")
    if syntax == HTJ2K:
        values: Frame = imagecodecs.htj2k_decode(code, planar=False)
    else:
        values = imagecodecs.jpegls_decode(code)
    shape = (layout.rows, layout.columns, layout.samples)
    if values.dtype.itemsize != layout.dtype.itemsize:
        raise ValueError("its samples are not as wide as its layout says")
    frame = values.reshape(shape).view(layout.dtype)
    return _low(frame, layout) if layout.narrow else frame


def load_codecs() -> None:
    """Import the codecs, which takes a while."""
    import imagecodecs  # noqa: F401
    import jpeg_ls  # noqa: F401


def _encode_jpeg_ls(frame: Frame, layout: Layout) -> bytes:
    """Code by pyjpegls: imagecodecs would write a precision of 16, and a header that DICOM does not know."""
    import jpeg_ls

    interleaved = 2 if layout.samples > 1 else 0
    code: bytearray = jpeg_ls.encode_buffer(
        frame.tobytes(), layout.rows, layout.columns, layout.samples, layout.stored, 0, interleaved
    )
    return bytes(code)


def _encode_htj2k(frame: Frame, layout: Layout, *, colour: bool) -> bytes:
    """Code by OpenJPH, which knows 8 and 16 bits only; the precision is written afterwards.

    Signed samples go in as they are, narrower unsigned ones less their half: the level shift of whoever decodes
    adds it again.
    """
    import imagecodecs

    signed = f"<i{layout.allocated // 8}"
    if layout.signed:
        frame = _sign_extended(frame, layout).view(signed)
    elif layout.narrow:
        half = layout.dtype.type(1 << (layout.stored - 1))
        frame = np.subtract(frame, half).view(signed)
    samples = frame if colour else frame[..., 0]
    code = bytearray(imagecodecs.htj2k_encode(samples, rgb=colour, reversible=True))
    precision = code.index(_SIZ) + _FIRST_PRECISION
    for component in range(layout.samples):
        code[precision + 3 * component] = layout.stored - 1 | (_SIGNED if layout.signed else 0)
    return bytes(code)


def _low(frame: Frame, layout: Layout) -> Frame:
    low: Frame = np.bitwise_and(frame, layout.dtype.type((1 << layout.stored) - 1))
    return low


def _sign_extended(low: Frame, layout: Layout) -> Frame:
    """Copy the sign into the bits above; unsigned arithmetic wraps."""
    half = layout.dtype.type(1 << (layout.stored - 1))
    extended: Frame = np.subtract(np.bitwise_xor(low, half), half)
    return extended
