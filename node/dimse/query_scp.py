"""C-FIND: what an identifier asks, found in the catalogue and written as the answers' identifiers.

Knows nothing of sockets: bytes in, statuses and bytes out, one page of rows in
memory at a time. A page begins behind the last study of the one before, so what
arrives meanwhile shifts nothing.

Queries are always relational: keys of any level may go together, and none of a
higher level must be there. Dates and times are one range where that was negotiated.

Source: DICOM PS3.4 C.4.1, C.6.1, C.6.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from node.catalogue.finding import (
    match_instances,
    match_patients,
    match_series,
    match_studies,
    series_by_key,
    studies_by_key,
)
from node.catalogue.matching import QueryLevel, matched_keys
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow
from node.catalogue.visibility import Condition
from node.database.port import Database
from node.dicom.texts_in import CHARSETS, label_of, text_in
from node.dimse.commands import PENDING, PENDING_SOME_KEYS_UNKNOWN
from node.dimse.query_identifier import (
    CHARSET,
    LEVEL,
    DoesNotFit,
    Identifier,
    padded,
    read_identifier,
    write_identifier,
)
from node.dimse.query_keys import KEYS, Found
from node.names import StudyKey

PAGE = 500
_RETRIEVE_AE_TITLE, _AVAILABILITY = 0x00080054, 0x00080056
_TEXTS = frozenset((b"PN", b"LO", b"SH"))
_UTF8 = "ISO_IR 192"
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2"
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3"
LEVELS: Mapping[str, frozenset[QueryLevel]] = {
    PATIENT_ROOT: frozenset(QueryLevel),
    STUDY_ROOT: frozenset(QueryLevel) - {QueryLevel.PATIENT},
    PATIENT_STUDY_ONLY: frozenset({QueryLevel.PATIENT, QueryLevel.STUDY}),
}
"""By information model: the SOP classes' UIDs without their last component. Source: DICOM PS3.4 C.6."""


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


def find(
    database: Database, condition: Condition, content: bytes, asking: Asking
) -> Iterator[tuple[int, bytes]]:
    """Give status and identifier of each answer.

    Parameters
    ----------
    condition
        Which studies the caller sees.

    Raises
    ------
    InvalidRequest
        The identifier cannot be read, has no place in the model, or a key is malformed.
    """
    asked = read_identifier(content, asking.transfer_syntax)
    check_level(asking.model, asked.level)
    known = matched_keys(asked.level)
    all_known = not asked.unknown and all(name in known for name, value in asked.filters.items() if value)
    status = PENDING if all_known else PENDING_SOME_KEYS_UNKNOWN
    write = _writer(asked, asking)
    for found in _found(database, condition, asked, combined=asking.combined):
        yield status, write(found)


def check_level(model: str, level: QueryLevel) -> None:
    """Refuse a level that an information model has not.

    Raises
    ------
    DoesNotFit
    """
    if level not in LEVELS[model]:
        raise DoesNotFit(
            f"Answering a query was refused: its model has no level {level}. Ask in the Patient Root model."
        )


def _found(database: Database, condition: Condition, asked: Identifier, *, combined: bool) -> Iterator[Found]:
    filters = asked.filters
    match asked.level:
        case QueryLevel.PATIENT:
            yield from _pages(
                lambda at: [
                    Found(patient=row)
                    for row in match_patients(database, condition, filters=filters, limit=PAGE, offset=at)
                ]
            )
        case QueryLevel.STUDY:
            for study in each_study(database, condition, filters, combined=combined):
                yield Found(study=study)
        case QueryLevel.SERIES:
            yield from _pages(
                lambda at: _with_studies(
                    database,
                    match_series(
                        database, condition, filters=filters, combined=combined, limit=PAGE, offset=at
                    ),
                )
            )
        case QueryLevel.INSTANCE:
            yield from _pages(
                lambda at: _with_series(
                    database,
                    match_instances(
                        database, condition, filters=filters, combined=combined, limit=PAGE, offset=at
                    ),
                )
            )


def each_study(
    database: Database, condition: Condition, filters: Mapping[str, str], *, combined: bool
) -> Iterator[StudyRow]:
    """Give all studies that meet a condition, newest first, reading them by pages."""
    behind: Condition = condition
    while True:
        rows = match_studies(database, behind, filters=filters, combined=combined, limit=PAGE)
        yield from rows
        if len(rows) < PAGE:
            return
        last, (seen, params) = rows[-1], condition
        behind = (
            f"{seen} AND (study.first_at, study.origin, study.study_uid) < (?, ?, ?)",
            (*params, last.first_at, last.origin, last.study_uid),
        )


def _pages(page: Callable[[int], list[Found]]) -> Iterator[Found]:
    at = 0
    while rows := page(at):
        yield from rows
        if len(rows) < PAGE:
            return
        at += len(rows)


def _with_studies(database: Database, rows: list[SeriesRow]) -> list[Found]:
    studies = studies_by_key(database, [_key(row) for row in rows])
    return [Found(study=studies.get(_key(row)), series=row) for row in rows]


def _with_series(database: Database, rows: list[InstanceRow]) -> list[Found]:
    studies = studies_by_key(database, [_key(row) for row in rows])
    series = series_by_key(database, [(_key(row), row.series_uid) for row in rows])
    return [
        Found(study=studies.get(_key(row)), series=series.get((_key(row), row.series_uid)), instance=row)
        for row in rows
    ]


def _key(row: SeriesRow | InstanceRow) -> StudyKey:
    return StudyKey(origin=row.origin, study_uid=row.study_uid)


def _writer(asked: Identifier, asking: Asking) -> Callable[[Found], bytes]:
    """Give what writes an answer: what was asked, the keys that name it, and where it is to be had."""
    levels = list(QueryLevel)
    reach = levels.index(asked.level)
    naming = (
        ("PatientID", "IssuerOfPatientID") if asked.level is QueryLevel.PATIENT else _NAMING[1 : reach + 1]
    )
    wanted = {*asked.filters, *naming}
    keys = [
        (tag, key)
        for tag, key in sorted(KEYS.items())
        if key.keyword in wanted and levels.index(key.level) <= reach
    ]
    level = (LEVEL, b"CS", padded(asked.level.value.encode()))
    title = (_RETRIEVE_AE_TITLE, b"AE", padded(asking.title.encode("ascii", "replace")))
    spoken = asked.charset.split("\\")[-1].strip()
    charsets = [each for each in dict.fromkeys((asking.charset, spoken, _UTF8)) if each and each in CHARSETS]

    def write(found: Found) -> bytes:
        texts = [(tag, key.vr, key.value(found)) for tag, key in keys]
        charset = _charset_for(texts, charsets)
        elements = [(tag, vr, _value(vr, text, charset)) for tag, vr, text in texts]
        elements += [level, title, (_AVAILABILITY, b"CS", _availability(found))]
        if charset:
            elements.append((CHARSET, b"CS", padded(label_of(charset).encode())))
        return write_identifier(sorted(elements), explicit=asking.explicit)

    return write


_NAMING = ("", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def _charset_for(texts: list[tuple[int, bytes, str]], charsets: list[str]) -> str:
    """Give the first character set that holds all texts; none where all of it is ASCII.

    Source: DICOM PS3.4 C.4.1.1.3.2, PS3.3 C.12.1.1.2.
    """
    together = "".join(text for _, vr, text in texts if vr in _TEXTS)
    if together.isascii():
        return ""
    return next((charset for charset in charsets if text_in(together, charset) is not None), _UTF8)


def _value(vr: bytes, text: str, charset: str) -> bytes:
    if vr == b"US":
        return struct.pack("<H", int(text)) if text else b""
    if vr == b"UI":
        return padded(text.encode("ascii", "replace"), b"\0")
    if vr in _TEXTS and charset:
        return padded(text_in(text, charset) or b"")
    return padded(text.encode("ascii", "replace"))


def _availability(found: Found) -> bytes:
    """Say where it is: what a peer has only announced cannot be had here. Source: DICOM PS3.4 C.4.1.1.3.2."""
    row = found.instance or found.series or found.study or found.patient
    held = isinstance(row, InstanceRow) or (row is not None and row.instance_count > 0)
    return b"ONLINE" if held else b"UNAVAILABLE "
