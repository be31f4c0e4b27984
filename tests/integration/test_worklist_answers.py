"""What is made of whatever a worklist answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from io import BytesIO
from typing import Any

import pytest
from pydicom.filereader import read_dataset

from node.dimse.calling import Called
from node.dimse.worklist_scu import MODALITY_WORKLIST, Expected, Worklist, ask_worklist
from node.errors import Refused
from tests.kit.instances import LITTLE
from tests.kit.strange_provider import HOST, provider
from tests.kit.worklist_peer import Booked

DAY = date(2026, 12, 1)
ON = "20261201"


def answered(answers: Sequence[bytes], *, last: int = 0, limit: int = 100) -> Worklist:
    """Ask one that answers with these data sets."""

    def find(_event: Any) -> Iterator[tuple[int, Any]]:
        for raw in answers:
            yield 0xFF00, read_dataset(BytesIO(raw), is_implicit_VR=False, is_little_endian=True)
        yield last, None

    with provider(find=find, others=(MODALITY_WORKLIST,)) as port:
        whom = Called(name="RIS", aet="RIS", host=HOST, port=port, calling="ALPHA")
        return ask_worklist(whom, DAY, limit=limit)


def test_each_patient_is_said_once_by_her_first_time() -> None:
    found = answered(
        [
            Booked(patient_id="B", day=ON, time="101500").data_set(1),
            Booked(patient_id="A", day=ON, time="1030").data_set(2),
            Booked(patient_id="A", day=ON, time="0800", modality="MR").data_set(3),
            Booked(patient_id="A", day=ON, time="0900", issuer="LAB").data_set(4),
        ]
    )
    assert found.expected == (
        Expected(patient_id="A", issuer="", modalities=frozenset({"CT", "MR"})),
        Expected(patient_id="A", issuer="LAB", modalities=frozenset({"CT"})),
        Expected(patient_id="B", issuer="", modalities=frozenset({"CT"})),
    )
    assert (found.complete, found.unreadable) == (True, 0)


def test_one_that_matches_on_nothing_is_read_by_the_day() -> None:
    others = [Booked(patient_id=f"X{n}", day=f"202612{n:02d}").data_set(n) for n in range(2, 9)]
    found = answered([*others, Booked(patient_id="A", day=ON).data_set(1)])
    assert [one.patient_id for one in found.expected] == ["A"]


def test_answers_that_say_little_or_nonsense_are_taken_for_what_they_say() -> None:
    bare = LITTLE.element(0x00100020, "LO", "BARE")
    nobody = Booked(patient_id="", day=ON).data_set(1)
    odd = Booked(patient_id="ODD", day=ON, modality="C\tT\n", time="9\r0").data_set(2)
    empty = LITTLE.element(0x00100020, "LO", "EMPTY") + LITTLE.element(0x00400100, "SQ", b"")
    two = LITTLE.element(0x00100020, "LO", "TWO") + LITTLE.element(
        0x00400100,
        "SQ",
        LITTLE.item(LITTLE.element(0x00080060, "CS", "MG"), LITTLE.element(0x00400002, "DA", "20261202"))
        + LITTLE.item(LITTLE.element(0x00080060, "CS", "US"), LITTLE.element(0x00400002, "DA", ON)),
    )
    found = answered([bare, nobody, odd, empty, two])
    assert {one.patient_id: set(one.modalities) for one in found.expected} == {
        "BARE": set(), "ODD": {"CT"}, "EMPTY": set(), "TWO": {"US"},
    }  # fmt: skip
    assert found.unreadable == 1


def test_a_failure_is_said_in_words() -> None:
    with pytest.raises(Refused, match=r"Asking RIS at 127\.0\.0\.1"):
        answered([], last=0xC001)


def test_past_the_limit_it_is_asked_to_stop() -> None:
    many = [Booked(patient_id=f"P{n}", day=ON).data_set(n) for n in range(30)]
    found = answered(many, limit=10)
    assert (len(found.expected), found.complete) == (10, False)
