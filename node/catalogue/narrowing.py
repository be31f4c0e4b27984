"""Which index a query's keys are looked up by, so that the condition of `matching` is asked of few studies.

Of several keys the one narrows that leaves the fewest candidates, as far as counting them is cheap; exact keys are not counted,
and of equals the one whose kind is most selective is taken: names by their grams, then dates, lists, beginnings. What narrows is never what decides: every candidate is held against the whole
condition, and a narrowing that leaves more than it should costs time only.
Pure but for counts of grams, which come in as rows.

Source: DICOM PS3.4 C.2.2.2 (what must be found).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from node.canonical import canonical_json
from node.catalogue.matching import Key, QueryLevel, asked_of, moments_asked, names_asked, texts_asked
from node.catalogue.names import AT_LEAST, is_beginning, lengths_from
from node.catalogue.patterns import LONG, Matched, name_condition, name_grams, prefix_of
from node.catalogue.sounds import spellings_asked
from node.database.port import Database, Level, integer
from node.failpoints import planted

FEW = 500
"""So many candidates are looked at without asking how else they could be found."""
MANY = 20_000
"""More candidates than that are not counted."""
_STEPS = (500, 4_000)
"""Grams are counted up to the first of these that one of them does not reach."""
_MOST = 3
"""Narrowings that are compared."""
_ALL: Matched = ("1 = 1", ())
_FIRST = ("StudyInstanceUID", "PatientID", "AccessionNumber")
_RANKS = (
    "SeriesInstanceUID", "PatientName", "PatientBirthDate", "ReferringPhysicianName", "StudyDate", "SOPClassesInStudy",
    "ModalitiesInStudy", "StudyID", "StudyDescription",
)  # fmt: skip
_INDEXES = {
    "StudyInstanceUID": "study_by_uid",
    "SeriesInstanceUID": "study_by_uid",
    "PatientID": "study_by_id",
    "AccessionNumber": "study_by_accession",
    "PatientName": "study_by_name",
    "ReferringPhysicianName": "study_by_physician",
    "PatientBirthDate": "study_by_birth",
    "StudyDate": "study_by_date",
    "SOPClassesInStudy": "study_by_classes",
    "ModalitiesInStudy": "study_by_modalities",
    "StudyID": "study_by_study_id",
    "StudyDescription": "study_by_description",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """An index of table ``study``, and what its columns must hold for a study to be a candidate."""

    rank: int
    index: str
    condition: Matched = _ALL
    names: tuple[tuple[tuple[str, ...], Matched], ...] = ()
    """For each name asked for its grams, and the condition on ``held.name``."""
    column: str = ""
    alike: Matched | None = None
    """A read of more names that count, by their sounds."""

    @property
    def exact(self) -> bool:
        """Whether there are few candidates however many studies there are."""
        return self.rank == 0

    def settled(self, database: Database, most: int) -> tuple[Narrowing, int]:
        """Give it with its names looked up by the rarest gram of each, and the number of candidates as far as it matters.

        Of names their number stands for that of the studies that have them.
        """
        if planted("narrowed-decides") and self.names:
            return replace(self, names=(), condition=(f"{self.column} GLOB '*a*'", ())), 0
        if self.names:
            return self._named(database, most)
        sql, params = self.condition
        rows = database.read(
            f"SELECT count(*) AS n FROM (SELECT 1 FROM study INDEXED BY {self.index} WHERE {sql} LIMIT ?)",
            (*params, most),
            Level.WEAK,
        )
        return self, integer(rows[0], "n")

    def _named(self, database: Database, most: int) -> tuple[Narrowing, int]:
        parts, found = [], 0
        for grams, (sql, params) in self.names:
            (rarest, more), count = rarest_gram(database, grams, most)
            found += count
            parts.append(
                (f"SELECT held.name FROM name_gram AS held WHERE {rarest} AND {sql}", (*more, *params))
            )
        parts += [] if self.alike is None else [self.alike]
        among = f"{self.column} IN ({' UNION '.join(one for one, _ in parts)})"
        condition = (among, tuple(param for _, some in parts for param in some))
        return Narrowing(rank=self.rank, index=self.index, condition=condition), found


def fewest(database: Database, narrowings: Sequence[Narrowing], most: int) -> tuple[Narrowing, bool]:
    """Give the narrowing that leaves the fewest candidates, and whether that is fewer than ``most``."""
    if narrowings[0].exact:
        return narrowings[0], True
    settled = [one.settled(database, most) for one in narrowings]
    best, count = min(settled, key=lambda one: one[1])
    return best, count < most


def names_alike(name: str) -> Matched | None:
    """Give the read of names that begin to sound like one; None when nothing sounds like it."""
    spellings = spellings_asked(name)
    return alike_since(spellings) if spellings else None


def alike_since(spellings: list[str]) -> Matched:
    """Give the read of names of which a sound begins with one of some spellings."""
    ranges = [_from("alike.sound", spelling) for spelling in spellings]
    sql = " OR ".join(f"({one})" for one, _ in ranges)
    params = tuple(param for _, some in ranges for param in some)
    return f"SELECT alike.name FROM name_sound AS alike WHERE {sql}", params


def rarest_gram(database: Database, grams: tuple[str, ...], most: int) -> tuple[Matched, int]:
    """Give the condition on ``held.gram`` that the fewest names meet, and how many do, as far as it matters."""
    beginnings = tuple(filter(is_beginning, grams))
    # What a name begins with mostly says enough: then nothing else is counted.
    rounds = [(beginnings, _STEPS[0])] if beginnings else []
    rounds += [(grams, step) for step in _STEPS if step < most]
    counts: list[int] = []
    for counted, enough in [*rounds, (grams, most)]:
        counts = _count_grams(database, counted, enough)
        if min(counts) < enough:
            break
    return _gram(counted[counts.index(min(counts))]), min(counts)


def narrowings(
    filters: Mapping[str, str], level: QueryLevel, *, combined: bool = False, fuzzy: bool = False
) -> list[Narrowing]:
    """Give the narrowings of some keys, which `key_condition` has found to be well-formed; the best by rank first.

    ``fuzzy``: whether names that sound alike are candidates too.
    """
    found = [
        narrowing
        for keyword, (key, value) in asked_of(filters, level).items()
        if keyword in _INDEXES and (narrowing := _narrowing(keyword, key, value, combined=combined))
    ]
    if fuzzy and (name := filters.get("PatientName", "")):
        alike = names_alike(name)
        found = [replace(one, alike=alike) if one.index == _INDEXES["PatientName"] else one for one in found]
    return sorted(found, key=lambda one: one.rank)[:_MOST]


def _narrowing(keyword: str, key: Key, value: str, *, combined: bool) -> Narrowing | None:
    index, column = _INDEXES[keyword], key.column
    rank = 0 if keyword in _FIRST else 1 + _RANKS.index(keyword)
    condition = key.compare(keyword, column, value) if not combined or keyword != "StudyDate" else _ALL
    match keyword:
        case "PatientName" | "ReferringPhysicianName":
            return _by_name(rank, index, column, names_asked(value))
        case "PatientID" | "AccessionNumber" | "StudyID" | "StudyDescription":
            return _by_text(rank, index, column, texts_asked(value))
        case "SeriesInstanceUID":
            sql, params = key.compare(keyword, "within.series_uid", value)
            of_series = f"study.study_uid IN (SELECT within.study_uid FROM series AS within WHERE {sql})"
            return Narrowing(rank=0, index=index, condition=(of_series.replace("+within", "within"), params))
        case "ModalitiesInStudy" | "SOPClassesInStudy":
            return Narrowing(rank=rank, index=index, condition=_among_lists(key, keyword, value))
        case "StudyDate" if combined:
            return Narrowing(rank=rank, index=index, condition=moments_asked(value))
        case _:
            return None if condition == _ALL else Narrowing(rank=rank, index=index, condition=condition)


def _by_name(rank: int, index: str, column: str, names: list[str]) -> Narrowing | None:
    if not names:
        return None
    grams = [name_grams(name) for name in names]
    conditions = [name_condition("held.name", name) for name in names]
    return Narrowing(rank=rank, index=index, column=column, names=tuple(zip(grams, conditions, strict=True)))


def _by_text(rank: int, index: str, column: str, texts: list[str]) -> Narrowing | None:
    if not texts:
        return None
    prefixes = [prefix_of(text) for text in texts]
    if prefixes == texts:
        among = f"{column} IN (SELECT value FROM json_each(?))"
        condition = (f"{column} = ?", (texts[0],)) if len(texts) == 1 else (among, (canonical_json(texts),))
        return Narrowing(rank=rank, index=index, condition=condition)
    if len(texts) == 1 and prefixes[0]:
        return Narrowing(rank=len(_RANKS), index=index, condition=_from(column, prefixes[0]))
    return _scan(index, column, texts)


def _scan(index: str, column: str, patterns: list[str]) -> Narrowing:
    """Read an index from end to end, or the short one of long texts where only those can match."""
    if min(len(one) - one.count("*") for one in patterns) >= LONG:
        long = index.replace("_by_", "_long_")
        return Narrowing(rank=0, index=long, condition=(f"length({column}) >= {LONG}", ()))
    return Narrowing(rank=len(_RANKS) + 1, index=index)


def _among_lists(key: Key, keyword: str, value: str) -> Matched:
    """Give the lists that hold a value: there are few different ones, found by going from each to the next."""
    name = key.column.removeprefix("study.")
    sql, params = key.compare(keyword, "each.held", value)
    if sql == "1 = 1":
        return _ALL
    return (
        f"{key.column} IN (WITH RECURSIVE each (held) AS (SELECT min({name}) FROM study UNION ALL"
        f" SELECT (SELECT min(later.{name}) FROM study AS later WHERE later.{name} > each.held) FROM each"
        f" WHERE each.held IS NOT NULL) SELECT each.held FROM each WHERE each.held IS NOT NULL AND {sql})"
    ), params


def _count_grams(database: Database, grams: tuple[str, ...], most: int) -> list[int]:
    """Count the names that hold each gram, as far as it matters."""
    parts, params = [], []
    for n, (sql, more) in enumerate(map(_gram, grams)):
        parts.append(f"(SELECT count(*) FROM (SELECT 1 FROM name_gram AS held WHERE {sql} LIMIT ?)) AS n{n}")
        params += [*more, most]
    row = database.read(f"SELECT {', '.join(parts)}", params, Level.WEAK)[0]
    return [integer(row, f"n{n}") for n in range(len(grams))]


def _gram(gram: str) -> Matched:
    if gram.startswith(AT_LEAST):
        return "held.gram >= ? AND held.gram < ?", lengths_from(gram)
    is_pair = len(gram) > 1 and not is_beginning(gram)
    return ("held.gram = ?", (gram,)) if is_pair else _from("held.gram", gram)


def _from(column: str, beginning: str) -> Matched:
    """Give the condition that a text begins so, as a range that an index knows."""
    after = ord(beginning[-1]) + 1
    if after > 0x10FFFF:
        return f"{column} >= ?", (beginning,)
    last = chr(0xE000 if 0xD800 <= after < 0xE000 else after)
    return f"{column} >= ? AND {column} < ?", (beginning, beginning[:-1] + last)
