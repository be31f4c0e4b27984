"""Identifiers of queries and retrievals as bytes: which keys each level has, how they are written and read.

Source: DICOM PS3.4 C.6.1, C.6.2 (levels and their keys), C.2.2.1 (return keys).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from node.catalogue.matching import QueryLevel
from node.dicom.charset import Charset, read_charset
from node.dicom.header import scan
from node.dicom.texts_in import label_of, text_in
from node.dicom.tree import Leaf, read_tree
from node.dicom.values import SPECIFIC_CHARACTER_SET, TEXT_VRS, charset_in
from node.dimse.query_identifier import LEVEL, padded, write_elements
from node.dimse.query_keys import KEYS as ANSWERED
from node.errors import InvalidRequest

KEYS: Mapping[str, tuple[int, str]] = {
    **{key.keyword: (tag, key.vr.decode()) for tag, key in ANSWERED.items()},
    "RetrieveAETitle": (0x00080054, "AE"),
    "InstanceAvailability": (0x00080056, "CS"),
    "InstitutionName": (0x00080080, "LO"),
}
"""What this node answers itself, and what only others say; by keyword: tag and VR."""
_NAMES = {tag: name for name, (tag, _) in KEYS.items()}
_FAILED_INSTANCES = 0x00080058
_WESTERN = frozenset({"ascii", "latin-1"})


@dataclass(frozen=True, slots=True)
class LevelKeys:
    """What a level is asked for, and what must be given for it."""

    words: str
    keys: tuple[str, ...]
    needs: tuple[str, ...]


_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
LEVELS: Mapping[QueryLevel, LevelKeys] = {
    QueryLevel.PATIENT: LevelKeys("patients", (*_PATIENT, "NumberOfPatientRelatedStudies"), ()),
    QueryLevel.STUDY: LevelKeys(
        "studies",
        (
            *_PATIENT, "PatientAge", "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID",
            "ModalitiesInStudy", "StudyDescription", "ReferringPhysicianName", "InstitutionName",
            "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "SOPClassesInStudy", "InstanceAvailability",
        ),
        (),
    ),
    QueryLevel.SERIES: LevelKeys(
        "series",
        (
            "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
            "BodyPartExamined", "NumberOfSeriesRelatedInstances",
        ),
        ("StudyInstanceUID",),
    ),
    QueryLevel.INSTANCE: LevelKeys(
        "instances",
        (
            "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber",
            "NumberOfFrames",
        ),
        ("StudyInstanceUID", "SeriesInstanceUID"),
    ),
}  # fmt: skip


def write_identifier(
    level: QueryLevel, keys: Mapping[str, str], *, charset: str = "", explicit: bool, returned: bool = True
) -> bytes:
    """Write the identifier of a query, or with ``returned`` False of a retrieval, which names UIDs alone.

    Raises
    ------
    InvalidRequest
        A key is not known, a number is none, what the level needs is not given, or a text cannot be
        written in the character set.
    """
    for name in LEVELS[level].needs if returned else ():
        if not keys.get(name, "").strip():
            raise InvalidRequest(
                f"Asking for {LEVELS[level].words} was refused: {name} must be given. Choose one first."
            )
    unknown = sorted(set(keys) - set(KEYS))
    if unknown:
        raise InvalidRequest(
            f"Asking for {LEVELS[level].words} was refused: {', '.join(unknown)} is no key. Use DICOM's keywords."
        )
    asked = dict.fromkeys(LEVELS[level].keys, "") if returned else {}
    values = {KEYS[name]: value.strip() for name, value in {**asked, **keys}.items()}
    said, charset = charset, charset or "ISO_IR 192"
    elements = {(LEVEL, "CS"): level.encode()}
    for (tag, vr), value in values.items():
        if vr == "US":
            elements[tag, vr] = _number(_NAMES[tag], value)
            continue
        raw = text_in(value, charset) if vr in TEXT_VRS or value.isascii() else None
        if raw is None:
            raise InvalidRequest(
                f"Asking for {LEVELS[level].words} was refused: {_NAMES[tag]} has characters that {charset}"
                " does not hold. Use others, or change the remote AE's character set."
            )
        elements[tag, vr] = raw
    # Said also without such texts where it is known: some answer in the set that they are asked in.
    if returned and (said or any(not value.isascii() for value in values.values())):
        elements[SPECIFIC_CHARACTER_SET, "CS"] = label_of(charset).encode()
    return write_elements(
        (
            (tag, vr.encode(), padded(raw, b"\0" if vr == "UI" else b" "))
            for (tag, vr), raw in sorted(elements.items())
        ),
        explicit=explicit,
    )


def read_identifier(raw: bytes, transfer_syntax: str, *, charset: str = "") -> Mapping[str, str]:
    """Read an answer: its values by keyword, of the keys that are known here.

    Parameters
    ----------
    charset
        What the remote AE is known to write; believed where its label is missing, or cannot be meant.

    Raises
    ------
    InvalidRequest
        It cannot be read.
    """
    tree = read_tree(scan(raw, transfer_syntax))
    texts = _Texts(charset_in(tree), charset)
    found = {}
    for leaf in tree:
        name = _NAMES.get(leaf.tag)
        if name is None or not isinstance(leaf, Leaf):
            continue
        value = bytes(leaf.value)
        if KEYS[name][1] == "US":
            found[name] = str(int.from_bytes(value[:2], "little")) if len(value) >= 2 else ""
        else:
            found[name] = texts(value).strip(" \0")
    return found


def failed_instances(raw: bytes, transfer_syntax: str) -> tuple[str, ...]:
    """Read the Failed SOP Instance UID List of a retrieval's last answer; none when it cannot be read."""
    try:
        text = scan(raw, transfer_syntax).text(_FAILED_INSTANCES)
    except InvalidRequest:
        return ()
    return tuple(filter(None, (one.strip(" \0") for one in text.split("\\"))))


class _Texts:
    """How the texts of one answer are read: as labelled, unless the label cannot be meant."""

    def __init__(self, said: Charset, known: str) -> None:
        self._said = said
        self._known = read_charset(label_of(known)) if known else None

    def __call__(self, raw: bytes) -> str:
        if self._known is not None and (self._said.guessed or self._said.codecs[0] in _WESTERN):
            exact = self._known.exact(raw)
            if exact is not None:
                return exact
        return self._said.decode(raw)


def _number(name: str, value: str) -> bytes:
    if not value:
        return b""
    if not (value.isascii() and value.isdecimal() and len(value) <= 5 and int(value) < 1 << 16):
        raise InvalidRequest(f"Asking was refused: {name} is not a number from 0 to 65535. Correct it.")
    return struct.pack("<H", int(value))
