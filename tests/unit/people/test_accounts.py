"""Accounts: who may change them, and what must never be left undone or without an administrator."""

from __future__ import annotations

import threading

import pytest

from node.errors import Conflict, FieldMissing, NotFound, Refused, Unauthenticated
from node.node import Node
from node.people.accounts import (
    OPERATOR,
    Person,
    any_account,
    create_account,
    disable_account,
    enable_account,
    find_accounts,
    get_account,
    reset_password,
    set_roles,
)
from node.people.audit import find_acts
from node.people.sessions import open_session, resolve_session
from node.people.sign_in import authenticate

PASSWORD = "a long password 1"


def add(node: Node, user: str, *roles: str) -> Person:
    return create_account(node, OPERATOR, user=user, name=user.title(), roles=roles, password=PASSWORD).person


def test_a_new_person_has_a_one_time_password_that_must_be_changed(node: Node) -> None:
    made = create_account(node, OPERATOR, user=" Wang.Li ", name="王丽", roles=["technician"])
    assert (made.person.user, made.person.must_change, len(made.password)) == ("wang.li", True, 19)
    assert made.password not in repr(made)
    assert authenticate(node, "WANG.LI", password=made.password).must_change
    assert not add(node, "chen", "technician").must_change


def test_the_database_holds_no_password(node: Node) -> None:
    made = create_account(node, OPERATOR, user="wang", name="王丽", roles=["technician"])
    assert made.password not in str(node.database.read("SELECT * FROM account"))


@pytest.mark.parametrize(
    ("user", "name", "roles", "field"),
    [
        ("w", "W", ["expert"], "user"),
        ("王丽", "W", ["expert"], "user"),
        ("wa ng", "W", ["expert"], "user"),
        ("wang", " ", ["expert"], "name"),
        ("wang", "a\nb", ["expert"], "name"),
        ("wang", "W", [], "roles"),
        ("wang", "W", ["expert", "root"], "roles"),
    ],
)
def test_a_crooked_account_names_its_field(
    node: Node, user: str, name: str, roles: list[str], field: str
) -> None:
    with pytest.raises(FieldMissing) as refused:
        create_account(node, OPERATOR, user=user, name=name, roles=roles)
    assert refused.value.name == field
    assert not any_account(node.database)


def test_a_user_name_is_taken_once(node: Node) -> None:
    add(node, "wang", "technician")
    with pytest.raises(Conflict, match="user name"):
        add(node, "Wang", "expert")


def test_only_an_administrator_changes_accounts(node: Node) -> None:
    other = add(node, "other", "technician")
    for person in (add(node, "wang", "technician"), add(node, "li", "expert")):
        for act in (disable_account, enable_account, reset_password):
            with pytest.raises(Refused, match="administrator"):
                act(node, person, person_id=other.id)
        with pytest.raises(Refused, match="administrator"):
            set_roles(node, person, person_id=person.id, roles=["administrator"])
        with pytest.raises(Refused, match="administrator"):
            create_account(node, person, user="x1", name="X", roles=["expert"])


def test_disabling_ends_all_sessions_at_once(node: Node) -> None:
    wang = add(node, "wang", "technician")
    tokens = [open_session(node, wang) for _ in range(3)]
    disable_account(node, OPERATOR, person_id=wang.id)
    assert [resolve_session(node, token) for token in tokens] == [None, None, None]
    with pytest.raises(Unauthenticated):
        authenticate(node, "wang", password=PASSWORD)
    with pytest.raises(Unauthenticated, match="disabled"):
        open_session(node, wang)
    enable_account(node, OPERATOR, person_id=wang.id)
    assert authenticate(node, "wang", password=PASSWORD) == wang


def test_the_last_active_administrator_can_be_neither_disabled_nor_stripped(node: Node) -> None:
    anna, ben = add(node, "anna", "administrator"), add(node, "ben", "administrator", "expert")
    disable_account(node, anna, person_id=anna.id)
    with pytest.raises(Conflict, match="last active"):
        disable_account(node, ben, person_id=ben.id)
    with pytest.raises(Conflict, match="last active"):
        set_roles(node, ben, person_id=ben.id, roles=["expert"])
    set_roles(node, ben, person_id=ben.id, roles=["administrator"])
    enable_account(node, ben, person_id=anna.id)
    set_roles(node, ben, person_id=ben.id, roles=["expert"])
    assert get_account(node.database, ben.id).roles == ("expert",)
    refused = [act for act in find_acts(node.database) if act.outcome == "refused"]
    assert {act.act for act in refused} == {"disable-person", "set-roles"}


def test_two_administrators_who_disable_each_other_leave_one(node: Node) -> None:
    pair = [add(node, "anna", "administrator"), add(node, "ben", "administrator")]
    outcomes: list[str] = []

    def shut(by: Person, other: Person) -> None:
        try:
            disable_account(node, by, person_id=other.id)
            outcomes.append("done")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=shut, args=order) for order in (pair, reversed(pair))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]
    assert sorted(account.state for account in find_accounts(node.database)) == ["active", "disabled"]


def test_resetting_gives_a_one_time_password_and_ends_sessions(node: Node) -> None:
    wang = add(node, "wang", "technician")
    token = open_session(node, wang)
    made = reset_password(node, OPERATOR, person_id=wang.id)
    assert resolve_session(node, token) is None
    with pytest.raises(Unauthenticated):
        authenticate(node, "wang", password=PASSWORD)
    assert authenticate(node, "wang", password=made.password).must_change


def test_roles_count_from_the_next_request_on(node: Node) -> None:
    wang = add(node, "wang", "technician")
    token = open_session(node, wang)
    set_roles(node, OPERATOR, person_id=wang.id, roles=["expert", "technician", "expert"])
    session = resolve_session(node, token)
    assert session is not None
    assert session.person.roles == {"technician", "expert"}


def test_each_change_is_an_event_and_an_audit_row(node: Node) -> None:
    wang = add(node, "wang", "technician")
    create_account(node, OPERATOR, user="li", name="Li", roles=["expert"], address="10.0.0.9")
    disable_account(node, OPERATOR, person_id=wang.id)
    enable_account(node, OPERATOR, person_id=wang.id)
    reset_password(node, OPERATOR, person_id=wang.id)
    set_roles(node, OPERATOR, person_id=wang.id, roles=["expert"])
    account = get_account(node.database, wang.id)
    events = [record.type for record in node.journal.of(account.subject)]
    assert events == [
        "person-added/1",
        "person-disabled/1",
        "person-enabled/1",
        "password-reset/1",
        "roles-changed/1",
    ]
    assert account.version == len(events)
    acts = {(act.act, act.address) for act in find_acts(node.database)}
    assert ("add-person", "10.0.0.9") in acts
    assert {act for act, _ in acts} >= {"disable-person", "enable-person", "reset-password", "set-roles"}


def test_an_account_that_is_not_here_is_not_found(node: Node) -> None:
    with pytest.raises(NotFound):
        disable_account(node, OPERATOR, person_id="nobody")
