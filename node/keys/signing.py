"""Ed25519 signatures over bytes that their caller has prefixed with what they are.

A signature says nothing about meaning: every format that signs puts its own name
in front (``meridian-envelope/1``, ``meridian-roster/1``), so that a signature
given for one thing never passes for another.

Source: RFC 8032.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from node.errors import Damaged, InvalidRequest
from node.keys.encoding import from_base64, to_base64

PRIVATE_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64


def new_signing_key() -> bytes:
    """Draw a private key: the 32-byte seed of RFC 8032."""
    return secrets.token_bytes(PRIVATE_BYTES)


def verify_key_of(private: bytes) -> str:
    """Give the public half, in base64."""
    return to_base64(Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())


def sign(private: bytes, message: bytes) -> bytes:
    """Give the 64-byte signature; the same message always gives the same one."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def verify(public: str, message: bytes, signature: str | bytes) -> None:
    """Return when the signature is that of the key over the message.

    Parameters
    ----------
    public
        Base64 of the 32-byte verify key.
    signature
        The 64 bytes, or their base64.

    Raises
    ------
    Damaged
        The message, the signature or the signer is another one.
    """
    try:
        raw = from_base64(signature) if isinstance(signature, str) else signature
        Ed25519PublicKey.from_public_bytes(from_base64(public)).verify(raw, message)
    except (InvalidSignature, InvalidRequest, ValueError) as error:
        raise Damaged("Verifying a signature failed: it is not this key's over these bytes.") from error
