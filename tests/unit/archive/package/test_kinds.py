"""Each kind of instance: coded as the rule says, or as received with the reason; and back byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.archive.package.manifest import Instance
from node.archive.package.requests import Profile
from node.archive.package.workers import Workers
from node.dicom.header import scan
from node.dicom.part10 import read_part10
from tests.kit.archived_kinds import KINDS, Kind, document, without_group_length, wrong_group_length
from tests.kit.archiving import Given, Shelf, file_of, member_of


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as found:
        yield found


@pytest.fixture
def shelf(tmp_path: Path, workers: Workers) -> Shelf:
    return Shelf(tmp_path, workers)


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_each_kind_is_coded_as_the_rule_says_and_comes_back(
    shelf: Shelf, kind: Kind, profile: Profile
) -> None:
    package, given = shelf.pack_alone(kind.given, profile=profile)
    assert file_of(package) == given.file
    found = package.instance(1)
    if kind.syntaxes:
        allowed = kind.syntaxes if profile is Profile.SMALL else (*kind.syntaxes, "1.2.840.10008.1.2.4.201")
        assert found.syntax in allowed
        assert not found.kept
    else:
        assert found.syntax == ""
        assert found.kept != ""
        assert kind.kept in found.kept
        assert member_of(package) == given.file


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_member_says_what_it_is(shelf: Shelf, kind: Kind) -> None:
    package, given = shelf.pack_alone(kind.given)
    parts = read_part10(member_of(package))
    instance = package.instance(1)
    assert parts.transfer_syntax == (instance.syntax or given.transfer_syntax)
    header, before = scan(parts.data_set, parts.transfer_syntax), scan(given.data_set, given.transfer_syntax)
    changed = {0x00280004, 0x00280006, 0x00280000, 0x7FE00000, 0x7FE00010, 0x00080000}
    alike = (before.elements.keys() | header.elements.keys()) - changed
    assert {tag: header.value(tag) for tag in alike} == {tag: before.value(tag) for tag in alike}
    if instance.syntax:
        _check_truth(instance, parts.file_meta, header.text(0x00280004), header.value(0x00280006))


def _check_truth(instance: Instance, file_meta: bytes, photometric: str, planar: bytes | None) -> None:
    assert int.from_bytes(file_meta[8:12], "little") == len(file_meta) - 12
    assert planar in (None, b"\0\0")
    assert photometric != "RGB" or instance.syntax != "1.2.840.10008.1.2.4.201"


def test_every_frame_is_had_by_one_read(shelf: Shelf) -> None:
    for name in ("several frames", "several frames of colour", "RLE, several frames", "JPEG-LS already"):
        package, _ = shelf.pack_alone(KINDS[name].given)
        member = member_of(package)
        places = package.instance(1).places
        assert len(places) > 1, name
        at = 0
        for number in range(1, len(places) + 1):
            frame = package.frame(1, number)
            at = member.index(frame, at) + len(frame)


def test_a_document_is_deflated(shelf: Shelf) -> None:
    package, given = shelf.pack_alone(document())
    assert file_of(package) == given.file
    assert package.content(1)[3] < len(given.file) / 10


@pytest.mark.parametrize("spoil", [without_group_length, wrong_group_length])
def test_file_meta_that_is_odd_comes_back(shelf: Shelf, spoil: object) -> None:
    given = spoil(KINDS["unsigned 12 in 16"].given)  # type: ignore[operator]
    assert isinstance(given, Given)
    package, _ = shelf.pack_alone(given)
    assert package.instance(1).syntax
    assert file_of(package) == given.file
