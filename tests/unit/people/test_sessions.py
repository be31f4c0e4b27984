"""Sessions, bearer tokens and the first-start link."""

from __future__ import annotations

import pytest

from node.clock import MINUTE, SECOND
from node.errors import FieldMissing, Refused
from node.node import Node
from node.people.accounts import OPERATOR, Person, any_account, create_account
from node.people.first_start import LINK_LIFE, first_start_link, use_setup_link
from node.people.sessions import (
    IDLE,
    LONGEST,
    end_all,
    end_session,
    issue_bearer,
    open_session,
    peek_session,
    resolve_bearer,
    resolve_session,
    revoke_bearers,
)
from node.people.sign_in import authenticate
from tests.kit.clock import FrozenClock

PASSWORD = "a long password 1"


@pytest.fixture
def wang(node: Node) -> Person:
    return create_account(
        node, OPERATOR, user="wang", name="王丽", roles=["technician"], password=PASSWORD
    ).person


def test_a_session_knows_its_person_and_has_a_csrf_value_of_its_own(node: Node, wang: Person) -> None:
    one, other = (resolve_session(node, open_session(node, wang)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.person == wang
    assert one.csrf != other.csrf
    assert len(one.csrf) >= 40


def test_the_database_holds_no_token(node: Node, wang: Person) -> None:
    tokens = [open_session(node, wang), issue_bearer(node, OPERATOR, principal="reader")]
    rows = str(node.database.read("SELECT * FROM session")) + str(node.database.read("SELECT * FROM bearer"))
    assert not any(token in rows for token in tokens)


def test_an_idle_session_ends_and_a_used_one_goes_on(node: Node, wang: Person, clock: FrozenClock) -> None:
    idle, used, looked = (open_session(node, wang) for _ in range(3))
    for _ in range(9):
        clock.advance(IDLE // 8)
        resolve_session(node, used)
        peek_session(node, looked)
    assert resolve_session(node, idle) is None
    assert resolve_session(node, used) is not None
    assert resolve_session(node, looked) is None


def test_no_session_outlives_seven_days(node: Node, wang: Person, clock: FrozenClock) -> None:
    token = open_session(node, wang)
    while clock.advance(IDLE - MINUTE) is None and resolve_session(node, token) is not None:
        continue
    session_days = (clock.now() - FrozenClock().now()) / (24 * 60 * MINUTE)
    assert LONGEST / (24 * 60 * MINUTE) <= session_days < 8


def test_use_is_written_at_most_once_a_minute(node: Node, wang: Person, clock: FrozenClock) -> None:
    token = open_session(node, wang)
    opened = clock.now()
    clock.advance(59 * SECOND)
    resolve_session(node, token)
    assert node.database.read("SELECT last_at FROM session") == [{"last_at": opened}]
    clock.advance(SECOND)
    resolve_session(node, token)
    assert node.database.read("SELECT last_at FROM session") == [{"last_at": opened + MINUTE}]


def test_signing_out_ends_one_session_and_end_all_every(node: Node, wang: Person) -> None:
    one, two, three = (open_session(node, wang) for _ in range(3))
    end_session(node, one)
    assert resolve_session(node, one) is None
    assert resolve_session(node, two) is not None
    end_all(node, wang.id)
    assert [resolve_session(node, token) for token in (two, three)] == [None, None]


def test_ended_sessions_leave_the_table(node: Node, wang: Person, clock: FrozenClock) -> None:
    open_session(node, wang)
    clock.advance(IDLE)
    open_session(node, wang)
    assert len(node.database.read("SELECT 1 AS one FROM session")) == 1


def test_a_token_that_is_none_resolves_to_nobody(node: Node) -> None:
    assert resolve_session(node, "") is None
    assert resolve_session(node, "x" * 43) is None
    assert resolve_bearer(node, "x" * 43) is None


def test_a_bearer_token_names_its_principal_until_it_is_revoked(node: Node, wang: Person) -> None:
    tokens = [issue_bearer(node, OPERATOR, principal=name) for name in ("reader", "reader", "other")]
    assert [resolve_bearer(node, token) for token in tokens] == ["reader", "reader", "other"]
    with pytest.raises(Refused):
        issue_bearer(node, wang, principal="reader")
    with pytest.raises(Refused):
        revoke_bearers(node, wang, principal="reader")
    revoke_bearers(node, OPERATOR, principal="reader")
    assert [resolve_bearer(node, token) for token in tokens] == [None, None, "other"]


def test_the_first_start_link_makes_one_administrator_and_is_spent(node: Node) -> None:
    token = first_start_link(node)
    assert token is not None
    person = use_setup_link(node, token, user="anna", name="Anna", password=PASSWORD)
    assert person.roles == {"administrator"}
    assert authenticate(node, "anna", password=PASSWORD) == person
    with pytest.raises(Refused, match="spent"):
        use_setup_link(node, token, user="eve", name="Eve", password=PASSWORD)
    assert first_start_link(node) is None


def test_only_the_newest_link_is_good_and_only_for_a_day(node: Node, clock: FrozenClock) -> None:
    first, second = first_start_link(node), first_start_link(node)
    assert first is not None
    assert second is not None
    with pytest.raises(Refused):
        use_setup_link(node, first, user="eve", name="Eve", password=PASSWORD)
    clock.advance(LINK_LIFE)
    with pytest.raises(Refused):
        use_setup_link(node, second, user="anna", name="Anna", password=PASSWORD)
    assert not any_account(node.database)


def test_a_link_is_worthless_once_an_account_exists(node: Node, clock: FrozenClock) -> None:
    token = first_start_link(node)
    assert token is not None
    create_account(node, OPERATOR, user="wang", name="王丽", roles=["technician"])
    with pytest.raises(Refused):
        use_setup_link(node, token, user="eve", name="Eve", password=PASSWORD)


def test_a_weak_first_password_does_not_spend_the_link(node: Node) -> None:
    token = first_start_link(node)
    assert token is not None
    with pytest.raises(FieldMissing) as refused:
        use_setup_link(node, token, user="anna", name="Anna", password="short")
    assert refused.value.name == "password"
    use_setup_link(node, token, user="anna", name="Anna", password=PASSWORD)
