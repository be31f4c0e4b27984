"""Identifiers of queries and retrievals: data sets of keys, as they are asked and as they are answered.

Source: DICOM PS3.4 C.2.2.1, C.4.1.1.3; PS3.5 6.1.2, 7.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.catalogue.matching import QueryLevel
from node.dicom.charset import GB, Charset, read_charset
from node.dicom.header import Header, scan
from node.dimse.commands import IDENTIFIER_DOES_NOT_FIT
from node.dimse.query_keys import KEYS
from node.errors import InvalidRequest

CHARSET, LEVEL = 0x00080005, 0x00080052
_ITSELF = frozenset({CHARSET, LEVEL, 0x00080053, 0x00080054, 0x00080056, 0x00080201})
"""Of the query itself, matched on by nothing: also view, Retrieve AE Title, availability and time zone."""
_EXPLICIT, _IMPLICIT = struct.Struct("<HH2sH"), struct.Struct("<HHL")
_MOST_EXPLICIT = 0xFFFE
"""Bytes of a value whose VR has a short length."""


class DoesNotFit(InvalidRequest):
    """The identifier is not one of its SOP class. Correct the query."""

    dimse = IDENTIFIER_DOES_NOT_FIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """What is asked."""

    level: QueryLevel
    filters: dict[str, str]
    """Values by keyword; an empty one asks for nothing but the attribute itself."""
    unknown: int
    """How many keys are neither matched on nor answered."""
    charset: str
    """Specific Character Set as it came, several terms divided by backslashes; GB18030 where it says none and writes so."""


def read_identifier(content: bytes, transfer_syntax: str) -> Identifier:
    """Read what a C-FIND, C-GET or C-MOVE asks.

    Raises
    ------
    DoesNotFit
        It cannot be read, or has no level that there is.
    """
    try:
        header = scan(content, transfer_syntax)
    except InvalidRequest as error:
        raise DoesNotFit(f"Answering a query was refused: its identifier cannot be read. {error}") from error
    name = header.text(LEVEL)
    try:
        level = QueryLevel(name)
    except ValueError as error:
        raise DoesNotFit(
            "Answering a query was refused: Query/Retrieve Level is not PATIENT, STUDY, SERIES or IMAGE."
        ) from error
    filters, unknown, charset = _filters(header)
    spoken = "GB18030" if charset.guessed and charset.codecs == (GB,) else header.text(CHARSET)
    return Identifier(level=level, filters=filters, unknown=unknown, charset=spoken)


def write_elements(elements: Iterable[tuple[int, bytes, bytes]], *, explicit: bool) -> bytes:
    """Write elements in ascending order; values come padded to even length.

    Parameters
    ----------
    elements
        Tag, VR and value; of VRs with a short length in explicit syntaxes.

    Source: DICOM PS3.5 7.1.2, 7.1.3.
    """
    if explicit:
        return b"".join(
            _EXPLICIT.pack(tag >> 16, tag & 0xFFFF, vr, len(value)) + value for tag, vr, value in elements
        )
    return b"".join(_IMPLICIT.pack(tag >> 16, tag & 0xFFFF, len(value)) + value for tag, _, value in elements)


def write_uid_list(tag: int, uids: Sequence[str], *, explicit: bool) -> bytes:
    r"""Write an identifier of one list of UIDs; what does not fit into a short length is left out.

    Source: DICOM PS3.4 C.4.2.1.4.2, C.4.3.1.3.2 (Failed SOP Instance UID List).
    """
    value = "\\".join(uids).encode("ascii", "replace")
    if explicit and len(value) > _MOST_EXPLICIT:
        value = value[: value.rindex(b"\\", 0, _MOST_EXPLICIT)]
    return write_elements([(tag, b"UI", padded(value, b"\0"))], explicit=explicit)


def padded(value: bytes, padding: bytes = b" ") -> bytes:
    """Give a value of even length. Source: DICOM PS3.5 6.2."""
    return value + padding if len(value) % 2 else value


def _filters(header: Header) -> tuple[dict[str, str], int, Charset]:
    raw = {tag: header.value(tag) for tag in header.elements if tag not in _ITSELF and tag & 0xFFFF}
    texts = [value for tag, value in raw.items() if value and tag in KEYS]
    charset = read_charset(header.text(CHARSET), texts)
    filters: dict[str, str] = {}
    for tag, value in raw.items():
        key = KEYS.get(tag)
        if key is None or value is None:
            continue
        if key.vr == b"US":
            numbers = struct.unpack(
                f"{'<' if header.little else '>'}{len(value) // 2}H", value[: len(value) // 2 * 2]
            )
            filters[key.keyword] = "\\".join(map(str, numbers))
        else:
            filters[key.keyword] = charset.decode(value).strip(" \0")
    return filters, len(raw) - len(filters), charset
