"""What the bench of DICOMweb looks for and fetches: many small studies, and one of usual size."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from node.imaging.chest_ct import HEIGHT_MM, ChestAnatomy
from tests.kit.instances import make_ct, part10

FAMILIES = ("Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu")
GIVEN = ("XiaoDong", "Wei", "Fang", "MinJie", "Jun", "DongMei", "Lei", "Yan", "ChaoQun", "Na")
DRAWN = 16
"""Different slices of a study; the others are these, brighter."""
MODALITIES = ("CT", "MR", "DX", "US")


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    """A study of one tiny instance."""

    study_uid: str
    patient_id: str
    name: str
    date: str
    accession: str
    modality: str

    def data_set(self) -> bytes:
        return make_ct(
            study_uid=self.study_uid,
            series_uid=f"{self.study_uid}.1",
            sop_uid=f"{self.study_uid}.1.1",
            patient_id=self.patient_id,
            patient_name=self.name,
            accession=self.accession,
            study_date=self.date,
            description="Chest",
            change={0x00080060: ("CS", self.modality)},
        )

    def file(self) -> bytes:
        return part10(self.data_set(), sop_uid=f"{self.study_uid}.1.1")


def small_studies(count: int) -> Iterator[Small]:
    """Give as many, the same each time."""
    chance = random.Random(20)
    for n in range(1, count + 1):
        yield Small(
            study_uid=f"2.25.700{n:06d}".replace(".0", ".9"),
            patient_id=f"P{n % (count // 2 + 1):06d}",
            name=f"{chance.choice(FAMILIES)}^{chance.choice(GIVEN)}{n % 97}",
            date=f"20{chance.randrange(16, 26)}{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}",
            accession=f"A{n:07d}",
            modality=chance.choice(MODALITIES),
        )


def slices(count: int, *, series: int = 1) -> tuple[str, list[bytes]]:
    """Give the files of a chest CT of 512 x 512 slices, and the study's UID; another one each time."""
    study = f"2.25.{int.from_bytes(os.urandom(12))}"
    drawn = _drawn()
    files = []
    for number in range(1, count + 1):
        series_uid = f"{study}.{1 + (number - 1) * series // count}"
        sop_uid = f"{series_uid}.{number}"
        data_set = make_ct(
            study_uid=study,
            series_uid=series_uid,
            sop_uid=sop_uid,
            number=number,
            patient_id="BENCH",
            rows=512,
            columns=512,
            pixels=(drawn[number % len(drawn)] + (number & 0xFF)).tobytes(),
            change={
                0x00280004: ("CS", "MONOCHROME2"),
                0x00281050: ("DS", "1064"),
                0x00281051: ("DS", "400"),
            },
        )
        files.append(part10(data_set, sop_uid=sop_uid))
    return study, files


@cache
def _drawn() -> list[npt.NDArray[np.uint16]]:
    """Draw some slices of a chest, in stored values of 1024 above HU; that takes longer than to store a study."""
    anatomy = ChestAnatomy(1)
    heights = [HEIGHT_MM * (n + 0.5) / DRAWN for n in range(DRAWN)]
    slices_hu = (anatomy.slice_hu(512, z=z, thickness_mm=HEIGHT_MM / DRAWN) for z in heights)
    return [np.clip(np.rint(hu) + 1024, 0, 3840).astype(np.uint16) for hu in slices_hu]
