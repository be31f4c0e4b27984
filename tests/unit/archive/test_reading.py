"""Archived instances read where they lie: the words of every kind as they are online, and nothing that is not so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.reading import peek_described, peek_frame
from node.catalogue.search import InstanceRow, instances_of
from node.catalogue.stored import stored_whole
from node.dicom.frames import frame_of
from node.dicom.json_model import to_json
from node.imaging.lossless import Syntax, decode
from node.node import Node
from tests.kit.archived_study import hold_kinds, stores_of
from tests.kit.archiving import opened
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, dict[str, list[object]], Path]]:
    """A study of all kinds, what it said online, and the folder of its archive; by now it lies in the archive alone."""
    folder = tmp_path_factory.mktemp("reading")
    node = two_stores(folder, FrozenClock())
    hold_kinds(node)
    online = {row.digest: said(node, row) for row in rows_of(node)}
    archive_study(node, origin=KEY.origin, study_uid=KEY.study_uid)
    expire_study(node, KEY, reason="age")
    yield node, online, folder / "archive"
    node.close()


def rows_of(node: Node) -> list[InstanceRow]:
    return instances_of(node.database, KEY, chosen_only=False)


def said(node: Node, row: InstanceRow) -> list[object]:
    header = stored_whole(node, row)
    return [to_json(header, bulk=lambda path: path), header.transfer_syntax]


def test_the_words_of_each_kind_are_those_it_had_online(
    held: tuple[Node, dict[str, list[object]], Path],
) -> None:
    node, online, _ = held
    given = 0
    for row in rows_of(node):
        header = peek_described(node, row)
        if header is not None:
            given += 1
            assert [to_json(header, bulk=lambda path: path), header.transfer_syntax] == online[row.digest]
    assert given >= len(online) // 2


def test_each_frame_that_is_given_is_one_of_its_instance(
    held: tuple[Node, dict[str, list[object]], Path],
) -> None:
    node, _, archive = held
    (path,) = (archive / "store-0").glob("??/*")
    package = opened(path)
    given = 0
    for row in rows_of(node):
        for number in range(1, row.frames + 1):
            found = peek_frame(node, row, number)
            if found is not None:
                given += 1
                assert package.frame(row.offset, number) == found.content
    assert given > 20
    assert stores_of(node) == {"store-0", "store-1"}


def test_what_is_not_there_is_left_to_be_brought(held: tuple[Node, dict[str, list[object]], Path]) -> None:
    node, _, _ = held
    row = rows_of(node)[0]
    assert peek_frame(node, row, 99) is None
    assert peek_frame(node, replace_row(row, offset=row.offset + 1), 1) is None
    assert peek_described(node, replace_row(row, offset=9999)) is None


def replace_row(row: InstanceRow, *, offset: int) -> InstanceRow:
    return InstanceRow(
        **{name: getattr(row, name) for name in InstanceRow.__struct_fields__} | {"offset": offset}
    )


def test_no_damage_of_a_copy_gives_other_words_or_frames(
    held: tuple[Node, dict[str, list[object]], Path],
) -> None:
    """Spoil one copy all over: each word and frame is right, or comes from the other copy, or is left to be brought."""
    node, online, archive = held
    (path,) = (archive / "store-0").glob("??/*")
    raw = path.read_bytes()
    node.archive.opened.close()
    spoiled = bytearray(raw)
    for at in range(0, len(raw), 997):
        spoiled[at] ^= 1
    path.write_bytes(spoiled)
    try:
        for row in rows_of(node):
            header = peek_described(node, row) or peek_described(node, row)
            if header is not None:
                assert to_json(header, bulk=lambda path: path) == online[row.digest][0]
    finally:
        path.write_bytes(raw)
    states = node.database.read("SELECT store, state FROM package_copy ORDER BY store")
    assert [row["state"] for row in states] == ["damaged", "verified"]


def test_a_frame_of_a_coded_instance_decodes_to_the_original(
    held: tuple[Node, dict[str, list[object]], Path], tmp_path: Path
) -> None:
    node, _, archive = held
    (path,) = (archive / "store-1").glob("??/*")
    package = opened(path)
    for row in rows_of(node):
        instance = package.instance(row.offset)
        found = peek_frame(node, row, 1)
        if instance.syntax and found is not None and not row.transfer_syntax.endswith("1.2"):
            from node.archive.package.members import read_record
            from node.dicom.header import scan
            from node.imaging.lossless import write_frame

            plan, _ = read_record(package.record(row.offset))
            original = b"".join(package.original(row.offset))[132 + row.meta_bytes :]
            back = write_frame(
                decode(found.content, Syntax(found.transfer_syntax), plan.layout),
                plan.layout,
                sign_above=plan.sign_above,
            )
            assert back == frame_of(scan(original, row.transfer_syntax), 1)
