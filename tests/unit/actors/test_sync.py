from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.reach import Reach
from actors.sync import Carriers, Sync
from federation.links import link_of, waiting_for
from federation.messages import PartWanted
from federation.outbox import OVERDUE, send
from node.database.port import Statement
from node.names import Cause, NodeId
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock

ALPHA, CENTRE = NodeId("alpha"), NodeId("centre")


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, FrozenClock())
    yield alliance
    alliance.close()


@pytest.fixture
def sync(alliance: Alliance) -> Iterator[Sync]:
    alpha, carriers = alliance["alpha"], Carriers()
    yield Sync(
        lambda name, error: None,
        alpha.node,
        CENTRE,
        rosters=alpha.rosters,
        transport=alpha.transport,
        reach=Reach(lambda: None),
        carriers=carriers,
    )
    carriers.close()


def say(alliance: Alliance) -> None:
    node = alliance["alpha"].node
    wanted = PartWanted(origin="centre", study_uid="1.2", k=1, reason="missing")
    node.write(send(node, CENTRE, wanted, cause=Cause("c")))


def shown(alliance: Alliance) -> tuple[str, str, int]:
    row = link_of(alliance["alpha"].node.database, CENTRE)
    return ("", "", 0) if row is None else (row.state, row.error, row.next_try)


def test_what_commands_say_is_deposited_and_the_link_shown(alliance: Alliance, sync: Sync) -> None:
    say(alliance)
    assert waiting_for(alliance["alpha"].node.database, CENTRE).envelopes == 1
    sync.step()
    assert shown(alliance) == ("connected", "", 0)
    alliance["centre"].collect()
    alliance["centre"].tell(ALPHA)
    alliance["alpha"].collect()
    assert waiting_for(alliance["alpha"].node.database, CENTRE).envelopes == 0


def test_a_host_that_is_away_is_shown_with_the_next_try_and_nothing_is_lost(
    alliance: Alliance, sync: Sync
) -> None:
    say(alliance)
    alliance.faults.cut.add(ALPHA)
    wait = sync.step()
    assert wait is not None
    assert 0 < wait <= 1
    state, error, next_try = shown(alliance)
    assert (state, error) == ("down", "Reaching centre failed: the line is down. It is tried again.")
    assert next_try > alliance.clock.now()
    assert sync.step() > 0  # still waiting
    waiting = waiting_for(alliance["alpha"].node.database, CENTRE)
    assert (waiting.envelopes, waiting.oldest_at) == (1, alliance.clock.now())


def test_the_newest_dropped_by_its_host_is_noticed_shown_and_left_there_again(
    alliance: Alliance, sync: Sync
) -> None:
    say(alliance)
    sync.step()
    alliance["centre"].node.write([Statement("DELETE FROM mailbox WHERE recipient = 'centre'")])
    alliance.clock.advance(OVERDUE + 1)
    sync.step()
    state, error, _ = shown(alliance)
    assert state == "unacknowledged"
    assert "not acknowledged" in error
    alliance["centre"].collect()
    alliance["centre"].tell(ALPHA)
    alliance["alpha"].collect()
    alliance.clock.advance(OVERDUE)
    sync.step()
    assert shown(alliance)[0] == "connected"


def test_an_idle_peer_costs_no_write(alliance: Alliance, sync: Sync) -> None:
    say(alliance)
    sync.step()
    before = writes(alliance)
    for _ in range(3):
        assert sync.step() is None
    assert writes(alliance) == before


def writes(alliance: Alliance) -> int:
    (row,) = alliance["alpha"].node.database.read("SELECT count(*) AS n FROM write_key")
    return int(str(row["n"]))
