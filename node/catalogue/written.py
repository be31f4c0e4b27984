"""The one place that writes a study's row: with what it is found by and what is answered of it.

A row's derived columns, its answer, and the grams and sounds of its names follow from its words
and counts. They are written in the batch that writes those, changed when they change and
taken away with the study, so that a list never disagrees with what it finds. Whoever
changes a study's words or counts does it by `write_study`; an architecture test looks for others.

A name's grams and sounds are of the name, not of the study: what many studies share is held once, and goes with
the last of them.
"""

from __future__ import annotations

from dataclasses import fields

from node.canonical import canonical_json
from node.catalogue.answers import study_answer
from node.catalogue.moments import date_key
from node.catalogue.names import grams_of, name_key
from node.catalogue.search import StudyRow
from node.catalogue.sounds import sounds_of
from node.catalogue.visibility import Condition
from node.database.port import Statement, Value
from node.failpoints import planted

_KEY = ("origin", "study_uid")
_COLUMNS = tuple(field.name for field in fields(StudyRow))
ALWAYS: Condition = ("1 = 1", ())


def write_study(
    row: StudyRow, *, before: StudyRow | None, guard: Condition = ALWAYS, refusal: str | None = None
) -> list[Statement]:
    """Give the statements that write a study's row and all that follows from it.

    Parameters
    ----------
    before
        The row as it was read; None when there is none yet, and then the row must not be there.
    guard
        What must still hold, as SQL; else the batch is undone with ``refusal``. It may ask about the row that is
        overwritten; when there is none yet, about others only.
    """
    held, known = _columns(row), {} if before is None else _columns(before)
    changed = {name: value for name, value in held.items() if before is None or value != known[name]}
    params: tuple[Value, ...]
    if before is None:
        names = ", ".join(changed)
        sql = (
            f"INSERT INTO study ({names}, derived) SELECT {', '.join('?' * len(changed))}, 1 WHERE {guard[0]}"
        )
        params = (*changed.values(), *guard[1])
    else:
        sets = ", ".join(f"{name} = ?" for name in changed) or "conflict = conflict"
        sql = f"UPDATE study SET {sets} WHERE origin = ? AND study_uid = ? AND {guard[0]}"
        params = (*changed.values(), row.origin, row.study_uid, *guard[1])
    statements = [Statement(sql, params, expect=1, refusal=refusal)]
    if not planted("answer-left"):
        statements.append(_write_answer(row))
    named, before_named = names_of(row), set() if before is None else names_of(before)
    for key in sorted(named - before_named):
        statements += _hold_name(key)
    for key in sorted(before_named - named):
        statements += _drop_name(key)
    return statements


def forget_study(row: StudyRow) -> list[Statement]:
    """Give the statements that take a study's row away, and all that followed from it."""
    key = (row.origin, row.study_uid)
    statements = [
        Statement("DELETE FROM study WHERE origin = ? AND study_uid = ?", key),
        Statement("DELETE FROM study_answer WHERE origin = ? AND study_uid = ?", key),
    ]
    for name in sorted(names_of(row)):
        statements += _drop_name(name)
    return statements


def derived_columns(row: StudyRow) -> dict[str, Value]:
    """Give the columns of table ``study`` that follow from others."""
    return {
        "name_key": name_key(row.patient_name),
        "physician_key": name_key(row.referring_physician),
        "date_key": date_key(row.study_date),
        "birth_key": date_key(row.birth_date),
    }


def derive(row: StudyRow, *, guard: Condition = ALWAYS) -> list[Statement]:
    """Give the statements that derive what follows from a row that stands there already, if it still is as read."""
    read = {"sop_classes": row.sop_classes, "study_id": row.study_id}
    columns = {**derived_columns(row), **read, "derived": 1}
    sets = ", ".join(f"{name} = ?" for name in columns)
    sql = f"UPDATE study SET {sets} WHERE origin = ? AND study_uid = ? AND {guard[0]}"
    params = (*columns.values(), row.origin, row.study_uid, *guard[1])
    statements = [Statement(sql, params, expect=1), _write_answer(row)]
    for name in sorted(names_of(row)):
        statements += _hold_name(name)
    return statements


def names_of(row: StudyRow) -> set[str]:
    """Give the keys of the names that a study is found by."""
    return {name_key(written) for written in (row.referring_physician, row.patient_name)} - {""}


def _columns(row: StudyRow) -> dict[str, Value]:
    return {**{name: getattr(row, name) for name in _COLUMNS}, **derived_columns(row)}


def _write_answer(row: StudyRow) -> Statement:
    return Statement(
        "INSERT INTO study_answer (origin, study_uid, answer) VALUES (?, ?, ?)"
        " ON CONFLICT (origin, study_uid) DO UPDATE SET answer = excluded.answer",
        (row.origin, row.study_uid, study_answer(row)),
    )


def _hold_name(key: str) -> list[Statement]:
    """Give the statements that hold a name's grams and sounds, once for all studies."""
    if planted("grams-left"):
        return []
    grams, statements = grams_of(key), []
    # The grams come last: by the first of them a name is known to be held.
    for column, parts in (("sound", sounds_of(key)), ("gram", grams)):
        if parts:
            sql = (
                f"INSERT INTO name_{column} ({column}, name) SELECT each.value, ? FROM json_each(?) AS each"
                " WHERE NOT EXISTS (SELECT 1 FROM name_gram WHERE gram = ? AND name = ?)"
            )
            statements.append(Statement(sql, (key, canonical_json(parts), grams[0], key)))
    return statements


def _drop_name(key: str) -> list[Statement]:
    """Give the statements that take a name's grams and sounds away when no study has it any more."""
    return [
        Statement(
            f"DELETE FROM name_{column} WHERE name = ? AND {column} IN (SELECT value FROM json_each(?))"
            " AND NOT EXISTS (SELECT 1 FROM study WHERE name_key = ?)"
            " AND NOT EXISTS (SELECT 1 FROM study WHERE physician_key = ?)",
            (key, canonical_json(parts), key, key),
        )
        for column, parts in (("sound", sounds_of(key)), ("gram", grams_of(key)))
        if parts
    ]
