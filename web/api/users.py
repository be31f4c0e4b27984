"""Accounts, for the node administrator."""

from __future__ import annotations

import msgspec

from federation.consult.pools import set_memberships
from node.clock import Micros
from node.database.port import Database, text
from node.people.accounts import (
    Account,
    create_account,
    disable_account,
    enable_account,
    find_accounts,
    get_account,
    reset_password,
    set_roles,
)
from web.api.session import person_shape
from web.api.shapes import PersonShape, Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route


class User(Shape):
    """An account as the users page shows it."""

    id: str
    user: str
    name: str
    roles: list[str]
    pools: list[str]
    state: str
    must_change: bool
    locked_until: Micros
    at: Micros


class Users(Shape):
    """All accounts, by user name."""

    items: list[User]


class OneTimePassword(Shape):
    """An account and the password that is shown this once."""

    person: PersonShape
    password: str


class NewUser(msgspec.Struct):
    """What the add form sends."""

    user: str
    name: str
    roles: list[str]


class Roles(msgspec.Struct):
    """Exactly these roles from now on."""

    roles: list[str]


class Pools(msgspec.Struct):
    """Exactly these pools from now on."""

    pools: list[str]


@route("GET /api/users", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def list_users(call: Call[NoBody]) -> Users:
    """Give all accounts."""
    database = call.node.database
    return Users(items=[_user(database, account) for account in find_accounts(database)])


@route("POST /api/users", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=NewUser, status=201, heavy=True)
def add_user(call: Call[NewUser]) -> OneTimePassword:
    """Add a person with a one-time password."""
    body = call.body
    made = create_account(
        call.node, call.person, user=body.user, name=body.name, roles=body.roles, address=call.address
    )
    return OneTimePassword(person=person_shape(made.person), password=made.password)


@route("POST /api/users/{id}/disable", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def disable_user(call: Call[NoBody]) -> User:
    """Shut an account; its sessions end at once."""
    disable_account(call.node, call.person, person_id=call.path["id"], address=call.address)
    return _user_now(call)


@route("POST /api/users/{id}/enable", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def enable_user(call: Call[NoBody]) -> User:
    """Open a shut account again."""
    enable_account(call.node, call.person, person_id=call.path["id"], address=call.address)
    return _user_now(call)


@route("POST /api/users/{id}/reset", roles=ADMINISTRATOR, sees=Sees.NOTHING, heavy=True)
def reset_user(call: Call[NoBody]) -> OneTimePassword:
    """Give a one-time password; sessions end at once."""
    made = reset_password(call.node, call.person, person_id=call.path["id"], address=call.address)
    return OneTimePassword(person=person_shape(made.person), password=made.password)


@route("POST /api/users/{id}/roles", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Roles)
def set_user_roles(call: Call[Roles]) -> User:
    """Give a person exactly these roles."""
    set_roles(call.node, call.person, person_id=call.path["id"], roles=call.body.roles, address=call.address)
    return _user_now(call)


@route("POST /api/users/{id}/pools", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Pools)
def set_user_pools(call: Call[Pools]) -> User:
    """Put a person into exactly these pools."""
    set_memberships(
        call.node, call.person, person_id=call.path["id"], pools=call.body.pools, address=call.address
    )
    return _user_now(call)


def _user_now(call: Call[NoBody] | Call[Roles] | Call[Pools]) -> User:
    return _user(call.node.database, get_account(call.node.database, call.path["id"]))


def _user(database: Database, account: Account) -> User:
    rows = database.read("SELECT pool FROM membership WHERE person = ? ORDER BY pool", (account.id,))
    return User(
        id=account.id,
        user=account.user,
        name=account.name,
        roles=list(account.roles),
        pools=[text(row, "pool") for row in rows],
        state=account.state,
        must_change=account.must_change,
        locked_until=account.locked_until,
        at=account.at,
    )


ROUTES = (
    list_users,
    add_user,
    disable_user,
    enable_user,
    reset_user,
    set_user_roles,
    set_user_pools,
)
