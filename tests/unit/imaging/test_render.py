"""Pictures of real objects in many syntaxes: the same image looks the same whatever carries it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from node.dicom.frames import frame_of
from node.dicom.header import Header, scan
from node.dicom.part10 import read_part10
from node.errors import InvalidRequest
from node.imaging.decode import decode_frame
from node.imaging.functional_groups import with_functional_groups
from node.imaging.pixels import native_frame, read_pixel_facts
from node.imaging.render import grey, render
from node.imaging.window import Window, rescale, to_grey
from tests.kit.instances import BIG, CT_IMAGE, EXPLICIT, make_ct

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "dicom"


def opened(path: Path) -> tuple[Header, str]:
    file = read_part10(path.read_bytes())
    return scan(file.data_set, file.transfer_syntax), file.transfer_syntax


def picture_of(header: Header, syntax: str, *, number: int = 1, window: Window | None = None) -> np.ndarray:
    facts = with_functional_groups(read_pixel_facts(header), header, number)
    png = render(facts, frame_of(header, number), transfer_syntax=syntax, media="image/png", window=window)
    return np.asarray(Image.open(io.BytesIO(png)))


def paths(folder: str, pattern: str = "*") -> list[Path]:
    return sorted(path for path in (DATA / folder).rglob(pattern) if path.is_file())


def test_one_mr_slice_looks_the_same_in_nine_syntaxes() -> None:
    pictures = {
        path.name: picture_of(*opened(path)) for path in paths("o06-mr-same-image-9-syntaxes", "*.dcm")
    }
    first = next(iter(pictures.values()))
    assert len(pictures) == 9
    assert first.std() > 10
    for name, picture in pictures.items():
        assert np.array_equal(picture, first), name


def test_a_ct_slice_agrees_with_its_window_computed_by_hand() -> None:
    header, syntax = opened(paths("o01-chest-ct-lungfcp-0001")[0])
    raw = frame_of(header, 1)
    stored = np.frombuffer(raw, "<i2" if read_pixel_facts(header).signed else "<u2").reshape(512, 512)
    slope, intercept = float(header.text(0x00281053)), float(header.text(0x00281052))
    hu = stored * slope + intercept
    expected = np.clip(((hu - (40 - 0.5)) / (400 - 1) + 0.5) * 255, 0, 255)
    shown = picture_of(header, syntax, window=Window(center=40, width=400)).astype(float)
    assert np.abs(shown - expected).max() <= 1


def test_a_mirrored_image_and_a_wrong_slope_would_be_noticed() -> None:
    header, _ = opened(paths("o01-chest-ct-lungfcp-0001")[0])
    facts = read_pixel_facts(header)
    stored = native_frame(facts, frame_of(header, 1))
    window = Window(center=40, width=400)
    right = grey(stored, facts, window).astype(int)
    for wrong in (grey(stored[:, ::-1], facts, window), grey((stored * 1.02), facts, window)):
        assert (np.abs(right - wrong) > 1).mean() > 0.001


def test_big_endian_pixels_look_as_little_endian_ones() -> None:
    pictures = [
        picture_of(scan(make_ct(rows=16, columns=8, transfer_syntax=syntax), syntax), syntax)
        for syntax in (EXPLICIT, BIG)
    ]
    assert np.array_equal(*pictures)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2", ">u2", ">i2", "<u4", "<i4", ">i4"])
def test_a_value_is_as_grey_looked_up_as_worked_out(dtype: str) -> None:
    facts = read_pixel_facts(scan(make_ct(rows=8, columns=8), EXPLICIT))
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -3000), min(limits.max, 4000)
    stored = np.resize(np.arange(low, high + 1), (130, 67)).astype(dtype)
    for placed in (
        stored,
        stored + np.array(limits.max - high, dtype),
    ):  # at the end of what the type holds, too
        for window in (Window(center=40, width=400), Window(center=float(placed.mean()), width=900)):
            worked_out = to_grey(rescale(placed, slope=facts.slope, intercept=facts.intercept), window)
            assert np.array_equal(grey(placed, facts, window), worked_out)


def test_bits_above_the_stored_ones_are_not_shown() -> None:
    clean = (np.arange(64, dtype="<u2") * 50).tobytes()
    dirty = (np.arange(64, dtype="<u2") * 50 | 0xF000).astype("<u2").tobytes()
    headers = [scan(make_ct(rows=8, columns=8, pixels=pixels), EXPLICIT) for pixels in (clean, dirty)]
    first, second = (picture_of(header, EXPLICIT) for header in headers)
    assert np.array_equal(first, second)


def test_the_open_corpus_gives_a_picture_or_a_reason() -> None:
    reasons: dict[str, str] = {}
    made = 0
    for folder in ("o07-nema-wg04", "o15-us-xa-multiframe", "o27-us-burned-in", "o24-cr-chest-barre"):
        for path in paths(folder)[::3]:
            try:
                header, syntax = opened(path)
                picture = picture_of(header, syntax)
            except InvalidRequest as refused:
                reasons[f"{folder}/{path.name}"] = refused.message
                continue
            made += 1
            assert picture.shape[:2] == (read_pixel_facts(header).rows, read_pixel_facts(header).columns)
    assert made >= 12, reasons
    assert all(words.endswith(".") for words in reasons.values())


def test_hostile_compressed_bytes_end_the_child_only() -> None:
    with pytest.raises(InvalidRequest, match="refused"):
        decode_frame(
            b"\xff\xd8\xff" + b"\0" * 64,
            "1.2.840.10008.1.2.4.70",
            rows=4,
            columns=4,
            samples=1,
            bits_allocated=16,
        )


def test_a_frame_larger_than_its_header_says_is_refused() -> None:
    header, syntax = opened(
        next(p for p in paths("o06-mr-same-image-9-syntaxes") if opened(p)[1].endswith(".4.80"))
    )
    facts = read_pixel_facts(header)
    with pytest.raises(InvalidRequest, match="Decoding a frame was refused"):
        decode_frame(
            frame_of(header, 1),
            syntax,
            rows=facts.rows // 2,
            columns=facts.columns,
            samples=1,
            bits_allocated=16,
        )


@pytest.mark.parametrize("change", [{0x00280010: None}, {0x00280100: ("US", 12)}, {0x00280002: ("US", 4)}])
def test_an_object_without_a_picture_says_so(change: dict[int, tuple[str, int] | None]) -> None:
    with pytest.raises(InvalidRequest, match="Making a picture was refused"):
        read_pixel_facts(scan(make_ct(change=change), EXPLICIT))


def test_a_short_frame_is_refused() -> None:
    facts = read_pixel_facts(scan(make_ct(rows=4, columns=4), EXPLICIT))
    with pytest.raises(InvalidRequest, match="cut short"):
        native_frame(facts, b"\0" * 31)


def test_an_enhanced_object_is_windowed_by_its_functional_groups() -> None:
    from tests.kit.instances import LITTLE

    transformation = LITTLE.sequence(
        0x00289145,
        LITTLE.item(LITTLE.element(0x00281052, "DS", "-1024"), LITTLE.element(0x00281053, "DS", "2")),
    )
    voi = LITTLE.sequence(
        0x00289132,
        LITTLE.item(LITTLE.element(0x00281050, "DS", "40"), LITTLE.element(0x00281051, "DS", "400")),
    )
    plain = make_ct(change={0x7FE00010: None})
    pixels = make_ct(change={})[len(plain) :]
    data_set = plain + LITTLE.sequence(0x52009229, LITTLE.item(transformation, voi)) + pixels
    header = scan(data_set, EXPLICIT)
    facts = with_functional_groups(read_pixel_facts(header), header, 1)
    assert (facts.slope, facts.intercept) == (2.0, -1024.0)
    assert facts.windows[0] == Window(center=40, width=400)
    assert CT_IMAGE
