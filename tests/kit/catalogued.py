"""Catalogue rows written straight into a database: what is held, without packs, to be looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from node.catalogue.search import InstanceRow, SeriesRow, StudyRow
from node.catalogue.written import write_study
from node.clock import Micros
from node.database.instance_tables import fold
from node.database.port import Database, Statement
from node.names import Cause, Digest, NodeId, SeriesUID, SOPClassUID, SOPInstanceUID, StudyUID

CT = SOPClassUID("1.2.840.10008.5.1.4.1.1.2")
ORIGIN, STUDY, SERIES, SOP = (
    NodeId("alpha"),
    StudyUID("2.25.1"),
    SeriesUID("2.25.1.1"),
    SOPInstanceUID("2.25.1.1.1"),
)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Rows of the three tables."""

    studies: Sequence[StudyRow] = ()
    series: Sequence[SeriesRow] = ()
    instances: Sequence[InstanceRow] = ()


def study(**words: Any) -> StudyRow:
    """Give a study with what matters of it; the rest is empty."""
    texts: dict[str, Any] = {
        field.name: "" for field in fields(StudyRow) if field.type in ("str", "Cause", "NodeId", "StudyUID")
    }
    numbers = dict.fromkeys(
        ("series_count", "instance_count", "bytes", "conflict", "first_at", "last_at", "source_at"), Micros(0)
    )
    lists = {"modalities": "[]", "body_parts": "[]", "sop_classes": "[]"}
    none = {"expected": None, "completed_at": None}
    return StudyRow(
        **{
            **texts,
            **numbers,
            **lists,
            **none,
            "origin": ORIGIN,
            "study_uid": STUDY,
            "cause": Cause("c"),
            **words,
        }
    )


def series(**words: Any) -> SeriesRow:
    """Give a series of `study`."""
    plain: dict[str, Any] = {
        "origin": ORIGIN, "study_uid": STUDY, "series_uid": SERIES, "modality": "CT", "number": 1, "description": "",
        "body_part": "", "laterality": "", "instance_count": 1, "source_at": Micros(0), "source_digest": "",
    }  # fmt: skip
    return SeriesRow(**{**plain, **words})


def instance(**words: Any) -> InstanceRow:
    """Give a chosen instance of `series`."""
    plain: dict[str, Any] = {
        "origin": ORIGIN, "study_uid": STUDY, "sop_uid": SOP, "digest": Digest("d"), "normal_digest": "",
        "series_uid": SERIES, "sop_class": CT, "transfer_syntax": "1.2.840.10008.1.2.1", "number": 1, "frames": 1,
        "rows": 512, "columns": 512, "pack": "p", "offset": 0, "meta_bytes": 0, "data_offset": 0, "data_bytes": 1,
        "state": "chosen", "door": "dicom", "received_at": Micros(0),
    }  # fmt: skip
    return InstanceRow(**{**plain, **words})


def hold(database: Database, catalogue: Catalogue, key: str) -> None:
    """Make the database hold these rows and no others; instances whose pack is of the archive folded."""
    tables = (
        "study",
        "study_answer",
        "name_gram",
        "name_sound",
        "series",
        "online_instance",
        "archived_series",
    )
    cleared = [Statement(f"DELETE FROM {table}") for table in tables]
    rows = [
        *(statement for row in catalogue.studies for statement in write_study(row, before=None)),
        *(_insert("series", row) for row in catalogue.series),
        *(_insert("online_instance", row) for row in catalogue.instances),
        *(Statement(sql) for sql in fold("1")),
    ]
    database.write([*cleared, *rows], key)


def _insert(table: str, row: SeriesRow | InstanceRow) -> Statement:
    names = row.__struct_fields__ if isinstance(row, InstanceRow) else [field.name for field in fields(row)]
    return Statement(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        tuple(getattr(row, name) for name in names),
    )
