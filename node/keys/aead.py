"""AES-256-GCM, for content whose key its caller draws fresh and uses for few nonces.

Which nonce is right is the format's business: `node.keys.sealed` counts chunks,
an envelope draws both key and nonce.

Source: NIST SP 800-38D; RFC 5116.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.errors import Damaged

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def new_key() -> bytes:
    """Draw a key. Each attempt to seal anything draws its own."""
    return secrets.token_bytes(KEY_BYTES)


def new_nonce() -> bytes:
    """Draw a nonce for a key that seals only a few messages."""
    return secrets.token_bytes(NONCE_BYTES)


def encrypt(key: bytes, plaintext: bytes, *, nonce: bytes, aad: bytes) -> bytes:
    """Give the ciphertext with its tag of 16 bytes at the end."""
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def decrypt(key: bytes, ciphertext: bytes, *, nonce: bytes, aad: bytes) -> bytes:
    """Give the plaintext, or nothing of it.

    Raises
    ------
    Damaged
        The bytes, the nonce, the associated data or the key are not those of sealing.
    """
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except (InvalidTag, ValueError) as error:
        raise Damaged("Opening sealed bytes failed: they were altered or the key is another one.") from error
