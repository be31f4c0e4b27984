"""One instance made into a member of a package: coded again where the rule says so, else as received; and turned back.

Frames go through one at a time; of a large instance nothing more is in memory. Whatever goes wrong
while an instance is coded leaves it as received. That what was coded is the original is not believed here:
the package is read back and compared before anybody relies on it (`node.archive.package.writing`).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO, NamedTuple

import msgspec

from node.archive.package.manifest import LARGE_BYTES, Beginning
from node.archive.package.requests import MOST_OLD_BYTES, Coded, Profile
from node.archive.package.rule import PHOTOMETRIC, RGB, AsReceived, layout_of, syntaxes_for
from node.archive.package.splice import Head, spliced
from node.archive.package.stream import BEST, LEVEL, MemberStream, deflate_run
from node.dicom.frames import every_frame
from node.dicom.header import Header
from node.dicom.part10 import PREAMBLE
from node.dicom.syntax import is_deflated
from node.dicom.walk import ITEM, PIXEL_DATA, SEQUENCE_END, UNDEFINED
from node.errors import Damaged, GridError
from node.failpoints import failpoint
from node.imaging.lossless import Above, Layout, Syntax, decode, encode, read_frame, write_frame
from node.names import Digest

IN_MEMORY_BYTES = 32 << 20
"""Of pixels whose coded frames wait together, so that the smallest coding can be chosen and a table of offsets written."""
_TRIED = 8
"""Frames of a larger instance by which its coding is chosen."""
_PAYS = 100
"""Deflating pays when it saves one byte in so many."""
_RUN_BYTES = 16 << 10
"""Frames of native pixels from this size on are deflated one by one."""
_SAMPLES, _SAMPLE_BYTES = 4, 8 << 10
DEFLATE_WINS = "deflate makes less of it than any coding"
_CHUNK_BYTES = 1 << 20
_ITEM = struct.Struct("<HHL")
_PIXELS_HEAD = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, UNDEFINED)
_PIXELS_END = struct.pack("<HHL", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)
_NEVER_SMALLER = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81, 90, 91, 92, 93, 201, 202, 203))
"""Codings after which deflate finds nothing."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a member is turned back; the bytes of ``undo`` follow it."""

    syntax: Syntax
    layout: Layout
    sign_above: bool = False
    undo: list[tuple[int, int, int]]
    """Start and end of each stretch of the member, and how many bytes stood in its place; the last is the pixels'."""


def code(
    file_meta: bytes, header: Header, raw: memoryview, profile: Profile, sink: BinaryIO
) -> tuple[Coded, bytes]:
    """Write a member; give what is known of it, and the record that turns it back.

    Parameters
    ----------
    raw
        The data set as it is stored; ``header`` is its scan.
    sink
        An empty file; written from its beginning.
    """
    failpoint("coding")
    try:
        return _coded_again(file_meta, header, profile, sink)
    except AsReceived as reason:
        kept = str(reason)
    except GridError as error:
        kept = error.message
    except Exception as error:  # noqa: BLE001  # whatever a codec says of foreign pixels
        kept = f"it could not be coded ({type(error).__name__})"
    sink.seek(0)
    sink.truncate()
    return _as_received(file_meta, header, raw, kept, sink), b""


def keep(file_meta: bytes, header: Header, raw: memoryview, reason: str, sink: BinaryIO) -> Coded:
    """Write a member as received, for a reason that is known already."""
    return _as_received(file_meta, header, raw, reason, sink)


def turned_back(member: Callable[[int], bytes], record: bytes) -> Iterator[bytes]:
    """Give the original of a member, one frame at a time.

    Parameters
    ----------
    member
        Gives the next bytes of the member as unzipped; empty at its end.
    record
        What `code` gave; empty for one as received.

    Raises
    ------
    Damaged
        It cannot be turned back.
    """
    if not record:
        yield from iter(lambda: member(_CHUNK_BYTES), b"")
        return
    plan, old = read_record(record)
    at = taken = 0
    for start, stop, length in plan.undo[:-1]:
        yield member(start - at)
        member(stop - start)
        yield old[taken : taken + length]
        at, taken = stop, taken + length
    yield member(plan.undo[-1][0] - at)
    yield from _decoded(member, plan)
    yield old[taken:]
    yield from iter(lambda: member(_CHUNK_BYTES), b"")


def turned_beginning(member: bytes, record: bytes) -> bytes:
    """Give the original up to the value of its pixel data, of a member that goes so far; of one as received, all that is given."""
    if not record:
        return member
    plan, old = read_record(record)
    found, at, taken = [], 0, 0
    for start, stop, length in plan.undo[:-1]:
        found += [member[at:start], old[taken : taken + length]]
        at, taken = stop, taken + length
    return b"".join([*found, member[at : plan.undo[-1][0]]])


def read_record(record: bytes) -> tuple[Record, bytes]:
    """Take a record apart: the plan, and the bytes that were replaced."""
    (length,) = struct.unpack_from("<L", record)
    try:
        return msgspec.json.decode(record[4 : 4 + length], type=Record), record[4 + length :]
    except msgspec.MsgspecError as error:
        raise Damaged(
            "Reading an archived instance failed: its record is damaged. Use the other copy."
        ) from error


def _coded_again(file_meta: bytes, header: Header, profile: Profile, sink: BinaryIO) -> tuple[Coded, bytes]:
    layout = layout_of(header)
    pixels = header.elements[PIXEL_DATA]
    value = header.data[pixels.offset : pixels.offset + pixels.length]
    coding = _Coding(value, layout, colour=header.text(PHOTOMETRIC) == RGB)
    syntax, codes = coding.choose(syntaxes_for(layout, header.text(PHOTOMETRIC), profile))
    head = spliced(file_meta, header, syntax)
    tail = header.data[pixels.offset + pixels.length :]
    if layout.frames == 1 and codes is not None:
        _check_deflate(value, len(codes[0]), layout)
    stream = _write(head, coding.every(syntax) if codes is None else codes, codes, tail, sink)
    beginning = None if tail else _beginning(stream, head.content + _PIXELS_HEAD)
    start = len(head.content) + len(_PIXELS_HEAD)
    stop = stream.size - len(tail)
    undo = [(each.start, each.stop, len(each.old)) for each in head.undo]
    undo += [(len(head.content), start, pixels.offset - pixels.start)]
    undo += [(start, stop, pixels.length - layout.frames * layout.frame_bytes)]
    old = b"".join(
        [
            *(each.old for each in head.undo),
            header.data[pixels.start : pixels.offset],
            value[layout.frames * layout.frame_bytes :],
        ]
    )
    if len(old) > MOST_OLD_BYTES:
        raise AsReceived("what would turn it back is too large")
    record = Record(syntax=syntax, layout=layout, sign_above=coding.sign_above, undo=undo)
    return _finished(stream, beginning=beginning, syntax=syntax), _recorded(record, old)


def _recorded(record: Record, old: bytes) -> bytes:
    plan = msgspec.json.encode(record)
    return struct.pack("<L", len(plan)) + plan + old


class _Coding:
    """Codes the frames of a native value, looking at each once before it is done."""

    def __init__(self, value: memoryview, layout: Layout, *, colour: bool) -> None:
        self._value, self._layout, self._colour = value, layout, colour
        self._above = Above()

    @property
    def sign_above(self) -> bool:
        """Whether copies of the sign stand above the bits that count."""
        return self._layout.narrow and not self._above.zero

    def choose(self, syntaxes: Sequence[Syntax]) -> tuple[Syntax, list[bytes] | None]:
        """Give the syntax that is smallest, with all coded frames unless they are too many to hold."""
        layout = self._layout
        if layout.frames * layout.frame_bytes <= IN_MEMORY_BYTES:
            coded = {syntax: list(self.every(syntax)) for syntax in syntaxes}
            smallest = min(coded, key=lambda syntax: sum(map(len, coded[syntax])))
            return smallest, coded[smallest]
        if len(syntaxes) == 1:
            return syntaxes[0], None
        step = max(layout.frames // _TRIED, 1)
        tried = range(0, layout.frames, step)
        sizes = {syntax: sum(len(self._code(n, syntax)) for n in tried) for syntax in syntaxes}
        return min(sizes, key=lambda syntax: sizes[syntax]), None

    def every(self, syntax: Syntax) -> Iterator[bytes]:
        """Give the coded frames, one at a time."""
        return (self._code(n, syntax) for n in range(self._layout.frames))

    def _code(self, number: int, syntax: Syntax) -> bytes:
        size = self._layout.frame_bytes
        frame = read_frame(self._value[number * size : (number + 1) * size], self._layout)
        self._above = self._above.narrowed(frame, self._layout)
        if not (self._above.zero or self._above.sign):
            raise AsReceived("bits above those that count hold something")
        return encode(frame, syntax, self._layout, colour=self._colour)


def _check_deflate(value: memoryview, coded_bytes: int, layout: Layout) -> None:
    """Leave a drawn image (a screen capture, a report) as received where deflate makes less of it than its coding did.

    Samples say whether that is worth trying; of colour, where they say too little, it is tried always.
    """
    if layout.samples == 1:
        step = max(len(value) // _SAMPLES, 1)
        samples = [value[at : at + _SAMPLE_BYTES] for at in range(step // 2, len(value), step)]
        sample = b"".join(samples[:_SAMPLES])
        if len(deflate_run(sample)) * layout.frame_bytes >= coded_bytes * len(sample):
            return
    if len(deflate_run(value, level=BEST)) < coded_bytes:
        raise AsReceived(DEFLATE_WINS)


def _write(
    head: Head, codes: Iterable[bytes], known: Sequence[bytes] | None, tail: memoryview, sink: BinaryIO
) -> MemberStream:
    text = bytes(head.content)
    packed = deflate_run(text)
    total = len(text) + sum(map(len, known)) if known is not None else 0
    stream = MemberStream(sink, deflated=known is None or len(text) - len(packed) > total // _PAYS)
    stream.text(text, packed=packed)
    stream.run(_PIXELS_HEAD + _table(known))
    for each in codes:
        odd = len(each) % 2
        stream.run(_ITEM.pack(ITEM >> 16, ITEM & 0xFFFF, len(each) + odd))
        stream.run(each, frame=True)
        if odd:
            stream.run(b"\0")
    stream.run(_PIXELS_END)
    if tail:
        stream.text(tail)
    return stream


def _table(codes: Sequence[bytes] | None) -> bytes:
    """Give the basic offset table: empty for a single frame, and for frames that are not known yet.

    Source: DICOM PS3.5 A.4.
    """
    offsets = []
    at = 0
    for each in codes or ():
        offsets.append(at)
        at += _ITEM.size + len(each) + len(each) % 2
    table = struct.pack(f"<{len(offsets)}L", *offsets) if len(offsets) > 1 and at < UNDEFINED else b""
    return _ITEM.pack(ITEM >> 16, ITEM & 0xFFFF, len(table)) + table


def _as_received(file_meta: bytes, header: Header, raw: memoryview, reason: str, sink: BinaryIO) -> Coded:
    frames, level = _frames_apart(header), BEST if reason == DEFLATE_WINS else LEVEL
    before = PREAMBLE + file_meta
    if not frames:
        stream = _one_run(before, raw, sink, level=level)
        return _finished(stream, beginning=_beginning_kept(stream, before, header, raw), kept=reason)
    stream = MemberStream(sink, deflated=True)
    native = not header.elements[PIXEL_DATA].undefined
    hopeless = header.transfer_syntax in _NEVER_SMALLER
    first = frames[0].offset
    stream.text(before + bytes(raw[:first]))
    at = first
    for span in frames:
        if span.offset > at:
            stream.run(raw[at : span.offset])
        frame = raw[span.offset : span.offset + span.length]
        packed = b"" if hopeless else deflate_run(frame, level=level)
        if packed and len(packed) < len(frame) - len(frame) // (2 * _PAYS):
            stream.text(frame, frame=True, packed=packed)
        else:
            stream.run(frame, frame=True)
        at = span.offset + span.length
    rest = raw[at:]
    if native:
        stream.text(rest)
    elif rest:
        stream.run(rest)
    return _finished(stream, beginning=_beginning_kept(stream, before, header, raw), kept=reason)


def _frames_apart(header: Header) -> list[_Run]:
    """Give frames that lie one behind the other, each in one run, and are worth being read alone; else none."""
    element = header.elements.get(PIXEL_DATA)
    if element is None or is_deflated(header.transfer_syntax) or not header.little or not header.whole:
        return []
    try:
        found = [tuple(spans) for spans in every_frame(header)]
    except GridError:
        return []
    if any(len(spans) != 1 for spans in found):
        return []
    runs = [_Run(span.offset, span.length) for (span,) in found]
    if not element.undefined and (not runs or runs[0].length < _RUN_BYTES):
        return []
    behind = chain([_Run(0, 0)], runs)
    return runs if all(a.offset + a.length <= b.offset for a, b in zip(behind, runs, strict=False)) else []


class _Run(NamedTuple):
    offset: int
    length: int


def _one_run(before: bytes, raw: memoryview, sink: BinaryIO, *, level: int) -> MemberStream:
    """Write a member that is read whole only: deflated when that pays."""
    small = len(raw) <= IN_MEMORY_BYTES
    packed = deflate_run(before + bytes(raw), level=level) if small else None
    size = len(before) + len(raw)
    pays = packed is None or size - len(packed) > size // _PAYS
    stream = MemberStream(sink, deflated=pays)
    if small:
        stream.text(before + bytes(raw), packed=packed)
        return stream
    stream.text(before)
    for at in range(0, len(raw), _CHUNK_BYTES):
        stream.text(raw[at : at + _CHUNK_BYTES])
    return stream


def _decoded(member: Callable[[int], bytes], plan: Record) -> Iterator[bytes]:
    """Read the items of a member's pixel data, and give the frames that they hold."""
    fragments = -1  # the first item is the table of offsets
    while True:
        head = member(_ITEM.size)
        if len(head) < _ITEM.size:
            raise Damaged(
                "Reading an archived instance failed: its pixel data is cut off. Use the other copy."
            )
        group, number, length = _ITEM.unpack(head)
        if group << 16 | number != ITEM:
            break
        content = member(length)
        fragments += 1
        if fragments:
            try:
                frame = decode(content, plan.syntax, plan.layout)
            except Exception as error:
                raise Damaged(
                    "Reading an archived instance failed: a frame does not decode. Use the other copy."
                ) from error
            yield write_frame(frame, plan.layout, sign_above=plan.sign_above)
    if fragments != plan.layout.frames:
        raise Damaged("Reading an archived instance failed: frames are missing. Use the other copy.")


def _beginning_kept(stream: MemberStream, before: bytes, header: Header, raw: memoryview) -> Beginning | None:
    last = next(reversed(header.elements), None)
    if last != PIXEL_DATA or is_deflated(header.transfer_syntax) or not header.whole:
        return None
    return _beginning(stream, before + raw[: header.elements[PIXEL_DATA].offset])


def _beginning(stream: MemberStream, content: bytes | bytearray) -> Beginning | None:
    if stream.size <= LARGE_BYTES:
        return None
    return Beginning(len(content), Digest(hashlib.sha256(content).hexdigest()))


def _finished(
    stream: MemberStream, *, beginning: Beginning | None, syntax: str = "", kept: str = ""
) -> Coded:
    return Coded(
        digest=stream.finish(),
        method=stream.method,
        crc=stream.crc,
        size=stream.size,
        stored=stream.stored,
        places=stream.places,
        beginning=beginning,
        syntax=syntax,
        kept=kept,
    )
