"""Random tokens for cookies, bearers and one-time links; only their digests are kept.

A token has 256 random bits, so a plain digest is enough: there is nothing to guess.
"""

from __future__ import annotations

import secrets

from node.canonical import digest_of
from node.names import Digest


def new_token() -> tuple[str, Digest]:
    """Draw a token, safe in URLs and headers; give it and what to store."""
    token = secrets.token_urlsafe(32)
    return token, token_digest(token)


def token_digest(token: str) -> Digest:
    """Give the name under which a token is looked up."""
    return digest_of(token)
