from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from federation.identity import found_alliance
from federation.membership import SUBJECT, add_rotation, add_statements, adopt, rotate_keys
from federation.roster import Roster
from federation.rotation import PREFIX, Rotation
from federation.statements import (
    KeysRotated,
    NodeRevoked,
    RosterStatement,
    SignedStatement,
    signed_bytes,
    statement_body,
)
from node.canonical import canonical_json
from node.database.port import Statement
from node.errors import Conflict, Damaged, InvalidRequest, Refused
from node.keys.encoding import to_base64
from node.keys.signing import sign
from node.names import NodeId
from node.node import Node
from tests.kit.alliance_keys import CHEAP, PASSPHRASE, FoundedAlliance
from tests.kit.bare_node import bare_node
from tests.kit.clock import NOON, FrozenClock

CENTRE, ALPHA, BETA = NodeId("centre"), NodeId("alpha"), NodeId("beta")


@pytest.fixture
def alliance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FoundedAlliance:
    monkeypatch.setattr("node.keys.locked.COST", CHEAP)
    return FoundedAlliance.found(tmp_path / "offline", FrozenClock())


@pytest.fixture
def centre(tmp_path: Path, alliance: FoundedAlliance) -> Node:
    node = bare_node(tmp_path, "centre", alliance.clock)
    alliance.admit("centre", keys=node.keys.public_keys)
    alliance.admit("alpha", host="centre")
    node.write(adopt(node, alliance.statements))
    return node


def test_an_adopted_roster_is_loaded_as_it_was_signed(centre: Node, alliance: FoundedAlliance) -> None:
    assert Roster.load(centre.database) == alliance.roster
    assert Roster.load(centre.database).root == alliance.root.public


def test_a_node_in_no_alliance_has_an_empty_roster_and_takes_nothing_in(
    tmp_path: Path, alliance: FoundedAlliance
) -> None:
    node = bare_node(tmp_path, "beta", alliance.clock)
    assert Roster.load(node.database) == Roster()
    with pytest.raises(Refused, match="in no alliance"):
        add_statements(node, alliance.statements)


def test_an_alliance_is_adopted_once(centre: Node, alliance: FoundedAlliance, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="never replaced"):
        adopt(centre, alliance.statements)
    other = found_alliance(tmp_path / "other", PASSPHRASE, name="Other", at=NOON)
    with pytest.raises(Damaged):
        add_statements(centre, [other.founding])


def test_a_roster_without_this_node_or_with_other_keys_is_not_adopted(
    tmp_path: Path, alliance: FoundedAlliance
) -> None:
    alliance.admit("centre")
    beta = bare_node(tmp_path, "beta", alliance.clock)
    with pytest.raises(Refused):
        adopt(beta, alliance.statements)
    alliance.admit("beta", host="centre")  # other keys than those of the node above
    with pytest.raises(Refused, match="keys of this node"):
        adopt(beta, alliance.statements)


def test_new_statements_are_taken_in_once_and_seen_in_the_journal(
    centre: Node, alliance: FoundedAlliance
) -> None:
    alliance.admit("beta", host="centre")
    centre.write(add_statements(centre, alliance.statements))
    assert add_statements(centre, alliance.statements) == []
    assert Roster.load(centre.database) == alliance.roster
    types = [record.body for record in centre.journal.of(SUBJECT)]
    assert len(types) == 4
    assert '"node":"beta"' in types[-1]


def test_two_that_take_in_the_same_statement_at_once_keep_it_once(
    centre: Node, alliance: FoundedAlliance
) -> None:
    alliance.admit("beta", host="centre")
    first, second = (add_statements(centre, alliance.statements) for _ in range(2))
    centre.write(first)
    with pytest.raises(Conflict):
        centre.write(second)
    assert Roster.load(centre.database).n == 3


def test_a_gap_is_refused(centre: Node, alliance: FoundedAlliance) -> None:
    alliance.admit("beta", host="centre")
    alliance.say(NodeRevoked(node=BETA, reason="x"))
    with pytest.raises(Damaged, match="does not follow"):
        add_statements(centre, alliance.statements[4:])


def test_a_root_used_twice_is_noticed(centre: Node, alliance: FoundedAlliance) -> None:
    act = NodeRevoked(node=ALPHA, reason="x")
    previous = alliance.statements[1].digest
    body = statement_body(RosterStatement(n=2, previous=previous, at=NOON, act=act))
    signature = to_base64(sign(alliance.root.private, signed_bytes(body)))
    with pytest.raises(Conflict, match="used twice"):
        add_statements(centre, [SignedStatement(body=body, signature=signature)])


@pytest.mark.parametrize("column", ["body", "signature"])
def test_an_altered_row_is_named(centre: Node, column: str) -> None:
    centre.write(
        [
            Statement(
                f"UPDATE roster_statement SET {column} = replace({column}, substr({column}, 9, 2), '00') WHERE n = 1"
            )
        ]
    )
    with pytest.raises(Damaged, match="row 1 of the roster"):
        Roster.load(centre.database)


def test_a_removed_row_is_noticed(centre: Node) -> None:
    centre.write([Statement("DELETE FROM roster_statement WHERE n = 1")])
    with pytest.raises(Damaged, match="row 2 of the roster"):
        Roster.load(centre.database)


def test_a_node_rotates_its_keys_without_the_root(centre: Node, alliance: FoundedAlliance) -> None:
    for turn in (1, 2):
        before = Roster.load(centre.database).entry(CENTRE).keys
        _, statements = rotate_keys(centre, tls=turn == 2)
        centre.write(statements)
        entry = Roster.load(centre.database).entry(CENTRE)
        assert entry.keys == centre.keys.public_keys != before
    assert entry.tls_certificate_pem != before.tls_certificate


def test_a_peer_keeps_the_newest_rotation_only(
    centre: Node, alliance: FoundedAlliance, tmp_path: Path
) -> None:
    beta = bare_node(tmp_path, "beta", alliance.clock)
    alliance.admit("beta", host="centre", keys=beta.keys.public_keys)
    beta.write(adopt(beta, alliance.statements))
    centre.write(add_statements(centre, alliance.statements))
    first, statements = rotate_keys(beta)
    beta.write(statements)
    second, statements = rotate_keys(beta)
    beta.write(statements)
    centre.write(add_rotation(centre, second))
    assert Roster.load(centre.database).entry(BETA).keys == beta.keys.public_keys
    assert add_rotation(centre, second) == []
    with pytest.raises(Conflict, match="newer word"):
        add_rotation(centre, first)


def test_a_rotation_with_unusable_or_stolen_keys_is_refused(
    centre: Node, alliance: FoundedAlliance, tmp_path: Path
) -> None:
    entry = Roster.load(centre.database).entry(ALPHA)
    alpha = alliance.store("alpha")
    mine, theirs = alpha.public_keys, centre.keys.public_keys
    for keys in (
        replace(mine, hpke=()),
        replace(mine, tls_certificate="none"),
        replace(mine, tls_certificate=theirs.tls_certificate),
        replace(mine, hpke=theirs.hpke),
    ):
        said = Rotation(
            v=1, alliance=alliance.root.public, node=ALPHA, after=entry.keys_n, rotation=1, at=NOON, keys=keys
        )
        body = canonical_json(msgspec.to_builtins(said))
        signature = to_base64(alpha.sign(PREFIX + body.encode()))
        with pytest.raises(InvalidRequest):
            add_rotation(centre, SignedStatement(body=body, signature=signature))


def test_the_roots_word_outlives_an_older_rotation(
    centre: Node, alliance: FoundedAlliance, tmp_path: Path
) -> None:
    beta = bare_node(tmp_path, "beta", alliance.clock)
    alliance.admit("beta", host="centre", keys=beta.keys.public_keys)
    beta.write(adopt(beta, alliance.statements))
    signed, statements = rotate_keys(beta)
    beta.write(statements)
    centre.write(add_statements(centre, alliance.statements))
    centre.write(add_rotation(centre, signed))
    fresh = alliance.store("beta2").public_keys
    alliance.say(KeysRotated(node=BETA, keys=fresh))
    centre.write(add_statements(centre, alliance.statements))
    assert Roster.load(centre.database).entry(BETA).keys == fresh
    with pytest.raises(Conflict, match="newer word"):
        add_rotation(centre, replace(signed, body=signed.body.replace('"rotation":1', '"rotation":2')))
