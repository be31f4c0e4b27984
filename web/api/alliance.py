"""The alliance as a node administrator sees it: peers, how they are reached, what waits, what they get."""

from __future__ import annotations

import msgspec

from federation.links import link_of, waiting_for
from federation.policy import change_policy, policy_of
from federation.roster import RosterEntry
from node.clock import Micros
from node.names import NodeId
from node.people.audit import record_act
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route


class AllianceNode(Shape):
    """The node itself, as peers know it."""

    id: str
    name: str
    fingerprint: str


class Waiting(Shape):
    """What a peer has not acknowledged."""

    envelopes: int
    studies: int
    oldest_at: Micros | None


class PolicyShape(Shape):
    """What a peer gets; empty lists narrow nothing."""

    grant: str
    modalities: list[str]
    departments: list[str]


class Peer(Shape):
    """Another node, and how things stand with it."""

    id: str
    name: str
    role: str
    state: str
    """``connected``, ``away``, ``down``, ``unacknowledged``; empty before anything was tried."""
    since: Micros
    last_ok: Micros
    next_try: Micros
    error: str
    waiting: Waiting
    policy: PolicyShape
    fingerprint: str


class Alliance(Shape):
    """The alliance from here."""

    node: AllianceNode
    listen: str
    """Where peers reach this node; empty when it only dials out."""
    peers: list[Peer]


class NewPolicy(msgspec.Struct):
    """What the policy form sends."""

    grant: str
    modalities: list[str] = []
    departments: list[str] = []


@route("GET /api/alliance", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def get_alliance(call: Call[NoBody]) -> Alliance:
    """Give all peers with their links."""
    node, section = call.node, call.node.config.alliance
    roster = call.around.roster()
    listen = (section.advertise or f"{section.host}:{section.port}") if section.port else ""
    return Alliance(
        node=AllianceNode(
            id=node.id, name=node.config.node.name, fingerprint=node.keys.public_keys.fingerprint
        ),
        listen=listen,
        peers=[_peer(call, entry) for entry in roster.peers_of(node.id)],
    )


@route("PUT /api/alliance/{peer}/policy", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=NewPolicy)
def put_policy(call: Call[NewPolicy]) -> Peer:
    """Set what a peer gets, from now on and of studies that are here already."""
    peer, body = NodeId(call.path["peer"]), call.body
    entry = call.around.roster().entry(peer)
    change_policy(
        call.node,
        peer,
        grant=body.grant,
        modalities=body.modalities,
        departments=body.departments,
        by=call.person.id,
    )
    act = record_act(
        call.node, call.person, act="change-policy", subject=f"policy/{peer}", address=call.address
    )
    call.node.write([act])
    return _peer(call, entry)


def _peer(call: Call[NoBody] | Call[NewPolicy], entry: RosterEntry) -> Peer:
    database = call.node.database
    link, waiting, policy = (
        link_of(database, entry.node),
        waiting_for(database, entry.node),
        policy_of(database, entry.node),
    )
    return Peer(
        id=entry.node,
        name=entry.name,
        role=entry.role,
        state="" if link is None else link.state,
        since=0 if link is None else link.since,
        last_ok=0 if link is None else link.last_ok,
        next_try=0 if link is None else link.next_try,
        error="" if link is None else link.error,
        waiting=Waiting(envelopes=waiting.envelopes, studies=waiting.studies, oldest_at=waiting.oldest_at),
        policy=PolicyShape(
            grant=policy.grant.value, modalities=list(policy.modalities), departments=list(policy.departments)
        ),
        fingerprint=entry.fingerprint,
    )


ROUTES = (get_alliance, put_policy)
