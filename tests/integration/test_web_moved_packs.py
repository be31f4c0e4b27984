"""DICOMweb while packs are merged: whoever looked a study up before gets the same bytes after the old packs are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.catalogue.moving import RETIRED_FOR, merge_packs, retire_packs
from node.catalogue.search import InstanceRow
from node.names import NodeId, StudyKey, StudyUID
from tests.integration.test_web_dicomweb import AS_STORED, get
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.http import Visitor
from tests.kit.instances import make_ct
from tests.kit.merging import rows_of
from tests.kit.parts import parts_of
from tests.kit.site import Site, open_site
from web.dicomweb import named

STUDY = "2.25.30"
SERIES = f"/dicomweb/studies/{STUDY}/series/{STUDY}.1"
KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))
SLICES = 12
"""More than metadata is written of at a time."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    for n in range(1, SLICES + 1):
        side = 256 if n % 2 else 16  # some are sent by the kernel, some are copied
        data_set = make_ct(
            study_uid=STUDY,
            series_uid=f"{STUDY}.1",
            sop_uid=f"{STUDY}.1.{n}",
            number=n,
            rows=side,
            columns=side,
        )
        hold(node, [data_set])
    for pack in node.packs.landing():
        node.packs.landed(pack)
    with open_site(node) as opened:
        yield opened


def merge_and_retire(site: Site, packs: list[str]) -> None:
    """Merge packs, and let the old ones go."""
    merge_packs(site.node, KEY, packs)
    site.node.clock.advance(RETIRED_FOR)  # type: ignore[attr-defined]
    retire_packs(site.node)
    assert not any(site.node.packs.path(pack).exists() for pack in packs)


def looked_up_before(monkeypatch: pytest.MonkeyPatch, old: dict[str, InstanceRow]) -> None:
    """Let a request's first look give rows as they were."""
    find, looks = named.find_held, []

    def stale(*arguments: object, **named_: object) -> list[InstanceRow]:
        rows = find(*arguments, **named_)  # type: ignore[arg-type]
        looks.append(1)
        if len(looks) > 1:
            return rows
        return [old[row.sop_uid] for row in rows]

    monkeypatch.setattr(named, "find_held", stale)


PATHS = [
    (f"/dicomweb/studies/{STUDY}", AS_STORED),
    (f"/dicomweb/studies/{STUDY}/metadata", {}),
    (f"{SERIES}/instances/{STUDY}.1.1", AS_STORED),
    (f"{SERIES}/instances/{STUDY}.1.2", AS_STORED),
    (f"{SERIES}/instances/{STUDY}.1.2/frames/1", {"Accept": "application/octet-stream"}),
    (f"{SERIES}/instances/{STUDY}.1.2/rendered", {"Accept": "image/png"}),
]


def bodies(visitor: Visitor, path: str, headers: dict[str, str]) -> object:
    status, answered, body = get(visitor, path, **headers)
    assert status == 200
    return parts_of(answered, body) if headers is AS_STORED else body


@pytest.mark.parametrize(("path", "headers"), PATHS)
def test_an_answer_begun_before_a_merge_is_the_same_after_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str, headers: dict[str, str]
) -> None:
    reader = site.program()
    before = bodies(reader, path, headers)
    old = {row.sop_uid: row for row in rows_of(site.node)}
    merge_and_retire(site, [row.pack for row in old.values()])
    looked_up_before(monkeypatch, old)
    assert bodies(reader, path, headers) == before


@pytest.mark.parametrize(("path", "headers"), PATHS[:2])
def test_an_answer_whose_later_instances_moved_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str, headers: dict[str, str]
) -> None:
    """The first bytes have left when the next pack is found to be gone."""
    reader = site.program()
    before = bodies(reader, path, headers)
    old = {row.sop_uid: row for row in rows_of(site.node)}
    merge_and_retire(site, [row.pack for row in old.values() if (row.number or 0) > 8])
    looked_up_before(monkeypatch, old)
    assert bodies(reader, path, headers) == before
