"""Passwords as scrypt hashes that carry their own cost, so that it can rise later.

Stored form: ``scrypt$n$r$p$SALT$HASH``, salt and hash in base64.

Source: RFC 7914; OWASP Password Storage Cheat Sheet (n 2^15, r 8, p 3: 32 MiB a check).
"""

from __future__ import annotations

import hmac
import secrets

from node.errors import Damaged, InvalidRequest
from node.keys.derivation import DERIVED_BYTES, Cost, stretch
from node.keys.encoding import from_base64, to_base64

COST = Cost(n=1 << 15, r=8, p=3)
"""For new hashes; a stored one is checked at the cost written in it."""
SALT_BYTES = 16


def hash_password(password: str) -> str:
    """Give the text to store; the same password never gives the same text twice."""
    salt = secrets.token_bytes(SALT_BYTES)
    return _text(COST, salt, stretch(password, salt, cost=COST))


def check_password(password: str, stored: str | None) -> bool:
    """Say whether the password is the one stored.

    With None (there is no such account) the answer is False after the same work,
    so that timing does not tell which names exist.

    Raises
    ------
    Damaged
        The stored text is not one that `hash_password` wrote.
    """
    if stored is None:
        stretch(password, bytes(SALT_BYTES), cost=COST)
        return False
    cost, salt, expected = _parse(stored)
    return hmac.compare_digest(stretch(password, salt, cost=cost), expected)


def _text(cost: Cost, salt: bytes, derived: bytes) -> str:
    return f"scrypt${cost.n}${cost.r}${cost.p}${to_base64(salt)}${to_base64(derived)}"


def _parse(stored: str) -> tuple[Cost, bytes, bytes]:
    try:
        scheme, n, r, p, salt, derived = stored.split("$")
        if scheme != "scrypt":
            raise ValueError(scheme)
        cost = Cost(n=int(n), r=int(r), p=int(p))
        return cost, from_base64(salt), from_base64(derived, size_bytes=DERIVED_BYTES)
    except (ValueError, InvalidRequest) as error:
        raise Damaged("Checking a password failed: its stored hash is unreadable. Reset it.") from error
