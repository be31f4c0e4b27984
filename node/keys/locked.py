"""Bytes locked by a passphrase, for a key that lies on a stick in a drawer.

JSON text: the scrypt cost and salt, and the content under AES-256-GCM. What the
text is for stands in the associated data, so that one kind never opens as another.

Source: RFC 7914; NIST SP 800-38D.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec

from node.canonical import canonical_json
from node.errors import Damaged, InvalidRequest, Refused
from node.keys.aead import NONCE_BYTES, decrypt, encrypt, new_nonce
from node.keys.derivation import Cost, stretch
from node.keys.encoding import from_base64, to_base64

COST = Cost(n=1 << 17, r=8, p=1)
"""128 MiB and about half a second a guess; paid a few times a year."""
SALT_BYTES = 16
FORMAT = "meridian-locked/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Locked:
    format: str
    purpose: str
    kdf: str
    n: int
    r: int
    p: int
    salt: str
    nonce: str
    content: str


def lock(content: bytes, passphrase: str, *, purpose: str) -> str:
    """Give the locked text of a content.

    Raises
    ------
    InvalidRequest
        The passphrase has fewer than 12 characters: whoever finds the file would guess it.
    """
    if len(passphrase) < 12:
        raise InvalidRequest(
            "Locking a key was refused: the passphrase is short. Take 12 characters or more."
        )
    salt, nonce = secrets.token_bytes(SALT_BYTES), new_nonce()
    key = stretch(passphrase, salt, cost=COST)
    locked = _Locked(
        format=FORMAT,
        purpose=purpose,
        kdf="scrypt",
        n=COST.n,
        r=COST.r,
        p=COST.p,
        salt=to_base64(salt),
        nonce=to_base64(nonce),
        content=to_base64(encrypt(key, content, nonce=nonce, aad=_aad(purpose))),
    )
    return canonical_json(msgspec.to_builtins(locked))


def unlock(text: str, passphrase: str, *, purpose: str) -> bytes:
    """Give the content back.

    Raises
    ------
    Refused
        The passphrase is another one, or the text was altered: the two look alike.
    Damaged
        The text is not a locked one, or is for another purpose.
    """
    try:
        locked = msgspec.json.decode(text.encode(), type=_Locked)
        salt, nonce = from_base64(locked.salt), from_base64(locked.nonce, size_bytes=NONCE_BYTES)
        content = from_base64(locked.content)
    except (msgspec.DecodeError, InvalidRequest) as error:
        raise Damaged("Unlocking failed: the text is not whole. Restore it from a copy.") from error
    if (locked.format, locked.purpose, locked.kdf) != (FORMAT, purpose, "scrypt"):
        raise Damaged(
            f"Unlocking failed: the text is {locked.format!r} for {locked.purpose!r}, not {purpose!r}."
        )
    key = stretch(passphrase, salt, cost=Cost(n=locked.n, r=locked.r, p=locked.p))
    try:
        return decrypt(key, content, nonce=nonce, aad=_aad(purpose))
    except Damaged as error:
        raise Refused(
            "Unlocking was refused: wrong passphrase, or the text was altered. Type it again."
        ) from error


def _aad(purpose: str) -> bytes:
    return f"{FORMAT}|{purpose}".encode()
