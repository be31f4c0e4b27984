"""The one-time link that makes the first administrator; worthless once an account exists."""

from __future__ import annotations

from node.clock import MINUTE, Micros
from node.database.port import Statement
from node.errors import Conflict, Refused
from node.keys.tokens import new_token, token_digest
from node.node import Node
from node.people.accounts import OPERATOR, Person, any_account, new_account
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR
from node.people.sign_in import check_new_password

LINK_LIFE: Micros = 24 * 60 * MINUTE


def first_start_link(node: Node) -> str | None:
    """Draw the token of the link, ending earlier ones; None when there is an account already."""
    if any_account(node.database):
        return None
    token, digest = new_token()
    earlier = Statement("DELETE FROM setup_link")
    link = Statement(
        "INSERT INTO setup_link (token_digest, until) VALUES (?, ?)", (digest, node.now() + LINK_LIFE)
    )
    node.write([earlier, link])
    return token


def use_setup_link(
    node: Node, token: str, *, user: str, name: str, password: str, address: str = ""
) -> Person:
    """Make the first account, an administrator, and spend the link.

    Raises
    ------
    Refused
        The link is unknown, spent, too old, or there is an account already.
    FieldMissing
        User, name or password are not what they must be.
    """
    check_new_password(password, user=user.strip().lower(), name="password")
    spent = Statement(
        "DELETE FROM setup_link WHERE token_digest = ? AND until > ?",
        (token_digest(token), node.now()),
        expect=1,
    )
    statements, made = new_account(
        node,
        OPERATOR,
        user=user,
        name=name,
        roles=[ADMINISTRATOR],
        password=password,
        only_when="NOT EXISTS (SELECT 1 FROM account)",
    )
    audit = record_act(
        node, made.person, act="first-start", subject=f"person/{made.person.id}", address=address
    )
    try:
        node.write([spent, *statements, audit])
    except Conflict as error:
        raise Refused(
            "Setting up was refused: the link is spent or too old. Start the node again for a new one,"
            " or sign in if somebody has an account."
        ) from error
    return made.person
