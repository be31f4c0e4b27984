"""The study list as people ask for it: a state, and words that must each stand somewhere, wherever that is.

A word stands in the patient's name (without case and accents), ID, the accession number or the description; a word of Latin letters
also where a Chinese name of the patient sounds like it from one of its syllables on, in full or by
initials. Unlike a query's keys, words need no wildcards and mean no attribute.

What most studies have is soon met among the newest; for the rest all that may have it are gathered. A list is
chosen from indexes with the condition of visibility, so that whoever sees few of a million studies does not wait for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from node.catalogue.names import fold, pattern_grams
from node.catalogue.narrowing import MANY, alike_since, rarest_gram
from node.catalogue.patterns import Matched
from node.catalogue.sounds import typed_sound
from node.catalogue.visibility import Condition
from node.database.port import Database, Level, Value, integer

REJECTED_STUDIES = "rejected"
"""The state to list studies by that are in no other list."""
WALK = 4096
"""So many of the newest studies are looked through before candidates are gathered."""
_MOST_WORDS = 8
_ALL: Matched = ("1 = 1", ())
_AFTER = "(study.first_at, study.origin, study.study_uid) < (?, ?, ?)"
_TEXTS = {
    "patient_id": "study_by_id",
    "accession": "study_by_accession",
    "description": "study_by_description",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A read of ``study.origin, study.study_uid, study.first_at`` of studies, in no order."""

    keys: Matched


def listings(
    database: Database,
    seen: Condition,
    *,
    words: list[str],
    state: str = "",
    start: tuple[int, str, str] | None = None,
    often: Callable[[], bool] = lambda: False,
) -> Iterator[Listing]:
    """Give ways to a list: the last has all of it, the ones before it only its newest studies.

    Parameters
    ----------
    start
        Moment, origin and UID of a study; all that is listed comes after it.
    often
        Asked after the newest: whether so many were found that the rest is as soon walked over.
    """
    after: Matched = _ALL if start is None else (_AFTER, start)
    shown: Matched = (f"study.rejected = {int(state == REJECTED_STUDIES)}", ())
    state = "" if state == REJECTED_STUDIES else state
    if not (words or state):
        of_origin = seen[0] == "study.origin = ?"
        yield _listing(f"study INDEXED BY study_{'by_origin' if of_origin else 'recent'}", seen, shown, after)
        return
    asked = [word_condition(word) for word in words]
    if state:
        asked.append(("study.state = ?", (state,)))
    if (since := _since(database, start)) is not None:
        newest: Matched = ("study.first_at >= ?", (since,))
        yield _listing("study INDEXED BY study_recent", newest, seen, shown, after, *asked)
    if often():
        yield _listing("study INDEXED BY study_recent", seen, shown, after, *asked)
    elif words:
        sql, params = candidates(database, words, seen)
        source = f"({sql}) AS found CROSS JOIN study USING (origin, study_uid)"
        yield _listing(source, shown, after, *asked, before=params)
    else:
        yield _listing("study INDEXED BY study_receiving", seen, shown, after, *asked)


def words_of(text: str) -> list[str]:
    """Give the words of what was typed, as far as they count, each once."""
    return list(dict.fromkeys(word for word in re.split(r"[\s^\0]+", text) if word))[:_MOST_WORDS]


def word_condition(word: str) -> Matched:
    """Give the condition that a word stands somewhere in a row ``study``."""
    sounds, more = _sounding(word)
    texts = " OR ".join(_text(f"study.{column}") for column in _TEXTS)
    sql = f"instr(study.name_key, ?) > 0 OR {texts}"
    params = (fold(word), *([_pattern(word)] * len(_TEXTS)))
    return (f"{sql} OR study.name_key IN ({sounds})", (*params, *more)) if sounds else (sql, params)


def candidates(database: Database, words: list[str], seen: Condition) -> Matched:
    """Give the read of the keys of all studies in which the word stands that the fewest names have.

    Each column is searched in its own index, from end to end where a word may stand anywhere in it.
    """
    word = min(words, key=lambda word: (_count(database, word), -len(word)))
    names, params = _named(database, fold(word))
    parts: list[tuple[str, Matched]] = [("study_by_name", (f"study.name_key IN ({names})", params))]
    sounds, more = _sounding(word)
    if sounds:
        parts.append(("study_by_name", (f"study.name_key IN ({sounds})", more)))
    for column, index in _TEXTS.items():
        parts.append((index, (_text(f"study.{column}"), (_pattern(word),))))
    sql = " UNION ".join(
        f"SELECT study.origin, study.study_uid FROM study INDEXED BY {index} WHERE ({one}) AND ({seen[0]})"
        for index, (one, _) in parts
    )
    return sql, tuple(param for _, (_, some) in parts for param in (*some, *seen[1]))


def _listing(source: str, *conditions: Matched, before: tuple[Value, ...] = ()) -> Listing:
    where = " AND ".join(f"({sql})" for sql, _ in conditions)
    sql = f"SELECT study.origin, study.study_uid, study.first_at FROM {source} WHERE {where}"
    return Listing(keys=(sql, (*before, *(param for _, some in conditions for param in some))))


def _since(database: Database, start: tuple[int, str, str] | None) -> int | None:
    """Give when the newest studies begin, of those that may be listed; None when there are no others."""
    where, params = (" AND first_at <= ?", start[:1]) if start else ("", ())
    sql = (
        f"SELECT first_at FROM study INDEXED BY study_recent WHERE rejected = 0{where}"
        " ORDER BY first_at DESC LIMIT 1 OFFSET ?"
    )
    rows = database.read(sql, (*params, WALK), Level.WEAK)
    return integer(rows[0], "first_at") if rows else None


def _named(database: Database, word: str) -> Matched:
    """Give the read of names in which a folded word stands."""
    grams = pattern_grams(word)
    if not grams or set(word) & set("*?"):  # letters that mean no wildcard here
        return "SELECT held.name_key FROM study AS held WHERE instr(held.name_key, ?) > 0", (word,)
    (gram, params), _ = rarest_gram(database, grams, MANY)
    return f"SELECT held.name FROM name_gram AS held WHERE {gram} AND instr(held.name, ?) > 0", (
        *params,
        word,
    )


def _count(database: Database, word: str) -> int:
    """Count the names in which a word may stand, as far as it matters."""
    grams, (sounds, params) = pattern_grams(fold(word)), _sounding(word)
    found = rarest_gram(database, grams, MANY)[1] if grams else MANY
    if sounds:
        rows = database.read(f"SELECT count(*) AS n FROM ({sounds} LIMIT ?)", (*params, MANY), Level.WEAK)
        found += integer(rows[0], "n")
    return found


def _sounding(word: str) -> Matched:
    sound = typed_sound(word)
    return alike_since([sound]) if sound else ("", ())


def _text(column: str) -> str:
    return f"{column} LIKE ? ESCAPE '~'"


def _pattern(word: str) -> str:
    return "%" + re.sub(r"([%_~])", r"~\1", word) + "%"
