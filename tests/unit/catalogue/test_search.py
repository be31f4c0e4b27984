"""The study list as it is typed into, and matching by attribute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.catalogue import typed as typed_words
from node.catalogue.finding import match_studies
from node.catalogue.search import (
    EVERYTHING,
    count_visible,
    find_studies,
    find_visible,
    get_study,
    peek_study,
)
from node.errors import NotFound
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.instances import make_ct
from tests.kit.registering import facts, receive

STUDIES = (
    # uid, name, id, accession, description, date
    ("2.25.1", "Wang^XiaoDong=王^小东", "A-17", "ACC1", "Chest", "20260301"),
    ("2.25.2", "Zhang^San=张^三", "B-18", "ACC2", "Chest low dose", "20260302"),
    ("2.25.3", "O'Neill^Ann", "C_19", "", "50% phase", "20260303"),
    ("2.25.4", "王^芳", "D*20", "ACC4", "Head [1]", ""),
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    for n, (uid, name, patient_id, accession, description, date) in enumerate(STUDIES):
        data_set = make_ct(
            study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1", patient_name=name, patient_id=patient_id,
            accession=accession, description=description, study_date=date, charset="ISO_IR 192", python_charset="utf-8",
        )  # fmt: skip
        receive(node, data_set, given=facts(node, study_uid=uid, received_at=node.now() + n))
    yield node
    node.database.close()  # type: ignore[attr-defined]  # the port leaves closing to whoever composed it
    node.bell.close()


def typed(node: Node, text: str) -> list[str]:
    return sorted(row.study_uid for row in find_visible(node.database, EVERYTHING, text=text))


def matched(node: Node, **filters: str) -> list[str]:
    return sorted(row.study_uid for row in match_studies(node.database, EVERYTHING, filters=filters))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "1234"), ("WANG x", "1"), ("小东", "1"), ("王", "14"), ("王小", ""), ("acc2", "2"),
        ("chest", "12"), ("chest dose", "2"), ("b-18", "2"), ("%", "3"), ("_", "3"), ("o'n", "3"), ("zhang^san", "2"), ("~", ""), ("*", "4"), ("?", ""), ("xm", ""),
        ("wangxiaodong", "1"), ("wxd", "1"), ("wang xd", "1"), ("xiaod", "1"), ("zs", "2"), ("ZHANGS", "2"), ("wang", "14"),
        ("wf chest", ""), ("wf head", "4"), ("yu", "14"), ("\0", "1234"), ("w " * 40, "12"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("walked", [4096, 0, 1])
def test_every_word_typed_must_stand_somewhere(
    node: Node, monkeypatch: pytest.MonkeyPatch, text: str, found: str, walked: int
) -> None:
    monkeypatch.setattr(typed_words, "WALK", walked)
    assert typed(node, text) == [f"2.25.{n}" for n in found]
    assert count_visible(node.database, EVERYTHING, text=text) == len(found)


def test_pages_follow_each_other_newest_first(node: Node) -> None:
    pages, before = [], ""
    while page := find_visible(node.database, EVERYTHING, limit=3, before=before):
        pages.append([row.study_uid for row in page])
        before = page[-1].page
    assert pages == [["2.25.4", "2.25.3", "2.25.2"], ["2.25.1"]]


def test_studies_of_one_moment_are_neither_lost_nor_shown_twice(node: Node) -> None:
    for n in range(10, 20):
        uid = f"2.25.{n}"
        receive(node, make_ct(study_uid=uid), given=facts(node, study_uid=uid, received_at=node.now()))
    seen, before = [], ""
    while page := find_visible(node.database, EVERYTHING, limit=4, before=before):
        seen += [row.study_uid for row in page]
        before = page[-1].page
    assert len(seen) == len(set(seen)) == 14


@pytest.mark.parametrize("before", ["x", "1/2", "9999999999999999999999/a/b", "'; --"])
def test_malformed_page_is_the_first(node: Node, before: str) -> None:
    assert len(find_visible(node.database, EVERYTHING, before=before)) == 4


def test_condition_of_visibility_narrows_lists_and_matches(node: Node) -> None:
    nothing = ("1 = 0 OR study.origin = ?", ("beta",))
    assert find_visible(node.database, nothing) == []
    assert match_studies(node.database, nothing, filters={"PatientID": "A-17"}) == []
    assert count_visible(node.database, nothing) == 0


@pytest.mark.parametrize("walked", [4096, 1])
def test_state_and_origins_narrow(node: Node, monkeypatch: pytest.MonkeyPatch, walked: int) -> None:
    monkeypatch.setattr(typed_words, "WALK", walked)
    assert count_visible(node.database, EVERYTHING, state="receiving") == 4
    pages, before = [], ""
    while page := find_visible(node.database, EVERYTHING, state="receiving", limit=3, before=before):
        pages.append(len(page))
        before = page[-1].page
    assert pages == [3, 1]
    assert len(find_visible(node.database, EVERYTHING, state="receiving")) == 4
    assert find_visible(node.database, EVERYTHING, state="complete") == []
    assert len(find_studies(node.database, origins=["alpha", "beta"])) == 4
    assert find_studies(node.database, origins=[]) == []


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("PatientName", "Wang^XiaoDong", "1"), ("PatientName", "wang*", "1"), ("PatientName", "王*", "14"),
        ("PatientName", "王^小东", "1"), ("PatientName", "王^?", "4"), ("PatientName", "Wang", ""), ("PatientName", "*", "1234"),
        ("PatientName", "Wang^XiaoDong=王^小东", "1"), ("PatientName", "o'neill^ann", "3"), ("PatientName", "%", ""),
        ("PatientID", "A-17", "1"), ("PatientID", "a-17", ""), ("PatientID", "?-1?", "12"), ("PatientID", "C_19", "3"),
        ("PatientID", "D*20", "4"), ("StudyDescription", "Head [1*", "4"), ("StudyDescription", "*%*", "3"),
        ("AccessionNumber", "ACC*", "124"), ("StudyInstanceUID", "2.25.1\\2.25.3", "13"), ("StudyInstanceUID", "2.25.2,2.25.9", "2"),
        ("StudyDate", "20260302", "2"), ("StudyDate", "20260302-", "23"), ("StudyDate", "-20260302", "12"),
        ("StudyDate", "20260301-20260302", "12"), ("StudyDate", "20270101-", ""), ("StudyTime", "1000-1015", "1234"),
        ("StudyTime", "1016-", ""), ("ModalitiesInStudy", "CT", "1234"), ("ModalitiesInStudy", "MR\\CT", "1234"),
        ("ModalitiesInStudy", "C", ""), ("PatientBirthDate", "19610405", "1234"), ("PatientSex", "F", ""),
        ("Unheard", "x", "1234"), ("PatientID", "", "1234"), ("PatientID", "' OR 1=1 --", ""),
    ],
)  # fmt: skip
def test_keys_match_as_the_standard_says(node: Node, key: str, value: str, found: str) -> None:
    assert matched(node, **{key: value}) == [f"2.25.{n}" for n in found]


def test_keys_narrow_each_other_and_pages_are_cut(node: Node) -> None:
    assert matched(node, PatientName="王*", StudyDate="2026-") == ["2.25.1"]
    pages = [
        match_studies(node.database, EVERYTHING, filters={}, limit=3, offset=offset) for offset in (0, 3)
    ]
    assert [len(page) for page in pages] == [3, 1]


def test_study_by_its_key_or_not_found(node: Node) -> None:
    key = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"))
    assert get_study(node.database, key).patient_name == "Wang^XiaoDong=王^小东"
    other = StudyKey(origin=NodeId("beta"), study_uid=StudyUID("2.25.1"))
    assert peek_study(node.database, other) is None
    with pytest.raises(NotFound):
        get_study(node.database, other)
