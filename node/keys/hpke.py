"""A content key sealed for one recipient: HPKE base mode, X25519, HKDF-SHA256, AES-256-GCM.

Base mode authenticates nobody: who sealed is proved by the signature inside.
pycryptodome is imported when first needed, since most processes never seal.

Source: RFC 9180 5.1.1 and 7 (KEM 0x0020, KDF 0x0001, AEAD 0x0002).
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from node.canonical import digest_of
from node.errors import Damaged, InvalidRequest
from node.keys.aead import TAG_BYTES
from node.keys.encoding import from_base64, to_base64

PRIVATE_BYTES = 32
PUBLIC_BYTES = 32
ENC_BYTES = 32
"""Size of the encapsulated key that travels beside the ciphertext."""


def new_hpke_key() -> bytes:
    """Draw a private key of 32 bytes."""
    return secrets.token_bytes(PRIVATE_BYTES)


def hpke_public_of(private: bytes) -> str:
    """Give the public half, in base64."""
    return to_base64(X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())


def hpke_key_id(public: str) -> str:
    """Name a public key by the first 16 hex digits of its digest."""
    return digest_of(from_base64(public, size_bytes=PUBLIC_BYTES))[:16]


def seal_hpke(recipient: str, plaintext: bytes, *, info: bytes, aad: bytes = b"") -> tuple[bytes, bytes]:
    """Seal for the holder of a private key; give the encapsulated key and the ciphertext.

    Raises
    ------
    InvalidRequest
        The recipient's key (base64) is not an X25519 key that anything can be sealed for.
    """
    from Crypto.Protocol import DH, HPKE

    public = from_base64(recipient, size_bytes=PUBLIC_BYTES)
    try:
        sealer = HPKE.new(
            receiver_key=DH.import_x25519_public_key(public), aead_id=HPKE.AEAD.AES256_GCM, info=info
        )
        return sealer.enc, sealer.seal(plaintext, aad)
    except ValueError as error:
        raise InvalidRequest(
            f"Sealing for key {hpke_key_id(recipient)} was refused ({error}): publish a new key."
        ) from error


def open_hpke(private: bytes, enc: bytes, *, ciphertext: bytes, info: bytes, aad: bytes = b"") -> bytes:
    """Open what was sealed for this private key under the same info and associated data.

    Raises
    ------
    Damaged
        Any of the five is not what it was at sealing.
    """
    from Crypto.Protocol import DH, HPKE

    if len(enc) != ENC_BYTES or len(ciphertext) < TAG_BYTES:
        raise Damaged("Opening a sealed key failed: it is cut off. Let it be sent again.")
    try:
        opener = HPKE.new(
            receiver_key=DH.import_x25519_private_key(private),
            aead_id=HPKE.AEAD.AES256_GCM,
            enc=enc,
            info=info,
        )
        return bytes(opener.unseal(ciphertext, aad))
    except ValueError as error:
        raise Damaged(
            "Opening a sealed key failed: it was altered, or sealed for another key or purpose."
        ) from error
