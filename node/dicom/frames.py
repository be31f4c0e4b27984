"""Where each frame of an image lies in its data set: native by arithmetic, encapsulated by its offset table.

Nothing is decoded; a frame comes as it is stored, in little endian. Frames of a
video stream cannot be told apart here.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from node.dicom.header import Header, scan
from node.dicom.walk import PIXELS
from node.errors import InvalidRequest, NotFound

_FRAMES, _ROWS, _COLUMNS = 0x00280008, 0x00280010, 0x00280011
_SAMPLES, _PHOTOMETRIC, _BITS = 0x00280002, 0x00280004, 0x00280100
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002
_VIDEO = tuple(f"1.2.840.10008.1.2.4.{n}" for n in range(100, 109))
_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\x00\x00\x00\x0cJXL ", b"\x00\x00\x00\x0cjP  ")
"""How a JPEG, JPEG-LS, JPEG 2000 or JPEG XL stream begins."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of bytes in the (inflated) data set."""

    offset: int
    length: int


def frame_bytes(data_set: bytes | memoryview, transfer_syntax: str, number: int) -> bytes:
    """Give a frame by its number from 1, as `frame_of` does."""
    return frame_of(scan(data_set, transfer_syntax), number)


def frame_of(header: Header, number: int) -> bytes:
    """Give a frame, native ones in little endian, compressed ones as their stream.

    Raises
    ------
    NotFound
        There are no pixels, or not so many frames.
    InvalidRequest
        The frames cannot be told apart.

    Source: DICOM PS3.5 8.1, 8.2, A.4; PS3.18 8.7.3.3.
    """
    shape = _shape(header)
    if _is_encapsulated(header) or shape.frame_bits % 8 == 0:
        content = b"".join(bytes(_cut(header, span)) for span in frame_spans(header, number))
        return (
            content
            if header.little or header.elements[_tag(header)].vr == "OB"
            else _swapped(content, shape.bits)
        )
    pixels, first = _pixels(header, number, shape), (number - 1) * shape.frame_bits
    whole = int.from_bytes(_cut(header, pixels), "little") >> first & (1 << shape.frame_bits) - 1
    return whole.to_bytes(-(-shape.frame_bits // 8), "little")


def compressed_frames(header: Header) -> Callable[[int], bytes]:
    """Give what gives each compressed frame by its number, for whoever wants all: none is looked for from the beginning.

    Raises
    ------
    NotFound, InvalidRequest
        As `frame_of`, here or for each frame.
    """
    shape = _shape(header)
    located = _Encapsulated(header, _pixels(header, shape.frames, shape), shape.frames)

    def frame(number: int) -> bytes:
        if not 1 <= number <= shape.frames:
            raise no_such_frame(number, of=shape.frames)
        return b"".join(bytes(_cut(header, span)) for span in located.spans(number))

    return frame


def frame_spans(header: Header, number: int) -> list[Span]:
    """Say where the bytes of a frame lie; one span unless fragments share a frame.

    For native pixels a header read from a beginning is enough.

    Raises
    ------
    NotFound, InvalidRequest
        As `frame_of`; also for native frames that do not begin at a byte.
    """
    shape = _shape(header)
    pixels = _pixels(header, number, shape)
    if _is_encapsulated(header):
        return _Encapsulated(header, pixels, shape.frames).spans(number)
    if shape.frame_bits % 8:
        raise InvalidRequest("Locating a frame failed: it does not begin at a byte. Read the frame itself.")
    length = shape.frame_bits // 8
    return [Span(pixels.offset + (number - 1) * length, length)]


def every_frame(header: Header) -> Iterator[list[Span]]:
    """Say where the bytes of each frame lie; nothing is looked for from the beginning again.

    Raises
    ------
    NotFound, InvalidRequest
        As `frame_spans`.
    """
    shape = _shape(header)
    pixels = _pixels(header, shape.frames, shape)
    if _is_encapsulated(header):
        located = _Encapsulated(header, pixels, shape.frames)
        return (located.spans(number) for number in range(1, shape.frames + 1))
    if shape.frame_bits % 8:
        raise InvalidRequest("Locating a frame failed: it does not begin at a byte. Read the frame itself.")
    length = shape.frame_bits // 8
    return ([Span(pixels.offset + n * length, length)] for n in range(shape.frames))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    frames: int
    bits: int
    frame_bits: int


def no_such_frame(number: int, *, of: int) -> NotFound:
    """Make the error of a frame that an instance does not have."""
    return NotFound(f"Reading frame {number} failed: the instance has {of}. Ask for one of them.")


def _shape(header: Header) -> _Shape:
    frames = header.text(_FRAMES)
    bits = _number(header, _BITS) or (
        32 if PIXELS[1] in header.elements else 64 if PIXELS[2] in header.elements else 8
    )
    # Chroma of two neighbours stands once (PS3.3 C.7.6.3.1.2), so that a pixel has two samples.
    samples = 2 if header.text(_PHOTOMETRIC) == "YBR_FULL_422" else _number(header, _SAMPLES) or 1
    return _Shape(
        frames=max(int(frames), 1) if frames.isdecimal() and len(frames) < 10 else 1,
        bits=bits,
        frame_bits=_number(header, _ROWS) * _number(header, _COLUMNS) * samples * bits,
    )


def _pixels(header: Header, number: int, shape: _Shape) -> Span:
    element = header.elements[_tag(header)]
    if not 1 <= number <= shape.frames:
        raise no_such_frame(number, of=shape.frames)
    if not element.undefined and (number * shape.frame_bits + 7) // 8 > element.length:
        raise NotFound(
            f"Reading frame {number} failed: its pixel data ends before it. Send the instance again."
        )
    return Span(element.offset, element.length)


def _tag(header: Header) -> int:
    for tag in PIXELS:
        if tag in header.elements:
            return tag
    raise NotFound("Reading a frame failed: the instance has no pixel data. Show it as a document.")


def _is_encapsulated(header: Header) -> bool:
    return header.elements[_tag(header)].undefined


class _Encapsulated:
    """Where the frames of encapsulated pixel data lie: its fragments are walked once, whatever is asked for then."""

    def __init__(self, header: Header, pixels: Span, frames: int) -> None:
        table, *self._fragments = _fragments(header, pixels)
        self._frames = frames
        self._extended: tuple[bytes, bytes] | None = None
        self._begins: list[int] = []
        if frames == 1:
            return
        if header.transfer_syntax in _VIDEO:
            raise InvalidRequest("Reading a frame of a video failed: fetch the whole instance and play it.")
        self._by_offset = {
            span.offset - 8 - (table.offset + table.length): n for n, span in enumerate(self._fragments)
        }
        if (offsets := header.value(_OFFSETS)) and (lengths := header.value(_LENGTHS)):
            self._extended = (offsets, lengths)
            return
        whole = min(frames, table.length // 4)
        content = _cut(header, table)[: 4 * whole]
        begins = [self._by_offset.get(at, -1) for (at,) in struct.iter_unpack("<L", content)]
        if len(begins) != frames or begins[0] != 0 or any(a >= b for a, b in pairwise(begins)):
            begins = _without_table(header, self._fragments, frames)
        self._begins = begins

    def spans(self, number: int) -> list[Span]:
        """Give the spans of a frame by its number from 1."""
        if self._frames == 1:
            return self._fragments
        if self._extended is not None:
            if min(map(len, self._extended)) < 8 * number:
                raise _points_elsewhere()
            offset, length = (_nth(table, number, 8) for table in self._extended)
            return _extended(self._fragments, self._by_offset, offset, length)
        end = self._begins[number] if number < self._frames else None
        return self._fragments[self._begins[number - 1] : end]


def _extended(fragments: list[Span], by_offset: dict[int, int], offset: int, length: int) -> list[Span]:
    """With an extended offset table each frame is one fragment (PS3.3 C.7.6.3.1.8)."""
    span = fragments[by_offset[offset]] if offset in by_offset else None
    if span is None or length > span.length:
        raise _points_elsewhere()
    return [Span(span.offset, length)]


def _points_elsewhere() -> InvalidRequest:
    return InvalidRequest(
        "Reading a frame failed: its offset table points elsewhere. Send the instance again."
    )


def _without_table(header: Header, fragments: list[Span], frames: int) -> list[int]:
    """Find the fragment each frame begins with: all of them, or those that begin a stream."""
    if len(fragments) == frames:
        return list(range(frames))
    begins = [n for n, span in enumerate(fragments) if bytes(_cut(header, span)[:12]).startswith(_STARTS)]
    if len(begins) != frames or begins[0] != 0:
        raise InvalidRequest(
            f"Reading a frame failed: {frames} frames lie in {len(fragments)} fragments without an offset table."
            " Have the device write one."
        )
    return begins


def _fragments(header: Header, pixels: Span) -> list[Span]:
    """Walk the items of the pixel data: the offset table, then the fragments."""
    at, end = pixels.offset, pixels.offset + pixels.length - 8
    if end > len(header.data):
        raise InvalidRequest(
            "Reading a frame failed: only a beginning of the data set was given. Read it whole."
        )
    found = []
    while at < end:
        (length,) = struct.unpack_from("<L" if header.little else ">L", header.data, at + 4)
        found.append(Span(at + 8, length))
        at += 8 + length
    if len(found) < 2:
        raise NotFound("Reading a frame failed: its pixel data holds no fragment. Send the instance again.")
    return found


def _nth(table: bytes, number: int, width: int) -> int:
    return int.from_bytes(table[(number - 1) * width : number * width], "little")


def _cut(header: Header, span: Span) -> memoryview:
    if span.offset + span.length > len(header.data):
        raise InvalidRequest(
            "Reading a frame failed: only a beginning of the data set was given. Read it whole."
        )
    return header.data[span.offset : span.offset + span.length]


def _number(header: Header, tag: int) -> int:
    raw = header.value(tag) or b""
    return int.from_bytes(raw[:2], "little" if header.little else "big")


def _swapped(content: bytes, bits: int) -> bytes:
    numbers = array({32: "I", 64: "Q"}.get(bits, "H"))
    if len(content) % numbers.itemsize:
        return content
    numbers.frombytes(content)
    numbers.byteswap()
    return numbers.tobytes()
