"""Synthetic CT studies as DICOM Part 10 files: no person's data, and the truth is known.

`make_chest_ct` looks like a chest and is what the demo sends; `make_series` is a
small test object for tests that need instances rather than pictures. The same
seed gives the same bytes.

Source: DICOM PS3.3 A.3 (CT Image IOD), PS3.10 7.1.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from node.imaging.chest_ct import FIELD_OF_VIEW_MM, HEIGHT_MM, ChestAnatomy
from node.imaging.slice_canvas import Field, SliceCanvas

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_LE = "1.2.840.10008.1.2.1"
ROD_HU = {"air": -1000.0, "acrylic": 120.0, "bone": 850.0}
"""The three rods of `make_series`, by what they are made of."""


class Facts(TypedDict, total=False):
    """Who and what the headers speak of; what is left out has the value of `_USUAL`."""

    patient_name: str
    patient_id: str
    issuer: str
    sex: str
    birth_date: str
    age: str
    accession: str
    study_uid: str
    study_date: str
    study_time: str
    study_description: str
    series_description: str
    institution: str
    referring_physician: str
    charset: str


_USUAL: Facts = {
    "patient_name": "ZHANG^SAN=张^三",
    "patient_id": "P000137",
    "issuer": "",
    "sex": "M",
    "birth_date": "19670412",
    "age": "058Y",
    "accession": "A20260302001",
    "study_uid": "",
    "study_date": "20260302",
    "study_time": "093012",
    "study_description": "胸部CT平扫",
    "series_description": "胸部 3mm 软组织",
    "institution": "",
    "referring_physician": "",
    "charset": "ISO_IR 192",
}


def make_chest_ct(
    slices: int = 98, size: int = 512, *, seed: int = 1, signed: bool = False, **facts: Unpack[Facts]
) -> Iterator[bytes]:
    """Give a chest CT from the apices down, one Part 10 file a slice, as each is drawn.

    The same 294 mm are covered by any number of slices. Positions in the headers
    are those of `node.imaging.chest_ct.NODULES`.
    """
    anatomy = ChestAnatomy(seed)
    thickness = HEIGHT_MM / slices
    heights = [HEIGHT_MM - (n + 0.5) * thickness for n in range(slices)]
    return _instances(
        lambda z: anatomy.slice_hu(size, z=z, thickness_mm=thickness),
        heights,
        size=size,
        pixel_mm=FIELD_OF_VIEW_MM / size,
        thickness_mm=thickness,
        seed=f"chest/{seed}/{slices}/{size}",
        signed=signed,
        facts={**_USUAL, **facts},
    )


def make_series(
    slices: int = 6, size: int = 64, *, seed: int = 1, signed: bool = False, **facts: Unpack[Facts]
) -> Iterator[bytes]:
    """Give a small water cylinder with three rods, fast; each slice differs by its height and the seed."""
    pixel_mm = 240 / size

    def draw(z: float) -> Field:
        canvas = SliceCanvas(size, pixel_mm=pixel_mm, z=z)
        canvas.disc(0, 0, (100, 100), 0)
        for x, hu in zip((-55, 0, 55), ROD_HU.values(), strict=True):
            canvas.disc(x, 10, (18, 18), hu)
        noise = np.random.default_rng((seed, round(z * 1000) & 0xFFFF)).normal(0, 4, (size, size))
        canvas.hu += noise.astype(np.float32)
        return canvas.hu

    return _instances(
        draw,
        [(slices - n) * 5.0 for n in range(slices)],
        size=size,
        pixel_mm=pixel_mm,
        thickness_mm=5.0,
        seed=f"series/{seed}/{slices}/{size}",
        signed=signed,
        facts={**_USUAL, "study_description": "质控水模", "series_description": "水模 5mm", **facts},
    )


def _instances(
    draw: Callable[[float], Field],
    heights: list[float],
    *,
    size: int,
    pixel_mm: float,
    thickness_mm: float,
    seed: str,
    signed: bool,
    facts: Facts,
) -> Iterator[bytes]:
    """Draw and write each slice; the header is made once and changed where slices differ."""
    header = _header(facts, seed)
    _describe_geometry(header, size=size, pixel_mm=pixel_mm, thickness_mm=thickness_mm)
    intercept = _describe_pixels(header, size=size, signed=signed)
    corner = -(size - 1) / 2 * pixel_mm
    for number, z in enumerate(heights, start=1):
        header.InstanceNumber = number
        header.SOPInstanceUID = _uid(f"{seed}/{facts['study_uid']}/instance/{number}")
        header.ImagePositionPatient = [f"{corner:.6g}", f"{corner:.6g}", f"{z:.6g}"]
        header.SliceLocation = f"{z:.6g}"
        stored = np.clip(np.rint(draw(z)) - intercept, *((-1024, 3071) if signed else (0, 4095)))
        header.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
        yield _part10(header)


def _header(facts: Facts, seed: str) -> Dataset:
    """Give what all slices of a series share about the person, the study and the scanner."""
    from pydicom.dataset import Dataset

    study_uid = facts["study_uid"] or _uid(f"{seed}/study")
    header = Dataset()
    header.SpecificCharacterSet = facts["charset"]
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.SOPClassUID = _CT_IMAGE
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = facts["study_date"]
    header.StudyTime = header.SeriesTime = header.AcquisitionTime = header.ContentTime = facts["study_time"]
    header.AccessionNumber = facts["accession"]
    header.Modality = "CT"
    header.Manufacturer = "Meridian"
    header.ManufacturerModelName = "Synthetic phantom"
    header.InstitutionName = facts["institution"]
    header.ReferringPhysicianName = facts["referring_physician"]
    header.StudyDescription = facts["study_description"]
    header.SeriesDescription = facts["series_description"]
    header.PatientName = facts["patient_name"]
    header.PatientID = facts["patient_id"]
    if facts["issuer"]:
        header.IssuerOfPatientID = facts["issuer"]
    header.PatientBirthDate = facts["birth_date"]
    header.PatientSex = facts["sex"]
    header.PatientAge = facts["age"]
    header.PatientComments = "Synthetic phantom, not a person"
    header.BodyPartExamined = "CHEST"
    header.KVP = "120"
    header.ProtocolName = "Chest plain"
    header.ConvolutionKernel = "SOFT"
    header.PatientPosition = "HFS"
    header.StudyInstanceUID = study_uid
    header.SeriesInstanceUID = _uid(f"{seed}/{facts['study_uid']}/series")
    header.StudyID = "1"
    header.SeriesNumber = 2
    header.AcquisitionNumber = 1
    header.FrameOfReferenceUID = _uid(f"{seed}/{facts['study_uid']}/frame")
    header.PositionReferenceIndicator = ""
    return header


def _describe_geometry(header: Dataset, *, size: int, pixel_mm: float, thickness_mm: float) -> None:
    """Say where a slice's rows and columns run in the patient, and how far apart they are."""
    header.SliceThickness = f"{thickness_mm:.6g}"
    header.SpacingBetweenSlices = f"{thickness_mm:.6g}"
    header.ReconstructionDiameter = f"{pixel_mm * size:.6g}"
    header.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    header.PixelSpacing = [f"{pixel_mm:.8g}", f"{pixel_mm:.8g}"]


def _describe_pixels(header: Dataset, *, size: int, signed: bool) -> int:
    """Say how HU are stored, as scanners do: 12 bits from -1024, or signed 16; give the intercept."""
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.Rows = header.Columns = size
    header.BitsAllocated = 16
    header.BitsStored, header.HighBit = (16, 15) if signed else (12, 11)
    header.PixelRepresentation = int(signed)
    intercept = 0 if signed else -1024
    header.RescaleIntercept = str(intercept)
    header.RescaleSlope = "1"
    header.RescaleType = "HU"
    header.WindowCenter = ["40", "-600"]
    header.WindowWidth = ["400", "1500"]
    header.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG"]
    return intercept


def _part10(header: Dataset) -> bytes:
    from pydicom.dataset import FileMetaDataset
    from pydicom.filewriter import dcmwrite
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_CT_IMAGE)
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = UID(_EXPLICIT_LE)
    header.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, header, enforce_file_format=True)
    return buffer.getvalue()


def _uid(name: str) -> str:
    """Give the UID that a name always has.

    Source: DICOM PS3.5 B.2.
    """
    return f"2.25.{int.from_bytes(hashlib.sha256(name.encode()).digest()[:15])}"
