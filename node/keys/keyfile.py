"""The one file that holds a node's private keys, as a value; one rename changes all of it or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.clock import Clock, Micros, new_id
from node.errors import Damaged
from node.keys.certificates import new_tls_pair
from node.keys.encoding import to_base64
from node.keys.hpke import hpke_key_id, hpke_public_of, new_hpke_key
from node.keys.private_files import read_private, write_private
from node.keys.signing import new_signing_key
from node.names import NodeId

FORMAT = "meridian-keys/1"
NAME = "node-keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HpkePair:
    """A key pair that others seal for."""

    key_id: str
    private: str = field(repr=False)
    public: str
    at: Micros
    """When it was drawn; the one before it was current until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """What ``node-keys.json`` says; private halves are base64 and never shown by ``repr``."""

    format: str
    node: str
    incarnation: str
    """UUIDv7. Grows each time the node is restored or cloned."""
    signing: str = field(repr=False)
    hpke: tuple[HpkePair, ...]
    """Oldest first; the last is current."""
    tls_certificate: str
    tls_key: str = field(repr=False)


def new_key_file(node: NodeId, clock: Clock) -> KeyFile:
    """Draw all keys of a node."""
    pair = new_tls_pair(node, now=clock.now())
    return KeyFile(
        format=FORMAT,
        node=node,
        incarnation=new_id(clock),
        signing=to_base64(new_signing_key()),
        hpke=(new_hpke_pair(clock.now()),),
        tls_certificate=pair.certificate,
        tls_key=pair.key,
    )


def new_hpke_pair(now: Micros) -> HpkePair:
    """Draw a key pair that others can seal for."""
    private = new_hpke_key()
    public = hpke_public_of(private)
    return HpkePair(key_id=hpke_key_id(public), private=to_base64(private), public=public, at=now)


def write_key_file(directory: Path, keys: KeyFile) -> None:
    """Put the file in place, whole."""
    write_private(directory / NAME, canonical_json(msgspec.to_builtins(keys)).encode())


def read_key_file(directory: Path) -> KeyFile:
    """Read the file.

    Raises
    ------
    NotFound
        There is none yet.
    Refused
        Others may read it.
    Damaged
        It is not what was written.
    """
    content = read_private(directory / NAME)
    try:
        keys = msgspec.json.decode(content, type=KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(
            f"Reading {NAME} failed: it is not the file that was written. Restore it from a backup."
        ) from error
    if keys.format != FORMAT or not keys.hpke:
        raise Damaged(
            f"Reading {NAME} failed: its format is {keys.format!r}. Install the version that wrote it."
        )
    return keys
