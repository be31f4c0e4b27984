"""Packs are merged while their study is on its way to a peer: it arrives whole, and nobody is told of damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation import sealing
from federation.policy import change_policy
from federation.sealing import HELD_BACK
from node.catalogue.moving import RETIRED_FOR, merge_packs, retire_packs
from node.catalogue.search import InstanceRow
from node.names import NodeId, StudyKey
from node.node import Node
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.instances import make_ct
from tests.kit.merging import findings, packs_meant
from tests.kit.travelling import assert_travelled, complete, problems

STUDY = "2.25.7"


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, FrozenClock())
    yield alliance
    alliance.close()


def hold_scattered(node: Node, count: int) -> StudyKey:
    """Hold a study of which each slice came in a pack of its own."""
    for n in range(1, count + 1):
        key = hold(node, [make_ct(study_uid=STUDY, sop_uid=f"{STUDY}.1.{n}", number=n)])
    for pack in node.packs.landing():
        node.packs.landed(pack)
    return key


def test_a_part_sealed_from_rows_that_moved_meanwhile_is_whole(
    alliance: Alliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    alpha = alliance["alpha"].node
    change_policy(alpha, NodeId("centre"), grant="everything", by="test")
    key = hold_scattered(alpha, 5)
    unshared, looks = sealing.unshared, []

    def merged_after(*arguments: object, **named: object) -> list[InstanceRow]:
        rows = unshared(*arguments, **named)  # type: ignore[arg-type]
        if rows and not looks:
            looks.append(1)
            merge_packs(alpha, key, sorted(packs_meant(alpha)))
            alliance.clock.advance(RETIRED_FOR)  # type: ignore[attr-defined]
            retire_packs(alpha)
        return rows

    monkeypatch.setattr(sealing, "unshared", merged_after)
    complete(alpha, key)
    alliance.deliver_all()
    assert looks
    assert_travelled(alliance, key)
    assert (problems(alpha), findings(alpha), len(alpha.packs.names())) == ([], [], 1)
    assert not alpha.database.read("SELECT 1 AS one FROM shared_instance WHERE k = ?", (HELD_BACK,))


def test_a_received_study_is_merged_like_any_other(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    change_policy(alpha, NodeId("centre"), grant="everything", by="test")
    for n in range(1, 6):
        key = hold(alpha, [make_ct(study_uid=STUDY, sop_uid=f"{STUDY}.1.{n}", number=n)])
        alliance.deliver_all()  # a part for each
    assert len(packs_meant(centre)) == 5
    for pack in centre.packs.landing():
        centre.packs.landed(pack)
    assert merge_packs(centre, key, sorted(packs_meant(centre))).left == {}
    complete(alpha, key)
    alliance.deliver_all()
    assert_travelled(alliance, key)
    assert (len(packs_meant(centre)), findings(centre)) == (1, [])
