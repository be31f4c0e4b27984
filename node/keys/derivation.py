"""Keys from secrets: HKDF where the secret is random, scrypt where a person chose it.

Source: RFC 5869 (HKDF-SHA256); RFC 7914 (scrypt).
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from node.errors import Damaged

DERIVED_BYTES = 32
_MEMORY_LIMIT_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one guess costs: 128 * n * r bytes of memory, n * r * p of work."""

    n: int
    r: int
    p: int


def derive_key(secret: bytes, label: str) -> bytes:
    """Derive 32 bytes from a random secret; another label gives unrelated bytes."""
    return HKDF(algorithm=SHA256(), length=DERIVED_BYTES, salt=None, info=label.encode()).derive(secret)


def stretch(password: str, salt: bytes, *, cost: Cost) -> bytes:
    """Derive 32 bytes from what a person can remember, slowly.

    The same characters typed on another keyboard give the same bytes (NFC).

    Raises
    ------
    Damaged
        The cost, read from a stored text, is not one that was ever written.

    Source: RFC 7914; RFC 8265 4.2 (OpaqueString).
    """
    if not 2 <= cost.n <= 1 << 20 or not 1 <= cost.r <= 32 or not 1 <= cost.p <= 16:
        raise Damaged("Deriving a key from a password failed: its stored cost is impossible. Set it anew.")
    try:
        return hashlib.scrypt(
            unicodedata.normalize("NFC", password).encode(),
            salt=salt,
            n=cost.n,
            r=cost.r,
            p=cost.p,
            maxmem=_MEMORY_LIMIT_BYTES,
            dklen=DERIVED_BYTES,
        )
    except ValueError as error:
        raise Damaged(
            f"Deriving a key from a password failed ({error}): its stored cost is impossible. Set it anew."
        ) from error
