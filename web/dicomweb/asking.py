"""What a QIDO-RS address asks for: keys, fields, page, and what nothing is matched on.

Keys count at their own level and at every one below it (relational queries); which there are, and how they match,
is `node.catalogue.matching`'s. Every answer carries all that the catalogue knows, so a field that is asked for is
either there anyway or named as one that is not.

Source: DICOM PS3.18 8.3.4, 10.6.1.2; PS3.4 C.2.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from node.catalogue.matching import QueryLevel, matched_keys
from node.errors import InvalidRequest

PAGE = 200
PAGE_LIMIT = 1000
TAGS = {
    "00080016": "SOPClassUID",
    "00080018": "SOPInstanceUID",
    "00080020": "StudyDate",
    "00080030": "StudyTime",
    "00080050": "AccessionNumber",
    "00080060": "Modality",
    "00080061": "ModalitiesInStudy",
    "00080062": "SOPClassesInStudy",
    "00080090": "ReferringPhysicianName",
    "00081030": "StudyDescription",
    "0008103E": "SeriesDescription",
    "00100010": "PatientName",
    "00100020": "PatientID",
    "00100021": "IssuerOfPatientID",
    "00100030": "PatientBirthDate",
    "00100040": "PatientSex",
    "00180015": "BodyPartExamined",
    "0020000D": "StudyInstanceUID",
    "0020000E": "SeriesInstanceUID",
    "00200010": "StudyID",
    "00200011": "SeriesNumber",
    "00200013": "InstanceNumber",
    "00200060": "Laterality",
    "00280008": "NumberOfFrames",
    "00280010": "Rows",
    "00280011": "Columns",
}
"""Of all that is matched on."""
_ANSWERED = {
    "00080005": "SpecificCharacterSet",
    "00080056": "InstanceAvailability",
    "00081190": "RetrieveURL",
    "00083002": "AvailableTransferSyntaxUID",
    "00101010": "PatientAge",
    "00201206": "NumberOfStudyRelatedSeries",
    "00201208": "NumberOfStudyRelatedInstances",
    "00201209": "NumberOfSeriesRelatedInstances",
}
_KNOWN = {*TAGS, *TAGS.values(), *_ANSWERED, *_ANSWERED.values(), "all"}
_SAYABLE = re.compile(r"[0-9A-Za-z.]{1,64}")
_MOST_SAID = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query as its address says it."""

    filters: Mapping[str, str]
    """By keyword; only keys that are matched on, without the empty ones."""
    fuzzy: bool
    limit: int
    offset: int
    warnings: tuple[str, ...]
    """What was asked and cannot be done, in words."""


def read_query(items: Iterable[tuple[str, str]], level: QueryLevel) -> Query:
    """Read an address's parameters.

    Raises
    ------
    InvalidRequest
        Limit or offset is no number, or ``fuzzymatching`` neither true nor false.
    """
    filters: dict[str, str] = {}
    ignored, absent = set[str](), set[str]()
    fuzzy, limit, offset = False, PAGE, 0
    keys = matched_keys(level)
    for name, value in items:
        keyword = TAGS.get(name.upper(), name)
        match name:
            case "limit":
                limit = min(_count(name, value), PAGE_LIMIT)
            case "offset":
                offset = _count(name, value)
            case "fuzzymatching":
                fuzzy = _is_true(name, value)
            case "includefield":
                absent |= {field for field in value.split(",") if _tag_or_name(field) not in _KNOWN}
            case "accept" | "charset":
                continue
            case _ if keyword not in keys:
                ignored.add(name)
            case _ if value.strip():
                filters[keyword] = value.strip()
    said = (("Not matched on", ignored), ("Not in the catalogue", absent))
    return Query(
        filters=filters,
        fuzzy=fuzzy,
        limit=limit,
        offset=offset,
        warnings=tuple(f"{what}: {names}" for what, some in said if (names := _sayable(some))),
    )


def _sayable(names: Collection[str]) -> str:
    """Give names that may stand in a header, in order."""
    said = sorted(name for name in names if _SAYABLE.fullmatch(name))
    return ", ".join([*said[:_MOST_SAID], *(["..."] if len(said) > _MOST_SAID else [])])


def _tag_or_name(field: str) -> str:
    return upper if (upper := field.upper()) in _KNOWN else field


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise InvalidRequest(f"Searching was refused: {name} must be a whole number, not {value[:20]!r}.")
    return int(value)


def _is_true(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise InvalidRequest(f"Searching was refused: {name} must be true or false.")
    return value.lower() == "true"
