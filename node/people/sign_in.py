"""Signing in and changing one's password: attempts are counted before they are checked.

Counting first means that a thousand guesses sent at once still get five. The
answer never tells whether the user, the password or a lock was the reason, and
takes the same work each time. Attempts per address are the web's to limit.

Source: GB/T 22239-2019 8.1.4.1 (failed sign-ins are counted and lock).
"""

from __future__ import annotations

from node.clock import MINUTE, Micros
from node.database.port import Statement, text
from node.errors import Conflict, FieldMissing, Unauthenticated
from node.failpoints import planted
from node.keys.passwords import check_password, hash_password
from node.node import Node
from node.people.accounts import Account, Person, get_account
from node.people.audit import record_act

FAILURES = 5
LOCK: Micros = 15 * MINUTE
SHORTEST = 10
LONGEST = 200
_REFUSAL = (
    "Signing in failed: the user name or the password is wrong, or too many attempts failed."
    " Check both; after five failures wait 15 minutes, or ask a node administrator."
)


def authenticate(node: Node, user: str, *, password: str, address: str = "") -> Person:
    """Give the person whose user name and password these are.

    Raises
    ------
    Unauthenticated
        They are not, or the account is disabled or locked; in the same words.
    """
    account = _peek(node, user)
    if account is None or not _check(node, account, password):
        subject = "person/unknown" if account is None else account.subject
        if account is None:
            check_password(password, None)
        refused = record_act(
            node, account, act="sign-in", subject=subject, outcome="refused", address=address
        )
        node.write([refused])
        raise Unauthenticated(_REFUSAL)
    node.write([record_act(node, account, act="sign-in", subject=account.subject, address=address)])
    return account.person


def change_password(
    node: Node, person: Person, *, old: str, new: str, keep: str = "", address: str = ""
) -> Person:
    """Replace one's own password; sessions of other places end.

    Parameters
    ----------
    keep
        Digest of the session that goes on (`Session.token_digest`); empty ends them all.

    Raises
    ------
    Unauthenticated
        The old one is wrong; such attempts count toward the lock.
    FieldMissing
        The new one is too short, the old one again, or the user name.
    """
    account = get_account(node.database, person.id)
    check_new_password(new, user=account.user, name="new")
    if not _check(node, account, old):
        refused = record_act(
            node, person, act="change-password", subject=account.subject, outcome="refused", address=address
        )
        node.write([refused])
        raise Unauthenticated(
            "Changing the password failed: the present one is wrong, or locked. Type it again."
        )
    if new == old:
        raise FieldMissing(
            "Changing the password was refused: it is the present one. Choose another.", name="new"
        )
    change = Statement(
        "UPDATE account SET password = ?, must_change = 0 WHERE id = ? AND version = ? AND state = 'active'",
        (hash_password(new), account.id, account.version),
        expect=1,
        refusal="Changing the password was refused: the account was changed meanwhile. Sign in again.",
    )
    others = Statement("DELETE FROM session WHERE person = ? AND token_digest <> ?", (account.id, keep))
    audit = record_act(node, person, act="change-password", subject=account.subject, address=address)
    node.write([change, others, audit])
    return get_account(node.database, person.id).person


def check_new_password(password: str, *, user: str, name: str) -> None:
    """Refuse a password that is easily guessed; ``name`` is the field that held it.

    Source: NIST SP 800-63B 5.1.1.2 (length before composition).
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise FieldMissing(
            f"Setting the password was refused: it must have {SHORTEST} to {LONGEST} characters.", name=name
        )
    if len(set(password)) < 5 or user in password.lower():
        raise FieldMissing(
            "Setting the password was refused: it holds the user name, or too few different characters."
            " Choose another.",
            name=name,
        )


def _check(node: Node, account: Account, password: str) -> bool:
    """Count the attempt, then check; a success sets the count back."""
    if not _count_attempt(node, account):
        check_password(password, None)
        return False
    stored = text(
        node.database.read("SELECT password FROM account WHERE id = ?", (account.id,))[0], "password"
    )
    if not check_password(password, stored):
        return False
    try:
        node.write(
            [
                Statement(
                    "UPDATE account SET failures = 0, locked_until = 0"
                    " WHERE id = ? AND password = ? AND state = 'active'",
                    (account.id, stored),
                    expect=1,
                )
            ]
        )
    except Conflict:
        return False  # disabled or reset while we checked
    return True


def _count_attempt(node: Node, account: Account) -> bool:
    """Take one of the attempts that are left; False when there is none, or the account is shut."""
    now = node.now()
    if planted("lock-after-check"):
        return True
    try:
        node.write(
            [
                Statement(
                    "UPDATE account SET failures = (failures + 1) % ?,"
                    " locked_until = CASE WHEN failures + 1 >= ? THEN ? ELSE locked_until END"
                    " WHERE id = ? AND state = 'active' AND locked_until <= ?",
                    (FAILURES, FAILURES, now + LOCK, account.id, now),
                    expect=1,
                )
            ]
        )
    except Conflict:
        return False
    return True


def _peek(node: Node, user: str) -> Account | None:
    rows = node.database.read("SELECT id FROM account WHERE user = ?", (user.strip().lower(),))
    return get_account(node.database, text(rows[0], "id")) if rows else None
