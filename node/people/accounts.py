"""Accounts as an administrator keeps them: add, disable, enable, reset, give roles.

A disabled person's sessions end in the same batch, and the last active
administrator can be neither disabled nor stripped. Signing in is
`node.people.sign_in`'s matter, what a role may do `node.people.roles`'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Database, Row, Statement, convert_row
from node.errors import Conflict, FieldMissing, NotFound, Refused
from node.events import Event
from node.keys.passwords import hash_password
from node.keys.tokens import new_token
from node.names import Cause, Subject
from node.node import Node
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR, check_roles

USER_FORM = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
_COLUMNS = "id, user, name, roles, state, must_change, locked_until, version, at"
_ANOTHER_ADMINISTRATOR = (
    "EXISTS (SELECT 1 FROM account AS other WHERE other.id <> account.id AND other.state = 'active'"
    " AND other.roles LIKE '%\"administrator\"%')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account here, as commands and pages need them."""

    id: str
    user: str
    name: str
    roles: frozenset[str]
    must_change: bool = False
    """The password was given by an administrator; nothing but changing it is open."""

    def require(self, role: str, *, act: str) -> None:
        """Refuse an act that needs a role this person does not have."""
        if role not in self.roles:
            raise Refused(f"{act} was refused: it needs the role {role}. Ask a node administrator.")


OPERATOR = Person(id="operator", user="", name="", roles=frozenset({ADMINISTRATOR}))
"""Whoever runs the command line on the machine itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's account as the users page shows it."""

    id: str
    user: str
    name: str
    roles: tuple[str, ...]
    state: Literal["active", "disabled"]
    must_change: bool
    locked_until: Micros
    version: int
    """Events of ``person/ID`` so far."""
    at: Micros

    @property
    def person(self) -> Person:
        return Person(
            id=self.id,
            user=self.user,
            name=self.name,
            roles=frozenset(self.roles),
            must_change=self.must_change,
        )

    @property
    def subject(self) -> Subject:
        return Subject(f"person/{self.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """An account with the one-time password that is shown once; empty when one was chosen."""

    person: Person
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAdded(Event):
    """An account was made. Subject ``person/ID``."""

    by: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDisabled(Event):
    """An account was shut; its sessions ended."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonEnabled(Event):
    """A shut account was opened again."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset(Event):
    """An administrator gave a one-time password; sessions ended."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesChanged(Event):
    """An administrator gave or took roles."""

    by: str
    roles: tuple[str, ...]


def create_account(
    node: Node,
    by: Person,
    *,
    user: str,
    name: str,
    roles: Iterable[str],
    password: str | None = None,
    address: str = "",
) -> NewPassword:
    """Add a person; without a password, draw a one-time one that must be changed.

    Raises
    ------
    FieldMissing
        User, name or roles are not what they must be.
    Conflict
        The user name is taken.
    """
    by.require(ADMINISTRATOR, act="Adding a person")
    statements, made = new_account(node, by, user=user, name=name, roles=roles, password=password)
    audit = record_act(node, by, act="add-person", subject=f"person/{made.person.id}", address=address)
    node.write([*statements, audit])
    return made


def new_account(
    node: Node,
    by: Person,
    *,
    user: str,
    name: str,
    roles: Iterable[str],
    password: str | None = None,
    only_when: str = "1 = 1",
) -> tuple[list[Statement], NewPassword]:
    """Give the statements that add a person while the SQL condition ``only_when`` holds."""
    login, called = user.strip().lower(), name.strip()
    if not USER_FORM.fullmatch(login):
        raise FieldMissing(
            "Adding a person was refused: a user name is 2 to 64 of a-z, 0-9 and '._@-', a letter or digit first.",
            name="user",
        )
    if not called or len(called) > 100 or not called.isprintable():
        raise FieldMissing("Adding a person was refused: give a name of 1 to 100 characters.", name="name")
    checked = check_roles(roles)
    one_time = password is None
    chosen = new_one_time_password() if password is None else password
    person = Person(id=node.new_id(), user=login, name=called, roles=frozenset(checked), must_change=one_time)
    row = Statement(
        "INSERT INTO account (id, user, name, roles, password, must_change, state, failures, locked_until, version, at)"
        f" SELECT ?, ?, ?, ?, ?, ?, 'active', 0, 0, 1, ? WHERE {only_when}",
        (person.id, login, called, canonical_json(checked), hash_password(chosen), int(one_time), node.now()),
        expect=1,
        refusal=f"Adding {login} was refused: somebody here has this user name. Choose another.",
    )
    event = PersonAdded(by=by.id, roles=checked)
    subject = Subject(f"person/{person.id}")
    events = node.journal.append(subject, [event], after=0, cause=Cause(node.new_id()))
    return [row, *events], NewPassword(person=person, password=chosen if one_time else "")


def disable_account(node: Node, by: Person, *, person_id: str, address: str = "") -> None:
    """Shut an account and end its sessions at once.

    Raises
    ------
    Conflict
        It is the last active administrator's.
    """
    account = _to_change(node, by, person_id, act="Disabling an account")
    if account.state == "disabled":
        return
    guard = f"(? = 0 OR {_ANOTHER_ADMINISTRATOR})"
    change = _change(
        account,
        "state = 'disabled'",
        (),
        guard=(guard, (int(ADMINISTRATOR in account.roles),)),
        refusal="Disabling the account was refused: it was changed meanwhile, or it is the last active"
        " administrator's. Give somebody else that role first.",
    )
    event = PersonDisabled(by=by.id)
    _write(
        node, by, account, [change, end_sessions(account.id)], event, act="disable-person", address=address
    )


def enable_account(node: Node, by: Person, *, person_id: str, address: str = "") -> None:
    """Open a shut account again, with its old password and roles."""
    account = _to_change(node, by, person_id, act="Enabling an account")
    if account.state == "active":
        return
    change = _change(account, "state = 'active', failures = 0, locked_until = 0", ())
    _write(node, by, account, [change], PersonEnabled(by=by.id), act="enable-person", address=address)


def reset_password(node: Node, by: Person, *, person_id: str, address: str = "") -> NewPassword:
    """Give a one-time password, lift a lock, and end the person's sessions."""
    account = _to_change(node, by, person_id, act="Resetting a password")
    chosen = new_one_time_password()
    change = _change(
        account, "password = ?, must_change = 1, failures = 0, locked_until = 0", (hash_password(chosen),)
    )
    event = PasswordReset(by=by.id)
    _write(
        node, by, account, [change, end_sessions(account.id)], event, act="reset-password", address=address
    )
    return NewPassword(person=account.person, password=chosen)


def set_roles(node: Node, by: Person, *, person_id: str, roles: Iterable[str], address: str = "") -> Account:
    """Give a person exactly these roles; they count from the next request on.

    Raises
    ------
    Conflict
        It would leave the node without an active administrator.
    """
    account = _to_change(node, by, person_id, act="Setting roles")
    checked = check_roles(roles)
    loses = ADMINISTRATOR in account.roles and ADMINISTRATOR not in checked and account.state == "active"
    change = _change(
        account,
        "roles = ?",
        (canonical_json(checked),),
        guard=(f"(? = 0 OR {_ANOTHER_ADMINISTRATOR})", (int(loses),)),
        refusal="Setting roles was refused: the account was changed meanwhile, or it is the last active"
        " administrator's. Give somebody else that role first.",
    )
    event = RolesChanged(by=by.id, roles=checked)
    _write(node, by, account, [change], event, act="set-roles", address=address)
    return get_account(node.database, person_id)


def find_accounts(database: Database) -> list[Account]:
    """Give all accounts, by user name."""
    return [_account(row) for row in database.read(f"SELECT {_COLUMNS} FROM account ORDER BY user")]


def get_account(database: Database, person_id: str) -> Account:
    """Give one account.

    Raises
    ------
    NotFound
        There is none.
    """
    rows = database.read(f"SELECT {_COLUMNS} FROM account WHERE id = ?", (person_id,))
    if not rows:
        raise NotFound("Reading the account failed: there is none of this id. Load the list again.")
    return _account(rows[0])


def any_account(database: Database) -> bool:
    """Say whether the node has been set up: one account is enough."""
    return bool(database.read("SELECT 1 AS one FROM account LIMIT 1"))


def end_sessions(person_id: str) -> Statement:
    """Give the statement that ends all sessions of a person."""
    return Statement("DELETE FROM session WHERE person = ?", (person_id,))


def new_one_time_password() -> str:
    """Draw 16 characters in groups of four, to be read out and typed once."""
    token = "".join(
        character for character in new_token()[0] if character.isalnum() and character not in "0O1lI"
    )
    return "-".join(token[start : start + 4] for start in range(0, 16, 4))


def _to_change(node: Node, by: Person, person_id: str, *, act: str) -> Account:
    by.require(ADMINISTRATOR, act=act)
    return get_account(node.database, person_id)


def _change(
    account: Account,
    assignments: str,
    params: tuple[str | int, ...],
    *,
    guard: tuple[str, tuple[int, ...]] = ("1 = 1", ()),
    refusal: str = "Changing the account was refused: somebody else changed it. Load it again.",
) -> Statement:
    condition, more = guard
    return Statement(
        f"UPDATE account SET {assignments}, version = version + 1 WHERE id = ? AND version = ? AND {condition}",
        (*params, account.id, account.version, *more),
        expect=1,
        refusal=refusal,
    )


def _write(
    node: Node,
    by: Person,
    account: Account,
    changes: list[Statement],
    event: Event,
    *,
    act: str,
    address: str,
) -> None:
    cause = Cause(node.new_id())
    events = node.journal.append(account.subject, [event], after=account.version, cause=cause)
    audit = record_act(node, by, act=act, subject=account.subject, address=address)
    try:
        node.write([*changes, *events, audit])
    except Conflict:
        refused = record_act(node, by, act=act, subject=account.subject, outcome="refused", address=address)
        node.write([refused])
        raise


def _account(row: Row) -> Account:
    return convert_row({**row, "roles": msgspec.json.decode(str(row["roles"]))}, Account)
