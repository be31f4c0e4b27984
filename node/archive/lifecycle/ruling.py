"""The rules for copies as rows: what counts now, and a change by an administrator, who sees what it would have done."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from node.archive.lifecycle.rules import DEFAULT, Rules, check_rules, decode_rules, encode_rules
from node.clock import Micros
from node.database.port import Statement, integer, text
from node.errors import Conflict
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """The rules that count, and since when, by whom."""

    rules: Rules
    at: Micros
    person: str


def get_rules(node: Node) -> Ruled:
    """Give the rules that count; before anybody changed them, those of a new node."""
    rows = node.database.read("SELECT * FROM archive_rules ORDER BY version DESC LIMIT 1")
    if not rows:
        return Ruled(rules=Rules(), at=0, person="")
    row = rows[0]
    return Ruled(rules=decode_rules(text(row, "body")), at=integer(row, "at"), person=text(row, "person"))


def effective_rules(node: Node) -> Rules:
    """Give the rules that count as this node can follow them."""
    return followed(node, get_rules(node).rules)


def followed(node: Node, rules: Rules) -> Rules:
    """Give rules as this node can follow them: no more copies than it has stores."""
    stores = max(len(node.archive.stores), 1)
    wanted = min(stores, node.archive.copies)
    others = msgspec.structs.replace(DEFAULT, copies=min(DEFAULT.copies, wanted))
    capped = [msgspec.structs.replace(rule, copies=min(rule.copies, stores)) for rule in rules.rules]
    return msgspec.structs.replace(rules, rules=(*capped, others))


def change_rules(node: Node, by: Person, rules: Rules, *, address: str = "") -> Rules:
    """Let other rules count from now on; ``rules.version`` is the one they were made from.

    Raises
    ------
    Refused
        She is no administrator.
    InvalidRequest
        They cannot be followed; the message names the rule.
    Conflict
        Somebody changed them meanwhile.
    """
    by.require(ADMINISTRATOR, act="Changing the rules for copies")
    before = get_rules(node).rules.version
    if rules.version != before:
        raise Conflict(
            "Changing the rules for copies was refused: somebody changed them meanwhile. Load them again."
        )
    changed = check_rules(msgspec.structs.replace(rules, version=before + 1))
    row = Statement(
        "INSERT INTO archive_rules (version, body, at, person) VALUES (?, ?, ?, ?)",
        (changed.version, encode_rules(changed), node.now(), by.id),
    )
    again = Statement(
        "UPDATE lifecycle SET next_at = ? WHERE next_at IS NULL OR next_at > ?", (node.now(), node.now())
    )
    audit = record_act(
        node, by, act="change-archive-rules", subject=f"archive-rules/{changed.version}", address=address
    )
    node.write([row, again, audit])
    return changed
