"""What the processes that code are asked, and what they answer; light, so that whoever asks loads no codec."""

from __future__ import annotations

from enum import Enum

import msgspec

from node.archive.package.manifest import Beginning, Place
from node.names import Digest

MOST_OLD_BYTES = 64 << 20
"""What turns one member back is no larger; else the instance stays as received."""


class Profile(Enum):
    """How an archive is made: as small as can be, or at 2.5 times the speed for 8 % more bytes."""

    SMALL = "small"
    FAST = "fast"


class Patience(Enum):
    """How long work may wait for others of this machine."""

    ANY = "any"
    """Nobody waits for it: it is done when nobody else needs the core."""
    SOON = "soon"
    """Somebody waits for it."""


class Coded(msgspec.Struct, frozen=True, kw_only=True):
    """A member on its way into a package."""

    method: int
    crc: int
    size: int
    stored: int
    digest: Digest
    places: list[Place]
    """From the beginning of the member's stored bytes."""
    beginning: Beginning | None = None
    syntax: str = ""
    kept: str = ""


class Code(msgspec.Struct, kw_only=True, frozen=True, tag=True):
    """Make a member of an instance in a pack."""

    pack: str
    offset: int
    """Of its file meta; the data set follows."""
    meta_bytes: int
    data_bytes: int
    transfer_syntax: str
    profile: Profile
    sink: str
    """The file to write it to."""
    kept: str = ""
    """Why it is to stay as received, when that is known."""


class TurnBack(msgspec.Struct, kw_only=True, frozen=True, tag=True):
    """Make the original of a member again; its record comes behind."""

    package: str
    at: int
    method: int
    size: int
    stored: int
    meta_bytes: int
    sink: str = ""
    """A file to write file meta and data set into; empty when only the digests are wanted."""
    sink_at: int = 0
    """Where in it."""
    room_bytes: int = 0
    """How many bytes there are for it; it takes no more."""
    compared: bool = True
    """Whether digests of the original are wanted; not of one that is compared when it is read back from its disk."""


class Done(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What was made; of `Code` the record comes behind."""

    coded: Coded | None = None
    member: Digest = Digest("")
    meta: Digest = Digest("")
    digest: Digest = Digest("")
    """Of the member read, and of file meta and data set of the original."""
    gone: bool = False
    """The pack is not there: its row is to be looked up once more."""
    refused: str = ""
