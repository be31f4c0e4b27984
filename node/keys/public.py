"""What a node publishes of its keys: the part of its key store that stands in the roster."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from node.canonical import canonical_json
from node.errors import InvalidRequest
from node.keys.certificates import check_certificate
from node.keys.encoding import from_base64
from node.keys.hpke import hpke_key_id
from node.keys.signing import PUBLIC_BYTES
from node.keys.words import fingerprint_words


@dataclass(frozen=True, slots=True, kw_only=True)
class HpkePublic:
    """A public key that others seal for."""

    key_id: str
    """First 16 hex digits of the SHA-256 of the key."""
    key: str
    """Base64 of the 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKeys:
    """All that others need of a node's keys."""

    verify_key: str
    """Ed25519, base64 of the 32 bytes."""
    hpke: tuple[HpkePublic, ...]
    """Oldest first; others seal for the last."""
    tls_certificate: str
    """PEM."""

    @property
    def fingerprint(self) -> str:
        """What two people compare by telephone."""
        return fingerprint_words(canonical_json(msgspec.to_builtins(self)).encode())


def check_public_keys(keys: PublicKeys) -> None:
    """Refuse keys that nobody could use, or that are misnamed.

    Raises
    ------
    InvalidRequest
        Names the key that is wrong.
    """
    from_base64(keys.verify_key, size_bytes=PUBLIC_BYTES)
    if not keys.hpke:
        raise InvalidRequest(
            "Reading a node's keys was refused: nothing can be sealed for it. Publish a key."
        )
    for hpke in keys.hpke:
        if hpke_key_id(hpke.key) != hpke.key_id:
            raise InvalidRequest(
                f"Reading a node's keys was refused: key {hpke.key_id} is not the one of that name. Publish anew."
            )
    check_certificate(keys.tls_certificate)
