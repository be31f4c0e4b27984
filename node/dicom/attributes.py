"""What the catalogue knows of an instance, read from its header as text and numbers.

Which patient that means is decided by `node.catalogue.identity`; texts are as
the device wrote them, without padding.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache

from node.canonical import digest_of
from node.dicom.charset import Charset, read_charset
from node.dicom.header import Header, identify
from node.names import SeriesUID, SOPClassUID, SOPInstanceUID, StudyUID

STUDY_ID = 0x00200010
_CHARSET = 0x00080005
_TEXTS = (0x00100010, 0x00100020, 0x00081030, 0x0008103E, 0x00080090, 0x00080050, 0x00100021, STUDY_ID)
_OF_SERIES = (
    *_TEXTS,
    _CHARSET,
    *(0x00080020, 0x00080030, 0x00080060, 0x00100030, 0x00100040, 0x00101010),
    *(0x00180015, 0x00200011, 0x00200060),
)
"""What the instances of a series say alike."""
_REMEMBERED_BYTES = 4096
"""Longer ones are read each time, so that what is remembered stays small."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NAME_LIMIT, _KEY_LIMIT = 400, 256
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}")
_BLOB_LIKE = re.compile(r"\s*x'([0-9a-f]{2})*'\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyAttributes:
    """Patient and study, as one instance gives them."""

    study_uid: StudyUID
    patient_name: str
    """A PN: ``FAMILY^GIVEN=ideographic=phonetic``."""
    patient_id: str
    issuer: str
    """Issuer of Patient ID (0010,0021); whether it counts is the admission rule's to say."""
    sex: str
    birth_date: str
    age: str
    study_date: str
    study_time: str
    accession: str
    study_id: str
    """As the device or its worklist numbers it: many studies have ``1``."""
    description: str
    referring_physician: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAttributes:
    """A series, as one instance gives it."""

    series_uid: SeriesUID
    modality: str
    number: int | None
    description: str
    body_part: str
    laterality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceAttributes:
    """One instance."""

    sop_uid: SOPInstanceUID
    sop_class: SOPClassUID
    number: int | None
    frames: int
    rows: int | None
    columns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Everything the catalogue takes from one instance."""

    study: StudyAttributes
    series: SeriesAttributes
    instance: InstanceAttributes
    guessed_charset: str
    """Codec guessed for texts without a label; empty when nothing was guessed."""


def read_attributes(header: Header) -> Attributes:
    """Read what the catalogue shows and searches.

    Raises
    ------
    InvalidRequest
        A UID that places the instance is missing or malformed.

    Source: DICOM PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.7.6.1.
    """
    ids = identify(header)
    raw = tuple(header.value(tag) for tag in _OF_SERIES)
    small = sum(len(value) for value in raw if value) <= _REMEMBERED_BYTES
    describe = _described if small else _described.__wrapped__
    study, series, guessed = describe(raw, ids.study_uid, ids.series_uid)
    return Attributes(
        study=study,
        series=series,
        instance=InstanceAttributes(
            sop_uid=ids.sop_uid,
            sop_class=ids.sop_class,
            number=_whole(header.value(0x00200013)),
            frames=max(_whole(header.value(0x00280008)) or 1, 1),
            rows=_unsigned(header, 0x00280010),
            columns=_unsigned(header, 0x00280011),
        ),
        guessed_charset=guessed,
    )


@lru_cache(maxsize=256)
def _described(
    raw: tuple[bytes | None, ...], study_uid: StudyUID, series_uid: SeriesUID
) -> tuple[StudyAttributes, SeriesAttributes, str]:
    """Read what the instances of a series say alike, which is most of it; and the codec that was guessed."""
    values = dict(zip(_OF_SERIES, raw, strict=True))
    samples = [value for tag in _TEXTS if (value := values[tag])]
    charset = read_charset(_plain(values[_CHARSET]), samples)
    study = StudyAttributes(
        study_uid=study_uid,
        patient_name=_name(values[0x00100010], charset),
        patient_id=_key(values[0x00100020], charset),
        issuer=_key(values[0x00100021], charset),
        sex=_code(values[0x00100040]),
        birth_date=_code(values[0x00100030]),
        age=_code(values[0x00101010]),
        study_date=_code(values[0x00080020]),
        study_time=_code(values[0x00080030]),
        accession=_key(values[0x00080050], charset),
        study_id=_key(values[STUDY_ID], charset),
        description=_words(values[0x00081030], charset),
        referring_physician=_name(values[0x00080090], charset),
    )
    series = SeriesAttributes(
        series_uid=series_uid,
        modality=_code(values[0x00080060]),
        number=_whole(values[0x00200011]),
        description=_words(values[0x0008103E], charset),
        body_part=_code(values[0x00180015]),
        laterality=_code(values[0x00200060]),
    )
    return study, series, charset.codecs[0] if charset.guessed else ""


def charset_of(header: Header) -> Charset:
    """Read the character set of a data set's top level; guess from its names when it says none."""
    samples = [raw for tag in _TEXTS if (raw := header.value(tag))]
    return read_charset(header.text(_CHARSET), samples)


def _words(raw: bytes | None, charset: Charset) -> str:
    return _shown(raw, charset)[:_NAME_LIMIT]


def _name(raw: bytes | None, charset: Charset) -> str:
    """Read a PN; empty components at its end mean nothing (PS3.5 6.2.1)."""
    return _words(raw, charset).rstrip("=^ ")


def _key(raw: bytes | None, charset: Charset) -> str:
    """Read an identifier. One that is too long is shortened so that two of them never become one."""
    text = _shown(raw, charset)
    return text if len(text) <= _KEY_LIMIT else f"{text[:_KEY_LIMIT]}…{digest_of(text)[:16]}"


def _shown(raw: bytes | None, charset: Charset) -> str:
    return _storable(_CONTROL.sub(" ", charset.decode(raw)).strip()) if raw else ""


def _code(raw: bytes | None) -> str:
    """Read a text of the basic repertoire: CS, DA, TM, AS."""
    return _storable(_CONTROL.sub(" ", _plain(raw)).strip())[:64]


def _plain(raw: bytes | None) -> str:
    return (raw or b"").decode("latin-1").strip(" \0")


def _storable(text: str) -> str:
    """Keep a text that reads as a blob literal out of SQL, where it would be refused."""
    return text.replace("'", "’") if _BLOB_LIKE.fullmatch(text) else text


def _whole(raw: bytes | None) -> int | None:
    """Read the first value of an IS; what is not a whole number is none."""
    text = _plain(raw).split("\\")[0].strip()
    return int(text) if _WHOLE.fullmatch(text) else None


def _unsigned(header: Header, tag: int) -> int | None:
    """Read a US."""
    raw = header.value(tag)
    if raw is None or len(raw) < 2:
        return None
    (number,) = struct.unpack_from("<H" if header.little else ">H", raw)
    return int(number)
