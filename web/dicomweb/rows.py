"""Catalogue rows as DICOM JSON, for answers to queries; a study's is `node.catalogue.answers`'.

Source: DICOM PS3.18 F.2 and 10.6.3.3 (what an answer to a query holds).
"""

from __future__ import annotations

from node.canonical import Json
from node.catalogue.answers import json_value
from node.catalogue.search import InstanceRow, SeriesRow


def series_json(row: SeriesRow, root: str) -> dict[str, Json]:
    """Give a series. Source: DICOM PS3.18 table 10.6.3-4."""
    study, series = row.study_uid, row.series_uid
    return {
        "00080005": json_value("CS", "ISO_IR 192"),
        "00080060": json_value("CS", row.modality),
        "0008103E": json_value("LO", row.description),
        "00081190": json_value("UR", f"{root}/studies/{study}/series/{series}"),
        "00180015": json_value("CS", row.body_part),
        "0020000D": json_value("UI", study),
        "0020000E": json_value("UI", series),
        "00200011": json_value("IS", row.number),
        "00200060": json_value("CS", row.laterality),
        "00201209": json_value("IS", row.instance_count),
    }


def instance_json(row: InstanceRow, root: str) -> dict[str, Json]:
    """Give an instance. Source: DICOM PS3.18 table 10.6.3-5."""
    study, series, sop = row.study_uid, row.series_uid, row.sop_uid
    return {
        "00080005": json_value("CS", "ISO_IR 192"),
        "00080016": json_value("UI", row.sop_class),
        "00080018": json_value("UI", sop),
        "00080056": json_value("CS", "ONLINE"),
        "00081190": json_value("UR", f"{root}/studies/{study}/series/{series}/instances/{sop}"),
        "00083002": json_value("UI", row.transfer_syntax),
        "0020000D": json_value("UI", study),
        "0020000E": json_value("UI", series),
        "00200013": json_value("IS", row.number),
        "00280008": json_value("IS", row.frames),
        "00280010": json_value("US", row.rows),
        "00280011": json_value("US", row.columns),
    }
