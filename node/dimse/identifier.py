"""Identifiers of queries and retrievals as bytes: which keys each level has, how they are written and read.

Source: DICOM PS3.4 C.6.1, C.6.2 (levels and their keys), C.2.2.1 (return keys).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from node.dicom.charset import Charset, read_charset
from node.dicom.header import scan
from node.dicom.texts_in import label_of, text_in
from node.dicom.tree import Leaf, read_tree
from node.dicom.values import SPECIFIC_CHARACTER_SET, TEXT_VRS, charset_in
from node.errors import InvalidRequest

KEYS: Mapping[str, tuple[int, str]] = {
    "SOPClassesInStudy": (0x00080062, "UI"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"),
    "StudyTime": (0x00080030, "TM"),
    "AccessionNumber": (0x00080050, "SH"),
    "RetrieveAETitle": (0x00080054, "AE"),
    "InstanceAvailability": (0x00080056, "CS"),
    "Modality": (0x00080060, "CS"),
    "ModalitiesInStudy": (0x00080061, "CS"),
    "InstitutionName": (0x00080080, "LO"),
    "ReferringPhysicianName": (0x00080090, "PN"),
    "StudyDescription": (0x00081030, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "PatientName": (0x00100010, "PN"),
    "PatientID": (0x00100020, "LO"),
    "IssuerOfPatientID": (0x00100021, "LO"),
    "PatientBirthDate": (0x00100030, "DA"),
    "PatientSex": (0x00100040, "CS"),
    "PatientAge": (0x00101010, "AS"),
    "BodyPartExamined": (0x00180015, "CS"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "StudyID": (0x00200010, "SH"),
    "SeriesNumber": (0x00200011, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "NumberOfPatientRelatedStudies": (0x00201200, "IS"),
    "NumberOfStudyRelatedSeries": (0x00201206, "IS"),
    "NumberOfStudyRelatedInstances": (0x00201208, "IS"),
    "NumberOfSeriesRelatedInstances": (0x00201209, "IS"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
}
_NAMES = {tag: name for name, (tag, _) in KEYS.items()}
_FAILED_INSTANCES = 0x00080058
_LEVEL = 0x00080052
_WESTERN = frozenset({"ascii", "latin-1"})


class Level(StrEnum):
    """Query/Retrieve Level. Source: DICOM PS3.4 C.6."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True)
class LevelKeys:
    """What a level is asked for, and what must be given for it."""

    words: str
    keys: tuple[str, ...]
    needs: tuple[str, ...]


_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
LEVELS: Mapping[Level, LevelKeys] = {
    Level.PATIENT: LevelKeys("patients", (*_PATIENT, "NumberOfPatientRelatedStudies"), ()),
    Level.STUDY: LevelKeys(
        "studies",
        (
            *_PATIENT, "PatientAge", "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID",
            "ModalitiesInStudy", "StudyDescription", "ReferringPhysicianName", "InstitutionName",
            "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "SOPClassesInStudy", "InstanceAvailability",
        ),
        (),
    ),
    Level.SERIES: LevelKeys(
        "series",
        (
            "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
            "BodyPartExamined", "NumberOfSeriesRelatedInstances",
        ),
        ("StudyInstanceUID",),
    ),
    Level.IMAGE: LevelKeys(
        "instances",
        (
            "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber",
            "NumberOfFrames",
        ),
        ("StudyInstanceUID", "SeriesInstanceUID"),
    ),
}  # fmt: skip


def write_identifier(
    level: Level, keys: Mapping[str, str], *, charset: str = "", explicit: bool, returned: bool = True
) -> bytes:
    """Write the identifier of a query, or with ``returned`` False of a retrieval, which names UIDs alone.

    Raises
    ------
    InvalidRequest
        A key is not known, what the level needs is not given, or a text cannot be written in the character set.
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
    elements = {(_LEVEL, "CS"): level.encode()}
    for (tag, vr), value in values.items():
        raw = text_in(value, charset) if vr in TEXT_VRS or value.isascii() else None
        if raw is None:
            raise InvalidRequest(
                f"Asking for {LEVELS[level].words} was refused: {_NAMES[tag]} has characters that {charset}"
                " does not hold. Use others, or change the remote AE's character set."
            )
        elements[tag, vr] = raw
    # Said also without such texts where it is known: some answer in the set that they are asked in.
    if returned and (said or any(not raw.isascii() for raw in elements.values())):
        elements[SPECIFIC_CHARACTER_SET, "CS"] = label_of(charset).encode()
    return b"".join(_element(tag, vr, raw, explicit) for (tag, vr), raw in sorted(elements.items()))


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


def _element(tag: int, vr: str, raw: bytes, explicit: bool) -> bytes:
    raw += (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if explicit:
        return head + vr.encode() + struct.pack("<H", len(raw)) + raw
    return head + struct.pack("<L", len(raw)) + raw
