"""Studies as an archive takes them: instances in a file that stands for a pack, and what comes back of them."""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from node.archive.package.reading import Package
from node.archive.package.requests import Profile
from node.archive.package.source import FileSource
from node.archive.package.workers import Workers
from node.archive.package.writing import Made, Original, Study, make_package
from node.dicom.header import identify, scan
from node.dicom.part10 import PREAMBLE, write_file_meta
from node.names import Digest, NodeId, StudyUID

ORIGIN = NodeId("clinic")


@dataclass(frozen=True)
class Given:
    """An instance to archive: its file meta, data set and syntax."""

    data_set: bytes
    transfer_syntax: str
    file_meta: bytes = b""

    @property
    def meta(self) -> bytes:
        if self.file_meta:
            return self.file_meta
        ids = identify(scan(self.data_set, self.transfer_syntax))
        return write_file_meta(
            sop_class=ids.sop_class, sop_uid=ids.sop_uid, transfer_syntax=self.transfer_syntax
        )

    @property
    def file(self) -> bytes:
        return PREAMBLE + self.meta + self.data_set


class Shelf:
    """A folder with something like a pack, and packages made of what lies in it."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        self.folder = folder
        self.workers = workers
        self.pack = folder / "study.pack"
        self.pack.touch()

    def put(self, given: Given, *, digest: str = "") -> Original:
        """Append an instance, behind some bytes that are not its own."""
        raw, ids = given.data_set, identify(scan(given.data_set, given.transfer_syntax))
        with self.pack.open("ab") as pack:
            pack.write(b"header and facts")
            offset = pack.tell()
            pack.write(given.meta + raw)
        return Original(
            pack=self.pack,
            offset=offset,
            meta_bytes=len(given.meta),
            data_bytes=len(raw),
            digest=Digest(digest or hashlib.sha256(raw).hexdigest()),
            transfer_syntax=given.transfer_syntax,
            series_uid=ids.series_uid,
            sop_class=ids.sop_class,
            sop_uid=ids.sop_uid,
            number=None,
            state="chosen",
            arrival=json.dumps({"calling": "CT1", "at": offset}).encode(),
        )

    def make(
        self, originals: Iterable[Original], *, profile: Profile = Profile.SMALL, study_uid: str = "1.2.3"
    ) -> Made:
        """Make a package of them."""
        study = Study(origin=ORIGIN, study_uid=StudyUID(study_uid), generation=1, originals=tuple(originals))
        return make_package(study, self.folder, self.workers, profile=profile, now=1, made_by="a test")

    def pack_alone(self, given: Given, *, profile: Profile = Profile.SMALL) -> tuple[Package, Given]:
        """Make a package of one instance, and open it."""
        made = self.make([self.put(given)], profile=profile)
        return opened(made.path), given


def opened(path: Path) -> Package:
    """Open a package on the disk; its file closes with the last who holds it."""
    source = FileSource(path)
    package = Package(source)
    weakref.finalize(package, source.close)
    return package


def file_of(package: Package, number: int = 1) -> bytes:
    """Give an original file again."""
    return b"".join(package.original(number))


def member_of(package: Package, number: int = 1) -> bytes:
    """Give a member: a DICOM file that any viewer opens."""
    return b"".join(package.member(number))
