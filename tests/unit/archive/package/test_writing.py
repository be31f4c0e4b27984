"""A package is believed after all of it was turned back, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node.archive.package.manifest import MANIFEST, ORIGINALS
from node.archive.package.reading import Package
from node.archive.package.workers import Workers
from node.errors import Damaged, InvalidRequest
from tests.kit.archived_kinds import KINDS, ct, picture, words
from tests.kit.archiving import Given, Shelf, file_of, opened
from tests.kit.instances import make_ct
from tests.kit.planting import planted

GREY = KINDS["unsigned 12 in 16"].given


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(2) as found:
        yield found


@pytest.fixture
def shelf(tmp_path: Path, workers: Workers) -> Shelf:
    return Shelf(tmp_path, workers)


def test_a_study_of_many_kinds_comes_back_in_order(shelf: Shelf) -> None:
    given = {shelf.put(kind.given).offset: kind.given for kind in KINDS.values()}
    made = shelf.make([shelf.put(kind.given) for kind in KINDS.values()])
    package = opened(made.path)
    assert package.count == len(KINDS)
    files = sorted(file_of(package, number) for number in range(1, package.count + 1))
    assert files == sorted(one.file for one in given.values())
    assert made.path.name == f"{made.digest}.zip"
    assert made.size_bytes == made.path.stat().st_size
    assert sorted(path.name for path in shelf.folder.iterdir()) == sorted([made.path.name, "study.pack"])


def test_slices_stand_in_the_order_of_their_numbers(shelf: Shelf) -> None:
    slices = [
        replace(shelf.put(Given(make_ct(sop_uid=f"2.25.7.{n}", number=n), GREY.transfer_syntax)), number=n)
        for n in (3, 10, 1)
    ]
    package = opened(shelf.make(slices).path)
    assert [package.instance(n).number for n in (1, 2, 3)] == [1, 3, 10]


def test_what_was_known_of_arrivals_is_kept(shelf: Shelf) -> None:
    originals = [shelf.put(GREY), shelf.put(KINDS["no pixels"].given)]
    package = opened(shelf.make(originals).path)
    assert sorted(package.arrivals()) == sorted(each.arrival for each in originals)


def test_records_lie_in_blocks_of_their_own(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.archive.package.writing.BLOCK_RECORDS", 2)
    given = [
        KINDS[name].given for name in ("implicit VR", "no pixels", "RGB", "no pixels", "no pixels", "palette")
    ]
    made = shelf.make([shelf.put(one) for one in given])
    assert len(made.manifest.originals) >= 2
    package = opened(made.path)
    files = sorted(file_of(package, number) for number in range(1, package.count + 1))
    assert files == sorted(one.file for one in given)


def test_a_planted_wrong_encoder_is_caught(
    shelf: Shelf, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERIDIAN_PLANTED", "encoder-wrong")
    package = opened(shelf.make([shelf.put(GREY)]).path)
    assert package.instance(1).syntax == ""
    assert package.instance(1).kept == "it comes back otherwise"
    assert file_of(package) == GREY.file


def test_planted_belief_without_reading_back_is_caught(
    shelf: Shelf, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERIDIAN_PLANTED", "encoder-wrong")
    planted(monkeypatch, "verify-nothing")
    package = opened(shelf.make([shelf.put(GREY)]).path)
    with pytest.raises(Damaged):
        file_of(package)


def test_an_original_that_is_not_what_the_catalogue_says_makes_no_package(shelf: Shelf) -> None:
    with pytest.raises(Damaged, match=r"pack study\.pack is not what was received"):
        shelf.make([shelf.put(GREY), shelf.put(GREY, digest="0" * 64)])
    assert [path.name for path in shelf.folder.iterdir()] == ["study.pack"]


def test_a_pack_that_is_gone_makes_no_package(shelf: Shelf) -> None:
    original = replace(shelf.put(GREY), pack=shelf.folder / "merged.pack")
    with pytest.raises(FileNotFoundError):
        shelf.make([original])
    assert [path.name for path in shelf.folder.iterdir()] == ["study.pack"]


def test_a_package_of_nothing_is_refused(shelf: Shelf) -> None:
    with pytest.raises(InvalidRequest):
        shelf.make([])


def test_an_instance_that_ends_its_encoder_stays_as_received(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERIDIAN_FAILPOINTS", "coding")
    package = opened(shelf.make([shelf.put(GREY)]).path)
    assert package.instance(1).kept == "what coded it ended"
    assert file_of(package) == GREY.file


def test_the_same_originals_make_the_same_bytes(shelf: Shelf) -> None:
    originals = [shelf.put(GREY), shelf.put(KINDS["RGB"].given)]
    assert shelf.make(originals).digest == shelf.make(reversed(originals)).digest


def test_a_series_costs_few_bytes_beside_its_pixels(shelf: Shelf) -> None:
    slices = [
        ct(words(picture(12, seed=n)), change={0x00080018: ("UI", f"1.2.840.113619.2.55.3.604688.{n}")})
        for n in range(1, 101)
    ]
    made = shelf.make([replace(shelf.put(one), number=n) for n, one in enumerate(slices)])
    package: Package = opened(made.path)
    assert all(package.instance(n).syntax for n in range(1, 101))
    assert package.stored_bytes(MANIFEST) <= 130 * 100
    assert package.stored_bytes(ORIGINALS) <= 20 * 100
