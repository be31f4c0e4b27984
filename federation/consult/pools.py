"""Expert pools: who may be offered cases. A pool lives at its home node; peers know its name.

Content rows, no configuration: made and filled by an administrator. Table `pool`
holds the node's own pools and the known ones of peers; the part before the
slash is the home.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from federation.consult.messages import KnownPool, PoolsPublished
from federation.outbox import send
from federation.roster import Roster
from node.database.port import Database, Statement, read_as, text
from node.errors import FieldMissing, InvalidRequest, NotFound
from node.names import Cause, NodeId
from node.node import Node
from node.people.accounts import Person, get_account
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR, EXPERT

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
LONGEST = 100
MOST_POOLS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """An expert pool as it is known here."""

    id: str
    name: str
    specialty: str

    @property
    def home(self) -> NodeId:
        return NodeId(self.id.partition("/")[0])


def find_pools(database: Database) -> list[Pool]:
    """Give all pools known here, by id."""
    return read_as(database, Pool, "SELECT id, name, specialty FROM pool ORDER BY id")


def own_pools(node: Node) -> list[Pool]:
    """Give the pools whose home this node is."""
    return [pool for pool in find_pools(node.database) if pool.home == node.id]


def get_pool(database: Database, pool_id: str) -> Pool:
    """Give a pool.

    Raises
    ------
    NotFound
        None of this id is known here.
    """
    rows = read_as(database, Pool, "SELECT id, name, specialty FROM pool WHERE id = ?", (pool_id,))
    if not rows:
        raise NotFound("Finding the expert pool failed: it is not known here (any more). Choose another.")
    return rows[0]


def create_pool(node: Node, by: Person, *, slug: str, name: str, specialty: str, address: str = "") -> Pool:
    """Add a pool at this node and tell the peers.

    Parameters
    ----------
    slug
        The part of the id after the slash: a-z, 0-9 and '-', a letter first.

    Raises
    ------
    Conflict
        There is one of this id.
    """
    by.require(ADMINISTRATOR, act="Adding a pool")
    if not _NAME.fullmatch(slug):
        raise FieldMissing(
            "Adding a pool was refused: its short name is 1 to 31 of a-z, 0-9 and '-', a letter first.",
            name="slug",
        )
    pool = Pool(
        id=f"{node.id}/{slug}",
        name=_filled(name, name="name"),
        specialty=_filled(specialty, name="specialty"),
    )
    row = Statement(
        "INSERT INTO pool (id, name, specialty) VALUES (?, ?, ?)",
        (pool.id, pool.name, pool.specialty),
        expect=1,
        refusal="Adding a pool was refused: there is one of this short name. Choose another.",
    )
    audit = record_act(node, by, act="add-pool", subject=f"pool/{pool.id}", address=address)
    known = [*own_pools(node), pool]
    cause = Cause(node.new_id())
    told = [
        statement
        for peer in Roster.load(node.database).peers_of(node.id)
        for statement in send(node, peer.node, _published(known), cause=cause)
    ]
    node.write([row, audit, *told])
    return pool


def publish_pools(node: Node, peer: NodeId, *, cause: Cause | None = None) -> list[Statement]:
    """Give the statements that tell a peer of this node's pools; for the batch in which it joins."""
    return send(node, peer, _published(own_pools(node)), cause=cause or Cause(node.new_id()))


def set_memberships(
    node: Node, by: Person, *, person_id: str, pools: Iterable[str], address: str = ""
) -> None:
    """Make a person a member of exactly these pools of this node; it counts at once.

    Raises
    ------
    InvalidRequest
        The person is not an expert.
    NotFound
        The person or a pool is not here.
    """
    by.require(ADMINISTRATOR, act="Changing an expert pool")
    wanted = sorted(set(pools))
    if wanted and EXPERT not in get_account(node.database, person_id).roles:
        raise InvalidRequest(
            "Changing an expert pool was refused: the person is not an expert. Give the role first."
        )
    for pool in wanted:
        if get_pool(node.database, pool).home != node.id:
            raise NotFound("Changing an expert pool failed: it is another node's. Change it there.")
    rows = [
        Statement("INSERT INTO membership (person, pool) VALUES (?, ?)", (person_id, pool)) for pool in wanted
    ]
    audit = record_act(node, by, act="set-pools", subject=f"person/{person_id}", address=address)
    node.write([Statement("DELETE FROM membership WHERE person = ?", (person_id,)), *rows, audit])


def pools_of(database: Database, person_id: str) -> list[str]:
    """Give the ids of the pools that a person is a member of."""
    rows = database.read("SELECT pool FROM membership WHERE person = ? ORDER BY pool", (person_id,))
    return [text(row, "pool") for row in rows]


def take_pools(node: Node, sender: NodeId, message: PoolsPublished) -> list[Statement]:
    """Give the statements that make a peer's pools known, and only these.

    Raises
    ------
    InvalidRequest
        A pool is not the sender's own, or there are too many.
    """
    for pool in message.pools:
        home, _, slug = pool.id.partition("/")
        if home != sender or not _NAME.fullmatch(slug) or max(len(pool.name), len(pool.specialty)) > LONGEST:
            raise InvalidRequest(f"Taking the pools of {sender} was refused: one of them is not its own.")
    if len(message.pools) > MOST_POOLS:
        raise InvalidRequest(f"Taking the pools of {sender} was refused: over {MOST_POOLS}.")
    gone = Statement("DELETE FROM pool WHERE substr(id, 1, ?) = ?", (len(sender) + 1, f"{sender}/"))
    return [
        gone,
        *(
            Statement(
                "INSERT INTO pool (id, name, specialty) VALUES (?, ?, ?)",
                (pool.id, pool.name, pool.specialty),
            )
            for pool in {pool.id: pool for pool in message.pools}.values()
        ),
    ]


def _published(pools: Iterable[Pool]) -> PoolsPublished:
    known = tuple(KnownPool(id=pool.id, name=pool.name, specialty=pool.specialty) for pool in pools)
    return PoolsPublished(pools=known)


def _filled(value: str, *, name: str) -> str:
    words = value.strip()
    if not words or len(words) > LONGEST or not words.isprintable():
        raise FieldMissing(
            f"Adding a pool was refused: {name} must have 1 to {LONGEST} characters.", name=name
        )
    return words
