"""The same SOP Instance UID again, in its three ways."""

from __future__ import annotations

from itertools import permutations

import pytest

from node.catalogue.repeats import earlier, settle
from node.catalogue.search import InstanceRow
from node.names import Digest, NodeId, SeriesUID, SOPClassUID, SOPInstanceUID, StudyUID


def content(digest: str, at: int, *, says: str = "", pack: str = "p") -> InstanceRow:
    return InstanceRow(
        origin=NodeId("alpha"), study_uid=StudyUID("1"), sop_uid=SOPInstanceUID("1.1"), digest=Digest(digest),
        normal_digest=says, series_uid=SeriesUID("1.2"), sop_class=SOPClassUID("1.3"), transfer_syntax="1.2.840.10008.1.2",
        number=1, frames=1, rows=1, columns=1, pack=pack, offset=0, meta_bytes=0, data_offset=0, data_bytes=1,
        state="chosen", door="dicom", received_at=at,
    )  # fmt: skip


SAYS = {"a": "red", "b": "red", "c": "blue"}


def normal(row: InstanceRow) -> str:
    return SAYS[row.digest]


def test_alone_a_content_is_chosen_and_not_compared() -> None:
    def never(_: InstanceRow) -> str:
        raise AssertionError

    assert settle([content("a", 5)], never) == [content("a", 5)]


def test_same_content_written_otherwise_is_an_alternative() -> None:
    assert [row.state for row in settle([content("a", 1), content("b", 2)], normal)] == [
        "chosen",
        "alternative",
    ]


def test_another_content_is_a_conflict_and_both_are_kept() -> None:
    settled = settle([content("c", 2), content("a", 1)], normal)
    assert [(row.digest, row.state) for row in settled] == [("a", "chosen"), ("c", "conflict")]


def test_order_of_registering_makes_no_difference() -> None:
    contents = [content("a", 3), content("b", 1), content("c", 2)]
    outcomes = {
        tuple((row.digest, row.state) for row in settle(order, normal)) for order in permutations(contents)
    }
    assert outcomes == {(("b", "chosen"), ("c", "conflict"), ("a", "alternative"))}


def test_digest_decides_between_arrivals_of_one_moment() -> None:
    assert settle([content("c", 1), content("a", 1)], normal)[0].digest == "a"


@pytest.mark.parametrize(
    "pair", [(content("a", 1), content("a", 2)), (content("a", 1, pack="o"), content("a", 1, pack="p"))]
)
def test_first_receipt_of_the_same_data_set_is_the_one_kept(pair: tuple[InstanceRow, InstanceRow]) -> None:
    assert earlier(*pair) == earlier(*reversed(pair)) == pair[0]
