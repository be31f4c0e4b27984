"""What people type into the study list, as SQL: words that must each stand somewhere, wherever that is.

A word stands in the patient's name (without case and accents), ID, the accession number or the description; a word of Latin letters
also where a Chinese name of the patient sounds like it from one of its syllables on, in full or by
initials. Unlike a query's keys, words need no wildcards and mean no attribute.
"""

from __future__ import annotations

import re

from node.catalogue.names import fold, pattern_grams
from node.catalogue.narrowing import MANY, alike_since, count_grams, rarest_gram
from node.catalogue.patterns import Matched
from node.catalogue.sounds import typed_sound
from node.database.port import Database, Level, integer

_MOST_WORDS = 8
_TEXTS = {
    "patient_id": "study_by_id",
    "accession": "study_by_accession",
    "description": "study_by_description",
}


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


def candidates(database: Database, words: list[str]) -> Matched:
    """Give the read of the keys of all studies in which the word stands that the fewest names have.

    Each column is searched in its own index, from end to end where a word may stand anywhere in it.
    """
    word = min(words, key=lambda word: (_count(database, word), -len(word)))
    sounds, more = _sounding(word)
    names, params = _named(database, fold(word))
    parts = [f"study_by_name WHERE study.name_key IN ({names})"]
    if sounds:
        parts.append(f"study_by_name WHERE study.name_key IN ({sounds})")
    parts += [f"{index} WHERE {_text(f'study.{column}')}" for column, index in _TEXTS.items()]
    sql = " UNION ".join(
        f"SELECT study.origin, study.study_uid FROM study INDEXED BY {part}" for part in parts
    )
    return sql, (*params, *more, *([_pattern(word)] * len(_TEXTS)))


def _named(database: Database, word: str) -> Matched:
    """Give the read of names in which a folded word stands."""
    grams = pattern_grams(word)
    if not grams or set(word) & set("*?"):  # letters that mean no wildcard here
        return "SELECT held.name_key FROM study AS held WHERE instr(held.name_key, ?) > 0", (word,)
    gram, params = rarest_gram(database, grams)
    return f"SELECT held.name FROM name_gram AS held WHERE {gram} AND instr(held.name, ?) > 0", (
        *params,
        word,
    )


def _count(database: Database, word: str) -> int:
    """Count the names in which a word may stand, as far as it matters."""
    grams, (sounds, params) = pattern_grams(fold(word)), _sounding(word)
    found = min(count_grams(database, grams, MANY), default=MANY)
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
