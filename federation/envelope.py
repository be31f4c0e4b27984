"""The envelope: one message from one node to one other, sealed so that its mailbox's host learns nothing.

Decides the bytes and every check on them; whether the message may be applied is
its applier's business. `open_envelope` is the only way in.

The *digest* of an envelope is the SHA-256 of its inner JSON (the signed bytes
without their prefix). It can be told before anything is sealed, and sealing
again for a new key changes the outer bytes but not the digest, so the chain holds.

The bytes stand in README.md of `node.keys`. Source: RFC 9180 (HPKE), RFC 8032 (Ed25519).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from federation.envelope_errors import (
    EnvelopeDamaged,
    EnvelopeMalformed,
    Forged,
    KeyGone,
    NotForUs,
    RevokedSender,
    UnknownSender,
    UnknownSuite,
)
from federation.roster import Roster, RosterEntry
from federation.sequence import Position, check_position
from node.canonical import canonical_json, digest_of
from node.database.subset import check_value
from node.errors import Damaged, InvalidRequest, NotFound, Refused
from node.keys.aead import KEY_BYTES, NONCE_BYTES, TAG_BYTES, decrypt, encrypt, new_key, new_nonce
from node.keys.encoding import from_base64, to_base64
from node.keys.hpke import ENC_BYTES, seal_hpke
from node.keys.incarnations import is_incarnation
from node.keys.signing import SIGNATURE_BYTES, verify
from node.keys.store import KeyStore
from node.names import Cause, Digest, NodeId

SUITE = "x25519-sha256-aes256gcm/ed25519"
VERSION = 1
PREFIX = b"meridian-envelope/1"
"""What the signature covers begins with this."""
MAGIC = b"MRDNENV\x01"
ENVELOPE_LIMIT_BYTES = 1 << 20
SIZES_BYTES = (*(1 << n for n in range(10, 20)), ENVELOPE_LIMIT_BYTES - 1024)
"""To what the content is padded: powers of two from 1 KiB, and the most that fits the limit."""
_WRAPPED_BYTES = KEY_BYTES + TAG_BYTES
_LENGTHS = struct.Struct(">I")
_HEADER_LENGTH = struct.Struct(">H")


class Header(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"sender": "from", "recipient": "to"},
):
    """What a host sees: associated data of both seals, and repeated inside."""

    sender: NodeId
    recipient: NodeId
    inc: str
    n: int
    suite: str
    size: int
    """Of the padded content, bytes."""
    key_id: str
    """Which of the recipient's keys opens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A sealed message as it travels and lies in a mailbox."""

    header: Header
    enc: bytes
    """Encapsulated key of HPKE."""
    wrapped_key: bytes
    """The content key, sealed for the recipient."""
    nonce: bytes
    ciphertext: bytes

    def to_bytes(self) -> bytes:
        """Give the framed form."""
        header = _header_json(self.header)
        length = _HEADER_LENGTH.pack(len(header))
        return b"".join((MAGIC, length, header, self.enc, self.wrapped_key, self.nonce, self.ciphertext))

    def to_text(self) -> str:
        """Give base64 of the framed form, for a TEXT column."""
        return to_base64(self.to_bytes())

    @classmethod
    def from_bytes(cls, content: bytes) -> Envelope:
        """Read the framed form; says nothing about whether it opens.

        Raises
        ------
        EnvelopeMalformed
            The bytes are cut off, too many, or not an envelope.
        """
        if not content.startswith(MAGIC) or len(content) > ENVELOPE_LIMIT_BYTES:
            raise EnvelopeMalformed(
                "Reading an envelope was refused: it does not begin as one, or is over 1 MiB. Send it again."
            )
        at = len(MAGIC) + _HEADER_LENGTH.size
        (length,) = _HEADER_LENGTH.unpack(content[len(MAGIC) : at].ljust(_HEADER_LENGTH.size, b"\0"))
        parts = []
        for size in (length, ENC_BYTES, _WRAPPED_BYTES, NONCE_BYTES):
            parts.append(content[at : at + size])
            at += size
        if len(content) <= at:
            raise EnvelopeMalformed("Reading an envelope was refused: it is cut off. Send it again.")
        header, enc, wrapped_key, nonce = parts
        return cls(
            header=_read_header(header),
            enc=enc,
            wrapped_key=wrapped_key,
            nonce=nonce,
            ciphertext=content[at:],
        )

    @classmethod
    def from_text(cls, text: str) -> Envelope:
        """Read what `to_text` gives."""
        try:
            return cls.from_bytes(from_base64(text))
        except EnvelopeMalformed:
            raise
        except InvalidRequest as error:
            raise EnvelopeMalformed(f"Reading an envelope was refused: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """What the sender says and signs."""

    sender: NodeId
    recipient: NodeId
    inc: str
    """The sender's incarnation, which n counts in."""
    n: int
    """From 1 without gaps; 0 for the unnumbered types."""
    prev: str
    """Digest of envelope n - 1 of this incarnation to this recipient; empty for the first and the unnumbered."""
    head: str | None
    """Newest block of the sender's journal when this was first sealed (`federation.heads`); None before its first."""
    cause: Cause
    type: str
    body: str
    """Canonical JSON of the message's fields."""

    def to_bytes(self) -> bytes:
        """Give the canonical JSON whose digest names the envelope.

        Raises
        ------
        InvalidRequest
            The body is not JSON.
        """
        try:
            body = json.loads(self.body)
        except ValueError as error:
            raise InvalidRequest(f"Sealing a {self.type} was refused: its body is not JSON.") from error
        text = canonical_json(
            {
                "v": VERSION,
                "suite": SUITE,
                "from": self.sender,
                "to": self.recipient,
                "inc": self.inc,
                "n": self.n,
                "prev": self.prev,
                "head": self.head,
                "cause": self.cause,
                "type": self.type,
                "body": body,
            }
        )
        return text.encode()

    @property
    def digest(self) -> Digest:
        """The envelope's digest, known before it is sealed."""
        return digest_of(self.to_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An envelope that passed every check."""

    inner: Inner
    digest: Digest

    @property
    def position(self) -> Position:
        """What to keep as the last one taken, once its effects are written."""
        return Position(self.inner.inc, self.inner.n, self.digest)


def seal_envelope(keys: KeyStore, recipient: RosterEntry, inner: Inner) -> Envelope:
    """Sign and seal a message under a fresh content key, for the recipient's newest key.

    Raises
    ------
    Refused
        It is not ours to send, not the recipient's to read, or the recipient was revoked.
    InvalidRequest
        It is larger than an envelope may be.
    """
    if inner.sender != keys.node or inner.recipient != recipient.node or recipient.revoked:
        raise Refused(
            f"Sealing a {inner.type} for {recipient.node} was refused: it is from {inner.sender} to"
            f" {inner.recipient}, or the recipient was revoked. See the roster."
        )
    signed = inner.to_bytes()
    content = _LENGTHS.pack(len(signed)) + signed + keys.sign(PREFIX + signed)
    newest = recipient.hpke_keys[-1]
    header = Header(
        sender=inner.sender,
        recipient=inner.recipient,
        inc=inner.inc,
        n=inner.n,
        suite=SUITE,
        size=padded_size(len(content), inner.type),
        key_id=newest.key_id,
    )
    key, nonce, outer = new_key(), new_nonce(), MAGIC + _header_json(header)
    enc, wrapped_key = seal_hpke(newest.key, key, info=_info(header), aad=outer)
    ciphertext = encrypt(key, content.ljust(header.size, b"\0"), nonce=nonce, aad=outer)
    return Envelope(header=header, enc=enc, wrapped_key=wrapped_key, nonce=nonce, ciphertext=ciphertext)


def open_envelope(
    keys: KeyStore, roster: Roster, envelope: Envelope, expected_last: Position | None
) -> Opened:
    """Open an envelope after every check there is; the only way in.

    Parameters
    ----------
    expected_last
        The last envelope taken from this sender; None when there was none.

    Raises
    ------
    NotForUs, UnknownSuite, UnknownSender, RevokedSender
        Refused before anything is opened.
    KeyGone, EnvelopeDamaged
        It does not open; sealed again it may.
    Forged
        It opens, but is not what its sender signed for this place and number.
    Misnumbered, OutOfOrder, Replayed, Forked, ChainBroken
        It is genuine, but not the next one.
    """
    header = envelope.header
    sender = _check_header(keys, roster, header)
    signed, signature = _unseal(keys, envelope)
    _check_signature(sender, signed, signature)
    inner = _read_inner(signed, header)
    if (inner.sender, inner.recipient, inner.inc, inner.n) != (
        header.sender,
        header.recipient,
        header.inc,
        header.n,
    ):
        raise Forged(
            f"Opening {_named(header)} was refused: inside it is another ({inner.sender} to {inner.recipient},"
            f" {inner.n}). Somebody put it into another wrapping; tell the alliance's administrator."
        )
    opened = Opened(inner=inner, digest=digest_of(signed))
    check_position(inner.sender, inner.type, this=opened.position, prev=inner.prev, last=expected_last)
    return opened


def padded_size(content_bytes: int, type_: str) -> int:
    """Give the size that content is padded to.

    Raises
    ------
    InvalidRequest
        It does not fit an envelope; send it as a blob.
    """
    for size in SIZES_BYTES:
        if content_bytes <= size:
            return size
    raise InvalidRequest(
        f"Sealing a {type_} was refused: {content_bytes} bytes do not fit an envelope. Send it as a blob."
    )


def _check_header(keys: KeyStore, roster: Roster, header: Header) -> RosterEntry:
    if header.recipient != keys.node:
        raise NotForUs(
            f"Opening {_named(header)} was refused: this is {keys.node}. Its host mixed up two mailboxes."
        )
    if header.suite != SUITE:
        raise UnknownSuite(f"Opening {_named(header)} was refused: suite {header.suite!r}. Update this node.")
    sender = roster.peek(header.sender)
    if sender is None:
        raise UnknownSender(
            f"Opening {_named(header)} was refused: {header.sender} is not in the roster. Admit it first, or"
            " bring the roster up to date."
        )
    if sender.revoked:
        raise RevokedSender(f"Opening {_named(header)} was refused: {header.sender} was revoked.")
    return sender


def _unseal(keys: KeyStore, envelope: Envelope) -> tuple[bytes, bytes]:
    """Give the signed bytes and the signature."""
    header, outer = envelope.header, MAGIC + _header_json(envelope.header)
    if header.size not in SIZES_BYTES or len(envelope.ciphertext) != header.size + TAG_BYTES:
        _damaged(header, None)
    try:
        key = keys.open_hpke(
            header.key_id, envelope.enc, ciphertext=envelope.wrapped_key, info=_info(header), aad=outer
        )
        content = decrypt(key, envelope.ciphertext, nonce=envelope.nonce, aad=outer)
    except NotFound as error:
        raise KeyGone(
            f"Opening {_named(header)} failed: key {header.key_id} is not here. {header.sender} must seal it again."
        ) from error
    except Damaged as error:
        _damaged(header, error)
    (length,) = _LENGTHS.unpack_from(content)
    end = _LENGTHS.size + length
    signature, padding = content[end : end + SIGNATURE_BYTES], content[end + SIGNATURE_BYTES :]
    if len(signature) != SIGNATURE_BYTES or padding.strip(b"\0"):
        _damaged(header, None)
    return content[_LENGTHS.size : end], signature


def _check_signature(sender: RosterEntry, signed: bytes, signature: bytes) -> None:
    try:
        verify(sender.verify_key, PREFIX + signed, signature)
    except Damaged as error:
        raise Forged(
            f"Opening an envelope from {sender.node} was refused: it did not sign it. Tell the alliance's"
            " administrator."
        ) from error


class _InnerJson(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from", "recipient": "to"}
):
    v: int
    suite: str
    sender: NodeId
    recipient: NodeId
    inc: str
    n: int
    prev: str
    head: str | None
    cause: Cause
    type: str
    body: msgspec.Raw


def _read_inner(signed: bytes, header: Header) -> Inner:
    """Read signed bytes that must be the one spelling of what they say."""
    try:
        raw = msgspec.json.decode(signed, type=_InnerJson)
        if canonical_json(json.loads(signed)).encode() != signed:
            raise InvalidRequest("not in its one spelling")
        for said in (raw.inc, raw.prev, raw.head, raw.cause, raw.type):
            check_value(said)
        if raw.v != VERSION or raw.suite != header.suite:
            raise InvalidRequest(f"version {raw.v}, suite {raw.suite!r}")
    except (msgspec.DecodeError, ValueError, RecursionError, InvalidRequest) as error:
        raise Forged(
            f"Opening {_named(header)} was refused: its sender signed what no node writes ({error}). Update it."
        ) from error
    return Inner(
        sender=raw.sender,
        recipient=raw.recipient,
        inc=raw.inc,
        n=raw.n,
        prev=raw.prev,
        head=raw.head,
        cause=raw.cause,
        type=raw.type,
        body=bytes(raw.body).decode(),
    )


def _read_header(content: bytes) -> Header:
    try:
        header = msgspec.json.decode(content, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EnvelopeMalformed(f"Reading an envelope was refused ({error}): send it again.") from error
    if _header_json(header) != content or not is_incarnation(header.inc) or not 0 <= header.n < 1 << 53:
        raise EnvelopeMalformed(
            "Reading an envelope was refused: its header is not well formed. Send it again."
        )
    return header


def _header_json(header: Header) -> bytes:
    return canonical_json(msgspec.to_builtins(header)).encode()


def _info(header: Header) -> bytes:
    return f"meridian/1|{header.sender}|{header.recipient}".encode()


def _named(header: Header) -> str:
    return f"envelope {header.n} from {header.sender} to {header.recipient}"


def _damaged(header: Header, cause: Exception | None) -> NoReturn:
    raise EnvelopeDamaged(
        f"Opening {_named(header)} failed: it was altered or cut off. {header.sender} must seal it again."
    ) from cause
