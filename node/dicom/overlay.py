"""The pieces of a data set as it is corrected: changed elements written in its own encoding, all else as it stands.

Pure: from a header and the corrected attributes to bytes and spans of the stored
data set. What an element was before goes into an item of the Original Attributes
Sequence. Texts stay in the data set's character set where that holds the new
ones; else all of its texts are written in UTF-8. Group lengths are right again.

Source: DICOM PS3.3 C.12.1.1.9 (Original Attributes Sequence), C.12.1.1.2; PS3.5 7.1, 7.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from node.dicom.attributes import charset_of
from node.dicom.charset import Charset
from node.dicom.encoding import Encoding
from node.dicom.frames import Span
from node.dicom.header import Header
from node.dicom.recoding import UTF8_TERM, recoded, recoded_text
from node.dicom.tree import dictionary_vr
from node.dicom.values import SPECIFIC_CHARACTER_SET, TEXT_VRS
from node.dicom.walk import PIXELS, Element
from node.errors import InvalidRequest

ORIGINAL_ATTRIBUTES = 0x04000561
_MODIFIED_ATTRIBUTES = 0x04000550
_MODIFIED_AT, _MODIFYING_SYSTEM, _SOURCE, _REASON = 0x04000562, 0x04000563, 0x04000564, 0x04000565
_LAST_CHANGED = 0x0400FFFF
_COPIED_BELOW_BYTES = 32 << 10
"""Shorter stretches between changes are given as bytes: fewer pieces are sent faster."""
Part = bytes | Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What an instance's top level is to say, and who says so."""

    values: Mapping[int, str]
    """By tag; an empty text is an empty value."""
    system: str
    """The node that corrects: Modifying System (0400,0563)."""
    source: str
    """Where the previous values came from; may be empty."""
    at: str
    """As a DT."""
    reason: str
    """``CORRECT`` or ``COERCE``."""


def overlaid(header: Header, corrected: Corrected, *, size: int) -> list[Part] | None:
    """Give the corrected data set as bytes and spans of the (inflated) stored one; None when it says all that already.

    Parameters
    ----------
    size
        Of the whole (inflated) data set in bytes.

    Raises
    ------
    InvalidRequest
        The header does not reach far enough; read more of the data set. See `is_too_short`.
    """
    if is_too_short(header, corrected):
        raise InvalidRequest(
            "Correcting a data set was refused: only its beginning was given. Read more of it, then try again."
        )
    charset = charset_of(header)
    changed = _changed(header, corrected.values, charset)
    if not changed:
        return None
    splice = _rewritten if _needs_utf8(charset, changed, corrected) else _spliced
    return _joined(header, splice(header, corrected, changed, charset), size)


def is_too_short(header: Header, corrected: Corrected) -> bool:
    """Say whether a header was read from too short a beginning to be corrected."""
    last = max(next(reversed(header.elements), 0), header.open_tag or 0)
    if not header.whole and last <= _LAST_CHANGED:
        return True
    if any(not _is_inside(header, tag) for tag in (*corrected.values, ORIGINAL_ATTRIBUTES)):
        return True
    charset = charset_of(header)
    if not _needs_utf8(charset, _changed(header, corrected.values, charset), corrected):
        return False
    return not header.whole or any(
        not _is_inside(header, tag) for tag in header.elements if tag not in PIXELS
    )


def _is_inside(header: Header, tag: int) -> bool:
    element = header.elements.get(tag)
    return element is None or element.offset + element.length <= len(header.data)


def _needs_utf8(charset: Charset, changed: Mapping[int, str], corrected: Corrected) -> bool:
    return not all(_holds(charset, text) for text in (*changed.values(), corrected.source, corrected.system))


def _changed(header: Header, values: Mapping[int, str], charset: Charset) -> dict[int, str]:
    """Leave out what the data set says already."""
    return {tag: text for tag, text in sorted(values.items()) if _said(header, tag, charset) != _plain(text)}


def _said(header: Header, tag: int, charset: Charset) -> str:
    raw = header.value(tag) or b""
    text = charset.decode(raw) if _vr(tag) in TEXT_VRS else raw.decode("latin-1")
    return _plain(text)


def _plain(text: str) -> str:
    return text.strip(" \0").rstrip("=^ ")


def _vr(tag: int) -> str:
    return dictionary_vr(tag) or "LO"


def _holds(charset: Charset, text: str) -> bool:
    """Say whether a character set can write a text; one that was guessed, or needs escapes, holds ASCII alone."""
    if text.isascii():
        return True
    if charset.guessed or charset.extended:
        return False
    try:
        text.encode(charset.codecs[0])
    except UnicodeEncodeError:
        return False
    return charset.codecs[0] != "ascii"


def _spliced(
    header: Header, corrected: Corrected, changed: Mapping[int, str], charset: Charset
) -> list[tuple[int, Part]]:
    """Give elements by tag in their order: changed ones as bytes, others where they stand."""
    how = Encoding(explicit=header.explicit, little=header.little)
    codec = charset.codecs[0] if not charset.extended else "ascii"
    new: dict[int, bytes] = {
        tag: how.element(tag, _vr(tag), text.encode(codec)) for tag, text in changed.items()
    }
    previous = b"".join(_previous(header, changed, how, charset=None))
    item = _original_item(corrected, how=_items_how(header, how), previous=previous, codec=codec)
    new[ORIGINAL_ATTRIBUTES] = _appended(header, how, item)
    parts: list[tuple[int, Part]] = []
    for tag, element in header.elements.items():
        parts.append((tag, new.pop(tag) if tag in new else _span(element)))
    return _with_group_lengths(_inserted(parts, new), how)


def _rewritten(
    header: Header, corrected: Corrected, changed: Mapping[int, str], charset: Charset
) -> list[tuple[int, Part]]:
    """Give all elements with their texts in UTF-8; pixel data where it stands."""
    how = Encoding(explicit=header.explicit, little=header.little)
    new: dict[int, bytes] = {tag: how.element(tag, _vr(tag), text.encode()) for tag, text in changed.items()}
    new[SPECIFIC_CHARACTER_SET] = how.element(SPECIFIC_CHARACTER_SET, "CS", UTF8_TERM.encode())
    previous = b"".join(_previous(header, changed, how, charset=charset))
    item = _original_item(corrected, how=_items_how(header, how), previous=previous, codec="utf-8")
    new[ORIGINAL_ATTRIBUTES] = _appended(header, how, item, charset=charset)
    parts: list[tuple[int, Part]] = []
    for tag, element in header.elements.items():
        if tag in new:
            parts.append((tag, new.pop(tag)))
        elif tag in PIXELS:
            parts.append((tag, _span(element)))
        else:
            end = element.offset + element.length
            before = bytes(header.data[element.start : end])
            after = recoded(header.data, element.start, end, how=how, charset=charset)
            parts.append((tag, _span(element) if after == before else after))
    return _with_group_lengths(_inserted(parts, new), how)


def _span(element: Element) -> Span:
    return Span(element.start, element.offset + element.length - element.start)


def _previous(
    header: Header, changed: Mapping[int, str], how: Encoding, *, charset: Charset | None
) -> Iterator[bytes]:
    """Give the elements as they were, those that were there; in UTF-8 when a character set is given."""
    inner = _items_how(header, how)
    for tag in changed:
        raw = header.value(tag)
        if raw is not None:
            text = _vr(tag) in TEXT_VRS and charset is not None
            yield inner.element(tag, _vr(tag), recoded_text(raw, charset) if text and charset else raw)


def _original_item(corrected: Corrected, *, how: Encoding, previous: bytes, codec: str) -> bytes:
    """Write what was: PS3.3 table C.12-1, Original Attributes Sequence."""
    modified = how.item(previous)
    content = (
        how.head(_MODIFIED_ATTRIBUTES, "SQ", len(modified))
        + modified
        + how.element(_MODIFIED_AT, "DT", corrected.at.encode("ascii"))
        + how.element(_MODIFYING_SYSTEM, "LO", corrected.system.encode(codec))
        + how.element(_SOURCE, "LO", corrected.source.encode(codec))
        + how.element(_REASON, "CS", corrected.reason.encode("ascii"))
    )
    return how.item(content)


def _items_how(header: Header, how: Encoding) -> Encoding:
    """Give how items are written: as the data set, unless the sequence that is there came as UN (PS3.5 6.2.2)."""
    element = header.elements.get(ORIGINAL_ATTRIBUTES)
    return Encoding(explicit=False, little=True) if element is not None and element.vr == "UN" else how


def _appended(header: Header, how: Encoding, item: bytes, *, charset: Charset | None = None) -> bytes:
    """Write the sequence with one more item; the items that are there keep their bytes, or go to UTF-8."""
    element = header.elements.get(ORIGINAL_ATTRIBUTES)
    if element is None:
        return how.head(ORIGINAL_ATTRIBUTES, "SQ", len(item)) + item
    end = element.offset + element.length - (8 if element.undefined else 0)
    before = bytes(header.data[element.offset : end])
    if charset is not None and before:
        whole = recoded(header.data, element.start, element.offset + element.length, how=how, charset=charset)
        head = element.offset - element.start
        before = whole[head : len(whole) - 8 if element.undefined else len(whole)]
    vr = element.vr if element.vr == "UN" else "SQ"
    if element.undefined:
        closing = Encoding(explicit=False, little=how.little if vr == "SQ" else True).end
        return how.head(ORIGINAL_ATTRIBUTES, vr, 0xFFFFFFFF) + before + item + closing
    return how.head(ORIGINAL_ATTRIBUTES, vr, len(before) + len(item)) + before + item


def _inserted(parts: list[tuple[int, Part]], new: Mapping[int, bytes]) -> list[tuple[int, Part]]:
    """Put elements that were not there before the first that comes after them."""
    for tag, element in sorted(new.items()):
        at = next((n for n, (other, _) in enumerate(parts) if other > tag), len(parts))
        parts.insert(at, (tag, element))
    return parts


def _with_group_lengths(parts: list[tuple[int, Part]], how: Encoding) -> list[tuple[int, Part]]:
    """Make the length of each group, where it is said, that of what now stands there (PS3.5 7.2)."""
    lengths: dict[int, int] = {}
    changed: set[int] = set()
    for tag, part in parts:
        if tag & 0xFFFF:
            lengths[tag >> 16] = lengths.get(tag >> 16, 0) + _size(part)
            if isinstance(part, bytes):
                changed.add(tag >> 16)
    return [
        (tag, how.element(tag, "UL", how.number(lengths.get(tag >> 16, 0))))
        if not tag & 0xFFFF and tag >> 16 in changed
        else (tag, part)
        for tag, part in parts
    ]


def _joined(header: Header, elements: list[tuple[int, Part]], size: int) -> list[Part]:
    """Join neighbours, copy short stretches, and add what stands behind the last element that was looked at."""
    known = max((element.offset + element.length for element in header.elements.values()), default=0)
    parts = [part for _, part in elements]
    if known < size:
        parts.append(Span(known, size - known))
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Span) and isinstance(last, Span) and last.offset + last.length == part.offset:
            joined[-1] = Span(last.offset, last.length + part.length)
        else:
            joined.append(part)
    merged: list[Part] = []
    for part in joined:
        piece = _copied(header, part)
        if isinstance(piece, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def _copied(header: Header, part: Part) -> Part:
    if (
        isinstance(part, Span)
        and part.length < _COPIED_BELOW_BYTES
        and part.offset + part.length <= len(header.data)
    ):
        return bytes(header.data[part.offset : part.offset + part.length])
    return part


def _size(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part.length
