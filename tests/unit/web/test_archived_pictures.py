"""Pictures of what lies in the archive alone: as they were online, and nothing is brought back for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from node.archive.archived import is_archived
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.lifecycle.rules import Limits, Rules
from node.archive.lifecycle.ruling import change_rules
from node.archive.stores.port import Stored, StoredFile
from node.archive.stores.slow import SlowStore
from node.catalogue.search import InstanceRow, instances_of
from node.clock import MINUTE
from node.imaging.pixels import NoPicture
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.archived_study import archive, expire, hold_kinds
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.http import Visitor
from tests.kit.merging import KEY, rows_of
from tests.kit.planting import planted
from tests.kit.site import Site
from web.dicomweb.look import Look
from web.dicomweb.pictures import Pictures
from web.dicomweb.places import FramePlaces

STUDY = f"/dicomweb/studies/{KEY.study_uid}"
SERIES = f"{STUDY}/series/{KEY.study_uid}.1"
INSTANCE = f"{SERIES}/instances/{KEY.study_uid}.1.3"
LOOK = Look(media="image/png")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, dict[str, bytes | None]]]:
    """A study of all kinds that lies in the archive alone, and the picture that each had online."""
    node = two_stores(tmp_path_factory.mktemp("pictures"), FrozenClock())
    hold_kinds(node)
    online = {row.digest: picture(node, row) for row in instances_of(node.database, KEY, chosen_only=False)}
    archive_study(node, origin=KEY.origin, study_uid=KEY.study_uid)
    expire_study(node, KEY, reason="age")
    yield node, online
    node.close()


def picture(node: Node, row: InstanceRow) -> bytes | None:
    try:
        return Pictures(frames=FramePlaces()).picture(node, row, row.frames, LOOK, tag="")
    except NoPicture:
        return None


def test_each_kind_looks_as_it_did_online(kinds: tuple[Node, dict[str, bytes | None]]) -> None:
    node, online = kinds
    same = 0
    for row in instances_of(node.database, KEY, chosen_only=False):
        assert is_archived(row.pack)
        try:
            found = picture(node, row)
        except FileNotFoundError:
            continue  # it has to be brought
        assert found == online[row.digest], row.sop_uid
        same += found is not None
    assert same > sum(each is not None for each in online.values()) // 2


def is_away(node: Node) -> bool:
    return all(is_archived(row.pack) for row in rows_of(node)) and not node.database.read(
        "SELECT id FROM recall"
    )


@pytest.fixture
def away(node: Node, clock: FrozenClock) -> Node:
    archive(node)
    expire(node, clock)
    return node


@pytest.mark.parametrize(
    "path",
    [f"{STUDY}/thumbnail", f"{SERIES}/thumbnail", f"{INSTANCE}/thumbnail", f"{INSTANCE}/frames/1/thumbnail"],
)
def test_a_thumbnail_comes_of_the_package_and_brings_nothing(li: Visitor, away: Node, path: str) -> None:
    status, headers, _ = li.raw("GET", path)
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert is_away(away)


@pytest.mark.parametrize("what", ["rendered", "frames/1/rendered", "frames/1"])
def test_what_is_viewed_comes_of_the_package_and_its_study_follows(
    li: Visitor, away: Node, clock: FrozenClock, what: str
) -> None:
    for _ in range(3):
        assert li.raw("GET", f"{INSTANCE}/{what}")[0] == 200
        clock.advance(MINUTE)
    assert all(is_archived(row.pack) for row in rows_of(away)), "whoever viewed it waited for all of it"
    (ticket,) = li.get("/api/recalls")["items"]
    assert (ticket["state"], ticket["why"], ticket["who"], ticket["seriesUid"]) == (
        "waiting",
        "viewed",
        "Li",
        "",
    )


def test_what_a_program_reads_does_not_follow(site: Site, away: Node) -> None:
    assert site.program().raw("GET", f"{INSTANCE}/frames/1")[0] == 200
    assert is_away(away)


def test_a_study_does_not_follow_when_another_would_have_to_go(li: Visitor, away: Node) -> None:
    fill(away)
    assert li.raw("GET", f"{INSTANCE}/frames/1")[0] == 200
    assert is_away(away)


def test_a_planted_study_that_follows_under_pressure_is_caught(
    li: Visitor, away: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "brought-under-pressure")
    fill(away)
    assert li.raw("GET", f"{INSTANCE}/frames/1")[0] == 200
    assert not is_away(away)


def fill(node: Node) -> None:
    """Let the online tier have less room than the study takes."""
    change_rules(node, OPERATOR, Rules(limits=Limits(online_bytes=10, pressure_percent=100)))


def test_no_slow_medium_is_asked_for_a_thumbnail(li: Visitor, away: Node, clock: FrozenClock) -> None:
    asked = behind_slow_media(away, clock)
    assert li.raw("GET", f"{SERIES}/thumbnail")[0] == 406
    assert is_away(away)
    assert not asked()


@pytest.mark.parametrize("fault", ["slow-medium-asked", "thumbnail-brings"])
def test_a_planted_thumbnail_that_asks_for_more_is_caught(
    li: Visitor, away: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    planted(monkeypatch, fault)
    asked = behind_slow_media(away, clock)
    li.raw("GET", f"{SERIES}/thumbnail")
    assert asked() or not is_away(away)


class Medium(SlowStore):
    """Takes an hour, and says whether it was asked."""

    asked = False

    def open(self, stored: Stored) -> StoredFile:
        self.asked = True
        return super().open(stored)


def behind_slow_media(node: Node, clock: FrozenClock) -> Callable[[], bool]:
    """Put all stores behind slow media; gives what says whether one was asked."""
    media = tuple(Medium(store, slow_minutes=60, clock=clock) for store in node.archive.stores)
    node.archive.stores = media
    return lambda: any(medium.asked for medium in media)
