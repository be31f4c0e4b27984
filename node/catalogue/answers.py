"""A study as DICOM JSON, made when its row is written, so that an answer is joined and never made again.

The address of the root that a request came to is not known then: `ROOT` stands for it in the
text, a control character that JSON writes otherwise and no value can hold.

Source: DICOM PS3.18 F.2, table 10.6.3-3 (what an answer holds of a study).
"""

from __future__ import annotations

from collections.abc import Sequence

from node.canonical import Json, canonical_json
from node.catalogue.search import StudyRow

ROOT = "\x01"
_URL = '"00081190":{"Value":["'
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def study_answer(row: StudyRow) -> str:
    """Give a study's row as canonical text, its attributes in order of their tags."""
    written = canonical_json(study_json(row))
    return written.replace(f"{_URL}\\u0001", f"{_URL}{ROOT}", 1)


def study_json(row: StudyRow, root: str = ROOT) -> dict[str, Json]:
    """Give a study. Source: DICOM PS3.18 table 10.6.3-3."""
    return {
        "00080005": json_value("CS", "ISO_IR 192"),
        "00080020": json_value("DA", row.study_date),
        "00080030": json_value("TM", row.study_time),
        "00080050": json_value("SH", row.accession),
        "00080056": json_value("CS", "ONLINE" if row.instance_count else "UNAVAILABLE"),
        "00080061": json_values("CS", row.modality_list),
        "00080062": json_values("UI", row.sop_class_list),
        "00080090": json_name(row.referring_physician),
        "00081030": json_value("LO", row.description),
        "00081190": json_value("UR", f"{root}/studies/{row.study_uid}"),
        "00100010": json_name(row.patient_name),
        "00100020": json_value("LO", row.patient_id),
        "00100021": json_value("LO", row.patient_issuer),
        "00100030": json_value("DA", row.birth_date),
        "00100040": json_value("CS", row.sex),
        "00101010": json_value("AS", row.age),
        "0020000D": json_value("UI", row.study_uid),
        "00200010": json_value("SH", row.study_id),
        "00201206": json_value("IS", row.series_count),
        "00201208": json_value("IS", row.instance_count),
    }


def json_value(vr: str, value: Json) -> Json:
    """Give one value, or none where there is none."""
    return {"vr": vr} if value in ("", None) else {"vr": vr, "Value": [value]}


def json_values(vr: str, values: Sequence[str]) -> Json:
    """Give several values."""
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def json_name(written: str) -> Json:
    r"""Give a PN by its component groups; several names are divided by backslashes. Source: DICOM PS3.18 F.2.2."""
    names: list[Json] = []
    for name in written.split("\\"):
        groups = zip(_GROUPS, (group.rstrip("^ ") for group in name.split("=")), strict=False)
        if filled := {group: text for group, text in groups if text}:
            names.append({**filled})
    return {"vr": "PN", "Value": names} if names else {"vr": "PN"}
