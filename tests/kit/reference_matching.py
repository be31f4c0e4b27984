"""Attribute matching told a second time, from PS3.4 C.2.2.2, over rows in memory: slow, plain, without SQL.

Where the standard leaves a choice, the node's is made here too: names without
case and without Latin, Greek and Cyrillic accents, in any component group; a
date or time of less precision is all that it names; any of several values.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.kit.catalogued import Catalogue

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
VALUES_LIMIT = 3


class Malformed(Exception):
    """A key that has no meaning; the node refuses it."""


class Key(NamedTuple):
    level: str
    vr: str
    field: str


KEYS = {
    "PatientName": Key("PATIENT", "PN", "patient_name"),
    "PatientID": Key("PATIENT", "LO", "patient_id"),
    "IssuerOfPatientID": Key("PATIENT", "LO", "patient_issuer"),
    "PatientBirthDate": Key("PATIENT", "DA", "birth_date"),
    "PatientSex": Key("PATIENT", "CS", "sex"),
    "StudyInstanceUID": Key("STUDY", "UI", "study_uid"),
    "StudyDate": Key("STUDY", "DA", "study_date"),
    "StudyTime": Key("STUDY", "TM", "study_time"),
    "AccessionNumber": Key("STUDY", "SH", "accession"),
    "StudyID": Key("STUDY", "SH", "study_id"),
    "StudyDescription": Key("STUDY", "LO", "description"),
    "ReferringPhysicianName": Key("STUDY", "PN", "referring_physician"),
    "ModalitiesInStudy": Key("STUDY", "CS", "modalities"),
    "SOPClassesInStudy": Key("STUDY", "UI", "sop_classes"),
    "SeriesInstanceUID": Key("SERIES", "UI", "series_uid"),
    "Modality": Key("SERIES", "CS", "modality"),
    "SeriesNumber": Key("SERIES", "IS", "number"),
    "SeriesDescription": Key("SERIES", "LO", "description"),
    "BodyPartExamined": Key("SERIES", "CS", "body_part"),
    "Laterality": Key("SERIES", "CS", "laterality"),
    "SOPInstanceUID": Key("IMAGE", "UI", "sop_uid"),
    "SOPClassUID": Key("IMAGE", "UI", "sop_class"),
    "InstanceNumber": Key("IMAGE", "IS", "number"),
    "NumberOfFrames": Key("IMAGE", "IS", "frames"),
    "Rows": Key("IMAGE", "US", "rows"),
    "Columns": Key("IMAGE", "US", "columns"),
}


def find(
    catalogue: Catalogue, filters: Mapping[str, str], level: str, *, combined: bool = False
) -> list[Any]:
    """Give what matches: (issuer, id) of patients, rows of studies, series or instances; in no promised order.

    Raises
    ------
    Malformed
        A key that counts at this level has no meaning.
    """
    asked = {name: value.strip() for name, value in filters.items() if name in KEYS}
    asked = {
        name: value for name, value in asked.items() if LEVELS.index(KEYS[name].level) <= LEVELS.index(level)
    }
    for name, value in asked.items():
        # A key has its meaning, or none, before there is anything to compare it with.
        if not (combined and name in ("StudyDate", "StudyTime") and _is_combined(asked)):
            is_match(KEYS[name].vr, "", value)
    found = []
    for chain in _chains(catalogue, level):
        if _fits(chain, asked, combined=combined):
            row = chain[-1]
            found.append((row.patient_issuer, row.patient_id) if level == "PATIENT" else row)
    if combined and level != "PATIENT" and _is_combined(asked):
        _moments(asked)
    return list(dict.fromkeys(found)) if level == "PATIENT" else found


def _chains(catalogue: Catalogue, level: str) -> list[tuple[Any, ...]]:
    studies = [(study,) for study in catalogue.studies]
    if level in ("PATIENT", "STUDY"):
        return list(studies)
    below = [
        (study, series)
        for (study,) in studies
        for series in catalogue.series
        if (series.origin, series.study_uid) == (study.origin, study.study_uid)
    ]
    if level == "SERIES":
        return list(below)
    return [
        (study, series, instance)
        for study, series in below
        for instance in catalogue.instances
        if (instance.origin, instance.study_uid, instance.series_uid)
        == (series.origin, series.study_uid, series.series_uid)
        and instance.state == "chosen"
    ]


def _fits(chain: Sequence[Any], asked: Mapping[str, str], *, combined: bool) -> bool:
    rest = dict(asked)
    if combined and _is_combined(asked):
        low, high = _moments(asked)
        day, time = _held_date(chain[0].study_date), _held_time(chain[0].study_time)
        if day is None or (time is None and chain[0].study_time):
            return False
        if not low <= (day, time or (0, 0, 0, 0)) <= high:
            return False
        del rest["StudyDate"], rest["StudyTime"]
    for name, value in rest.items():
        key = KEYS[name]
        row = chain[max(LEVELS.index(key.level) - 1, 0)]
        held = getattr(row, key.field)
        several = json.loads(held) if name in ("ModalitiesInStudy", "SOPClassesInStudy") else [held]
        if not any(is_match(key.vr, one, value) for one in several) and not is_universal(key.vr, value):
            return False
    return True


def is_universal(vr: str, value: str) -> bool:
    """C.2.2.2.3, and C.2.2.2.4 note 1."""
    values = _split(vr, value)
    if not values:
        return True
    if vr == "PN":
        return any(set(one) <= set("*=^ ") and all(set(g) <= {"*"} for g in _groups(one)) for one in values)
    return vr in ("CS", "LO", "SH") and any(set(one) == {"*"} for one in values)


def is_match(vr: str, held: str | int | None, value: str) -> bool:
    """Say whether one held value matches a key of a VR."""
    value = value.strip()
    if is_universal(vr, value):
        return True
    values = _split(vr, value)
    if vr == "UI":
        return held in values
    if vr in ("IS", "US"):
        if not all(re.fullmatch("[+-]?[0-9]+", one) for one in values):
            raise Malformed
        return held in [int(one) for one in values]
    if vr in ("DA", "TM"):
        _check(values)
        ranges = [_range(vr, one) for one in values]
        if any(low > high for low, high, _ in ranges):
            raise Malformed
        moment = (_held_date if vr == "DA" else _held_time)(str(held))
        return moment is not None and any(low <= moment <= high for low, high, _ in ranges)
    _check(values if vr == "PN" else [one for one in values if set(one) & set("*?")])
    if vr == "PN":
        return any(_name(str(held), one) for one in values)
    return any(_wild(str(held), one) for one in values)


def _split(vr: str, value: str) -> list[str]:
    dividers = {"UI": r"[\\,\s]", "CS": r"[\\,]", "IS": r"[\\,]", "US": r"[\\,]"}.get(vr, r"\\")
    return list(dict.fromkeys(one for part in re.split(dividers, value) if (one := part.strip(" "))))


def _check(values: list[str]) -> None:
    if len(values) > VALUES_LIMIT:
        raise Malformed


def _wild(held: str, pattern: str, *, one: str = "") -> bool:
    """C.2.2.2.4, letter by letter; ``one`` are characters that ``?`` is not."""
    reached = {0}
    for letter in pattern:
        if letter == "*":
            reached = set(range(min(reached), len(held) + 1)) if reached else set()
        else:
            reached = {
                at + 1
                for at in reached
                if at < len(held) and (held[at] == letter or (letter == "?" and held[at] not in one))
            }
    return len(held) in reached


def _groups(name: str) -> list[str]:
    groups = [group.rstrip("^ ") for group in name.split("=", 2)]
    while len(groups) > 1 and not groups[-1]:
        groups.pop()
    return groups


def _name(held: str, asked: str) -> bool:
    """C.2.2.2.1.1."""
    held_groups, asked_groups = _groups(_folded(held)), _groups(_folded(asked.strip(" ")))
    if len(asked_groups) == 1:
        runs = [
            "=".join(held_groups[first : last + 1])
            for first in range(len(held_groups))
            for last in range(first, len(held_groups))
        ]
        return any(_wild(run, asked_groups[0], one="=") for run in runs)
    held_groups += [""] * 3
    return all(
        not group or _wild(held, group) for group, held in zip(asked_groups, held_groups, strict=False)
    )


def _folded(name: str) -> str:
    """Without case, and without accents on letters of three alphabets."""
    letters = []
    for letter in unicodedata.normalize("NFC", name):
        apart = unicodedata.normalize("NFD", letter)
        script = unicodedata.name(letter, "").split(" ")[0]
        letters.append(apart[0] if script in ("LATIN", "GREEK", "CYRILLIC") else letter)
    return "".join(letters).lower()


def _held_date(text: str) -> tuple[int, ...] | None:
    digits = text.replace(".", "")
    if not re.fullmatch("[0-9]{8}", digits):
        return None
    date = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    return date if 1 <= date[1] <= 12 and 1 <= date[2] <= 31 else None


def _held_time(text: str) -> tuple[int, ...] | None:
    match = re.fullmatch(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d*))?)?)?", text.replace(":", ""), re.ASCII)
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    return int(hour), int(minute or 0), int(second or 0), int((fraction or "").ljust(6, "0")[:6])


def _is_combined(asked: Mapping[str, str]) -> bool:
    """C.2.2.2.5.4: a pair of ranges of the same form."""
    pair = [asked.get(name, "") for name in ("StudyDate", "StudyTime")]
    if not all(pair) or "\\" in "".join(pair):
        return False
    date, time = _range("DA", pair[0]), _range("TM", pair[1])
    return date[2] == time[2] != "single"


def _moments(asked: Mapping[str, str]) -> tuple[Any, Any]:
    date, time = _range("DA", asked["StudyDate"]), _range("TM", asked["StudyTime"])
    low, high = (date[0], time[0]), (date[1], time[1])
    if low > high:
        raise Malformed
    return low, high


def _range(vr: str, value: str) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """C.2.2.2.5.1 and 2: first and last moment that are meant, and the form."""
    first, dash, last = (part.strip() for part in value.partition("-"))
    if not dash:
        low, high = _period(vr, first)
        return low, high, "single"
    if not (first or last):
        raise Malformed
    low = _period(vr, first)[0] if first else (0,)
    high = _period(vr, last)[1] if last else (9999, 99, 99) if vr == "DA" else (23, 59, 60, 999999)
    return low, high, f"{bool(first)}-{bool(last)}"


def _period(vr: str, value: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if vr == "DA":
        match = re.fullmatch(r"(\d{4})(?:\.?(\d\d)(?:\.?(\d\d))?)?", value, re.ASCII)
        least, most = (0, 1, 1), (9999, 12, 31)
    else:
        match = re.fullmatch(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?", value, re.ASCII)
        least, most = (0, 0, 0, 0), (23, 59, 60, 999999)
    if match is None:
        raise Malformed
    parts = match.groups()
    low, high = list(least), list(most)
    for n, part in enumerate(parts):
        if part is not None:
            low[n] = int(part.ljust(6, "0")) if n == 3 else int(part)
            high[n] = int(part.ljust(6, "9")) if n == 3 else int(part)
            if not least[n] <= low[n] <= most[n]:
                raise Malformed
    return tuple(low), tuple(high)
