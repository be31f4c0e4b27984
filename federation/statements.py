"""What the roster says, one signed statement at a time, and how a statement's bytes are made.

A statement is canonical JSON ``{v, n, previous, at, type, act}``, signed over
exactly these bytes prefixed ``meridian-roster/1``. It names the digest of the one
before it, so that statements cannot be dropped, reordered or put into another alliance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import msgspec

from node.canonical import canonical_json, digest_of
from node.clock import Micros
from node.errors import Damaged
from node.keys.public import PublicKeys
from node.keys.signing import verify
from node.names import Digest, NodeId

PREFIX = b"meridian-roster/1"
VERSION = 1
CENTRE = "centre"
CLINIC = "clinic"
ROLES = (CENTRE, CLINIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllianceFounded:
    """The first statement, number 0, signed by the key that it names."""

    name: str
    root: str
    """Ed25519 public key of the alliance, base64. Every later statement is signed by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAdmitted:
    """A node is in. Its id is never given to another, even after it was revoked."""

    node: NodeId
    name: str
    """The hospital's, as people read it."""
    role: str
    """``centre`` or ``clinic``."""
    keys: PublicKeys
    mailbox_host: NodeId
    """Which node keeps its mailbox; itself, or one that listens."""
    address: str
    """``host:port`` where it listens for peers; empty when it only dials out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRevoked:
    """A node is out for good: nothing is taken from it or sealed for it any more."""

    node: NodeId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxMoved:
    """A node's mailbox is kept elsewhere from now on, or its address changed."""

    node: NodeId
    mailbox_host: NodeId
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRotated:
    """A node's keys from now on. By the root: any of them. By the node itself: all but its signing key."""

    node: NodeId
    keys: PublicKeys


Act = AllianceFounded | NodeAdmitted | NodeRevoked | MailboxMoved | KeysRotated
_ACTS: dict[str, type[Act]] = {
    "alliance-founded/1": AllianceFounded,
    "node-admitted/1": NodeAdmitted,
    "node-revoked/1": NodeRevoked,
    "mailbox-moved/1": MailboxMoved,
    "keys-rotated/1": KeysRotated,
}
_TYPES = {act: type_ for type_, act in _ACTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStatement:
    """A statement as it is stored and travels."""

    body: str
    signature: str
    """Base64 of the 64 bytes."""

    @property
    def digest(self) -> Digest:
        """Of the body: what the next statement names as its previous."""
        return digest_of(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterStatement:
    """A statement as it reads."""

    n: int
    previous: str
    """Digest of statement n - 1; empty for the first."""
    at: Micros
    act: Act

    @property
    def type(self) -> str:
        return act_type(self.act)


def act_type(act: Act) -> str:
    """Give the stable name of an act."""
    return _TYPES[type(act)]


def statement_body(statement: RosterStatement) -> str:
    """Give the canonical JSON that is signed."""
    return canonical_json(
        {
            "v": VERSION,
            "n": statement.n,
            "previous": statement.previous,
            "at": statement.at,
            "type": statement.type,
            "act": msgspec.to_builtins(statement.act),
        }
    )


def signed_bytes(body: str) -> bytes:
    """Give the bytes that the signature covers."""
    return PREFIX + body.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    v: int
    n: int
    previous: str
    at: Micros
    type: str
    act: msgspec.Raw


def read_statement(signed: SignedStatement, signer: str) -> RosterStatement:
    """Read a statement after its signature was verified.

    Raises
    ------
    Damaged
        The signature is not the signer's, or the body is not in its one spelling.
    """
    return _read(signed.body, signed.signature, signer)


def founding_key(signed: SignedStatement) -> str:
    """Give the root key that a first statement names, and that must have signed it.

    Raises
    ------
    Damaged
        It is not a first statement, or another key signed it.
    """
    act = _parse(signed.body).act
    if not isinstance(act, AllianceFounded):
        raise Damaged(
            "Reading the roster failed: it does not begin with the founding. Ask for the whole roster."
        )
    read_statement(signed, act.root)
    return act.root


@lru_cache(maxsize=4096)
def _read(body: str, signature: str, signer: str) -> RosterStatement:
    """Verified once per process: a roster is loaded often and grows by a line a month."""
    try:
        verify(signer, signed_bytes(body), signature)
    except Damaged as error:
        raise Damaged(
            "Reading a roster statement failed: its signature is not that of the key that must sign it."
            " Ask for the roster again, and tell the alliance's administrator."
        ) from error
    return _parse(body)


def _parse(body: str) -> RosterStatement:
    try:
        raw = msgspec.json.decode(body.encode(), type=_Body)
        if raw.v != VERSION or raw.type not in _ACTS:
            raise Damaged(
                f"Reading a roster statement failed: {raw.type!r} is not known here. Update this node."
            )
        act = msgspec.json.decode(raw.act, type=_ACTS[raw.type])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Damaged(f"Reading a roster statement failed ({error}): ask for the roster again.") from error
    statement = RosterStatement(n=raw.n, previous=raw.previous, at=raw.at, act=act)
    if statement_body(statement) != body:
        raise Damaged("Reading a roster statement failed: it is not in its one spelling. Ask for it again.")
    return statement
