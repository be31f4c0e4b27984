"""A node's own rotation of its encryption and TLS keys, between statements of the offline root.

The root lies in a drawer, and encryption keys should be short-lived; so a node
signs its new ones itself. Sound because it can only speak for itself: a rotation
is signed by the verify key that the root gave, keeps that key, and names the
root's statement that it builds on. As soon as the root says something newer about
the node's keys, or revokes it, older rotations count no more. Each is numbered,
and a lesser number never replaces a greater one.

Bytes: canonical JSON ``{v, alliance, node, after, rotation, at, keys}``, signed
over exactly these prefixed ``meridian-rotation/1``. How it reaches the others is
not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from federation.statements import SignedStatement
from node.canonical import canonical_json
from node.clock import Micros
from node.errors import Damaged, Refused
from node.keys.encoding import to_base64
from node.keys.public import PublicKeys
from node.keys.signing import verify
from node.keys.store import KeyStore
from node.names import NodeId

PREFIX = b"meridian-rotation/1"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What a node says of its own keys."""

    v: int
    alliance: str
    """The root's verify key: a rotation counts in one alliance."""
    node: NodeId
    after: int
    """Number of the root's newest statement about its keys."""
    rotation: int
    """From 1 upward."""
    at: Micros
    keys: PublicKeys


def sign_rotation(keys: KeyStore, *, alliance: str, after: int, rotation: int, at: Micros) -> SignedStatement:
    """Sign the keys that a store holds now as its node's from here on."""
    said = Rotation(
        v=VERSION,
        alliance=alliance,
        node=keys.node,
        after=after,
        rotation=rotation,
        at=at,
        keys=keys.public_keys,
    )
    body = canonical_json(msgspec.to_builtins(said))
    return SignedStatement(body=body, signature=to_base64(keys.sign(PREFIX + body.encode())))


def read_rotation(signed: SignedStatement) -> Rotation:
    """Read a rotation; says nothing about its signature.

    Raises
    ------
    Damaged
        It is not one, or not in its one spelling.
    """
    try:
        said = msgspec.json.decode(signed.body.encode(), type=Rotation)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Damaged(f"Reading a key rotation failed ({error}): ask its node for it again.") from error
    if said.v != VERSION or canonical_json(msgspec.to_builtins(said)) != signed.body:
        raise Damaged(
            "Reading a key rotation failed: it is of another version or spelling. Update this node."
        )
    return said


def check_rotation(signed: SignedStatement, *, alliance: str, verify_key: str) -> None:
    """Refuse a rotation that its node did not sign for this alliance, or that changes its signing key.

    Raises
    ------
    Damaged
        The node did not sign it.
    Refused
        It is for another alliance, or would change the signing key.
    """
    said = read_rotation(signed)
    if said.alliance != alliance:
        raise Refused(f"Rotating the keys of {said.node} was refused: it is of another alliance.")
    if said.keys.verify_key != verify_key:
        raise Refused(
            f"Rotating the keys of {said.node} was refused: only the root can change a signing key. Sign it there."
        )
    try:
        verify(verify_key, PREFIX + signed.body.encode(), signed.signature)
    except Damaged as error:
        raise Damaged(
            f"Rotating the keys of {said.node} failed: it did not sign this. Ask it again."
        ) from error
