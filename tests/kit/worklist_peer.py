"""A RIS with a worklist on loopback: dcmtk's ``wlmscpfs``, which answers from a folder of data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.free_ports import free_ports
from tests.kit.instances import LITTLE, part10
from tests.kit.query_peers import running

AET = "RIS"
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"


@dataclass(frozen=True, kw_only=True)
class Booked:
    """A scheduled procedure step."""

    patient_id: str
    day: str
    """As ``20261201``."""
    time: str = "0900"
    modality: str = "CT"
    issuer: str = ""
    name: str = "Zhang^San"
    charset: str = "ISO_IR 192"

    def data_set(self, number: int) -> bytes:
        """Write what the RIS answers with."""
        codec = {"ISO_IR 192": "utf-8", "GB18030": "gb18030"}[self.charset]
        step = b"".join(
            LITTLE.element(tag, vr, value)
            for tag, vr, value in (
                (0x00080060, "CS", self.modality),
                (0x00400001, "AE", "CT1"),
                (0x00400002, "DA", self.day),
                (0x00400003, "TM", self.time),
                (0x00400006, "PN", ""),
                (0x00400007, "LO", "CHEST"),
                (0x00400009, "SH", f"S{number}"),
            )
        )
        return b"".join(
            (
                LITTLE.element(0x00080005, "CS", self.charset),
                LITTLE.element(0x00080050, "SH", f"A{number}"),
                LITTLE.element(0x00100010, "PN", self.name.encode(codec)),
                LITTLE.element(0x00100020, "LO", self.patient_id.encode(codec)),
                LITTLE.element(0x00100021, "LO", self.issuer),
                LITTLE.element(0x00100030, "DA", "19700101"),
                LITTLE.element(0x00100040, "CS", "M"),
                LITTLE.element(0x0020000D, "UI", f"2.25.900.{number}"),
                LITTLE.element(0x00321060, "LO", "CHEST CT"),
                LITTLE.element(0x00400100, "SQ", LITTLE.item(step)),
                LITTLE.element(0x00401001, "SH", f"P{number}"),
            )
        )


@contextmanager
def wlmscpfs(folder: Path, booked: Sequence[Booked]) -> Iterator[int]:
    """Run it with these bookings; gives its port. Its AE title is `AET`."""
    book(folder, booked)
    (port,) = free_ports(1)
    with running(["wlmscpfs", "-dfp", str(folder), str(port)], port):
        yield port


def book(folder: Path, booked: Sequence[Booked]) -> None:
    """Let these be all its bookings."""
    answers = folder / AET
    answers.mkdir(parents=True, exist_ok=True)
    (answers / "lockfile").touch()
    for old in answers.glob("*.wl"):
        old.unlink()
    for number, one in enumerate(booked):
        file = part10(one.data_set(number), sop_class=MODALITY_WORKLIST, sop_uid=f"2.25.901.{number}")
        (answers / f"{number:04d}.wl").write_bytes(file)
