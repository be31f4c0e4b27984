"""One instance while it comes in: hashed on the way, small ones held, large ones streamed into their pack.

What fits into one block is looked through before any of it touches a pack. A
larger one is written while it comes, from where its Study UID is known; it is
looked through in its pack when it is whole, and cut off again when it is
refused. Either way nothing is answered for before it was checked, written,
synced and marked.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from node.dicom.header import STUDY_INSTANCE_UID, Header
from node.dimse.looking import look_through
from node.errors import GridError, InvalidRequest
from node.names import StudyUID, is_uid
from node.store.writing import Growing

BLOCK_BYTES = 640 << 10
"""What is read into at a time: a CT slice fits, and 64 associations hold 40 MiB."""
HEADER_BYTES = 1 << 20
"""Where a data set must have said its Study UID."""
_HASH_BYTES = 64 << 10
_SPARE = 8
"""Blocks kept for the next instances."""


class Store(Protocol):
    """Where an instance goes: the association's session, knowing what the command said."""

    def begin(self, study_uid: StudyUID) -> Growing:
        """Begin a record of unknown length; raises `GridError`."""

    def check(self, data_set: memoryview) -> object:
        """Look a whole data set through; raises `InvalidRequest` with the reason to refuse it."""

    def finish(self, growing: Growing, digest: bytes) -> None:
        """Store what was begun; raises `GridError`."""

    def append(self, data_set: memoryview, digest: bytes) -> None:
        """Check a whole data set and store it; raises `GridError`."""


class Blocks:
    """The memory that instances are read into: as many blocks as instances are on their way; for all threads."""

    def __init__(self) -> None:
        self._spare: list[bytearray] = []

    def take(self) -> bytearray:
        """Give a block; what is in it is of no account."""
        try:
            return self._spare.pop()
        except IndexError:
            return bytearray(BLOCK_BYTES)

    def give_back(self, block: bytearray) -> None:
        """Take a block back; a few are kept."""
        if len(self._spare) < _SPARE and len(block) == BLOCK_BYTES:
            self._spare.append(block)


class Intake:
    """Takes the bytes of one data set. What goes wrong is remembered: the peer is read to the end, then told."""

    def __init__(self, store: Store, transfer_syntax: str, blocks: Blocks) -> None:
        self._store = store
        self._transfer_syntax = transfer_syntax
        self._blocks = blocks
        self._block = blocks.take()
        self._view = memoryview(self._block)
        self._at = 0
        """Where the next bytes go in the block."""
        self._hashed = 0
        """How much of the block is in the digest."""
        self._digest = hashlib.sha256()
        self._growing: Growing | None = None
        self._refusal: GridError | None = None

    def place(self, most: int) -> memoryview:
        """Give where to read the next bytes to; `filled` says that they are there."""
        if self._at == len(self._view):
            self._make_room()
        return self._view[self._at : self._at + most]

    def filled(self, count: int) -> None:
        """Take what was read."""
        self._at += count
        if self._at - self._hashed >= _HASH_BYTES:
            self._hash()

    def finish(self) -> None:
        """Store the instance; it is synced and marked when this returns. Its memory is given back by `drop`.

        Raises
        ------
        GridError
            Nothing of it was kept; says why.
        """
        if self._refusal is not None:
            raise self._refusal
        self._hash()
        if self._growing is None:
            self._store.append(self._view[: self._at], self._digest.digest())
            return
        try:
            self._growing.write(self._view[: self._at])
            with self._growing.look() as data_set:
                self._store.check(data_set)
            growing, self._growing = self._growing, None
            self._store.finish(growing, self._digest.digest())
        finally:
            self._forget()

    def drop(self) -> None:
        """Leave nothing of what is not stored, and give the memory back; it takes no more then."""
        self._forget()
        block, self._block = self._block, bytearray()
        self._view = memoryview(self._block)
        self._blocks.give_back(block)

    def _forget(self) -> None:
        growing, self._growing = self._growing, None
        if growing is not None:
            growing.drop()

    def _hash(self) -> None:
        self._digest.update(self._view[self._hashed : self._at])
        self._hashed = self._at

    def _make_room(self) -> None:
        """Write the block out, or grow it while it is not known where to."""
        self._hash()
        try:
            if self._refusal is None and self._growing is None:
                self._begin_or_hold()
            if self._growing is not None:
                self._growing.write(self._view[: self._at])
        except GridError as error:
            self._refusal = error
            self._forget()
        if self._growing is not None or self._refusal is not None:
            self._at = self._hashed = 0

    def _begin_or_hold(self) -> None:
        study_uid = _study_uid(self._view[: self._at], self._transfer_syntax)
        if study_uid:
            self._growing = self._store.begin(study_uid)
        elif self._at < HEADER_BYTES:
            self._block = self._block + bytes(HEADER_BYTES - len(self._block))
            self._view = memoryview(self._block)
        else:
            raise InvalidRequest(
                "Storing an instance was refused: its first MiB does not say which study it is of."
                " Have the device's maker correct it."
            )


def _study_uid(beginning: memoryview, transfer_syntax: str) -> StudyUID | None:
    """Read the Study UID from a beginning; None when it does not reach there.

    Raises
    ------
    InvalidRequest
        What is there of the data set cannot be read, or has no valid one.
    """
    return look_through(beginning, transfer_syntax, _study_of, size=_ANY_SIZE)


def _study_of(header: Header) -> StudyUID | None:
    text = header.text(STUDY_INSTANCE_UID)
    if is_uid(text):
        return StudyUID(text)
    if text or header.covers(STUDY_INSTANCE_UID):
        raise InvalidRequest(
            "Storing an instance was refused: it has no valid Study Instance UID. Have the device's maker correct it."
        )
    return None


_ANY_SIZE = 1 << 62
"""The length of a data set is not known before it ends."""
