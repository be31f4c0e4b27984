"""The phantom's truth, measured in what it wrote, not in what it meant to write."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from node.imaging.chest_ct import FIELD_OF_VIEW_MM, NODULES, ChestAnatomy
from node.imaging.phantom import ROD_HU, make_chest_ct, make_series


def read(files):
    return [pydicom.dcmread(io.BytesIO(file)) for file in files]


def hu(dataset):
    return dataset.pixel_array.astype(float) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


@pytest.fixture(scope="module")
def chest():
    """A whole chest with fewer pixels."""
    return read(make_chest_ct(slices=98, size=96))


@pytest.mark.parametrize("nodule", NODULES, ids=lambda nodule: nodule.name)
def test_nodule_has_the_place_and_size_that_the_table_says(nodule):
    size, thickness = 256, 3.0
    pixel = FIELD_OF_VIEW_MM / size
    radius = nodule.diameter_mm / 2
    heights = [z for z in np.arange(1.5, 294, thickness) if abs(z - nodule.centre[2]) < radius + 4]
    anatomy = ChestAnatomy(1)
    volume = np.stack([anatomy.slice_hu(size, z=z, thickness_mm=thickness) for z in heights])
    z, y, x = np.meshgrid(heights, *[(np.arange(size) - (size - 1) / 2) * pixel] * 2, indexing="ij")
    place = np.stack([x, y, z], axis=-1)
    near = np.linalg.norm(place - nodule.centre, axis=-1) < radius + 2.4
    background = np.median(volume[(np.linalg.norm(place - nodule.centre, axis=-1) < radius + 8) & ~near])
    share = np.clip((volume[near] - background) / (nodule.hu - background), 0, 1.3)
    share[share < 0.15] = 0
    middle = (place[near] * share[:, None]).sum(axis=0) / share.sum()
    diameter = (6 * share.sum() * pixel**2 * thickness / np.pi) ** (1 / 3)
    assert np.abs(middle - nodule.centre).max() < 0.5
    assert diameter == pytest.approx(nodule.diameter_mm, abs=0.5)


@pytest.mark.parametrize("nodule", NODULES[:2], ids=lambda nodule: nodule.name)
def test_headers_put_the_nodule_where_the_table_says(chest, nodule):
    slice_ = min(chest, key=lambda one: abs(float(one.ImagePositionPatient[2]) - nodule.centre[2]))
    row, column = pixel_of(slice_, nodule.centre)
    near = hu(slice_)[row - 4 : row + 5, column - 4 : column + 5]
    assert near[3:6, 3:6].max() > -350
    assert np.median(near) < -700


def pixel_of(slice_, centre) -> tuple[int, int]:
    x0, y0, _z = (float(value) for value in slice_.ImagePositionPatient)
    spacing = float(slice_.PixelSpacing[0])
    return round((centre[1] - y0) / spacing), round((centre[0] - x0) / spacing)


@pytest.mark.parametrize(
    ("x", "y", "low", "high"),
    [(-170, -170, -1020, -980), (-75, -30, -930, -790), (24, -22, 20, 60), (0, 64, 80, 400)],
    ids=["air", "lung", "heart", "vertebra"],
)
def test_tissues_have_ordinary_values(chest, x, y, low, high):
    slice_ = chest[60]
    row, column = pixel_of(slice_, (x, y))
    assert low < np.median(hu(slice_)[row - 1 : row + 2, column - 1 : column + 2]) < high


def test_slices_run_from_head_to_foot_without_gap(chest):
    heights = [float(dataset.ImagePositionPatient[2]) for dataset in chest]
    assert np.diff(heights) == pytest.approx(-float(chest[0].SliceThickness))
    assert [dataset.InstanceNumber for dataset in chest] == list(range(1, 99))
    assert {str(dataset.FrameOfReferenceUID) for dataset in chest} == {str(chest[0].FrameOfReferenceUID)}
    assert list(chest[0].ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]


def test_number_of_slices_changes_the_spacing_and_not_the_extent():
    few = read(make_chest_ct(slices=6, size=32))
    assert float(few[0].SliceThickness) == 49
    assert float(few[0].ImagePositionPatient[2]) == 294 - 24.5


def test_same_seed_gives_the_same_bytes_and_another_seed_another_patient_study():
    assert list(make_series(seed=3)) == list(make_series(seed=3))
    first, other = read(make_series(seed=3))[0], read(make_series(seed=4))[0]
    assert first.StudyInstanceUID != other.StudyInstanceUID
    assert first.PixelData != other.PixelData


def test_every_instance_has_its_own_uid_within_one_series():
    slices = read(make_series(slices=8))
    assert len({dataset.SOPInstanceUID for dataset in slices}) == 8
    assert len({(dataset.StudyInstanceUID, dataset.SeriesInstanceUID) for dataset in slices}) == 1


@pytest.mark.parametrize("signed", [False, True])
def test_rods_have_their_value_however_pixels_are_stored(signed):
    dataset = read(make_series(size=120, signed=signed))[0]
    assert dataset.PixelRepresentation == int(signed)
    row = round(59.5 + 10 / 2)
    for x, value in zip((-55, 0, 55), ROD_HU.values(), strict=True):
        column = round(59.5 + x / 2)
        assert hu(dataset)[row - 3 : row + 3, column - 3 : column + 3].mean() == pytest.approx(value, abs=3)


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030"])
def test_chinese_name_is_written_in_the_character_set_named(charset):
    raw = next(make_series(charset=charset))
    assert "张^三".encode("utf-8" if charset == "ISO_IR 192" else "gb18030") in raw
    assert read([raw])[0].PatientName.ideographic == "张^三"


def test_facts_given_replace_the_usual_ones():
    dataset = read(make_series(patient_name="WANG^FANG=王^芳", patient_id="", study_uid="1.2.3", issuer="A"))[
        0
    ]
    assert (str(dataset.PatientName), dataset.PatientID) == ("WANG^FANG=王^芳", "")
    assert (dataset.StudyInstanceUID, dataset.IssuerOfPatientID) == ("1.2.3", "A")


def test_vessels_keep_clear_of_the_nodules():
    """Otherwise their measured size would not be the truth."""
    anatomy = ChestAnatomy(7)
    for nodule in NODULES:
        for tube in anatomy._trees:
            start, end, middle = (np.asarray(p) for p in (tube.start, tube.end, nodule.centre))
            t = np.clip(np.dot(middle - start, end - start) / np.dot(end - start, end - start), 0, 1)
            gap = np.linalg.norm(start + t * (end - start) - middle) - tube.start_radius_mm
            assert gap > nodule.diameter_mm / 2 + 2


@pytest.mark.peer
@pytest.mark.parametrize("make", [make_chest_ct, make_series])
def test_dciodvfy_finds_nothing(make, tmp_path):
    assert shutil.which("dciodvfy"), "install dicom3tools"
    path = tmp_path / "slice.dcm"
    path.write_bytes(next(make(slices=2, size=64)))
    answer = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert [line for line in answer.stderr.splitlines() if "rror" in line or "arning" in line] == []
