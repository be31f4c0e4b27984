"""Signing in: five failures lock, in words that tell nothing, also when a thousand guess at once."""

from __future__ import annotations

import threading

import pytest

from node.clock import MINUTE
from node.errors import FieldMissing, Unauthenticated
from node.node import Node
from node.people import sign_in
from node.people.accounts import OPERATOR, Person, create_account, disable_account
from node.people.audit import find_acts
from node.people.sessions import open_session, resolve_session
from node.people.sign_in import FAILURES, LOCK, authenticate, change_password
from tests.kit.clock import FrozenClock
from tests.kit.planting import planted

PASSWORD = "a long password 1"


@pytest.fixture
def wang(node: Node) -> Person:
    return create_account(
        node, OPERATOR, user="wang", name="王丽", roles=["technician"], password=PASSWORD
    ).person


def fail(node: Node, user: str = "wang", password: str = "wrong") -> str:
    with pytest.raises(Unauthenticated) as refused:
        authenticate(node, user, password=password)
    return refused.value.message


def test_the_right_password_gives_the_person(node: Node, wang: Person) -> None:
    assert authenticate(node, "wang", password=PASSWORD) == wang


def test_five_failures_lock_for_a_quarter_of_an_hour(node: Node, wang: Person, clock: FrozenClock) -> None:
    for _ in range(FAILURES):
        fail(node)
    fail(node, password=PASSWORD)
    clock.advance(LOCK - MINUTE)
    fail(node, password=PASSWORD)
    clock.advance(MINUTE)
    assert authenticate(node, "wang", password=PASSWORD) == wang


def test_failures_count_anew_after_the_lock_and_after_a_success(
    node: Node, wang: Person, clock: FrozenClock
) -> None:
    for _ in range(FAILURES - 1):
        fail(node)
    assert authenticate(node, "wang", password=PASSWORD) == wang
    for _ in range(FAILURES):
        fail(node)
    clock.advance(LOCK)
    for _ in range(FAILURES - 1):
        fail(node)
    assert authenticate(node, "wang", password=PASSWORD) == wang


def test_the_answer_never_tells_what_was_wrong(node: Node, wang: Person) -> None:
    words = {fail(node), fail(node, user="nobody"), fail(node, user="")}
    for _ in range(FAILURES):
        words.add(fail(node))
    words.add(fail(node, password=PASSWORD))
    disable_account(node, OPERATOR, person_id=wang.id)
    words.add(fail(node, password=PASSWORD))
    assert len(words) == 1


def test_each_refusal_costs_one_hash(node: Node, wang: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing must not tell either: unknown, wrong, locked and disabled all stretch once."""
    checked: list[object] = []
    real = sign_in.check_password

    def counting(password: str, stored: str | None) -> bool:
        checked.append(stored)
        return real(password, stored)

    monkeypatch.setattr("node.people.sign_in.check_password", counting)
    for user in ("nobody", "wang", "wang", "wang", "wang", "wang", "wang"):
        fail(node, user=user)
    disable_account(node, OPERATOR, person_id=wang.id)
    fail(node)
    assert len(checked) == 8
    assert checked.count(None) == 3


def guess_at_once(node: Node, guesses: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let many wrong guesses arrive in the same moment; give how many were really checked."""
    gate = threading.Barrier(guesses)
    checked: list[str] = []
    real = sign_in.check_password

    def counting(password: str, stored: str | None) -> bool:
        if stored is not None:
            checked.append(password)
        return real(password, stored)

    monkeypatch.setattr("node.people.sign_in.check_password", counting)

    def guess(n: int) -> None:
        gate.wait()
        with pytest.raises(Unauthenticated):
            authenticate(node, "wang", password=f"guess {n}")

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(guesses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(checked)


@pytest.mark.usefixtures("wang")
def test_guesses_sent_at_once_get_five_checks_between_them(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guess_at_once(node, 24, monkeypatch) == FAILURES


@pytest.mark.usefixtures("wang")
def test_a_planted_lock_that_counts_after_checking_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "lock-after-check")
    assert guess_at_once(node, 24, monkeypatch) > FAILURES


def test_the_audit_holds_outcomes_and_nothing_that_was_typed(node: Node, wang: Person) -> None:
    authenticate(node, "wang", password=PASSWORD, address="10.1.1.1")
    fail(node, user="my-password-by-mistake")
    fail(node)
    acts = [
        (act.act, act.person, act.outcome, act.address)
        for act in find_acts(node.database)
        if act.act == "sign-in"
    ]
    assert sorted(acts) == sorted(
        [
            ("sign-in", wang.id, "done", "10.1.1.1"),
            ("sign-in", wang.id, "refused", ""),
            ("sign-in", "", "refused", ""),
        ]
    )
    assert "mistake" not in str(node.database.read("SELECT * FROM audit"))


def test_changing_ones_password_ends_the_other_sessions(node: Node, wang: Person) -> None:
    here, elsewhere = open_session(node, wang), open_session(node, wang)
    session = resolve_session(node, here)
    assert session is not None
    change_password(node, wang, old=PASSWORD, new="quite another 22", keep=session.token_digest)
    assert resolve_session(node, here) is not None
    assert resolve_session(node, elsewhere) is None
    fail(node, password=PASSWORD)
    authenticate(node, "wang", password="quite another 22")


def test_a_one_time_password_opens_the_rest_once_it_is_changed(node: Node) -> None:
    made = create_account(node, OPERATOR, user="chen", name="陈", roles=["expert"])
    changed = change_password(node, made.person, old=made.password, new="quite another 22")
    assert not changed.must_change


@pytest.mark.parametrize("new", ["short", "aaaaaaaaaaaa", "my wang password", PASSWORD, "x" * 201])
def test_a_weak_or_old_password_is_refused(node: Node, wang: Person, new: str) -> None:
    with pytest.raises(FieldMissing) as refused:
        change_password(node, wang, old=PASSWORD, new=new)
    assert refused.value.name == "new"


def test_wrong_old_passwords_count_toward_the_lock(node: Node, wang: Person) -> None:
    for _ in range(FAILURES):
        with pytest.raises(Unauthenticated):
            change_password(node, wang, old="wrong", new="quite another 22")
    fail(node, password=PASSWORD)
