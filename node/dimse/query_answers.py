"""Rows that a query found, written as the identifiers of its answers.

What an answer holds is the same for all of a query, so its elements' heads are
made once and only values are written for each.

Source: DICOM PS3.4 C.4.1.1.3.2 (what an answer holds); PS3.5 7.1.2, 7.1.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from node.catalogue.matching import QueryLevel
from node.catalogue.search import InstanceRow
from node.dicom.texts_in import CHARSETS, label_of, text_in
from node.dimse.query_identifier import CHARSET, LEVEL, Identifier, write_elements
from node.dimse.query_keys import KEYS, Found

_RETRIEVE_AE_TITLE, _AVAILABILITY = 0x00080054, 0x00080056
_TEXTS = frozenset((b"PN", b"LO", b"SH"))
_UTF8 = "ISO_IR 192"
_NAMING = {
    QueryLevel.PATIENT: ("PatientID", "IssuerOfPatientID"),
    QueryLevel.STUDY: ("StudyInstanceUID",),
    QueryLevel.SERIES: ("StudyInstanceUID", "SeriesInstanceUID"),
    QueryLevel.INSTANCE: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
"""Keys that every answer holds, whether asked for or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a query came in."""

    model: str
    transfer_syntax: str
    explicit: bool
    title: str
    """The AE title that was called: studies are retrieved from it."""
    combined: bool = False
    """Whether dates and times are one range (PS3.4 C.5.1.1)."""
    charset: str = ""
    """What texts are to be written in for the caller, where that is known."""


@dataclass(frozen=True, slots=True)
class _Field:
    head: bytes
    """Tag, and VR where the syntax says it."""
    vr: bytes
    padding: bytes
    value: Callable[[Found], str]


class AnswerWriter:
    """Writes the answers of one query: what was asked, the keys that name each, and where it is to be had."""

    def __init__(self, asked: Identifier, asking: Asking) -> None:
        levels = list(QueryLevel)
        reach = levels.index(asked.level)
        wanted = {*asked.filters, *_NAMING[asked.level]}
        fields = [
            (tag, key.vr, key.value)
            for tag, key in KEYS.items()
            if key.keyword in wanted and levels.index(key.level) <= reach
        ]
        fields += [
            (LEVEL, b"CS", lambda _: asked.level.value),
            (_RETRIEVE_AE_TITLE, b"AE", lambda _: asking.title),
            (_AVAILABILITY, b"CS", _availability),
        ]
        self._explicit = asking.explicit
        self._length = struct.Struct("<H" if asking.explicit else "<L").pack
        self._fields = [
            _Field(
                struct.pack("<HH", tag >> 16, tag & 0xFFFF) + (vr if asking.explicit else b""),
                vr,
                b"\0" if vr == b"UI" else b" ",
                value,
            )
            for tag, vr, value in sorted(fields, key=lambda field: field[0])
        ]
        spoken = asked.charset.split("\\")[-1].strip()
        known = dict.fromkeys((asking.charset, spoken, _UTF8))
        self._charsets = [each for each in known if each and each in CHARSETS]

    def write(self, found: Found) -> bytes:
        """Give an answer's identifier."""
        texts = [field.value(found) for field in self._fields]
        together = "".join(texts)
        charset = "" if together.isascii() else self._charset_for(texts)
        parts = [self._labelled(charset)] if charset else []
        for field, text in zip(self._fields, texts, strict=True):
            value = self._value(field.vr, text, charset)
            if len(value) % 2:
                value += field.padding
            parts += (field.head, self._length(len(value)), value)
        return b"".join(parts)

    def _value(self, vr: bytes, text: str, charset: str) -> bytes:
        if vr == b"US":
            return struct.pack("<H", int(text)) if text else b""
        if charset and vr in _TEXTS:
            return text_in(text, charset) or b""
        return text.encode("ascii", "replace")

    def _charset_for(self, texts: list[str]) -> str:
        """Give the first character set that holds all texts; none where all of them are ASCII.

        Source: DICOM PS3.3 C.12.1.1.2.
        """
        named = "".join(text for field, text in zip(self._fields, texts, strict=True) if field.vr in _TEXTS)
        if named.isascii():
            return ""
        return next((charset for charset in self._charsets if text_in(named, charset) is not None), _UTF8)

    def _labelled(self, charset: str) -> bytes:
        """Give Specific Character Set, which stands before all that an answer holds."""
        label = label_of(charset).encode()
        return write_elements([(CHARSET, b"CS", label + b" " * (len(label) % 2))], explicit=self._explicit)


def _availability(found: Found) -> str:
    """Say where it is: what a peer has only announced cannot be had here."""
    row = found.instance or found.series or found.study or found.patient
    held = isinstance(row, InstanceRow) or (row is not None and row.instance_count > 0)
    return "ONLINE" if held else "UNAVAILABLE"
