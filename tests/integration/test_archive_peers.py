"""The whole open corpus through packages: every file back byte for byte, and each member read by others as its original is.

dcmtk, GDCM (in a process that may end) and pydicom: whoever reads an original and knows the new syntax must read the
same samples from the member, and at least one of them always does.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.archive.package.manifest import Instance
from node.archive.package.reading import Package
from node.archive.package.workers import Workers
from node.dicom.part10 import read_part10
from tests.kit.archiving import Given, Shelf, file_of, member_of, opened
from tests.kit.corpus import Taken, readable
from tests.kit.pixels_read import JPEG_LS, by_dcmtk, by_gdcm, by_pydicom

pytestmark = pytest.mark.peer
STORED = 725
"""Of the open sets at least so many instances are taken in."""


@dataclass(frozen=True)
class Archived:
    """A file of the corpus, and where it went."""

    taken: Taken
    package: Package
    number: int

    @property
    def instance(self) -> Instance:
        return self.package.instance(self.number)


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Archived]]:
    """Archive every study of every set."""
    folder = tmp_path_factory.mktemp("corpus")
    found = []
    with Workers(2) as workers:
        for n, (study, files) in enumerate(_studies().items()):
            place = folder / str(n)
            place.mkdir()
            shelf = Shelf(place, workers)
            originals = [shelf.put(_given(taken)) for taken in files]
            package = opened(shelf.make(originals, study_uid=study[1]).path)
            of = {original.offset: taken for original, taken in zip(originals, files, strict=True)}
            for number, offset in enumerate(_offsets(package), start=1):
                found.append(Archived(of[offset], package, number))
        yield found


def _offsets(package: Package) -> list[int]:
    """Give which original each member is of, by what its arrival says."""
    return [json.loads(line)["at"] for line in package.arrivals()]


def _studies() -> dict[tuple[str, str], list[Taken]]:
    found: dict[tuple[str, str], list[Taken]] = {}
    for taken in readable():
        found.setdefault((taken.set, taken.study_uid), []).append(taken)
    return found


def _given(taken: Taken) -> Given:
    parts = read_part10(taken.path.read_bytes())
    return Given(taken.data_set, taken.transfer_syntax, parts.file_meta)


def test_every_instance_comes_back_byte_for_byte(archived: list[Archived]) -> None:
    assert len(archived) >= STORED
    for one in archived:
        assert file_of(one.package, one.number) == _given(one.taken).file, one.taken.path
    kept = Counter(one.instance.kept or "coded again" for one in archived)
    for why, count in kept.most_common():
        print(f"{count:5d}  {why}")
    assert kept["coded again"] >= 380


def test_others_read_the_same_pixels(archived: list[Archived], tmp_path: Path) -> None:
    coded = [one for one in archived if one.instance.syntax]
    originals, members = _written(coded, tmp_path)
    unread, wrong = 0, []
    read = Counter[str]()
    before, after = by_gdcm(originals), by_gdcm(members)
    for one, original, member, gdcm in zip(
        coded, originals, members, zip(before, after, strict=True), strict=True
    ):
        pairs = {"gdcm": gdcm, "pydicom": (by_pydicom(original), by_pydicom(member))}
        if one.instance.syntax == JPEG_LS:
            pairs["dcmtk"] = (by_dcmtk(original, tmp_path), by_dcmtk(member, tmp_path))
        able = {name: pair for name, pair in pairs.items() if pair[0] is not None}
        wrong += [(one.taken.path.name, name) for name, (a, b) in able.items() if a != b]
        unread += not able
        read.update(able.keys())
    print(f"{len(coded)} members coded again; read alike by", dict(read), file=sys.stderr)
    assert wrong == []
    assert unread == 0


def test_a_planted_pixel_of_another_value_is_caught(archived: list[Archived], tmp_path: Path) -> None:
    one = next(one for one in archived if one.instance.syntax == JPEG_LS)
    (original,), (member,) = _written([one], tmp_path)
    raw = bytearray(original.read_bytes())
    raw[-100] ^= 1
    original.write_bytes(raw)
    assert by_pydicom(original) != by_pydicom(member)
    assert by_dcmtk(original, tmp_path) != by_dcmtk(member, tmp_path)
    assert by_gdcm([original]) != by_gdcm([member])


def _written(coded: list[Archived], folder: Path) -> tuple[list[Path], list[Path]]:
    originals, members = [], []
    for n, one in enumerate(coded):
        originals.append(folder / f"{n}-original.dcm")
        members.append(folder / f"{n}-member.dcm")
        originals[-1].write_bytes(_given(one.taken).file)
        members[-1].write_bytes(member_of(one.package, one.number))
    return originals, members
