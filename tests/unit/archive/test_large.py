"""A long cine in the archive alone: its header and its frames are had without reading, or decoding, all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.package.manifest import LARGE_BYTES
from node.archive.reading import peek_described, peek_frame
from node.catalogue.search import InstanceRow, instances_of
from node.catalogue.stored import stored_whole
from node.dicom.json_model import to_json
from node.node import Node
from tests.kit.archived_kinds import Change, bits, ct
from tests.kit.archiving import Given, opened
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.instances import LITTLE, UNDEFINED, encapsulate
from tests.kit.merging import KEY, complete

SIDE, FRAMES = 512, 65
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
NOISE = np.random.default_rng(7).bytes(FRAMES * SIDE * SIDE)
LONG: Change = {
    0x00280008: ("IS", str(FRAMES)), 0x00280010: ("US", SIDE), 0x00280011: ("US", SIDE),
}  # fmt: skip
EIGHT: Change = LONG | bits(8, 8)
PADDING: Change = {0xFFFCFFFC: ("OB", b"\0" * 100)}


def compressed(padding: bytes = b"") -> Given:
    """Make a cine that came compressed; nobody decodes it."""
    size = SIDE * SIDE
    frames = [b"\xff\xd8" + NOISE[n * size : (n + 1) * size] for n in range(FRAMES)]
    plain = ct(b"", change={**EIGHT, 0x7FE00010: None}).data_set
    pixels = LITTLE.element(0x7FE00010, "OB", encapsulate(*frames), length=UNDEFINED)
    return Given(data_set=plain + pixels + padding, transfer_syntax=JPEG_BASELINE)


CINES = {
    "coded again": ct(NOISE, change=EIGHT),
    "kept, native": ct(NOISE, change=LONG | bits(8, 6)),
    "kept, compressed": compressed(),
}
BEHIND = {
    "coded again, padding behind": ct(NOISE, change=EIGHT | PADDING),
    "kept, compressed, padding behind": compressed(LITTLE.element(0xFFFCFFFC, "OB", bytes(100))),
}


@dataclass(frozen=True)
class Away:
    """Cines that lie in the archive alone, and what each said online."""

    node: Node
    rows: dict[str, InstanceRow]
    online: dict[str, list[object]]
    package: Path


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    folder = tmp_path_factory.mktemp("large")
    node = two_stores(folder, FrozenClock())
    named = CINES | BEHIND
    for n, given in enumerate(named.values()):
        data_set = given.data_set.replace(b"2.25.1.1.1", f"2.25.1.1.{n + 2}".encode(), 1)
        hold(node, [data_set], transfer_syntax=given.transfer_syntax)
    complete(node, KEY)
    online = {name: said(node, row) for name, row in by_name(node, named).items()}
    archive_study(node, origin=KEY.origin, study_uid=KEY.study_uid)
    expire_study(node, KEY, reason="age")
    (package,) = (folder / "archive" / "store-0").glob("??/*")
    yield Away(node=node, rows=by_name(node, named), online=online, package=package)
    node.close()


def by_name(node: Node, named: Iterable[str]) -> dict[str, InstanceRow]:
    rows = {str(row.sop_uid): row for row in instances_of(node.database, KEY)}
    return {name: rows[f"2.25.1.1.{n + 2}"] for n, name in enumerate(named)}


def said(node: Node, row: InstanceRow) -> list[object]:
    header = stored_whole(node, row)
    return [to_json(header, bulk=lambda path: path), header.transfer_syntax]


@pytest.mark.parametrize("name", CINES)
def test_a_long_cine_says_what_it_said_online_and_little_of_it_is_read(away: Away, name: str) -> None:
    row = away.rows[name]
    package = opened(away.package)
    assert package.content(row.offset)[2] > LARGE_BYTES
    begins = package.instance(row.offset).beginning
    assert begins is not None
    assert begins.size < 4096
    header = peek_described(away.node, row)
    assert header is not None
    assert [to_json(header, bulk=lambda path: path), header.transfer_syntax] == away.online[name]


@pytest.mark.parametrize("name", CINES)
def test_each_frame_of_a_long_cine_is_read_alone(away: Away, name: str) -> None:
    assert peek_frame(away.node, away.rows[name], FRAMES) is not None


@pytest.mark.parametrize("name", BEHIND)
def test_what_stands_behind_the_pixels_is_left_to_be_brought(away: Away, name: str) -> None:
    assert opened(away.package).instance(away.rows[name].offset).beginning is None
    assert peek_described(away.node, away.rows[name]) is None
