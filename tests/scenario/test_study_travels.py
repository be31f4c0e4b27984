"""A study of the clinic reaches the centre, whole and once, whatever the network does in between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation import blobs
from federation.policy import change_policy
from federation.transport.port import Delivery
from node.clock import MINUTE
from node.names import Digest, NodeId
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold, hold_ct
from tests.kit.instances import make_ct
from tests.kit.travelling import assert_travelled, complete, contents_of, nothing_twice, problems

CENTRE = NodeId("centre")
STUDY = "2.25.7"


@pytest.fixture(params=["", "relay"], ids=["centre hosts", "a third node hosts"])
def alliance(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, FrozenClock(), relay=request.param)
    change_policy(alliance["alpha"].node, CENTRE, grant="everything", by="test")
    yield alliance
    alliance.close()


def large_ct(number: int) -> bytes:
    """Give a slice of 3 MB whose bytes are not another's."""
    pixels = random.Random(number).randbytes(1024 * 1536 * 2)
    uid = f"{STUDY}.1.{number}"
    return make_ct(
        study_uid=STUDY,
        series_uid=f"{STUDY}.1",
        sop_uid=uid,
        number=number,
        rows=1024,
        columns=1536,
        pixels=pixels,
    )


def test_a_study_is_announced_before_its_images_and_completes_there(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"], alliance["centre"]
    key = hold_ct(alpha.node, study_uid=STUDY, slices=3)
    alpha.tell(CENTRE)
    for member in alliance:
        member.collect()
    (there,) = centre.node.database.read("SELECT * FROM study")
    (here,) = alpha.node.database.read("SELECT * FROM study")
    assert (there["state"], there["instance_count"], there["patient_name"]) == ("announced", 0, "Zhang^San")
    assert (there["cause"], there["patient_issuer"]) == (here["cause"], here["patient_issuer"])
    complete(alpha.node, key)
    alliance.deliver_all()
    assert_travelled(alliance, key)
    assert problems(centre.node) == [] == problems(alpha.node)
    assert nothing_twice(centre.node)


def test_images_travel_while_the_study_still_arrives(alliance: Alliance) -> None:
    key = hold_ct(alliance["alpha"].node, study_uid=STUDY, slices=2)
    alliance.deliver_all()
    assert len(contents_of(alliance["centre"].node, key)) == 2
    hold_ct(alliance["alpha"].node, study_uid=STUDY, slices=5)
    alliance.deliver_all()
    assert len(contents_of(alliance["centre"].node, key)) == 5


def test_more_images_after_completion_come_too(alliance: Alliance) -> None:
    alpha = alliance["alpha"].node
    key = hold_ct(alpha, study_uid=STUDY, slices=2)
    complete(alpha, key)
    alliance.deliver_all()
    assert_travelled(alliance, key)
    hold_ct(alpha, study_uid=STUDY, slices=3)
    complete(alpha, key)
    alliance.deliver_all()
    assert_travelled(alliance, key)


def test_a_link_cut_for_the_whole_arrival_heals_without_a_person(alliance: Alliance) -> None:
    alpha = alliance["alpha"].node
    alliance.faults.cut.add(alpha.id)
    key = hold_ct(alpha, study_uid=STUDY, slices=4)
    alliance.deliver_all()
    complete(alpha, key)
    alliance.clock.advance(5 * 60 * MINUTE)
    alliance.deliver_all()
    assert alliance["centre"].node.database.read("SELECT 1 AS one FROM study") == []
    alliance.faults.cut.clear()
    alliance.deliver_all()
    assert_travelled(alliance, key)
    assert nothing_twice(alliance["centre"].node)


@pytest.mark.parametrize("seed", [1, 2])
def test_lost_calls_and_lost_answers_lose_and_double_nothing(alliance: Alliance, seed: int) -> None:
    alpha = alliance["alpha"].node
    alliance.faults.chance = random.Random(seed)
    alliance.faults.drop_calls = alliance.faults.drop_answers = 0.3
    for slices in (1, 2, 4):
        key = hold_ct(alpha, study_uid=STUDY, slices=slices)
        alliance.deliver_all(rounds=6)
    complete(alpha, key)
    alliance.deliver_all(rounds=30)
    alliance.faults.drop_calls = alliance.faults.drop_answers = 0
    alliance.deliver_all()
    assert_travelled(alliance, key)
    assert nothing_twice(alliance["centre"].node)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_host_that_doubles_and_reorders_changes_nothing(alliance: Alliance, seed: int) -> None:
    chance = random.Random(seed)

    def shuffled(mail: list[Delivery]) -> list[Delivery]:
        doubled = [*mail, *mail]
        chance.shuffle(doubled)
        return doubled

    alliance.faults.alter = shuffled
    alpha = alliance["alpha"].node
    keys = [hold_ct(alpha, study_uid=f"{STUDY}.{n}", slices=2) for n in range(3)]
    alliance.deliver_all()
    for key in keys:
        complete(alpha, key)
    alliance.deliver_all()
    for key in keys:
        assert_travelled(alliance, key)
    assert nothing_twice(alliance["centre"].node)


def test_a_host_that_flips_a_bit_in_all_mail_is_shown_and_heals_when_it_is_honest_again(
    alliance: Alliance,
) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node

    def flipped(mail: list[Delivery]) -> list[Delivery]:
        return [
            Delivery(arrival=one.arrival, sender=one.sender, envelope=one.envelope[:-1] + b"\0")
            for one in mail
        ]

    key = hold_ct(alpha, study_uid=STUDY, slices=2)
    alliance.faults.alter = flipped
    alliance["alpha"].tell(CENTRE)
    alliance["centre"].node.bell.ring()
    for _ in range(3):
        alliance.turn()
    if alliance["centre"].entry(CENTRE).mailbox_host != CENTRE:
        assert "envelope-damaged" in problems(centre)
    alliance.faults.alter = None
    alliance.clock.advance(2 * MINUTE)
    complete(alpha, key)
    alliance.deliver_all()
    alliance.clock.advance(2 * MINUTE)
    alliance.deliver_all()
    assert_travelled(alliance, key)


def test_a_transfer_that_breaks_goes_on_from_where_it_broke(alliance: Alliance) -> None:
    alpha = alliance["alpha"].node
    key = hold(alpha, [large_ct(1), large_ct(2)])
    complete(alpha, key)
    alliance.faults.cut_blobs_after = 2
    for _ in range(40):
        alliance.clock.advance(1_000_000)
        alliance.turn()
    alliance.deliver_all()
    assert_travelled(alliance, key)
    assert nothing_twice(alliance["centre"].node)


@pytest.mark.parametrize("seed", range(3))
def test_any_node_may_restart_at_any_moment(alliance: Alliance, seed: int) -> None:
    chance = random.Random(seed)
    names = sorted(member.id for member in alliance)
    alpha = alliance["alpha"].node
    key = hold_ct(alpha, study_uid=STUDY, slices=4)
    complete(alpha, key)
    for _ in range(10):
        alliance.clock.advance(300_000)
        member = alliance[chance.choice(names)]
        step = chance.choice([member.collect, member.bring_in, alliance.turn])
        step()
        alliance.restart(chance.choice(names))
    alliance.deliver_all()
    assert_travelled(alliance, key)
    assert nothing_twice(alliance["centre"].node)


def test_a_sealed_file_altered_at_its_host_is_refused_shown_and_made_again(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"], alliance["centre"]
    key = hold_ct(alpha.node, study_uid=STUDY, slices=2)
    complete(alpha.node, key)
    alpha.tell(CENTRE)
    alliance.clock.advance(1_000_000)
    alpha.carry(CENTRE)
    host = alliance[centre.entry(CENTRE).mailbox_host].node
    (row,) = host.database.read("SELECT digest FROM blob")
    path = blobs.path_of(host, Digest(str(row["digest"])))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    alliance.deliver_all()
    assert problems(centre.node) == ["part-damaged"]
    assert_travelled(alliance, key)


def test_a_sealed_file_lost_at_its_host_is_made_again(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"], alliance["centre"]
    key = hold_ct(alpha.node, study_uid=STUDY, slices=2)
    complete(alpha.node, key)
    alpha.tell(CENTRE)
    alliance.clock.advance(1_000_000)
    alpha.carry(CENTRE)
    host = alliance[centre.entry(CENTRE).mailbox_host].node
    (row,) = host.database.read("SELECT digest FROM blob")
    blobs.path_of(host, Digest(str(row["digest"]))).unlink()
    alliance.deliver_all()
    assert problems(centre.node) == ["part-missing"]
    assert contents_of(centre.node, key) == contents_of(alpha.node, key)


def test_nothing_is_written_while_nothing_happens(alliance: Alliance) -> None:
    hold_ct(alliance["alpha"].node, study_uid=STUDY, slices=2)
    alliance.deliver_all()
    before = [writes(member.node) for member in alliance]
    for _ in range(3):
        alliance.clock.advance(1_000_000)
        alliance.turn()
    assert [writes(member.node) for member in alliance] == before


def writes(node) -> int:
    (row,) = node.database.read("SELECT count(*) AS n FROM write_key")
    return int(row["n"])
