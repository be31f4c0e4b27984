"""A node's private keys in use: sign, open, rotate; never hand out a private half but TLS's.

Several processes open the same store. Each looks at the file again when it has
been replaced, so a key rotated by one is known to all; changes are made in turn
under the folder's lock. Private halves of encryption keys are kept after a rotation,
because sealed envelopes wait in mailboxes for as long as their recipient is away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from node.canonical import Json
from node.clock import Clock, Micros
from node.errors import NotFound, Refused
from node.keys import hpke, signing
from node.keys.certificates import new_tls_pair
from node.keys.encoding import from_base64
from node.keys.incarnations import later_incarnation
from node.keys.keyfile import NAME, KeyFile, new_hpke_pair, new_key_file, read_key_file, write_key_file
from node.keys.private_files import check_folder, folder_lock, make_private_folder
from node.keys.public import HpkePublic, PublicKeys
from node.names import NodeId


class KeyStore:
    """The keys of one node, in one folder of mode 0700."""

    def __init__(self, directory: Path, keys: KeyFile, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._node = NodeId(keys.node)
        self._lock = threading.Lock()
        self._seen = _stamp(directory)
        self._known = keys

    @classmethod
    def open(cls, directory: Path, node: NodeId, clock: Clock) -> KeyStore:
        """Open the node's keys, drawing them at its first start.

        Raises
        ------
        Refused
            Others may read the folder or the file, or the keys are another node's.
        Damaged
            The file is not one that was written here.
        """
        make_private_folder(directory)
        check_folder(directory)
        with folder_lock(directory):
            try:
                keys = read_key_file(directory)
            except NotFound:
                keys = new_key_file(node, clock)
                write_key_file(directory, keys)
            if keys.node != node:
                raise Refused(
                    f"Opening the keys of {node} was refused: they are those of {keys.node}, and a node id is"
                    " never changed. Start with an empty state folder."
                )
            return cls(directory, keys, clock)

    def __repr__(self) -> str:
        return f"KeyStore({self._node})"

    @property
    def node(self) -> NodeId:
        """Whose keys they are."""
        return self._node

    @property
    def verify_key(self) -> str:
        """Base64 of the Ed25519 public key."""
        return signing.verify_key_of(from_base64(self._current().signing))

    @property
    def hpke_public(self) -> HpkePublic:
        """The key that others seal for now."""
        pair = self._current().hpke[-1]
        return HpkePublic(key_id=pair.key_id, key=pair.public)

    @property
    def tls_certificate(self) -> bytes:
        """PEM."""
        return self._current().tls_certificate.encode("ascii")

    @property
    def tls_key(self) -> bytes:
        """PEM; for the TLS library alone."""
        return self._current().tls_key.encode("ascii")

    @property
    def incarnation(self) -> str:
        """Which life of this node counts its envelopes; UUIDv7, so a later one is greater as text."""
        return self._current().incarnation

    @property
    def public_keys(self) -> PublicKeys:
        """What stands in the roster."""
        return PublicKeys(
            verify_key=self.verify_key,
            hpke=(self.hpke_public,),
            tls_certificate=self._current().tls_certificate,
        )

    def public(self) -> dict[str, Json]:
        """Give `public_keys` as JSON."""
        builtins: dict[str, Json] = msgspec.to_builtins(self.public_keys)
        return builtins

    def sign(self, message: bytes) -> bytes:
        """Sign bytes that begin with the name of what they are; gives 64 bytes."""
        return signing.sign(from_base64(self._current().signing), message)

    def open_hpke(
        self, key_id: str, enc: bytes, *, ciphertext: bytes, info: bytes, aad: bytes = b""
    ) -> bytes:
        """Open what was sealed for one of this node's keys, past ones included.

        Raises
        ------
        NotFound
            The key of that name is not here any more, or never was.
        Damaged
            It was altered, or sealed for another key or purpose.
        """
        for pair in self._current().hpke:
            if pair.key_id == key_id:
                private = from_base64(pair.private)
                return hpke.open_hpke(private, enc, ciphertext=ciphertext, info=info, aad=aad)
        raise NotFound(
            f"Opening a sealed key failed: {self._node} has no key {key_id}. Let it be sealed again."
        )

    def rotate_hpke(self) -> HpkePublic:
        """Draw a new encryption key; the past ones still open what was sealed for them."""
        self._change(lambda keys: replace(keys, hpke=(*keys.hpke, new_hpke_pair(self._clock.now()))))
        return self.hpke_public

    def forget_hpke(self, *, superseded_before: Micros) -> int:
        """Destroy private halves that were replaced before a time; says how many.

        Choose the time well before the oldest envelope that may still wait in a mailbox.
        """
        before = len(self._current().hpke)
        self._change(lambda keys: _without_past(keys, superseded_before))
        return before - len(self._current().hpke)

    def rotate_tls(self) -> None:
        """Draw a new TLS key and certificate; peers must learn it from the roster before it is used."""
        pair = new_tls_pair(self._node, now=self._clock.now())
        self._change(lambda keys: replace(keys, tls_certificate=pair.certificate, tls_key=pair.key))

    def new_incarnation(self, *, after: str = "") -> str:
        """Begin a new life, after a restore or a clone; greater than the last and than ``after``.

        ``after`` is what a peer last saw of this node: a backup does not know it.

        Raises
        ------
        InvalidRequest
            ``after`` is no incarnation, or lies so far ahead that a clock must be wrong.
        """
        self._change(
            lambda keys: replace(keys, incarnation=later_incarnation(self._clock, keys.incarnation, after))
        )
        return self.incarnation

    def _change(self, change: Callable[[KeyFile], KeyFile]) -> None:
        with folder_lock(self._directory):
            write_key_file(self._directory, change(read_key_file(self._directory)))

    def _current(self) -> KeyFile:
        """Give what the file says now; it is read again only when it was replaced."""
        with self._lock:
            stamp = _stamp(self._directory)
            if stamp != self._seen:
                self._known, self._seen = read_key_file(self._directory), stamp
            return self._known


def _stamp(directory: Path) -> tuple[int, int, int]:
    try:
        status = (directory / NAME).stat()
    except FileNotFoundError as error:
        raise NotFound(f"Reading {NAME} failed: it was removed. Restore it from a backup.") from error
    return status.st_ino, status.st_mtime_ns, status.st_size


def _without_past(keys: KeyFile, before: Micros) -> KeyFile:
    """Drop each pair whose successor was drawn before a time; the last has none and stays."""
    kept = [pair for pair, successor in zip(keys.hpke, keys.hpke[1:], strict=False) if successor.at >= before]
    return replace(keys, hpke=(*kept, keys.hpke[-1]))
