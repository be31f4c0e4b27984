"""What the bench of receiving sends: valid instances of the usual sizes, made anew, no two alike."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.kit.instances import CT_IMAGE, LITTLE, Value, make_ct, part10

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
DX_IMAGE = "1.2.840.10008.5.1.4.1.1.1.1"
MULTIFRAME = "1.2.840.10008.5.1.4.1.1.7.3"
STUDIES = 8
"""So that four associations have whole studies of their own."""
Studies = list[list[Path]]
Described = tuple[int, tuple[str, Value] | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """Instances of one sort."""

    modality: str
    sop_class: str
    rows: int
    columns: int
    per_study: int


KINDS = {
    "ct": Kind("CT", CT_IMAGE, 512, 512, 50),
    "mr": Kind("MR", MR_IMAGE, 256, 256, 60),
    "small": Kind("MR", MR_IMAGE, 68, 68, 100),
    "dx": Kind("DX", DX_IMAGE, 2800, 2688, 2),
}
"""525 KB, 132 KB, 10 KB and 15 MB an instance."""
BIG_FRAMES = 2048
"""Of 512 by 512 words: 1 GiB."""


def write_studies(directory: Path, kind: Kind) -> Studies:
    """Write the studies of a kind; pixels are noise, another in each instance."""
    noise = np.random.default_rng(kind.rows).integers(0, 4096, kind.rows * kind.columns, dtype=np.uint16)
    root = f"2.25.{int.from_bytes(os.urandom(12))}"
    studies = []
    for study in range(1, STUDIES + 1):
        folder = directory / f"study{study}"
        folder.mkdir(parents=True)
        files = []
        for number in range(1, kind.per_study + 1):
            pixels = (noise + study * 251 + number) & 0xFFF
            files.append(folder / f"{number:04d}.dcm")
            files[-1].write_bytes(_file(kind, f"{root}.{study}", number, pixels.tobytes()))
        studies.append(files)
    return studies


def write_series(directory: Path, kind: Kind, *, study: str, count: int) -> list[Path]:
    """Write one series of a study; pixels are noise, another in each instance."""
    noise = np.random.default_rng(kind.rows).integers(0, 4096, kind.rows * kind.columns, dtype=np.uint16)
    directory.mkdir(parents=True)
    files = []
    for number in range(1, count + 1):
        files.append(directory / f"{number:04d}.dcm")
        files[-1].write_bytes(_file(kind, study, number, ((noise + number) & 0xFFF).tobytes()))
    return files


def write_one(path: Path) -> Path:
    """Write a small instance of a study of its own."""
    path.write_bytes(_file(KINDS["small"], f"2.25.{int.from_bytes(os.urandom(12))}", 1, bytes(68 * 68 * 2)))
    return path


def write_big(path: Path) -> Path:
    """Write a multi-frame instance of 1 GiB; its pixels are a hole in the file, which costs no disk."""
    pixels_bytes = BIG_FRAMES * 512 * 512 * 2
    kind = Kind("OT", MULTIFRAME, 512, 512, 1)
    study = f"2.25.{int.from_bytes(os.urandom(12))}"
    frames: list[Described] = [
        (0x00280008, ("IS", str(BIG_FRAMES))),
        (0x00280009, ("AT", bytes.fromhex("18006310"))),  # Frame Time
        (0x00181063, ("DS", "40")),
        (0x7FE00010, None),
    ]
    head = _file(kind, study, 1, b"", change=frames)
    head += LITTLE.element(0x7FE00010, "OW", b"", length=pixels_bytes)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + pixels_bytes)
    return path


def _file(
    kind: Kind,
    study: str,
    number: int,
    pixels: bytes,
    *,
    change: Iterable[Described] = (),
) -> bytes:
    sop_uid = f"{study}.1.{number}"
    patient = f"B{int(study.rsplit('.', 1)[1]) % 1000:05d}"
    data_set = make_ct(
        study_uid=study,
        series_uid=f"{study}.1",
        sop_uid=sop_uid,
        number=number,
        patient_id=patient,
        patient_name=f"Bench^{patient}",
        accession=f"A{patient}",
        rows=kind.rows,
        columns=kind.columns,
        pixels=pixels,
        change=dict([*_described(kind, number), *change]),
    )
    return part10(data_set, sop_uid=sop_uid, sop_class=kind.sop_class)


def _described(kind: Kind, number: int) -> Iterator[Described]:
    """Give what a device says of an image beside its pixels: a header of the usual length."""
    yield 0x00080008, ("CS", "ORIGINAL\\PRIMARY" + {"CT": "\\AXIAL", "MR": "\\OTHER"}.get(kind.modality, ""))
    yield 0x00080016, ("UI", kind.sop_class)
    yield 0x00080021, ("DA", "20260302")
    yield 0x00080022, ("DA", "20260302")
    yield 0x00080031, ("TM", "101512")
    yield 0x00080032, ("TM", f"1016{number % 60:02d}.{number:06d}")
    yield 0x00080060, ("CS", kind.modality)
    yield 0x00080070, ("LO", "MAKER")
    yield 0x00080080, ("LO", "First Clinic")
    yield 0x00081010, ("SH", "STATION1")
    yield 0x00081090, ("LO", "Model 64")
    yield 0x00101030, ("DS", "71.5")
    yield 0x00181000, ("LO", "40217")
    yield 0x00181020, ("LO", "7.2.1")
    yield 0x00181030, ("LO", "1.4 Routine")
    yield 0x00200010, ("SH", "4711")
    yield 0x00200052, ("UI", "2.25.7.1")
    yield 0x00201040, ("LO", "")
    yield 0x00280004, ("CS", "MONOCHROME2")
    yield 0x00281050, ("DS", "40")
    yield 0x00281051, ("DS", "400")
    yield from _OF_MODALITY[kind.modality]
    if kind.modality in ("CT", "MR"):
        yield 0x00180050, ("DS", "3")
        yield 0x00185100, ("CS", "HFS")
        yield 0x00200012, ("IS", "1")
        yield 0x00200032, ("DS", f"-180\\-180\\{number * 3}")
        yield 0x00200037, ("DS", "1\\0\\0\\0\\1\\0")
        yield 0x00201041, ("DS", str(number * 3))
        yield 0x00280030, ("DS", "0.703125\\0.703125")


_OF_MODALITY: dict[str, list[Described]] = {
    "CT": [
        (0x00180060, ("DS", "120")),
        (0x00181151, ("IS", "210")),
        (0x00281052, ("DS", "-1024")),
        (0x00281053, ("DS", "1")),
    ],
    "MR": [
        (0x00180020, ("CS", "SE")),
        (0x00180021, ("CS", "SK")),
        (0x00180022, ("CS", "")),
        (0x00180023, ("CS", "2D")),
        (0x00180080, ("DS", "520")),
        (0x00180081, ("DS", "12")),
        (0x00180091, ("IS", "1")),
    ],
    "DX": [
        (0x00180015, None),
        (0x00080068, ("CS", "FOR PRESENTATION")),
        (0x00082218, ("SQ", b"")),
        (0x00181164, ("DS", "0.15\\0.15")),
        (0x00181508, ("CS", "NONE")),
        (0x00187004, ("CS", "DIRECT")),
        (0x00200020, ("CS", "L\\F")),
        (0x00200062, ("CS", "U")),
        (0x00280301, ("CS", "NO")),
        (0x00281040, ("CS", "LIN")),
        (0x00281041, ("SS", 1)),
        (0x00281052, ("DS", "0")),
        (0x00281053, ("DS", "1")),
        (0x00281054, ("LO", "US")),
        (0x00282110, ("CS", "00")),
        (0x00400555, ("SQ", b"")),
        (0x20500020, ("CS", "IDENTITY")),
    ],
    "OT": [
        (0x00080064, ("CS", "WSD")),
        (0x00280301, ("CS", "NO")),
        (0x00281052, ("DS", "0")),
        (0x00281053, ("DS", "1")),
        (0x00281054, ("LO", "US")),
        (0x20500020, ("CS", "IDENTITY")),
    ],
}
