"""Cases of attribute matching worked by hand: paragraph of PS3.4, what is held, what is asked, whether it matches.

``None`` is a key that has no meaning and is refused, which the standard leaves open. "choice" marks what the paragraph leaves to the implementation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from node.catalogue.finding import (
    match_instances,
    match_patients,
    match_series,
    match_studies,
    series_by_key,
    studies_by_key,
)
from node.catalogue.matching import MOST_PATTERNS, QueryLevel, matched_keys
from node.catalogue.search import EVERYTHING
from node.clock import new_id
from node.database.port import Database
from node.database.sqlite import SqliteDatabase
from node.errors import InvalidRequest
from node.names import StudyKey
from tests.kit.catalogued import Catalogue, hold, instance, series, study
from tests.kit.clock import FrozenClock
from tests.kit.reference_matching import KEYS, LEVELS, Malformed, find

TWO = "Wang^XiaoDong=王^小东"
LIST = '["CT","SR"]'
# paragraph, keyword, held, asked, matches
CASES: list[tuple[str, str, Any, str, bool | None]] = [
    # Single value matching
    ("C.2.2.2.1", "PatientID", "A-17", "A-17", True),
    ("C.2.2.2.1", "PatientID", "A-17", "a-17", False),
    ("C.2.2.2.1", "PatientID", "A-17", "A-1", False),
    ("C.2.2.2.1", "AccessionNumber", "", "ACC1", False),
    ("C.2.2.2.1", "StudyDescription", "Thorax é", "Thorax e", False),
    ("C.2.2.2.1", "StudyDescription", "50% phase", "50% phase", True),
    ("C.2.2.2.1", "StudyDescription", "50x phase", "50% phase", False),
    ("C.2.2.2.1", "AccessionNumber", "A_1", "A_1", True),
    ("C.2.2.2.1", "AccessionNumber", "AB1", "A_1", False),
    ("C.2.2.2.1", "StudyID", "4711", "4711", True),
    ("C.2.2.2.1", "StudyID", "4711", "04711", False),
    ("C.2.2.2.1", "StudyID", "s1", "S1", False),
    ("C.2.2.2.1", "StudyID", "1", " 1 ", True),
    ("C.2.2.2.1", "StudyID", "", "1", False),
    ("C.2.2.2.1", "Modality", "CT", "CT", True),
    ("C.2.2.2.1", "Modality", "CT", "ct", False),
    ("C.2.2.2.1", "Modality", "CT", "CT ", True),
    ("C.2.2.2.1", "PatientSex", "F", "M", False),
    ("C.2.2.2.1", "SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2", True),
    ("C.2.2.2.1", "SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", False),
    # Numbers: spelling is our choice, by value
    ("C.2.2.2.1 choice", "SeriesNumber", 7, "007", True),
    ("C.2.2.2.1", "SeriesNumber", 7, "7", True),
    ("C.2.2.2.1", "SeriesNumber", 70, "7", False),
    ("C.2.2.2.1", "InstanceNumber", None, "0", False),
    ("C.2.2.2.1", "Rows", 512, "512", True),
    # Person names
    ("C.2.2.2.1.1 choice", "PatientName", "Wang^XiaoDong", "WANG^XIAODONG", True),
    ("C.2.2.2.1.1 choice", "PatientName", "Müller^Jörg", "muller^jorg", True),
    ("C.2.2.2.1.1 choice", "PatientName", "Muller^Jorg", "MÜLLER^jörg", True),
    ("C.2.2.2.1.1 choice", "PatientName", "Петров^Иван", "ПЕТРОВ^ИВАН", True),
    ("C.2.2.2.1.1 choice", "PatientName", "がま", "かま", False),
    ("C.2.2.2.1.1", "PatientName", TWO, TWO, True),
    ("C.2.2.2.1.1 note", "PatientName", TWO, "Wang^XiaoDong", True),
    ("C.2.2.2.1.1 note", "PatientName", TWO, "王^小东", True),
    ("C.2.2.2.1.1 note", "PatientName", TWO, "*王^小东*", True),
    ("C.2.2.2.1.1 choice", "PatientName", TWO, "=王^小东", True),
    ("C.2.2.2.1.1 choice", "PatientName", TWO, "王^小东=", True),
    ("C.2.2.2.1.1 choice", "PatientName", TWO, "=Wang^XiaoDong", False),
    ("C.2.2.2.1.1", "PatientName", TWO, "Wang", False),
    ("C.2.2.2.1.1", "PatientName", "Wang^XiaoDong", "Wang^XiaoDong^^^", True),
    ("C.2.2.2.1.1", "PatientName", "Wang^XiaoDong^^=王^小东", "Wang^XiaoDong", True),
    ("C.2.2.2.1.1", "ReferringPhysicianName", "Li^Si", "li^si", True),
    # Dates and times by their meaning
    ("C.2.2.2.1.3 note 1", "StudyTime", "223000", "2230", True),
    ("C.2.2.2.1.3 note 1", "StudyTime", "2230", "223000", True),
    ("C.2.2.2.1.3 note 1", "StudyTime", "223000.0000", "223000", True),
    ("C.2.2.2.1.3", "StudyTime", "223100", "2230", False),
    ("C.2.2.2.1.3", "StudyDate", "20260302", "20260302", True),
    ("C.2.2.2.1.3", "StudyDate", "20260301", "20260302", False),
    ("C.2.2.2.1.3", "PatientBirthDate", "", "19610405", False),
    # Lists of UIDs
    ("C.2.2.2.2", "StudyInstanceUID", "2.25.1", "2.25.9\\2.25.1", True),
    ("C.2.2.2.2", "SeriesInstanceUID", "2.25.1.1", "2.25.9\\2.25.8", False),
    ("C.2.2.2.2", "SOPInstanceUID", "2.25.1.1.1", "2.25.1.1.1\\2.25.8", True),
    # Universal
    ("C.2.2.2.3", "PatientName", "", "", True),
    ("C.2.2.2.3", "SeriesNumber", None, "", True),
    ("C.2.2.2.3", "StudyDate", "", "", True),
    # Wildcards
    ("C.2.2.2.4", "PatientID", "A-17", "A*", True),
    ("C.2.2.2.4", "PatientID", "A-17", "A-17*", True),
    ("C.2.2.2.4", "PatientID", "A-17", "A-??", True),
    ("C.2.2.2.4", "PatientID", "A-17", "A-17?", False),
    ("C.2.2.2.4", "PatientID", "A-17", "a*", False),
    ("C.2.2.2.4", "PatientName", "Wang^XiaoDong", "wang*", True),
    ("C.2.2.2.4", "PatientName", "Wang^XiaoDong", "*dong", True),
    ("C.2.2.2.4 choice", "PatientName", TWO, "王^?", False),
    ("C.2.2.2.4 choice", "PatientName", "Wang=王", "Wang?王", False),
    ("C.2.2.2.4", "StudyDescription", "Head [1]", "Head [1*", True),
    ("C.2.2.2.4", "StudyDescription", "Head 1", "Head [1]*", False),
    ("C.2.2.2.4", "StudyID", "CT4711", "CT47*", True),
    ("C.2.2.2.4", "StudyID", "CT4711", "CT4?1", False),
    ("C.2.2.2.4 note 1", "StudyID", "", "*", True),
    ("C.2.2.2.4", "BodyPartExamined", "CHEST", "CH?ST", True),
    ("C.2.2.2.4 note 1", "AccessionNumber", "", "*", True),
    ("C.2.2.2.4", "AccessionNumber", "", "?*", False),
    ("C.2.2.2.4", "StudyInstanceUID", "2.25.1", "2.25.*", False),
    ("C.2.2.2.4", "StudyInstanceUID", "2.25.1", "*", False),
    ("C.2.2.2.4 choice", "SeriesNumber", 1, "*", None),
    ("C.2.2.2.4 choice", "StudyDate", "20260302", "2026*", None),
    # Ranges
    ("C.2.2.2.5.1 a", "StudyDate", "20260302", "20260301-20260302", True),
    ("C.2.2.2.5.1 a", "StudyDate", "20260301", "20260301 - 20260302", True),
    ("C.2.2.2.5.1 a", "StudyDate", "20260303", "20260301-20260302", False),
    ("C.2.2.2.5.1 b", "StudyDate", "20260302", "-20260302", True),
    ("C.2.2.2.5.1 b", "StudyDate", "", "-20260302", False),
    ("C.2.2.2.5.1 c", "StudyDate", "20260301", "20260302-", False),
    ("C.2.2.2.5.1 c", "StudyDate", "20270101", "20260302-", True),
    ("C.2.2.2.5.1 a choice", "StudyDate", "20260302", "20260303-20260301", None),
    ("C.2.2.2.5.1 choice", "StudyDate", "20260302", "-", None),
    ("C.2.2.2.5.1 choice", "StudyDate", "20260302", "20261301-", None),
    ("C.2.2.2.5.2 a", "StudyTime", "104500", "1030-11", True),
    ("C.2.2.2.5.2 a", "StudyTime", "1030", "1030-11", True),
    ("C.2.2.2.5.2 a", "StudyTime", "102959.999999", "1030-11", False),
    ("C.2.2.2.5.2 a choice", "StudyTime", "115959", "1030-11", True),
    ("C.2.2.2.5.2 a", "StudyTime", "120000", "1030-11", False),
    ("C.2.2.2.5.2 b", "StudyTime", "000000", "-0100", True),
    ("C.2.2.2.5.2 c", "StudyTime", "235959.999", "2300-", True),
    ("C.2.2.2.5.2 choice", "StudyTime", "230000", "2200-0600", None),
    ("C.2.2.2.5.2 choice", "StudyTime", "103000", "103000+0100", None),
    # Several held values, several asked
    ("C.2.2.3", "ModalitiesInStudy", LIST, "SR", True),
    ("C.2.2.3", "ModalitiesInStudy", LIST, "S", False),
    ("C.2.2.3", "ModalitiesInStudy", LIST, "MR", False),
    ("C.2.2.3", "ModalitiesInStudy", LIST, "C*R", False),
    ("C.2.2.3", "ModalitiesInStudy", "[]", "", True),
    ("C.2.2.2.8 note 4 choice", "ModalitiesInStudy", LIST, "MR\\CT", True),
    ("C.2.2.2.8 note 4 choice", "PatientID", "A-17", "B-1\\A-17", True),
]  # fmt: skip
# held date and time, asked date and time, whether they match apart, whether they match as one
MOMENTS = [
    ("20060706", "050000", "20060705-20060707", "1000-1800", False, True),
    ("20060705", "090000", "20060705-20060707", "1000-1800", False, False),
    ("20060707", "180000", "20060705-20060707", "1000-1800", True, True),
    ("20060707", "190000", "20060705-20060707", "1000-1800", False, False),
    ("20060706", "050000", "20060705-", "1000-", False, True),
    ("20060704", "230000", "-20060705", "-1000", False, True),
    ("20060706", "050000", "20060705-", "-1000", True, True),  # not of the same form
    ("20060706", "050000", "20060706", "05", True, True),  # no ranges
    ("20060706", "", "20060705-20060707", "1000-1800", False, True),
    ("", "110000", "20060705-20060707", "1000-1800", False, False),
    # A month begins with its first day and ends with its last, and the times are of those days
    ("20060701", "", "200607-", "10-", False, False),
    ("20060701", "11", "200607-", "10-", True, True),
    ("20060731", "1100", "-200607", "-10", False, False),
    ("20060730", "2300", "-200607", "-10", False, True),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = SqliteDatabase(tmp_path_factory.mktemp("cases") / "meridian.db", FrozenClock())
    yield opened
    opened.close()


def held_as(keyword: str, held: Any) -> Catalogue:
    key = KEYS[keyword]
    words = {level: {key.field: held} if level == key.level else {} for level in LEVELS}
    above = dict(words["PATIENT"] | words["STUDY"])
    uids = {name: value for name, value in above.items() if name == "study_uid"}
    if keyword == "SeriesInstanceUID":
        words["IMAGE"] = {"series_uid": held}
    return Catalogue(
        studies=[study(**above)],
        series=[series(**uids, **words["SERIES"])],
        instances=[instance(**uids, **words["IMAGE"])],
    )


def found(database: Database, level: str, filters: dict[str, str], **more: Any) -> list[Any]:
    match = {
        "PATIENT": match_patients,
        "STUDY": match_studies,
        "SERIES": match_series,
        "IMAGE": match_instances,
    }[level]
    rows: list[Any] = [*match(database, EVERYTHING, filters=filters, **more)]  # type: ignore[operator]
    return rows


@pytest.mark.parametrize(("paragraph", "keyword", "held", "asked", "matches"), CASES)
def test_a_case_worked_by_hand(
    database: Database, paragraph: str, keyword: str, held: Any, asked: str, matches: bool | None
) -> None:
    catalogue = held_as(keyword, held)
    hold(database, catalogue, new_id(FrozenClock()))
    for level in LEVELS[LEVELS.index(KEYS[keyword].level) :]:
        if matches is None:
            with pytest.raises(InvalidRequest, match=f"Searching by {keyword} was refused"):
                found(database, level, {keyword: asked})
            with pytest.raises(Malformed):
                find(catalogue, {keyword: asked}, level)
            continue
        assert bool(found(database, level, {keyword: asked})) is matches, paragraph
        assert bool(find(catalogue, {keyword: asked}, level)) is matches, paragraph


@pytest.mark.parametrize(("date", "time", "dates", "times", "apart", "together"), MOMENTS)
def test_date_and_time_are_one_range_when_asked(
    database: Database, date: str, time: str, dates: str, times: str, apart: bool, together: bool
) -> None:
    hold(database, Catalogue(studies=[study(study_date=date, study_time=time)]), new_id(FrozenClock()))
    asked = {"StudyDate": dates, "StudyTime": times}
    assert bool(found(database, "STUDY", asked)) is apart
    assert bool(found(database, "STUDY", asked, combined=True)) is together


def test_a_night_is_one_range_when_date_and_time_go_together(database: Database) -> None:
    hold(
        database, Catalogue(studies=[study(study_date="20060706", study_time="0200")]), new_id(FrozenClock())
    )
    night = {"StudyDate": "20060705-20060706", "StudyTime": "2200-0600"}
    assert found(database, "STUDY", night, combined=True)
    with pytest.raises(InvalidRequest, match="ends before it begins"):
        found(database, "STUDY", night)
    with pytest.raises(InvalidRequest, match="ends before it begins"):
        found(database, "STUDY", night | {"StudyDate": "20060705-20060705"}, combined=True)


def test_two_issuers_are_two_patients_and_each_is_counted_alone(database: Database) -> None:
    studies = [
        study(study_uid=f"2.25.{n}", patient_issuer=issuer, patient_id="7", patient_name=name, first_at=n,
              series_count=n, instance_count=10 * n)
        for n, issuer, name in ((1, "alpha:HIS", "Old"), (2, "alpha:LIS", "Other"), (3, "alpha:HIS", "New"))
    ]  # fmt: skip
    hold(database, Catalogue(studies=studies), new_id(FrozenClock()))
    newest, other = match_patients(database, EVERYTHING, filters={"PatientID": "7"})
    assert (newest.key.issuer, newest.patient_name, newest.study_count) == ("alpha:HIS", "New", 2)
    assert (newest.series_count, newest.instance_count) == (4, 40)
    assert (other.key.issuer, other.study_count) == ("alpha:LIS", 1)
    (named,) = match_patients(database, EVERYTHING, filters={"PatientName": "old"})
    assert (named.patient_name, named.study_count) == ("Old", 1)
    assert match_patients(database, ("study.study_uid = ?", ("2.25.2",)), filters={"PatientID": "7"}) == [
        other
    ]
    pages = [match_patients(database, EVERYTHING, filters={}, limit=1, offset=n) for n in range(3)]
    assert pages == [[newest], [other], []]


def test_keys_of_all_levels_go_together_and_only_chosen_contents_are_found(database: Database) -> None:
    catalogue = Catalogue(
        studies=[study(study_uid=uid, patient_id=uid[-1], first_at=int(uid[-1])) for uid in ("2.25.1", "2.25.2")],
        series=[
            series(study_uid="2.25.1", series_uid="2.25.1.1", modality="CT", number=None),
            series(study_uid="2.25.1", series_uid="2.25.1.2", modality="SR", number=1),
            series(study_uid="2.25.2", series_uid="2.25.2.1", modality="CT"),
        ],
        instances=[
            instance(study_uid="2.25.1", series_uid="2.25.1.1", sop_uid="2.25.1.1.1", number=2),
            instance(study_uid="2.25.1", series_uid="2.25.1.1", sop_uid="2.25.1.1.2", number=1),
            instance(study_uid="2.25.1", series_uid="2.25.1.1", sop_uid="2.25.1.1.3", state="conflict"),
            instance(study_uid="2.25.2", series_uid="2.25.2.1", sop_uid="2.25.2.1.1", state="alternative"),
        ],
    )  # fmt: skip
    hold(database, catalogue, new_id(FrozenClock()))
    asked = {"PatientID": "1", "Modality": "CT"}
    assert [row.series_uid for row in found(database, "SERIES", asked)] == ["2.25.1.1"]
    assert [row.sop_uid for row in found(database, "IMAGE", asked)] == ["2.25.1.1.2", "2.25.1.1.1"]
    assert found(database, "IMAGE", {"PatientID": "2"}) == []
    assert found(database, "IMAGE", {"PatientID": "1", "Modality": "SR"}) == []
    assert [row.series_uid for row in found(database, "SERIES", {})] == ["2.25.2.1", "2.25.1.2", "2.25.1.1"]
    hidden = match_instances(database, ("study.study_uid = ? OR 1 = 0", ("2.25.2",)), filters=asked)
    assert hidden == []
    one, other = found(database, "IMAGE", asked)
    key = StudyKey(origin=one.origin, study_uid=one.study_uid)
    gone = StudyKey(origin=one.origin, study_uid=other.series_uid)
    assert list(studies_by_key(database, [key, key, gone])) == [key]
    assert list(series_by_key(database, [(key, one.series_uid), (gone, one.series_uid)])) == [
        (key, "2.25.1.1")
    ]


def test_a_key_below_the_level_or_unheard_of_is_left_out(database: Database) -> None:
    hold(database, held_as("Modality", "CT"), new_id(FrozenClock()))
    assert found(database, "STUDY", {"Modality": "MR", "ReferencedStudySequence": "x"})
    assert "Modality" in matched_keys(QueryLevel.SERIES) - matched_keys(QueryLevel.STUDY)
    assert sorted(matched_keys(QueryLevel.INSTANCE)) == sorted(KEYS)


KIB = 1024
HOSTILE = {
    "stars": "*" * 10_000, "marks": "?" * 10_000, "starred": "*a" * 30_000, "mixed": "*a?" * 300 + "b", "nul": "A\0*",
    "quotes": "'\"; DROP TABLE study; --", "brackets": "[" * 2000 + "*", "class": "[!-~]*[^", "percent": "%", "under": "_",
    "tilde": "~", "backslashes": "\\" * 64 * KIB, "long": "a" * 64 * KIB, "many": "\\".join(str(n) for n in range(12_000)),
    "blob": "x'00'", "surrogate": "\ud800*", "groups": "=" * 64 * KIB, "carets": "^" * 64 * KIB, "nines": "9" * 64 * KIB,
    "zeros": "0" * 64 * KIB + "x", "dashes": "-" * 64 * KIB, "wide": "😀" * 16 * KIB, "wild list": "a*\\" * 16 * KIB,
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("keyword", sorted(KEYS))
def test_hostile_keys_are_answered_or_refused_in_words(database: Database, keyword: str, value: str) -> None:
    """None reaches a limit of the database; nothing is found but by those that ask for everything."""
    if not database.read("SELECT 1 AS held FROM study WHERE patient_id = 'Held^by'"):
        words = {KEYS[name].field: "Held^by" for name in KEYS if KEYS[name].vr in ("PN", "LO", "SH")}
        hold(
            database,
            Catalogue(studies=[study(**{**words, "modalities": LIST})], series=[series()], instances=[instance()]),
            new_id(FrozenClock()),
        )  # fmt: skip
    universal = set(value) <= set("\\") or (value[0] == "*" and set(value) == {"*"})
    for level in LEVELS[LEVELS.index(KEYS[keyword].level) :]:
        try:
            rows = found(database, level, {keyword: value})
        except InvalidRequest as refused:
            assert str(refused).startswith(f"Searching by {keyword} was refused")  # noqa: PT017
        else:
            named = KEYS[keyword].vr == "PN" and set(value) <= set("=^")
            numbered = keyword in ("SeriesNumber", "InstanceNumber", "NumberOfFrames", "Rows", "Columns")
            assert not rows or universal or named or (numbered and value == HOSTILE["many"])


def test_a_pattern_beyond_the_databases_limit_never_reaches_it(database: Database) -> None:
    long = "a" * 30_000
    hold(database, Catalogue(studies=[study(description=long, patient_name=long)]), new_id(FrozenClock()))
    for keyword in ("StudyDescription", "PatientName"):
        assert found(database, "STUDY", {keyword: "*a" * 30_000}) == []
        assert found(database, "STUDY", {keyword: "a" * 300 + "*"})


def test_a_text_that_had_to_be_stored_otherwise_is_found_as_it_was_written(database: Database) -> None:
    hold(database, Catalogue(studies=[study(description="x’00’")]), new_id(FrozenClock()))
    assert found(database, "STUDY", {"StudyDescription": "x'00'"})


def test_more_values_than_can_be_compared_are_refused(database: Database) -> None:
    names = [f"n{n}*" for n in range(MOST_PATTERNS + 1)]
    found(database, "STUDY", {"PatientName": "\\".join(names[1:])})
    with pytest.raises(InvalidRequest, match="at most"):
        found(database, "STUDY", {"PatientName": "\\".join(names)})
