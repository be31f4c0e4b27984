"""Who is in the alliance is known to all within a hop or two, whoever admitted them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.membership import adopt, rotate_keys
from federation.policy import change_policy
from federation.statements import NodeRevoked
from node.names import NodeId
from tests.kit.alliance import Alliance
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold_ct
from tests.kit.travelling import complete, contents_of, problems

CENTRE = NodeId("centre")


@pytest.fixture(params=["", "relay"], ids=["centre hosts", "a third node hosts"])
def alliance(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, FrozenClock(), relay=request.param)
    alliance.deliver_all()
    yield alliance
    alliance.close()


def host(alliance: Alliance) -> NodeId:
    return alliance["centre"].entry(CENTRE).mailbox_host


def test_a_newcomer_admitted_at_the_centre_is_known_everywhere(alliance: Alliance) -> None:
    beta = bare_node(alliance.folder, "beta", alliance.clock)
    alliance.admit(beta, host=host(alliance))
    alliance.say_all("centre")
    alliance.deliver_all()
    assert all(member.rosters().peek(beta.id) for member in alliance)
    beta.write(adopt(beta, alliance.statements))
    alliance.join(beta)
    change_policy(beta, CENTRE, grant="everything", by="test")
    key = hold_ct(beta, study_uid="2.25.9")
    complete(beta, key)
    alliance.deliver_all()
    assert contents_of(alliance["centre"].node, key) == contents_of(beta, key)


def test_a_revocation_reaches_all_and_ends_what_the_node_may_do(alliance: Alliance) -> None:
    change_policy(alliance["alpha"].node, CENTRE, grant="everything", by="test")
    alliance.say(NodeRevoked(node=NodeId("alpha"), reason="closed"), "centre")
    others = [member for member in alliance if member.id != "alpha"]
    alliance.deliver_all()
    for member in others:
        entry = member.rosters().peek(NodeId("alpha"))
        assert entry is not None
        assert entry.revoked


def test_a_node_that_rotates_its_keys_is_sealed_for_and_understood(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    change_policy(alpha, CENTRE, grant="everything", by="test")
    _, statements = rotate_keys(alpha)
    alpha.write(statements)
    _, statements = rotate_keys(centre)
    centre.write(statements)
    alliance.deliver_all()
    for name in ("alpha", "centre"):
        newest = alliance[name].node.keys.hpke_public
        for member in alliance:
            assert member.entry(NodeId(name)).hpke_keys[-1] == newest, (name, member.id)
    key = hold_ct(alpha, study_uid="2.25.9")
    complete(alpha, key)
    alliance.deliver_all()
    assert contents_of(centre, key) == contents_of(alpha, key)
    assert problems(centre) == [] == problems(alpha)
