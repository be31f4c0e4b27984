"""What is held here: the study list as it is typed into, and what a study consists of.

Finding by attribute, as C-FIND and QIDO ask, is `finding`'s. Who may see what
is decided by `visibility`; it comes in as a condition and is never left out here
by accident, since every list takes one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from node.catalogue.typed import listings, word_condition, words_of
from node.catalogue.visibility import Condition
from node.clock import Micros
from node.database.port import Database, Level, integer, read_as
from node.errors import NotFound
from node.names import Cause, Digest, NodeId, SeriesUID, SOPClassUID, SOPInstanceUID, StudyKey, StudyUID
from node.store.facts import Location

EVERYTHING: Condition = ("1 = 1", ())
"""For those who act for the node itself, never for a person."""
COUNTED = 10_000
"""Of studies that words or a state find, no more are counted."""
_OFTEN = 200
STUDY_FOUND = "study.rejected = 0"
SERIES_FOUND = (
    "NOT (series.instance_count = 0 AND EXISTS (SELECT 1 FROM online_instance AS gone WHERE gone.origin = series.origin"
    " AND gone.study_uid = series.study_uid AND gone.series_uid = series.series_uid AND gone.state = 'rejected'"
    " UNION ALL SELECT 1 FROM archived_series AS gone WHERE gone.origin = series.origin"
    " AND gone.study_uid = series.study_uid AND gone.series_uid = series.series_uid AND gone.state = 'rejected'))"
)
"""What is in lists: not a study, nor a series, of which every instance is rejected."""
PATIENT_DIFFERS = 2
"""`StudyRow.conflict` when instances disagree about the patient: sealing and signing are blocked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """A study as the catalogue has it: one field per column of table ``study``."""

    origin: NodeId
    study_uid: StudyUID
    patient_issuer: str
    patient_id: str
    patient_name: str
    sex: str
    birth_date: str
    age: str
    study_date: str
    study_time: str
    accession_issuer: str
    accession: str
    description: str
    referring_physician: str
    modalities: str
    """A JSON list."""
    body_parts: str
    """A JSON list."""
    department: str
    series_count: int
    instance_count: int
    """Chosen instances."""
    bytes: int
    """Of the chosen instances' data sets."""
    expected: int | None
    state: str
    conflict: int
    first_at: Micros
    last_at: Micros
    completed_at: Micros | None
    cause: Cause
    source_at: Micros
    source_digest: str
    sop_classes: str = "[]"
    """A JSON list."""
    study_id: str = ""
    rejected: int = 0
    """1 when every instance is rejected: it is in no list but that of who restores."""
    corrections_until: Micros | None = None
    """Up to when its corrections are known, where a rebuild could not know all of them; None: all are."""

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.origin, study_uid=self.study_uid)

    @property
    def modality_list(self) -> list[str]:
        return msgspec.json.decode(self.modalities, type=list[str])

    @property
    def body_part_list(self) -> list[str]:
        return msgspec.json.decode(self.body_parts, type=list[str])

    @property
    def sop_class_list(self) -> list[str]:
        return msgspec.json.decode(self.sop_classes, type=list[str])

    @property
    def page(self) -> str:
        """Where the next page of a list begins that ends with this study."""
        return f"{self.first_at}/{self.origin}/{self.study_uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    """One row of table ``series``."""

    origin: NodeId
    study_uid: StudyUID
    series_uid: SeriesUID
    modality: str
    number: int | None
    description: str
    body_part: str
    laterality: str
    instance_count: int
    source_at: Micros
    source_digest: str


class InstanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of table ``instance``; ``state`` is one of `node.catalogue.repeats`."""

    origin: NodeId
    study_uid: StudyUID
    sop_uid: SOPInstanceUID
    digest: Digest
    normal_digest: str
    """Empty until another content came under the same SOP Instance UID."""
    series_uid: SeriesUID
    sop_class: SOPClassUID
    transfer_syntax: str
    number: int | None
    frames: int
    rows: int | None
    columns: int | None
    pack: str
    offset: int
    meta_bytes: int
    data_offset: int
    data_bytes: int
    state: str
    door: str
    received_at: Micros

    @property
    def location(self) -> Location:
        return Location(
            pack=self.pack,
            offset=self.offset,
            meta_bytes=self.meta_bytes,
            data_offset=self.data_offset,
            data_bytes=self.data_bytes,
        )


def find_visible(
    database: Database,
    condition: Condition,
    *,
    text: str = "",
    state: str = "",
    limit: int = 100,
    before: str = "",
) -> list[StudyRow]:
    """Find the newest studies a viewer may see that have every word typed, a page at a time.

    Parameters
    ----------
    condition
        Of `visibility.visible_condition`.
    text
        Words; each must stand in the patient's name, as it is written or typed in pinyin, or ID, the accession number or
        the description.
    before
        `StudyRow.page` of the last study of the page before.
    """
    match = re.fullmatch(r"(-?[0-9]{1,18})/([^/]*)/(.*)", before)
    start = (int(match[1]), match[2], match[3]) if match else None
    rows: list[StudyRow] = []
    for listed in listings(database, condition, words=words_of(text), state=state, start=start):
        sql, params = listed.keys
        page = f"{sql} ORDER BY study.first_at DESC, study.origin DESC, study.study_uid DESC LIMIT ?"
        rows = read_as(
            database,
            StudyRow,
            f"SELECT study.* FROM ({page}) AS chosen CROSS JOIN study ON study.origin = chosen.origin AND study.study_uid"
            " = chosen.study_uid ORDER BY study.first_at DESC, study.origin DESC, study.study_uid DESC",
            (*params, limit),
            Level.WEAK,
        )
        if len(rows) == limit:
            break
    return rows


def count_visible(database: Database, condition: Condition, *, text: str = "", state: str = "") -> int:
    """Count all pages of `find_visible`; what words or a state find, up to `COUNTED` and one more."""
    words = words_of(text)
    most, found = COUNTED + 1 if words or state else -1, 0

    def often() -> bool:
        return found >= _OFTEN

    for listed in listings(database, condition, words=words, state=state, often=often):
        sql, params = listed.keys
        rows = database.read(f"SELECT count(*) AS n FROM ({sql} LIMIT ?)", (*params, most), Level.WEAK)
        found = integer(rows[0], "n")
        if found == most:
            break
    return found


def find_studies(
    database: Database,
    *,
    origins: Sequence[str] | None = None,
    text: str = "",
    limit: int = 100,
    before: str = "",
) -> list[StudyRow]:
    """Find studies for the node itself; ``origins`` None means all."""
    if origins is None:
        condition = EVERYTHING
    else:
        marks = ", ".join("?" * len(origins))
        condition = (f"study.origin IN ({marks})", tuple(origins))
    return find_visible(database, condition, text=text, limit=limit, before=before)


def get_study(database: Database, key: StudyKey) -> StudyRow:
    """Give a study.

    Raises
    ------
    NotFound
        It is not held here.
    """
    if (row := peek_study(database, key)) is None:
        raise NotFound("Reading a study failed: it is not held here. Refresh the list.")
    return row


def peek_study(database: Database, key: StudyKey) -> StudyRow | None:
    """Give a study, or None."""
    rows = read_as(
        database,
        StudyRow,
        "SELECT * FROM study WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    return rows[0] if rows else None


def series_found(database: Database, key: StudyKey) -> list[SeriesRow]:
    """Give those of a study's series of which not everything is rejected, as `series_of`."""
    return read_as(
        database,
        SeriesRow,
        f"SELECT * FROM series WHERE origin = ? AND study_uid = ? AND {SERIES_FOUND}"
        " ORDER BY number IS NULL, number, series_uid",
        (key.origin, key.study_uid),
    )


def series_of(database: Database, key: StudyKey) -> list[SeriesRow]:
    """Give a study's series by number; those without one last."""
    return read_as(
        database,
        SeriesRow,
        "SELECT * FROM series WHERE origin = ? AND study_uid = ? ORDER BY number IS NULL, number, series_uid",
        (key.origin, key.study_uid),
    )


def instances_of(
    database: Database, key: StudyKey, series_uid: str | None = None, *, chosen_only: bool = True
) -> list[InstanceRow]:
    """Give a study's instances, or a series', by number; those without one last."""
    where = "origin = ? AND study_uid = ?"
    params: tuple[str, ...] = (key.origin, key.study_uid)
    if series_uid is not None:
        where, params = f"{where} AND series_uid = ?", (*params, series_uid)
    if chosen_only:
        where += " AND state = 'chosen'"
    rows = read_as(database, InstanceRow, f"SELECT * FROM instance WHERE {where}", params)
    # Here and not by SQL, which would copy both halves of the view to sort them: twice the time for 200 rows.
    return sorted(rows, key=_by_number)


def _by_number(row: InstanceRow) -> tuple[str, bool, int, str, int, str]:
    return row.series_uid, row.number is None, row.number or 0, row.sop_uid, row.received_at, row.digest


def peek_instance(database: Database, key: StudyKey, sop_uid: str) -> InstanceRow | None:
    """Give the chosen content of an instance, or None."""
    rows = read_as(
        database,
        InstanceRow,
        "SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND state = 'chosen'",
        (key.origin, key.study_uid, sop_uid),
    )
    return rows[0] if rows else None


def conflicts_of(database: Database, key: StudyKey) -> list[InstanceRow]:
    """Give every content of each instance that came with several, the chosen one first."""
    return read_as(
        database,
        InstanceRow,
        "SELECT * FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid IN (SELECT sop_uid FROM instance"
        " WHERE origin = ? AND study_uid = ? AND state = 'conflict') ORDER BY sop_uid, received_at, digest",
        (key.origin, key.study_uid) * 2,
    )


def named_patients(condition: Condition, text: str) -> Condition:
    """Narrow a condition to studies that have every word typed, as `find_visible` finds them."""
    sql, params = f"({condition[0]})", [*condition[1]]
    for word in words_of(text):
        stands, more = word_condition(word)
        sql += f" AND ({stands})"
        params += more
    return sql, tuple(params)
