"""A bounded look at a data set before any library sees it: where each top-level element stands.

A deflated data set is inflated under a cap. The syntax is what is found: some
senders say implicit where VRs stand, or the other way round. The walk itself,
and what it refuses, is in `walk`; meaning is left to `attributes`.
"""

from __future__ import annotations

import struct
import zlib

import msgspec

from node.dicom.syntax import is_deflated, is_explicit, is_little_endian
from node.dicom.walk import MAX_PADDING_BYTES, PIXELS, Cut, Element, Walk, looks_explicit, refused, tag_name
from node.errors import InvalidRequest
from node.failpoints import planted
from node.names import SeriesUID, SOPClassUID, SOPInstanceUID, StudyUID, is_uid

MAX_INFLATED_BYTES = 1 << 40 if planted("no-inflate-cap") else 64 << 20

_INFLATED_FROM_BYTES, _INFLATED_BY_BYTES = 64 << 10, 1 << 20

SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
_HEADER_GROUP = 0x0028
"""The last group that says who and what an image shows."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The top level of one data set, by tag."""

    data: memoryview
    """The data set, inflated when it came deflated."""
    transfer_syntax: str
    explicit: bool
    """As found, which is not always as the syntax says."""
    little: bool
    elements: dict[int, Element]
    whole: bool
    """False when only a beginning was given and it did not reach the end."""
    pixel_offset: int | None
    """Where the value of the pixel data begins."""
    open_tag: int | None = None
    """The element of undefined length, such as compressed pixels, in which a beginning ended."""

    def value(self, tag: int) -> bytes | None:
        """Give an element's raw value; None when it is absent or of undefined length."""
        element = self.elements.get(tag)
        if element is None or element.undefined or element.offset + element.length > len(self.data):
            return None
        return bytes(self.data[element.offset : element.offset + element.length])

    def text(self, tag: int) -> str:
        """Give a value of the basic repertoire (UI, CS, DA, IS, ...) without its padding; empty when absent."""
        return (self.value(tag) or b"").decode("latin-1").strip(" \0")

    def covers(self, tag: int) -> bool:
        """Say whether every element up to a tag was seen, when only a beginning was given.

        Within the groups up to 0028 any order is forgiven; none of them comes after the others (`identify`).
        """
        return self.whole or next(reversed(self.elements), -1) >> 16 > max(tag >> 16, _HEADER_GROUP)


class Identifiers(msgspec.Struct, frozen=True, kw_only=True):
    """The four UIDs without which an instance has no place."""

    sop_class: SOPClassUID
    sop_uid: SOPInstanceUID
    study_uid: StudyUID
    series_uid: SeriesUID


def identify(header: Header) -> Identifiers:
    """Read and check the UIDs that place an instance, and that nothing hides behind what readers of a header skip.

    Raises
    ------
    InvalidRequest
        One is missing or is not a UID; says which. Or an element of the patient, study or image comes after
        the pixels or other late groups, where whoever reads only a beginning would not see it.

    Source: DICOM PS3.3 C.12.1, C.7.2.1, C.7.3.1; PS3.5 7.1, 9.1.
    """
    _check_order(header)
    found = {}
    for name, tag in (
        ("SOP Class UID", SOP_CLASS_UID),
        ("SOP Instance UID", SOP_INSTANCE_UID),
        ("Study Instance UID", STUDY_INSTANCE_UID),
        ("Series Instance UID", SERIES_INSTANCE_UID),
    ):
        text = header.text(tag)
        if not text:
            raise InvalidRequest(
                f"Storing an instance was refused: it has no {name}. Have the device set it."
            )
        if not is_uid(text):
            raise InvalidRequest(
                f"Storing an instance was refused: its {name} is not a valid UID. Have the device's maker correct it."
            )
        found[tag] = text
    return Identifiers(
        sop_class=SOPClassUID(found[SOP_CLASS_UID]),
        sop_uid=SOPInstanceUID(found[SOP_INSTANCE_UID]),
        study_uid=StudyUID(found[STUDY_INSTANCE_UID]),
        series_uid=SeriesUID(found[SERIES_INSTANCE_UID]),
    )


def _check_order(header: Header) -> None:
    late = False
    for tag in header.elements:
        if tag >> 16 > _HEADER_GROUP:
            late = True
        elif late:
            raise refused(
                f"element {tag_name(tag)} stands behind others of higher groups",
                "Have the device's maker correct the order.",
            )


def scan(
    data_set: bytes | bytearray | memoryview, transfer_syntax: str, *, size: int | None = None
) -> Header:
    """Index the top level of a data set, and check all of it that a reader would have to trust.

    Parameters
    ----------
    size
        The whole length in bytes when ``data_set`` is only its beginning; the
        scan then stops where that ends.

    Raises
    ------
    InvalidRequest
        Names the element and the byte where the data set cannot be read; or its transfer syntax is none.

    Source: DICOM PS3.5 7.1, 7.5, A.4, A.5.
    """
    if not is_uid(transfer_syntax):
        raise refused("its transfer syntax is not a valid UID", "Have the device's maker correct it.")
    data = memoryview(data_set).cast("B")
    total = len(data) if size is None else size
    partial = len(data) < total
    if is_deflated(transfer_syntax):
        data = memoryview(inflate(data, whole=not partial))
        total = MAX_INFLATED_BYTES if partial else len(data)
    little = is_little_endian(transfer_syntax)
    explicit = looks_explicit(data, 0, is_explicit(transfer_syntax))
    walk = Walk(data, total, explicit=explicit, little=little)
    try:
        walk.run()
        whole = True
    except Cut:
        whole = False
    pixels = next((walk.elements[tag].offset for tag in PIXELS if tag in walk.elements), None)
    return Header(
        data=data,
        transfer_syntax=transfer_syntax,
        explicit=explicit,
        little=little,
        elements=walk.elements,
        whole=whole,
        pixel_offset=pixels,
        open_tag=walk.open_tag,
    )


def inflate(data: bytes | memoryview, *, whole: bool = True) -> bytearray:
    """Inflate a deflated data set under a cap of 64 MiB; zeros may follow its end, and the trailer that gzip writes.

    Raises
    ------
    InvalidRequest
        It is damaged, cut off, would grow past the cap, or something else stands behind its end.

    Source: DICOM PS3.5 A.5, RFC 1951, RFC 1952 2.3.1.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = bytearray()  # grown by steps: zlib itself would hold all of it twice at the end
    view, at = memoryview(data), 0
    try:
        while not stream.eof:
            piece = bytes(view[at : at + _INFLATED_FROM_BYTES])
            at += len(piece)
            grown = len(inflated)
            while not stream.eof and (more := stream.decompress(piece, _INFLATED_BY_BYTES)):
                inflated += more
                piece = stream.unconsumed_tail
                if len(inflated) > MAX_INFLATED_BYTES:
                    raise refused(
                        f"inflated it passes {MAX_INFLATED_BYTES >> 20} MiB", "Send it in another syntax."
                    )
            if at >= len(view) and len(inflated) == grown:
                break
    except zlib.error as error:
        raise refused("its deflated bytes are damaged", "Send it again.") from error
    if whole and not stream.eof:
        raise refused("its deflated bytes end too early", "Send it again whole.")
    if whole and not _is_trailer(stream.unused_data + view[at:], inflated):
        raise refused("something stands behind its deflated bytes", "Have the device's maker correct it.")
    return inflated


def _is_trailer(tail: bytes, inflated: bytearray) -> bool:
    """Say whether bytes behind the end of a stream are padding, or checksum and length of what was inflated."""
    if not tail:
        return True
    if tail[:8] == struct.pack("<LL", zlib.crc32(inflated), len(inflated)):
        tail = tail[8:]
    return len(tail) <= MAX_PADDING_BYTES and not tail.strip(b"\0")
