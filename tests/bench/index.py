"""The index at a million studies: how soon a query is answered, whatever is asked, and what the index costs.

A catalogue of ``INDEX_STUDIES`` studies (1,000,000), three series and 20 online instances each, is made in
``INDEX_FOLDER`` (a temporary folder; 20 GB) and used again when it is there. Each kind of query is asked
``INDEX_ROUNDS`` times (200; those without a bound of their own a tenth of it) with other values, of one connection, as QIDO-RS asks: the answer's texts with the condition of
visibility, 200 studies at most; pages hold 1,000. ``page`` is the slowest of depths from the first study to the last.
The first ``WARM`` of each kind are not counted: an index in service has
been read before. Start is opening the database and the first answer. Bytes are of tables and indexes.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node.canonical import canonical_json, digest_of
from node.catalogue.finding import match_instances, match_patients, match_series, study_answers
from node.catalogue.search import count_visible, find_visible
from node.catalogue.visibility import of_origin
from node.clock import SystemClock
from node.database.port import Database
from node.database.schema import MIGRATIONS
from node.database.sqlite import SqliteDatabase
from node.errors import InvalidRequest
from tests.bench._million import DESCRIPTIONS, INSTANCES, ORIGIN, SERIES, fill, people, study_uid

STUDIES = int(os.environ.get("INDEX_STUDIES", "1000000"))
ROUNDS = int(os.environ.get("INDEX_ROUNDS", "200"))
OWN = of_origin(ORIGIN, ("study.origin = ?", (ORIGIN,)))
LIMIT, PAGE = 201, 1000
WARM = 5
Filters = dict[str, str]


def main() -> None:
    with _folder() as folder:
        tables = digest_of(canonical_json(MIGRATIONS))[:8]  # what was made for other tables is made anew
        path = folder / f"index-{STUDIES}-{tables}.db"
        noted = path.with_suffix(".json")
        if not noted.exists():
            path.unlink(missing_ok=True)
            noted.write_text(json.dumps(fill(path, STUDIES)))
        sizes = json.loads(noted.read_text())
        began = time.monotonic()
        database = SqliteDatabase(path, SystemClock())
        found(database, {"PatientID": "P0000001"})
        start_s = time.monotonic() - began
        try:
            p99 = measured(database)
        finally:
            database.close()
    print(
        f"index: exact_p99_ms={p99['exact']:.1f} prefix_p99_ms={p99['prefix']:.1f} two_p99_ms={p99['two']:.1f}"
        f" substring_p99_ms={p99['substring']:.1f} page_ms={p99['page']:.1f} hostile_p99_ms={p99['hostile']:.1f}"
        f" start_s={start_s:.2f} bytes_per_study={sizes['studies'] // STUDIES}"
        f" bytes_per_instance={(sizes['all'] - sizes['studies']) // (STUDIES * INSTANCES)}"
        f" studies={STUDIES} series={STUDIES * SERIES} instances={STUDIES * INSTANCES}"
    )


def found(database: Database, filters: Filters, *, limit: int = LIMIT, offset: int = 0) -> int:
    return len(study_answers(database, OWN, filters=filters, limit=limit, offset=offset))


def measured(database: Database) -> dict[str, float]:
    """Print a table of all kinds of queries; give the slowest in a hundred of each group."""
    print(f"{'':<34}{'found':>8}{'median':>10}{'p99':>10}{'max':>10}  ms")
    groups: dict[str, list[float]] = {}
    for group, title, asked in KINDS:
        chance, times, most = random.Random(3), [], 0
        rounds = max(ROUNDS // 10, 3) if group == "other" else ROUNDS
        for round_ in range(-WARM, rounds):
            filters = asked(chance)
            began = time.perf_counter()
            try:
                most = max(most, found(database, filters))
            except InvalidRequest:
                assert group == "hostile", filters
            if round_ >= 0:
                times.append(1000 * (time.perf_counter() - began))
        _tell(title, most, times)
        groups[group] = max(groups.get(group, []), [_p99(times)])
    for depth in (0.0, 0.01, 0.5, 0.9, 0.99):
        offset = max(min(int(depth * STUDIES), STUDIES - PAGE), 0)
        times, most = [], found(database, {}, limit=PAGE, offset=offset)
        for _ in range(max(ROUNDS // 40, 1)):
            began = time.perf_counter()
            most = found(database, {}, limit=PAGE, offset=offset)
            times.append(1000 * (time.perf_counter() - began))
        _tell(f"page of {PAGE} from {offset}", most, times)
        groups["page"] = max(groups.get("page", []), [max(times)])
    for title, ask in OTHERS:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            most = ask(database)
            times.append(1000 * (time.perf_counter() - began))
        _tell(title, most, times)
    return {group: values[0] for group, values in groups.items()}


def _tell(title: str, most: int, times: list[float]) -> None:
    print(
        f"{title:<34}{most:8}{statistics.median(times):10.2f}{_p99(times):10.2f}{max(times):10.2f}",
        flush=True,
    )


def _p99(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(0.99 * len(times)))]


def _keyed(keyword: str, value: Callable[[random.Random], str]) -> Callable[[random.Random], Filters]:
    return lambda chance: {keyword: value(chance)}


def _name(chance: random.Random) -> tuple[str, str]:
    """Give a name that may be held, in each script."""
    for written in people(chance):
        alphabetic, both, chinese = written.partition("=")
        if both:
            return alphabetic, chinese
    raise AssertionError


def _day(chance: random.Random) -> str:
    return time.strftime("%Y%m%d", time.gmtime(1_600_000_000 + chance.randrange(STUDIES) * 160))


def _cut(chance: random.Random, least: int, most: int) -> str:
    alphabetic = _name(chance)[0]
    at = chance.randrange(max(len(alphabetic) - most, 1))
    return alphabetic[at : at + chance.randint(least, most)]


_WILD = (
    "*?" * 5000,
    "?" * 500,
    "?" * 40 + "*",
    "*a*b*c*d*e*f*g*h*i*j*k*l*m*n*o*p*q*r*s*t*u*v*w*x*y*z*",
    "[a-",
)
_OTHER = (
    "' OR 1=1 --",
    "\0",
    "A\0*",
    "%",
    "\\" * 2000,
    "\\".join(f"P{n:07d}" for n in range(100)),
    "x'00'",
    "*" * 10_000,
)
KINDS: tuple[tuple[str, str, Callable[[random.Random], Filters]], ...] = (
    ("exact", "Patient ID", _keyed("PatientID", lambda c: f"P{c.randrange(STUDIES * 2 // 5):07d}")),
    ("exact", "accession number", _keyed("AccessionNumber", lambda c: f"A{c.randrange(STUDIES):09d}")),
    ("exact", "Study Instance UID", _keyed("StudyInstanceUID", lambda c: study_uid(c.randrange(STUDIES)))),
    ("prefix", "name WANG*", _keyed("PatientName", lambda c: f"{_name(c)[0].split('^')[0]}*")),
    ("prefix", "name 王*", _keyed("PatientName", lambda c: f"{_name(c)[1].split('^')[0]}*")),
    ("prefix", "name WANG^XIAO*", _keyed("PatientName", lambda c: f"{_name(c)[0][:-2]}*")),
    ("prefix", "name prefix of 1 to 3 letters", _keyed("PatientName", lambda c: f"{_name(c)[0][: c.randint(1, 3)]}*")),
    ("two", "name 王伟, whole", _keyed("PatientName", lambda c: _name(c)[1].replace("^", "")[:2])),
    ("two", "name *王伟*", _keyed("PatientName", lambda c: f"*{_name(c)[1].replace('^', '')[:2]}*")),
    ("two", "name *小明*", _keyed("PatientName", lambda c: f"*{_name(c)[1].replace('^', '')[-2:]}*")),
    ("substring", "name *伟*", _keyed("PatientName", lambda c: f"*{_name(c)[1][-1]}*")),
    ("substring", "name *ANG*", _keyed("PatientName", lambda c: f"*{_cut(c, 3, 3)}*")),
    ("substring", "name *1 to 5 letters*", _keyed("PatientName", lambda c: f"*{_cut(c, 1, 5)}*")),
    ("substring", "name *ANG*ANG*QIU*", _keyed("PatientName", lambda c: f"*{_cut(c, 2, 3)}*{_cut(c, 2, 3)}*{_cut(c, 2, 3)}*")),
    ("hostile", "wildcards in a name", _keyed("PatientName", lambda c: c.choice(_WILD))),
    ("hostile", "wildcards in an ID", _keyed("PatientID", lambda c: c.choice(_WILD))),
    ("hostile", "wildcards in an accession", _keyed("AccessionNumber", lambda c: c.choice(_WILD))),
    ("hostile", "quotes, NUL, lists in an ID", _keyed("PatientID", lambda c: c.choice(_OTHER))),
    ("hostile", "quotes, NUL, lists in a name", _keyed("PatientName", lambda c: c.choice(_OTHER))),
    ("other", "date, a day", _keyed("StudyDate", _day)),
    ("other", "date, a month", _keyed("StudyDate", lambda c: _day(c)[:6])),
    ("other", "date, until", _keyed("StudyDate", lambda c: f"-{_day(c)}")),
    ("other", "birth date", _keyed("PatientBirthDate", lambda c: f"{c.randint(1930, 2019)}0115")),
    ("other", "modality", _keyed("ModalitiesInStudy", lambda c: c.choice(("CT", "MR", "XA", "PT")))),
    ("other", "SOP class", _keyed("SOPClassesInStudy", lambda c: f"1.2.840.10008.5.1.4.1.1.{c.choice(('2', '12.1', '9'))}")),
    ("other", "Patient ID P00123*", _keyed("PatientID", lambda c: f"P{c.randrange(100):05d}*")),
    ("other", "name with nothing but wildcards", _keyed("PatientName", lambda _: "*=*^*?*^*=*")),
    ("other", "Patient ID *1234", _keyed("PatientID", lambda c: f"*{c.randrange(10000):04d}")),
    ("other", "description", _keyed("StudyDescription", lambda c: c.choice(DESCRIPTIONS))),
    ("other", "physician", _keyed("ReferringPhysicianName", lambda c: f"*{_name(c)[1][:1]}*")),
    ("other", "name and date", lambda c: {"PatientName": f"{_name(c)[0][:2]}*", "StudyDate": _day(c)[:6]}),
)  # fmt: skip
OTHERS: tuple[tuple[str, Callable[[Database], int]], ...] = (
    ("patients WANG^X*", lambda d: len(match_patients(d, OWN, filters={"PatientName": "WANG^X*"}))),
    ("series of a patient", lambda d: len(match_series(d, OWN, filters={"PatientID": "P0000017"}))),
    (
        "series by UID",
        lambda d: len(match_series(d, OWN, filters={"SeriesInstanceUID": f"{study_uid(5)}.1"})),
    ),
    ("instances of a patient", lambda d: len(match_instances(d, OWN, filters={"PatientID": "P0000017"}))),
    ("all instances, first page", lambda d: len(match_instances(d, OWN, filters={}, limit=PAGE))),
    ("typed: wang", lambda d: len(find_visible(d, OWN, text="wang"))),
    ("typed: wangxiaoming", lambda d: len(find_visible(d, OWN, text="wangxiaoming"))),
    ("typed: wang xm", lambda d: len(find_visible(d, OWN, text="wang xm"))),
    ("typed: an accession number", lambda d: len(find_visible(d, OWN, text="A000000123"))),
    ("typed: what nobody has", lambda d: len(find_visible(d, OWN, text="zzqqx"))),
    ("counted: all", lambda d: count_visible(d, OWN)),
    ("counted: wangxiaoming", lambda d: count_visible(d, OWN, text="wangxiaoming")),
    ("counted: wang", lambda d: count_visible(d, OWN, text="wang")),
)


@contextmanager
def _folder() -> Iterator[Path]:
    if kept := os.environ.get("INDEX_FOLDER"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
