"""Packages as others meet them: by `unzip`, by the command, and damaged."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node.archive.package.__main__ import main
from node.archive.package.manifest import ARRIVALS, MANIFEST, ORIGINALS
from node.archive.package.reading import Package
from node.archive.package.workers import Workers
from node.archive.package.writing import Made
from node.errors import Damaged, GridError, NotFound
from tests.kit.archived_kinds import KINDS, document
from tests.kit.archiving import Given, Shelf, file_of, member_of, opened

GIVEN = {
    "unsigned 12 in 16": KINDS["unsigned 12 in 16"].given,
    "RLE": KINDS["RLE, several frames"].given,
    "several frames": KINDS["several frames"].given,
    "document": document(),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with Workers(2) as workers:
        shelf = Shelf(tmp_path_factory.mktemp("package"), workers)
        yield shelf.make([shelf.put(one) for one in GIVEN.values()])


@pytest.fixture
def package(made: Made) -> Package:
    return opened(made.path)


def test_unzip_finds_no_fault(made: Made) -> None:
    checked = subprocess.run(["unzip", "-tq", made.path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_pythons_zipfile_gives_the_same_members(made: Made, package: Package) -> None:
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
        names = [f"{n:06d}.dcm" for n in range(1, len(GIVEN) + 1)]
        assert archive.namelist() == [*names, ORIGINALS, ARRIVALS, MANIFEST]
        for n, name in enumerate(names, start=1):
            assert archive.read(name) == member_of(package, n)


def test_an_instance_is_found_by_its_uid(package: Package) -> None:
    uid = package.instance(2).sop_uid
    assert package.instance(package.find(uid)).sop_uid == uid
    with pytest.raises(NotFound):
        package.find("1.2.3.4.5")


def test_what_is_not_there_is_said_so(package: Package) -> None:
    for number in (0, len(GIVEN) + 1):
        with pytest.raises(NotFound):
            package.instance(number)
    with pytest.raises(NotFound):
        package.frame(1, 99)


def test_the_command_lists_verifies_restores_and_extracts(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(made.path), "list"]) == 0
    assert f"{len(GIVEN)} instances" in capsys.readouterr().out
    assert main([str(made.path), "verify"]) == 0
    assert main([str(made.path), "restore", str(tmp_path / "out")]) == 0
    restored = sorted(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert restored == sorted(one.file for one in GIVEN.values())
    assert main([str(made.path), "extract", "1", str(tmp_path / "one.dcm")]) == 0
    assert (tmp_path / "one.dcm").read_bytes() == member_of(opened(made.path), 1)


def test_the_command_stands_alone(made: Made) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "node.archive.package", made.path, "verify"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "4 of 4" in ran.stdout


@pytest.mark.parametrize("arguments", [[], ["gone.zip"], ["gone.zip", "list"], ["gone.zip", "throw"]])
def test_the_command_says_what_is_wrong(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) in (1, 2)
    assert capsys.readouterr().err


def test_a_restore_without_a_folder_shows_the_usage(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(made.path), "restore"]) == 2
    assert "python -m node.archive.package" in capsys.readouterr().err


def test_a_damaged_package_is_named_and_the_rest_verified(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = bytearray(made.path.read_bytes())
    raw[opened(made.path).content(1)[0] + 500] ^= 1
    spoiled = tmp_path / "spoiled.zip"
    spoiled.write_bytes(raw)
    assert main([str(spoiled), "verify"]) == 1
    out = capsys.readouterr().out
    assert "000001.dcm" in out
    assert "3 of 4" in out


def test_a_package_cut_off_anywhere_is_refused_or_whole(made: Made, tmp_path: Path) -> None:
    raw, cut = made.path.read_bytes(), tmp_path / "cut.zip"
    for length in range(0, len(raw) - 1, max(len(raw) // 60, 1)):
        cut.write_bytes(raw[:length])
        with pytest.raises(Damaged):
            opened(cut)


def test_no_damage_gives_other_bytes(made: Made, tmp_path: Path) -> None:
    """Change bytes all over the file, one a time: what is read is what was archived, or nothing."""
    raw, spoiled = made.path.read_bytes(), tmp_path / "spoiled.zip"
    archived = set(_everything(opened(made.path)))
    assert len(archived) > 8
    caught = 0
    for at in range(3, len(raw), max(len(raw) // 400, 1)):
        changed = bytearray(raw)
        changed[at] ^= 0x10
        spoiled.write_bytes(changed)
        try:
            found = set(_everything(opened(spoiled)))
        except Damaged:
            found = set()
        assert found <= archived
        caught += found < archived
    assert caught > 300


def _everything(package: Package) -> Iterator[bytes]:
    """Give each original and each frame that can be had."""
    for number in range(1, package.count + 1):
        with suppress(GridError):
            yield file_of(package, number)
        for frame in range(1, len(package.instance(number).places) + 1):
            with suppress(GridError):
                yield package.frame(number, frame)


def test_frames_lie_where_the_manifest_says(package: Package) -> None:
    for number in range(1, package.count + 1):
        member = member_of(package, number)
        for frame in range(1, len(package.instance(number).places) + 1):
            assert package.frame(number, frame) in member


def test_given_kinds_use_each_way_of_lying(package: Package) -> None:
    ways = {min(place.how, 2) for n in range(1, package.count + 1) for place in package.instance(n).places}
    assert len(ways) >= 2
    assert isinstance(GIVEN["RLE"], Given)
