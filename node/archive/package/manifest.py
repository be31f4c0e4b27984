"""What a package says of itself: ``manifest.json``, its last member.

PACKAGE.md in this folder specifies the format for whoever writes another reader.
"""

from __future__ import annotations

import msgspec

from node.clock import Micros
from node.errors import Damaged
from node.names import Digest, NodeId, SeriesUID, SOPClassUID, SOPInstanceUID, StudyUID

FORMAT = "meridian-package"
VERSION = 1
MANIFEST = "manifest.json"
ORIGINALS = "originals.xz"
ARRIVALS = "arrivals.json"
MOST_INSTANCES = 999_999
LARGE_BYTES = 16 << 20
"""A member larger than this is not read whole for its header."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a frame, as its member holds it, lies in the package."""

    at: int
    """In the file."""
    size: int
    """As the member holds it."""
    crc: int
    """CRC-32 of that."""
    how: int = 0
    """0: as it is; 1: in stored deflate blocks of 65,535 bytes; else the size of its own deflate run in the file."""


class Beginning(msgspec.Struct, frozen=True, array_like=True):
    """The bytes of a large member up to the value of its pixel data, behind which nothing stands."""

    size: int
    digest: Digest


class Instance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An original instance and the member that it became; instance n is the member ``n.dcm``, six digits, from 000001."""

    sop_uid: SOPInstanceUID
    digest: Digest
    """Of the original data set, without file meta."""
    meta_bytes: int
    """Of the original's group 0002."""
    data_bytes: int
    member: Digest
    """Of the member as it is when unzipped."""
    places: list[Place] = []
    """Frames, one each; empty where they are had by unzipping only."""
    beginning: Beginning | None = None
    """Of a member of more than `LARGE_BYTES`; none where something stands behind its pixels, or it has none."""
    syntax: str = ""
    """Transfer syntax of the member when it was coded again; else it is the original, byte for byte."""
    kept: str = ""
    """Why it was not coded again."""
    number: int | None = None
    state: str = "chosen"
    """As the catalogue had it: chosen, alternative, conflict or rejected."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Instances of one series that are alike; a series that is not stands several times."""

    series_uid: SeriesUID
    sop_class: SOPClassUID
    transfer_syntax: str
    """Of the originals."""
    instances: list[Instance]


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A run of records in ``originals.xz``, an xz stream of its own."""

    first: int
    """The number of its first instance, from 1."""
    count: int
    offset: int
    """In that member."""
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    format: str
    version: int
    origin: NodeId
    study_uid: StudyUID
    generation: int
    """From 1; a study that changed after it was archived gets the next."""
    made_at: Micros
    made_by: str
    series: list[Series]
    originals: list[Block]
    originals_digest: Digest
    """SHA-256 of ``originals.xz``."""
    arrivals_digest: Digest
    """SHA-256 of ``arrivals.json``."""

    def numbered(self) -> list[tuple[int, Series, Instance]]:
        """Give all instances with their numbers from 1 and what they share."""
        every = ((series, each) for series in self.series for each in series.instances)
        return [(n, series, each) for n, (series, each) in enumerate(every, start=1)]

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


def member_name(number: int) -> str:
    """Give the name of an instance's member."""
    return f"{number:06d}.dcm"


def read_manifest(raw: bytes) -> Manifest:
    """Read one.

    Raises
    ------
    Damaged
        It is none, or a later version's.
    """
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Damaged(
            f"Reading a package failed ({error}): its manifest is damaged. Use its other copy."
        ) from error
    if manifest.format != FORMAT or manifest.version != VERSION:
        raise Damaged(
            f"Reading a package failed: it is {manifest.format} version {manifest.version}. Use the version of"
            " Meridian that wrote it."
        )
    return manifest
