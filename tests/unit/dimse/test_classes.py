from __future__ import annotations

import pytest
from pydicom.uid import UID_dictionary

from node.dimse.classes import EVERYTHING, FAMILIES, FAMILY_OF, Classes
from tests.kit.planting import planted

CT, MR, DOSE, PRIVATE = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.88.67",
    "1.3.12.2.1107.5.9.1",
)
ROOTS = ("1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.1.", "1.2.840.10008.5.1.4.34.")


def test_every_storage_class_of_the_standard_is_in_one_family() -> None:
    standard = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid.startswith(ROOTS)
    }
    assert set(FAMILY_OF) == standard
    assert sum(len(ends.split()) for ends in FAMILIES.values()) == len(standard), "none in two"


@pytest.mark.parametrize(
    ("classes", "taken"),
    [
        (EVERYTHING, {CT, MR, DOSE, PRIVATE}),
        (Classes(names=("*",), others=False), {CT, MR, DOSE}),
        (Classes(names=("CT",), others=True), {CT, PRIVATE}),
        (Classes(names=("CT", "SR"), others=False), {CT, DOSE}),
        (Classes(names=(MR,), others=False), {MR}),
        (Classes(names=(PRIVATE,), others=False), {PRIVATE}),
        (Classes(names=("*", PRIVATE), others=False), {CT, MR, DOSE, PRIVATE}),
        (Classes(names=(), others=True), {PRIVATE}),
    ],
)
def test_a_rule_takes_families_single_classes_and_others(classes: Classes, taken: set[str]) -> None:
    assert {uid for uid in (CT, MR, DOSE, PRIVATE) if classes.take(uid)} == taken


def test_a_planted_list_of_classes_that_is_ignored_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Classes(names=("CT",), others=False).take(MR)
    planted(monkeypatch, "class-list-ignored")
    assert Classes(names=("CT",), others=False).take(MR)
