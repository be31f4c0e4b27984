"""A study's growth as SQL: rows under the version they were decided at, counts that add up by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from node.archive.archived import is_archived
from node.catalogue.folding import rewritten
from node.catalogue.growth import Growth, Repeat
from node.catalogue.held import Held
from node.catalogue.identity import Patient
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow
from node.catalogue.written import write_study
from node.clock import Micros
from node.database.port import Statement, Value
from node.names import StudyKey, patients_subject

_KEY = ("origin", "study_uid")
_SERIES = tuple(field.name for field in fields(SeriesRow))
_PERSON = ("name", "birth_date", "sex")
_AT_VERSION = "(SELECT coalesce(max(version), 0) FROM journal WHERE subject = ?) = ?"
_INSTANCE = InstanceRow.__struct_fields__


def growth_statements(key: StudyKey, *, held: Held, growth: Growth) -> list[Statement]:
    """Give the statements that write a growth; refused when the study changed since it was read."""
    return [
        *write_held_study(growth.study, held=held),
        *(write_series(row) for row in growth.series),
        *_write_instances(key, held=held, growth=growth),
        *(_count_repeat(repeat) for repeat in growth.repeats),
        *(_note_patient(key, patient, at) for patient, at in growth.patients),
    ]


def _write_instances(key: StudyKey, *, held: Held, growth: Growth) -> list[Statement]:
    inserts = [_insert("online_instance", row, _INSTANCE) for row in growth.inserted]
    changes = [_change_instance(row, held=held) for row in growth.changed]
    if changes or any(is_archived(row.pack) for row in growth.inserted):
        return rewritten(key, [*inserts, *changes])
    return inserts


def write_held_study(row: StudyRow, *, held: Held) -> list[Statement]:
    """Give the statements that write a study's row, at the version it was decided at."""
    guards = [(patients_subject(row.origin), held.patients_version)]
    if held.study is not None:
        guards.append((row.key.subject, held.version))
    return write_study(
        row,
        before=held.study,
        guard=(
            " AND ".join([_AT_VERSION] * len(guards)),
            tuple(value for guard in guards for value in guard),
        ),
        refusal="Registering instances was refused: the study was changed meanwhile. Read it again.",
    )


def write_series(row: SeriesRow) -> Statement:
    """Give the statement that writes a series' row."""
    insert = _insert("series", row, _SERIES)
    sets = ", ".join(f"{name} = excluded.{name}" for name in _SERIES if name not in (*_KEY, "series_uid"))
    return Statement(
        f"{insert.sql} ON CONFLICT (origin, study_uid, series_uid) DO UPDATE SET {sets}", insert.params
    )


def _change_instance(row: InstanceRow, *, held: Held) -> Statement:
    """Write a row over the one that was read: its pack may have been merged since, and the old place would dangle."""
    (before,) = (one for one in held.contents[row.sop_uid] if one.digest == row.digest)
    names = [name for name in _INSTANCE if name not in (*_KEY, "sop_uid", "digest")]
    return Statement(
        f"UPDATE online_instance SET {', '.join(f'{name} = ?' for name in names)}"
        " WHERE origin = ? AND study_uid = ? AND sop_uid = ? AND digest = ? AND pack = ? AND offset = ?",
        (*_values(row, names), *_values(row, (*_KEY, "sop_uid", "digest")), before.pack, before.offset),
        expect=1,
        refusal="Registering instances was refused: one was moved to another pack meanwhile. Read it again.",
    )


def _insert(table: str, row: SeriesRow | InstanceRow, names: Sequence[str]) -> Statement:
    return Statement(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        _values(row, names),
    )


def _values(row: object, names: Sequence[str]) -> tuple[Value, ...]:
    return tuple(getattr(row, name) for name in names)


def _count_repeat(repeat: Repeat) -> Statement:
    row = repeat.row
    return Statement(
        "INSERT INTO repeated (origin, study_uid, sop_uid, digest, times, last_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (origin, study_uid, sop_uid, digest) DO UPDATE SET times = times + excluded.times,"
        " last_at = max(last_at, excluded.last_at)",
        (row.origin, row.study_uid, row.sop_uid, row.digest, repeat.times, repeat.last_at),
    )


def _note_patient(key: StudyKey, patient: Patient, at: Micros) -> Statement:
    return Statement(
        "INSERT INTO study_identity (origin, study_uid, patient_issuer, patient_id, patient_name, birth_date, sex,"
        " first_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin, study_uid, patient_issuer, patient_id,"
        " patient_name, birth_date, sex) DO UPDATE SET first_at = min(first_at, excluded.first_at)",
        (key.origin, key.study_uid, *_values(patient.key, ("issuer", "id")), *_values(patient, _PERSON), at),
    )
