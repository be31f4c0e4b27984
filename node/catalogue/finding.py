"""Finding patients, studies, series and instances by attribute, as C-FIND and QIDO-RS ask.

What each key asks is `matching`'s; who may see what is `visibility`'s: its
condition comes in and holds at every level, since every row found belongs to a
study that meets it. Answers stand in one order, so that pages follow each
other: newest study first, within it by series and instance number.

Series and instances come without their study's words; `studies_by_key` and
`series_by_key` give what an answer shows of the levels above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from node.canonical import canonical_json
from node.catalogue.answers import study_answer
from node.catalogue.matching import QueryLevel, key_condition
from node.catalogue.narrowing import FEW, MANY, Narrowing, fewest, names_alike, narrowings
from node.catalogue.patterns import NOTHING
from node.catalogue.search import SERIES_FOUND, STUDY_FOUND, InstanceRow, SeriesRow, StudyRow
from node.catalogue.visibility import Condition
from node.clock import Micros
from node.database.instance_tables import EVERY, archived_column
from node.database.port import Database, Level, Row, Value, convert_row, integer, read_as, text
from node.errors import TooBroad
from node.names import NodeId, PatientKey, SeriesUID, StudyKey, StudyUID

_STUDY_COLUMNS = ", ".join(f"shown.{field.name}" for field in fields(StudyRow))
_STUDY_ORDER = "study.first_at DESC, study.origin DESC, study.study_uid DESC"
_SERIES_ORDER = f"{_STUDY_ORDER}, series.number IS NULL, series.number, series.series_uid"
_INSTANCE_ORDER = "first_at DESC, origin DESC, study_uid DESC, series_uid, unnumbered, number, sop_uid"
_ONLINE = (
    "CROSS JOIN online_instance AS instance ON instance.origin = study.origin AND instance.study_uid = study.study_uid"
    " AND instance.state = 'chosen' CROSS JOIN series ON series.origin = instance.origin"
    " AND series.study_uid = instance.study_uid AND series.series_uid = instance.series_uid"
)
_ARCHIVED = (
    "CROSS JOIN archived_series AS a ON a.origin = study.origin AND a.study_uid = study.study_uid"
    " AND a.state = 'chosen' CROSS JOIN series ON series.origin = a.origin"
    " AND series.study_uid = a.study_uid AND series.series_uid = a.series_uid CROSS JOIN json_each(a.instances) AS i"
)
# CROSS JOIN is SQLite's word for tables taken in the order they stand in. Newest studies first: a page is full before
# all instances were read. A study's own key, and then the instance's, are looked up, not searched.
_WITH_SERIES = "CROSS JOIN series ON series.origin = study.origin AND series.study_uid = study.study_uid"
_FOUND: dict[QueryLevel, Condition] = {QueryLevel.SERIES: (f"{STUDY_FOUND} AND {SERIES_FOUND}", ())}
_OF_ORIGIN, _OF_STUDY = "study.origin = ?", "study.origin = ? AND study.study_uid = ?"
_BROAD = 20_000
"""The instances of more studies are not looked through for a page, nor are more skipped: hundreds of millions may be held."""
SOON = 50
"""So many studies are put in order at once."""
_WALK, _WALK_FOR = 16_384, 4096
"""So many of the newest studies are looked through for a page that ends early enough, before candidates are gathered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRow:
    """A patient as her newest study that was found writes her; two issuers are two patients."""

    patient_issuer: str
    patient_id: str
    patient_name: str
    sex: str
    birth_date: str
    study_count: int
    """Of those found, as are the next two."""
    series_count: int
    instance_count: int
    first_at: Micros
    """Of her newest study."""

    @property
    def key(self) -> PatientKey:
        return PatientKey(issuer=self.patient_issuer, id=self.patient_id)


def match_patients(
    database: Database, condition: Condition, *, filters: Mapping[str, str], limit: int = 100, offset: int = 0
) -> list[PatientRow]:
    """Find patients of studies that meet a condition, the one of the newest study first.

    Raises
    ------
    InvalidRequest
        A key is malformed; see `key_condition`.

    Source: DICOM PS3.4 C.2.2.2, C.6.1.1.2, C.3.4 (what is counted).
    """
    asked, found = key_condition(filters, QueryLevel.PATIENT), narrowings(filters, QueryLevel.PATIENT)
    if asked == NOTHING:
        return []
    plan = _Plan(index="study_by_patient")
    if found:
        plan = _Plan.by(fewest(database, found, MANY)[0])
    where, params = _and(condition, asked, plan.condition, (STUDY_FOUND, ()))
    counted, more = _and(condition, asked, (STUDY_FOUND, ()))
    order = "max(study.first_at) DESC, study.patient_issuer DESC, study.patient_id DESC"
    return read_as(
        database,
        PatientRow,
        # The page's patients first, from an index alone where no other column is asked for; then what is counted of them.
        # Columns beside the only max() are of the row that has it: SQLite promises that.
        "SELECT study.patient_issuer, study.patient_id, study.patient_name, study.sex, study.birth_date,"
        " count(*) AS study_count, sum(study.series_count) AS series_count,"
        " sum(study.instance_count) AS instance_count, max(study.first_at) AS first_at"
        " FROM (SELECT study.patient_issuer, study.patient_id, max(study.first_at) AS first_at"
        f" FROM study {plan.indexed} WHERE {where} GROUP BY study.patient_issuer, study.patient_id"
        f" ORDER BY {order} LIMIT ? OFFSET ?) AS chosen"
        " CROSS JOIN study ON study.patient_issuer = chosen.patient_issuer AND study.patient_id = chosen.patient_id"
        f" WHERE {counted} GROUP BY study.patient_issuer, study.patient_id ORDER BY {order}",
        (*params, limit, offset, *more),
        Level.WEAK,
    )


def match_studies(
    database: Database,
    condition: Condition,
    *,
    filters: Mapping[str, str],
    combined: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[StudyRow]:
    """Find studies that meet a condition; ``combined`` as in `key_condition`.

    Raises
    ------
    InvalidRequest
        A key is malformed; see `key_condition`.

    Source: DICOM PS3.4 C.2.2.2, C.6.2.1.2; PS3.18 8.3.4.
    """
    of_studies = _Query(level=QueryLevel.STUDY, condition=condition, filters=filters, combined=combined)
    return [
        convert_row(row, StudyRow)
        for row in of_studies.page(database, _STUDY_COLUMNS, limit=limit, offset=offset)
    ]


def study_answers(
    database: Database,
    condition: Condition,
    *,
    filters: Mapping[str, str],
    fuzzy: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[str]:
    """Find as `match_studies` does; give the texts that `node.catalogue.answers` made of what is found.

    Parameters
    ----------
    fuzzy
        Whether a patient's name is also found by what it sounds like, as far as its script is Chinese.

    Source: DICOM PS3.18 8.3.4.2 (fuzzy matching).
    """
    found = _Query(
        level=QueryLevel.STUDY, condition=condition, filters=filters, fuzzy=fuzzy, shown="study_answer"
    )
    rows = found.page(database, "chosen.origin, chosen.study_uid, shown.answer", limit=limit, offset=offset)
    bare = [StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
            for row in rows if row["answer"] is None]  # fmt: skip
    made = {key: study_answer(row) for key, row in studies_by_key(database, bare).items()} if bare else {}
    keys = iter(bare)
    return [text(row, "answer") or made.get(next(keys), "") for row in rows]


def is_soon_found(database: Database, filters: Mapping[str, str]) -> bool:
    """Say whether well-formed keys name so few studies, by an exact key of theirs, that finding them takes no time."""
    found = narrowings(filters, QueryLevel.STUDY)
    return bool(found) and found[0].exact and found[0].settled(database, SOON)[1] < SOON


def match_series(
    database: Database,
    condition: Condition,
    *,
    filters: Mapping[str, str],
    combined: bool = False,
    fuzzy: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[SeriesRow]:
    """Find series of studies that meet a condition; see `match_studies`.

    Source: DICOM PS3.4 C.2.2.2, C.4.1.3.2.2; PS3.18 8.3.4.
    """
    found = _Query(
        level=QueryLevel.SERIES, condition=condition, filters=filters, combined=combined, fuzzy=fuzzy
    )
    return [
        convert_row(row, SeriesRow) for row in found.page(database, "series.*", limit=limit, offset=offset)
    ]


def match_instances(
    database: Database,
    condition: Condition,
    *,
    filters: Mapping[str, str],
    combined: bool = False,
    fuzzy: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[InstanceRow]:
    """Find the chosen contents of instances, in studies that meet a condition; see `match_studies`.

    Raises
    ------
    TooBroad
        Their studies are too many and no page is full of the newest.

    Source: DICOM PS3.4 C.2.2.2, C.4.1.3.2.2; PS3.18 8.3.4.
    """
    found = _Query(
        level=QueryLevel.INSTANCE, condition=condition, filters=filters, combined=combined, fuzzy=fuzzy
    )
    return [convert_row(row, InstanceRow) for row in found.page(database, limit=limit, offset=offset)]


def studies_by_key(database: Database, keys: Iterable[StudyKey]) -> dict[StudyKey, StudyRow]:
    """Give studies that rows found belong to; one that is gone meanwhile is left out."""
    pairs = canonical_json(sorted({(key.origin, key.study_uid) for key in keys}))
    rows = read_as(
        database,
        StudyRow,
        "SELECT study.* FROM json_each(?) AS asked JOIN study ON study.origin = asked.value ->> 0"
        " AND study.study_uid = asked.value ->> 1",
        (pairs,),
        Level.WEAK,
    )
    return {row.key: row for row in rows}


def series_by_key(
    database: Database, keys: Iterable[tuple[StudyKey, SeriesUID]]
) -> dict[tuple[StudyKey, SeriesUID], SeriesRow]:
    """Give series that instances found belong to; one that is gone meanwhile is left out."""
    triples = canonical_json(sorted({(key.origin, key.study_uid, uid) for key, uid in keys}))
    rows = read_as(
        database,
        SeriesRow,
        "SELECT series.* FROM json_each(?) AS asked JOIN series ON series.origin = asked.value ->> 0"
        " AND series.study_uid = asked.value ->> 1 AND series.series_uid = asked.value ->> 2",
        (triples,),
        Level.WEAK,
    )
    return {(StudyKey(origin=row.origin, study_uid=row.study_uid), row.series_uid): row for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A way to a page: by which index studies are taken, and what narrows them there."""

    index: str
    condition: Condition = ("1 = 1", ())
    in_order: bool = False
    newest: bool = False
    """Whether only the newest studies are looked at, so that a page which is not full says nothing."""

    @classmethod
    def by(cls, narrowing: Narrowing) -> _Plan:
        return cls(index=narrowing.index, condition=narrowing.condition)

    @property
    def indexed(self) -> str:
        return f"INDEXED BY {self.index}" if self.index else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """What is asked at a level, by whom it may be seen."""

    level: QueryLevel
    condition: Condition
    filters: Mapping[str, str]
    combined: bool = False
    fuzzy: bool = False
    shown: str = "study"
    """The table that a page of studies is read from."""

    def page(self, database: Database, columns: str = "", *, limit: int, offset: int) -> list[Row]:
        """Read a page by the first plan that gives it whole; instances come with all columns.

        Order is newest first, so a page that the newest studies fill is the page.
        """
        asked = self._asked()
        if asked == NOTHING or limit < 1:
            return []
        rows: list[Row] = []
        for plan in self._plans(database, limit + offset):
            where = _and(self.condition, asked, plan.condition, _FOUND.get(self.level, (STUDY_FOUND, ())))
            sql, params = self._select(columns, plan, where, limit, offset)
            rows = database.read(sql, params, Level.WEAK)
            if not plan.newest or len(rows) == limit:
                break
        return rows

    def _asked(self) -> Condition:
        alike = names_alike(self.filters.get("PatientName", "")) if self.fuzzy else None
        if alike is not None:
            name = {"PatientName": self.filters["PatientName"]}
            rest = {keyword: value for keyword, value in self.filters.items() if keyword not in name}
            exact, params = key_condition(name, self.level)
            sql = f"({exact}) OR study.name_key IN ({alike[0]})"
            return _and(key_condition(rest, self.level, combined=self.combined), (sql, (*params, *alike[1])))
        return key_condition(self.filters, self.level, combined=self.combined)

    def _plans(self, database: Database, wanted: int) -> Iterator[_Plan]:
        if self.condition[0].startswith(_OF_STUDY):
            yield _Plan(index="")
            return
        found = narrowings(self.filters, self.level, combined=self.combined, fuzzy=self.fuzzy)
        if self.level is QueryLevel.INSTANCE and wanted > _BROAD:
            raise _too_broad()
        if not found:
            yield from self._walks(database)
            return
        best, few = fewest(database, found, FEW)
        if not few:
            if wanted <= _WALK_FOR and (since := self._since(database, _WALK)) is not None:
                yield self._newest(since)
            best, few = fewest(database, found, MANY)
            if self.level is QueryLevel.INSTANCE and not fewest(database, [best], _BROAD)[1]:
                raise _too_broad()
        if few or best.index != "study_by_date":
            yield _Plan.by(best)
        else:  # as soon walked over as gathered and put in order
            yield _Plan(index=self._walked(keys=True))

    def _walks(self, database: Database) -> Iterator[_Plan]:
        """Take all studies; of their instances those of the newest, and then no others are looked through."""
        if self.level is QueryLevel.INSTANCE and (since := self._since(database, _BROAD)) is not None:
            yield self._newest(since)
            raise _too_broad()
        yield _Plan(index=self._walked(keys=False))

    def _newest(self, since: int) -> _Plan:
        return _Plan(index=self._walked(keys=True), condition=("study.first_at >= ?", (since,)), newest=True)

    @property
    def _of_origin(self) -> bool:
        sql = self.condition[0]
        return sql == _OF_ORIGIN or sql.startswith(f"{_OF_ORIGIN} AND ")

    def _walked(self, *, keys: bool) -> str:
        """Give the index by which studies are taken newest first; the wider one knows what most keys ask for."""
        if not self._of_origin:
            return "study_recent"
        return "study_walk" if keys else "study_by_origin"

    def _since(self, database: Database, studies: int) -> int | None:
        """Give when so many newest studies begin; None when there are no others."""
        where, params = (_OF_ORIGIN, self.condition[1][:1]) if self._of_origin else ("1 = 1", ())
        where = f"{where} AND {STUDY_FOUND}"
        rows = database.read(
            f"SELECT study.first_at FROM study INDEXED BY {self._walked(keys=False)} WHERE {where}"
            " ORDER BY study.first_at DESC LIMIT 1 OFFSET ?",
            (*params, studies),
            Level.WEAK,
        )
        return integer(rows[0], "first_at") if rows else None

    def _select(
        self, columns: str, plan: _Plan, where: Condition, limit: int, offset: int
    ) -> tuple[str, tuple[Value, ...]]:
        """Give the read of a page. Studies are chosen from an index alone, then the page's rows are looked up."""
        condition, params = where
        from_study, page = f"FROM study {plan.indexed}", (*params, limit, offset)
        if self.level is QueryLevel.INSTANCE:
            return _instances(from_study, condition), (*params, *page)
        if self.level is QueryLevel.SERIES:
            return (
                f"SELECT {columns} {from_study} {_WITH_SERIES} WHERE {condition} ORDER BY {_SERIES_ORDER}"
                " LIMIT ? OFFSET ?",
                page,
            )
        return (
            f"SELECT {columns} FROM (SELECT study.origin, study.study_uid, study.first_at {from_study}"
            f" WHERE {condition} ORDER BY {_STUDY_ORDER} LIMIT ? OFFSET ?) AS chosen"
            f" LEFT JOIN {self.shown} AS shown ON shown.origin = chosen.origin AND shown.study_uid = chosen.study_uid"
            " ORDER BY chosen.first_at DESC, chosen.origin DESC, chosen.study_uid DESC"
        ), page


def _instances(from_study: str, condition: str) -> str:
    """Give the read of a page of instances, with its condition's values twice: those online, those folded, in one order."""
    # The study's own columns, so that each half comes in the order of the index that studies are taken by.
    key = "study.first_at AS first_at, study.origin AS origin, study.study_uid AS study_uid"
    names = [name for name in EVERY if name not in ("origin", "study_uid")]
    online = ", ".join(f"instance.{name} AS {name}" for name in names)
    folded = ", ".join(f"{archived_column(name)} AS {name}" for name in names)
    there = re.sub(r"\binstance\.(\w+)", lambda found: f"({archived_column(found[1])})", condition)
    return (
        f"SELECT {key}, instance.number IS NULL AS unnumbered, {online}"
        f" {from_study} {_ONLINE} WHERE {condition} UNION ALL"
        f" SELECT {key}, {archived_column('number')} IS NULL AS unnumbered, {folded}"
        f" {from_study} {_ARCHIVED} WHERE {there} ORDER BY {_INSTANCE_ORDER} LIMIT ? OFFSET ?"
    )


def _too_broad() -> TooBroad:
    return TooBroad(
        "Searching instances was refused: too many studies would have to be looked through. Name a study, a series,"
        " a patient or a day."
    )


def _and(*conditions: Condition) -> Condition:
    """Give what several conditions ask together."""
    asked = [(sql, params) for sql, params in conditions if sql != "1 = 1"]
    if NOTHING in asked:
        return NOTHING
    sql = " AND ".join(f"({sql})" for sql, _ in asked) or "1 = 1"
    return sql, tuple(param for _, params in asked for param in params)
