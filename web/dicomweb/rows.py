"""Catalogue rows as DICOM JSON, for answers to queries.

Source: DICOM PS3.18 F.2 and 10.6.3.3 (what an answer to a query holds).
"""

from __future__ import annotations

from collections.abc import Sequence

from node.canonical import Json
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def study_json(row: StudyRow, root: str) -> dict[str, Json]:
    """Give a study. Source: DICOM PS3.18 table 10.6.3-3."""
    return {
        "00080005": _value("CS", "ISO_IR 192"),
        "00080020": _value("DA", row.study_date),
        "00080030": _value("TM", row.study_time),
        "00080050": _value("SH", row.accession),
        "00080056": _value("CS", "ONLINE" if row.instance_count else "UNAVAILABLE"),
        "00080061": _values("CS", row.modality_list),
        "00080090": _name(row.referring_physician),
        "00081030": _value("LO", row.description),
        "00081190": _value("UR", f"{root}/studies/{row.study_uid}"),
        "00100010": _name(row.patient_name),
        "00100020": _value("LO", row.patient_id),
        "00100021": _value("LO", row.patient_issuer),
        "00100030": _value("DA", row.birth_date),
        "00100040": _value("CS", row.sex),
        "0020000D": _value("UI", row.study_uid),
        "00200010": {"vr": "SH"},  # not kept in the catalogue; an answer must hold it all the same
        "00201206": _value("IS", row.series_count),
        "00201208": _value("IS", row.instance_count),
    }


def series_json(row: SeriesRow, root: str) -> dict[str, Json]:
    """Give a series. Source: DICOM PS3.18 table 10.6.3-4."""
    study, series = row.study_uid, row.series_uid
    return {
        "00080005": _value("CS", "ISO_IR 192"),
        "00080060": _value("CS", row.modality),
        "0008103E": _value("LO", row.description),
        "00081190": _value("UR", f"{root}/studies/{study}/series/{series}"),
        "00180015": _value("CS", row.body_part),
        "0020000D": _value("UI", study),
        "0020000E": _value("UI", series),
        "00200011": _value("IS", row.number),
        "00200060": _value("CS", row.laterality),
        "00201209": _value("IS", row.instance_count),
    }


def instance_json(row: InstanceRow, root: str) -> dict[str, Json]:
    """Give an instance. Source: DICOM PS3.18 table 10.6.3-5."""
    study, series, sop = row.study_uid, row.series_uid, row.sop_uid
    return {
        "00080005": _value("CS", "ISO_IR 192"),
        "00080016": _value("UI", row.sop_class),
        "00080018": _value("UI", sop),
        "00080056": _value("CS", "ONLINE"),
        "00081190": _value("UR", f"{root}/studies/{study}/series/{series}/instances/{sop}"),
        "00083002": _value("UI", row.transfer_syntax),
        "0020000D": _value("UI", study),
        "0020000E": _value("UI", series),
        "00200013": _value("IS", row.number),
        "00280008": _value("IS", row.frames),
        "00280010": _value("US", row.rows),
        "00280011": _value("US", row.columns),
    }


def _value(vr: str, value: Json) -> Json:
    return {"vr": vr} if value in ("", None) else {"vr": vr, "Value": [value]}


def _values(vr: str, values: Sequence[str]) -> Json:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def _name(written: str) -> Json:
    """Give a PN by its component groups. Source: DICOM PS3.18 F.2.2."""
    groups: dict[str, Json] = dict(
        zip(_GROUPS, (group.rstrip("^ ") for group in written.split("=")), strict=False)
    )
    filled: Json = {name: group for name, group in groups.items() if group}
    return {"vr": "PN", "Value": [filled]} if filled else {"vr": "PN"}
