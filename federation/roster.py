"""Who is in the alliance, with which keys, and who keeps whose mailbox.

The roster is what a chain of statements says, each signed by the alliance's root.
The root's key is pinned by statement 0, which is adopted once, when a node founds
or joins an alliance, and never replaced. (Whoever can write this node's database
can write its accounts and policies as well, so a pin elsewhere would guard nothing;
what the chain guards against are peers, relays and hosts.)

A node may rotate its own encryption and TLS keys between the root's statements:
see `federation.rotation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import assert_never

from federation.rotation import check_rotation, read_rotation
from federation.statements import (
    ROLES,
    AllianceFounded,
    KeysRotated,
    MailboxMoved,
    NodeAdmitted,
    NodeRevoked,
    SignedStatement,
    founding_key,
    read_statement,
)
from node.database.port import Database, integer, text
from node.errors import Damaged, InvalidRequest, NotFound
from node.keys.certificates import certificate_digest
from node.keys.public import HpkePublic, PublicKeys
from node.names import Digest, NodeId, node_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterEntry:
    """A node as the alliance knows it."""

    node: NodeId
    name: str
    role: str
    """``centre`` or ``clinic``."""
    verify_key: str
    hpke_keys: tuple[HpkePublic, ...]
    """Others seal for the last."""
    tls_certificate_pem: str
    mailbox_host: NodeId
    address: str
    """``host:port`` where it listens for peers; empty when it only dials out."""
    revoked: bool
    keys_n: int
    """Number of the root's newest statement about its keys."""

    @property
    def keys(self) -> PublicKeys:
        """Its keys as it publishes them."""
        return PublicKeys(
            verify_key=self.verify_key, hpke=self.hpke_keys, tls_certificate=self.tls_certificate_pem
        )

    @property
    def fingerprint(self) -> str:
        """What two people compare by telephone."""
        return self.keys.fingerprint

    def with_keys(self, keys: PublicKeys) -> RosterEntry:
        """Give the entry with other keys."""
        return replace(
            self,
            verify_key=keys.verify_key,
            hpke_keys=keys.hpke,
            tls_certificate_pem=keys.tls_certificate,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A verified chain of statements, read; empty before a node founds or joins an alliance."""

    root: str = ""
    """Verify key of the alliance, base64."""
    name: str = ""
    n: int = -1
    """Number of the newest statement."""
    digest: str = ""
    """Of the newest statement."""
    entries: Mapping[NodeId, RosterEntry] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def load(cls, database: Database) -> Roster:
        """Read and verify what this node holds.

        Raises
        ------
        Damaged
            A row was altered; the message names its number.
        """
        statements = database.read("SELECT n, body, signature FROM roster_statement ORDER BY n")
        roster = cls()
        for row in statements:
            signed = SignedStatement(body=text(row, "body"), signature=text(row, "signature"))
            try:
                roster = roster.extended(signed)
            except (Damaged, InvalidRequest) as error:
                raise Damaged(f"Reading row {integer(row, 'n')} of the roster failed: {error}") from error
        rotations = database.read("SELECT body, signature FROM key_rotation ORDER BY node, rotation")
        for row in rotations:
            signed = SignedStatement(body=text(row, "body"), signature=text(row, "signature"))
            roster = roster.rotated(signed)
        return roster

    @classmethod
    def from_statements(cls, statements: Iterable[SignedStatement]) -> Roster:
        """Verify a whole chain from its founding on."""
        roster = cls()
        for signed in statements:
            roster = roster.extended(signed)
        return roster

    def extended(self, signed: SignedStatement) -> Roster:
        """Give the roster with its next statement.

        Raises
        ------
        Damaged
            It is not signed by the root, or is not the next one.
        InvalidRequest
            It is, and still makes no sense: the root's own tool would not have signed it.
        """
        root = self.root or founding_key(signed)
        statement = read_statement(signed, root)
        if statement.n != self.n + 1 or statement.previous != self.digest:
            raise Damaged(
                f"Reading roster statement {statement.n} failed: it does not follow statement {self.n} held here."
                " Ask for the roster again."
            )
        following = replace(self, n=statement.n, digest=signed.digest)
        match statement.act:
            case AllianceFounded(name=name) if statement.n == 0:
                return replace(following, root=root, name=name)
            case AllianceFounded():
                raise InvalidRequest("Founding an alliance was refused: it is founded already.")
            case NodeAdmitted() as act:
                return following.with_entry(_admitted(self, act, statement.n))
            case NodeRevoked(node=node):
                return following.with_entry(replace(self.entry(node), revoked=True))
            case MailboxMoved() as act:
                entry = replace(_member(self, act.node), mailbox_host=act.mailbox_host, address=act.address)
                return following.with_entry(_checked(self, entry))
            case KeysRotated() as act:
                entry = replace(_member(self, act.node).with_keys(act.keys), keys_n=statement.n)
                return following.with_entry(_checked(self, entry))
            case _:
                assert_never(statement.act)

    def rotated(self, signed: SignedStatement) -> Roster:
        """Give the roster with keys that a node rotated itself; unchanged when the root has spoken since.

        Raises
        ------
        Damaged, Refused
            The node did not sign it, or may not say it.
        """
        said = read_rotation(signed)
        entry = self.entry(said.node)
        if entry.revoked or said.after != entry.keys_n:
            return self
        check_rotation(signed, alliance=self.root, verify_key=entry.verify_key)
        return self.with_entry(entry.with_keys(said.keys))

    def entry(self, node: NodeId) -> RosterEntry:
        """Give a node's entry, revoked ones too.

        Raises
        ------
        NotFound
            It was never admitted.
        """
        entry = self.peek(node)
        if entry is None:
            raise NotFound(f"Looking up node {node} failed: it is not in the roster. Invite it first.")
        return entry

    def peek(self, node: NodeId) -> RosterEntry | None:
        """Give a node's entry, or None when it was never admitted."""
        return self.entries.get(node)

    def members(self) -> list[RosterEntry]:
        """Give all that are in, by id."""
        return [entry for _, entry in sorted(self.entries.items()) if not entry.revoked]

    def peers_of(self, node: NodeId) -> list[RosterEntry]:
        """Give all that are in but one node."""
        return [entry for entry in self.members() if entry.node != node]

    def hosted_by(self, host: NodeId) -> list[RosterEntry]:
        """Give those whose mailboxes a node keeps."""
        return [entry for entry in self.members() if entry.mailbox_host == host]

    def by_certificate(self, digest: Digest) -> RosterEntry | None:
        """Give the member that shows a certificate (SHA-256 of its DER form), or None."""
        for entry in self.members():
            if certificate_digest(entry.tls_certificate_pem) == digest:
                return entry
        return None

    def trust_pem(self) -> bytes:
        """Give the certificates of all that are in: the TLS trust list."""
        return "".join(entry.tls_certificate_pem for entry in self.members()).encode("ascii")

    def with_entry(self, entry: RosterEntry) -> Roster:
        """Give the roster with one entry as given; whoever asks has checked it."""
        return replace(self, entries=MappingProxyType({**self.entries, entry.node: entry}))


def _admitted(roster: Roster, act: NodeAdmitted, n: int) -> RosterEntry:
    node_id(act.node)
    if act.node in roster.entries:
        raise InvalidRequest(
            f"Admitting {act.node} was refused: the id is taken, and a node id is never reused. Choose another."
        )
    if act.role not in ROLES:
        raise InvalidRequest(f"Admitting {act.node} was refused: its role is none of {', '.join(ROLES)}.")
    entry = RosterEntry(
        node=act.node,
        name=act.name,
        role=act.role,
        verify_key=act.keys.verify_key,
        hpke_keys=act.keys.hpke,
        tls_certificate_pem=act.keys.tls_certificate,
        mailbox_host=act.mailbox_host,
        address=act.address,
        revoked=False,
        keys_n=n,
    )
    return _checked(roster, entry)


def _member(roster: Roster, node: NodeId) -> RosterEntry:
    entry = roster.entry(node)
    if entry.revoked:
        raise InvalidRequest(f"Changing {node} was refused: it was revoked. Admit a new node under a new id.")
    return entry


def _checked(roster: Roster, entry: RosterEntry) -> RosterEntry:
    """Refuse an entry whose mailbox nobody keeps, or whose keys are somebody else's."""
    host = entry if entry.mailbox_host == entry.node else roster.peek(entry.mailbox_host)
    if host is None or host.revoked or not host.address:
        raise InvalidRequest(
            f"Placing the mailbox of {entry.node} was refused: {entry.mailbox_host} is not in, or has no address"
            " that it listens at. Choose a node that listens."
        )
    check_unshared(roster, entry)
    return entry


def check_unshared(roster: Roster, entry: RosterEntry) -> None:
    """Refuse keys that another node has: one of them would pass for the other."""
    taken = {
        key
        for other in roster.entries.values()
        if other.node != entry.node
        for key in (other.verify_key, other.tls_certificate_pem, *(hpke.key for hpke in other.hpke_keys))
    }
    if taken & {entry.verify_key, entry.tls_certificate_pem, *(hpke.key for hpke in entry.hpke_keys)}:
        raise InvalidRequest(
            f"Admitting the keys of {entry.node} was refused: another node has them. Let it draw its own."
        )
