"""A clinic and a centre with people, a pool and a study, and a postman who can be told to err.

Messages are carried as values, without seals: what an envelope promises (order,
once) is broken here on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from federation.consult.applying import (
    apply_case_amended,
    apply_case_cancel_requested,
    apply_case_facts,
    apply_case_requested,
    apply_pools_published,
)
from federation.consult.forms import Consent, ConsultForm
from federation.consult.messages import (
    CaseAmended,
    CaseCancelRequested,
    CaseFacts,
    CaseRequested,
    PoolsPublished,
)
from federation.consult.pools import create_pool, set_memberships
from federation.messages import Message, Received, decode_message, message_type
from node.clock import MINUTE
from node.database.port import Statement, integer, text
from node.names import Cause, NodeId
from node.node import Node
from node.people.accounts import OPERATOR, Person, create_account
from tests.kit.alliance_keys import FoundedAlliance
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock

Applier = Callable[[Node, Received, Message], list[Statement]]
APPLIERS: dict[str, tuple[type[Message], Applier]] = {
    message_type(shape): (shape, cast("Applier", applier))
    for shape, applier in (
        (CaseRequested, apply_case_requested),
        (CaseCancelRequested, apply_case_cancel_requested),
        (CaseAmended, apply_case_amended),
        (CaseFacts, apply_case_facts),
        (PoolsPublished, apply_pools_published),
    )
}
STUDY = "2.25.4711"


@dataclass
class Letter:
    """One message on its way."""

    sender: NodeId
    recipient: NodeId
    type: str
    body: str
    cause: Cause


@dataclass
class Pair:
    """Clinic alpha and centre; `post` collects what they have to say, `deliver` applies it."""

    clock: FrozenClock
    alpha: Node
    centre: Node
    wang: Person
    """Technician at alpha."""
    li: Person
    zhao: Person
    """Experts at the centre, members of the pool."""
    pool: str
    taken: dict[tuple[str, str], int] = field(default_factory=dict)

    def node(self, name: str) -> Node:
        return self.alpha if name == self.alpha.id else self.centre

    def post(self, sender: Node, recipient: Node) -> list[Letter]:
        """Take what has been put into an outbox since the last time."""
        rows = sender.database.read(
            "SELECT n, type, message, cause FROM outbox WHERE peer = ? AND n > ? ORDER BY n",
            (recipient.id, self.taken.get((sender.id, recipient.id), 0)),
        )
        for row in rows:
            self.taken[sender.id, recipient.id] = integer(row, "n")
        return [
            Letter(
                sender.id, recipient.id, text(row, "type"), text(row, "message"), Cause(text(row, "cause"))
            )
            for row in rows
        ]

    def deliver(self, letter: Letter) -> bool:
        """Apply one message; says whether it changed anything."""
        node = self.node(letter.recipient)
        shape, applier = APPLIERS[letter.type]
        received = Received(sender=letter.sender, cause=letter.cause, at=node.now())
        statements = applier(node, received, decode_message(shape, letter.body))
        if statements:
            node.write(statements)
        return bool(statements)

    def carry(self) -> list[Letter]:
        """Bring everything to where it belongs until nobody has anything to say."""
        carried: list[Letter] = []
        while letters := [*self.post(self.alpha, self.centre), *self.post(self.centre, self.alpha)]:
            for letter in letters:
                self.deliver(letter)
            carried += letters
        return carried

    def form(self, **changes: object) -> ConsultForm:
        return replace(make_form(pool=self.pool), **changes)  # type: ignore[arg-type]  # fields by name


def make_form(*, pool: str, origin: str = "alpha", study_uid: str = STUDY) -> ConsultForm:
    """Give a form that is right in every field."""
    return ConsultForm(
        origin=origin,
        study_uid=study_uid,
        kind="diagnosis",
        urgency="emergency",
        reason="咳嗽两周，发现结节",
        aim="结节性质",
        history="男，64 岁，吸烟 30 年",
        specialty="胸部",
        pool=pool,
        requesting_doctor="王医生",
        consent=Consent(who="患者本人", at="2026-03-02", how="written"),
    )


def add_study(
    node: Node, *, study_uid: str = STUDY, state: str = "complete", instances: int = 6, conflict: int = 0
) -> None:
    """Put a study row, as registration would."""
    now = node.now()
    columns = {
        "origin": node.id, "study_uid": study_uid, "patient_issuer": f"{node.id}/his", "patient_id": "P1",
        "patient_name": "Zhang^San=张三", "sex": "M", "birth_date": "19620101", "age": "064Y",
        "study_date": "20260302", "study_time": "101500", "accession_issuer": f"{node.id}/his", "accession": "A1",
        "description": "Chest", "referring_physician": "", "modalities": '["CT"]', "body_parts": '["CHEST"]',
        "department": "CT", "series_count": 1, "instance_count": instances, "bytes": 1000, "state": state,
        "conflict": conflict, "first_at": now, "last_at": now,
        "completed_at": now if state == "complete" else None, "cause": node.new_id(),
    }  # fmt: skip
    marks = ", ".join("?" * len(columns))
    sql = f"INSERT INTO study ({', '.join(columns)}) VALUES ({marks})"
    node.write([Statement(sql, tuple(columns.values()))])


def add_person(node: Node, user: str, name: str, *roles: str) -> Person:
    """Add a person with a password of her own."""
    made = create_account(node, OPERATOR, user=user, name=name, roles=roles, password="long enough 123")
    return made.person


@contextmanager
def open_pair(folder: Path) -> Iterator[Pair]:
    """Open both nodes with everything in place."""
    clock = FrozenClock()
    alpha, centre = bare_node(folder, "alpha", clock), bare_node(folder, "centre", clock)
    (folder / "alliance").mkdir()
    alliance = FoundedAlliance.found(folder / "alliance", clock)
    alliance.admit("centre", keys=centre.keys.public_keys)
    alliance.admit("alpha", host="centre", keys=alpha.keys.public_keys)
    for node in (alpha, centre):
        node.write(
            [
                Statement(
                    "INSERT INTO roster_statement (n, body, signature, at) VALUES (?, ?, ?, ?)",
                    (n, signed.body, signed.signature, clock.now()),
                )
                for n, signed in enumerate(alliance.statements)
            ]
        )
    li, zhao = (
        add_person(centre, user, name, "expert") for user, name in (("li", "李主任"), ("zhao", "赵医生"))
    )
    pool = create_pool(centre, OPERATOR, slug="chest", name="胸部影像组", specialty="胸部")
    for expert in (li, zhao):
        set_memberships(centre, OPERATOR, person_id=expert.id, pools=[pool.id])
    add_study(alpha)
    pair = Pair(
        clock=clock,
        alpha=alpha,
        centre=centre,
        wang=add_person(alpha, "wang", "王技师", "technician"),
        li=li,
        zhao=zhao,
        pool=pool.id,
    )
    pair.carry()
    try:
        yield pair
    finally:
        for node in (alpha, centre):
            node.bell.close()
            node.database.close()


CLAIM = 20 * MINUTE
"""How long a claim holds by default."""
