"""Instances of the open sets written in native syntaxes, with pydicom, dciodvfy and dcmtk as witnesses.

A few of each set and transfer syntax; all of them with MERIDIAN_LONG=1.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.pixels import pixel_array

from node.dicom.header import Header, scan
from node.dicom.normal import normal_digest
from node.dicom.syntax import DEFLATED, EXPLICIT_LITTLE
from node.dicom.tree import Branch, Elements, read_tree
from node.dicom.walk import PIXEL_DATA
from node.errors import GridError
from node.imaging.decompress import can_be_native
from tests.kit.corpus import Taken, readable
from tests.kit.native import file_of, syntax_of, written_native

LONG = os.environ.get("MERIDIAN_LONG") == "1"
OF_EACH = 100_000 if LONG else 2
REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "its stream has no size: a delimiter was written into it",
    "sample-op.dcm": "says lossless JPEG, and is baseline",
    **dict.fromkeys(
        ["liver_j2k.dcm", "liver_nonbyte_aligned_j2k.dcm", "liver_rle.dcm", "liver_nonbyte_aligned_rle.dcm"],
        "its pixels are single bits",
    ),
}
LOSSY_COLOUR = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
"""The codec makes RGB of it; pydicom rounds once more when it does."""
STUMBLED = "dciodvfy fell over it"
"""As it does over any pixels of 32 bits in OW, which is what they are written in. Source: DICOM PS3.5 A.2."""
FORMS = [True, False]


@pytest.fixture(scope="module")
def sampled() -> list[Taken]:
    counts: dict[tuple[str, str], int] = {}
    found = []
    for one in readable():
        kind = (one.set, one.transfer_syntax)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= OF_EACH and can_be_native(one.transfer_syntax):
            found.append(one)
    return found


def written(one: Taken, *, explicit: bool) -> bytes:
    return written_native(one.data_set, one.transfer_syntax, explicit=explicit)


def all_written(sampled: list[Taken], *, explicit: bool) -> Iterator[tuple[Taken, Header, bytes]]:
    """Give each with what was written; whatever is refused must have its reason above."""
    for one in sampled:
        if one.path.name in REFUSED:
            with pytest.raises(GridError):
                written(one, explicit=explicit)
            continue
        yield one, scan(one.data_set, one.transfer_syntax), written(one, explicit=explicit)


def bits_of(header: Header) -> int:
    return int.from_bytes(header.value(0x00280100) or b"", "little" if header.little else "big")


def holds_frames(header: Header) -> bool:
    return PIXEL_DATA in header.elements and header.elements[PIXEL_DATA].undefined


@pytest.mark.parametrize("explicit", FORMS, ids=["explicit", "implicit"])
def test_all_but_decoded_pixels_says_the_same(sampled: list[Taken], explicit: bool) -> None:
    compared = 0
    for one, header, raw in all_written(sampled, explicit=explicit):
        if any(_has_odd(header)) or _holds_fragments_below(read_tree(header)) or _is_big_of_32_bits(header):
            continue
        without = {0x7FE00001, 0x7FE00002, 0x7FE00003, PIXEL_DATA, 0x00280004, 0x00280006}
        left_out = ({*without} if holds_frames(header) else set()) | _empty_private_sequences(header)
        before = normal_digest(one.data_set, one.transfer_syntax, without=left_out.__contains__)
        assert normal_digest(raw, syntax_of(explicit=explicit), without=left_out.__contains__) == before, (
            one.path.name
        )
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("explicit", FORMS, ids=["explicit", "implicit"])
def test_pydicom_reads_the_same_pixels(sampled: list[Taken], explicit: bool) -> None:
    compared = 0
    for one, header, raw in all_written(sampled, explicit=explicit):
        before = pixels_in(file_of(header, one.data_set, one.transfer_syntax))
        if before is None:
            continue
        after = pixels_in(file_of(header, raw, syntax_of(explicit=explicit)))
        assert after is not None, one.path.name
        assert after.shape == before.shape, one.path.name
        allowed = 1 if one.transfer_syntax in LOSSY_COLOUR else 0
        assert np.abs(after.astype(np.int64) - before.astype(np.int64)).max(initial=0) <= allowed, (
            one.path.name
        )
        compared += 1
    assert compared > 80


@pytest.mark.peer
@pytest.mark.parametrize("explicit", FORMS, ids=["explicit", "implicit"])
def test_dciodvfy_names_no_new_error(sampled: list[Taken], explicit: bool, tmp_path: Path) -> None:
    def new_errors(numbered: tuple[int, tuple[Taken, Header, bytes]]) -> tuple[str, set[str]]:
        number, (one, header, raw) = numbered
        here = tmp_path / f"{number}.dcm"
        after = errors_of(here, file_of(header, raw, syntax_of(explicit=explicit)))
        before = errors_of(here, as_given(one, header))
        if STUMBLED in before | after and bits_of(header) == 32:
            return str(one.path), set()
        new = after - before
        return str(one.path), new - errors_of_dcmtk(here, one, explicit=explicit) if new else new

    with ThreadPoolExecutor(2) as pool:
        found = dict(pool.map(new_errors, enumerate(all_written(sampled, explicit=explicit))))
    assert len(found) > 100
    assert {name: errors for name, errors in found.items() if errors} == {}


@pytest.mark.peer
def test_planted_wrong_bytes_would_be_named(sampled: list[Taken], tmp_path: Path) -> None:
    """A frame of another picture, a VR and a length that are not the element's: one witness or another speaks."""
    one = next(each for each in sampled if each.transfer_syntax == "1.2.840.10008.1.2.4.70")
    header = scan(one.data_set, one.transfer_syntax)
    raw = written(one, explicit=True)
    spoiled = raw[:-1] + bytes([raw[-1] ^ 1])
    before = pixels_in(file_of(header, raw, EXPLICIT_LITTLE))
    assert not np.array_equal(before, pixels_in(file_of(header, spoiled, EXPLICIT_LITTLE)))
    element = scan(raw, EXPLICIT_LITTLE).elements[0x00280010]
    of_text = raw[: element.start + 4] + b"LO" + raw[element.start + 6 :]
    for wrong in (of_text, raw[:-7]):
        assert errors_of(tmp_path / "wrong", file_of(header, wrong, EXPLICIT_LITTLE)) - errors_of(
            tmp_path / "right", file_of(header, raw, EXPLICIT_LITTLE)
        )


def pixels_in(file: bytes) -> np.ndarray | None:
    """Give what pydicom decodes; None where it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            return pixel_array(BytesIO(file))
        except Exception:  # whatever its decoders say
            return None
        finally:
            logging.disable(logging.NOTSET)


def as_given(one: Taken, header: Header) -> bytes:
    """Give the file; inflated, since dciodvfy reads no deflated one."""
    if one.transfer_syntax == DEFLATED:
        return file_of(header, bytes(header.data), EXPLICIT_LITTLE)
    return file_of(header, one.data_set, one.transfer_syntax)


def errors_of(path: Path, file: bytes) -> set[str]:
    """Give dciodvfy's errors, without where in the file they are."""
    path.write_bytes(file)
    return _errors(path)


def errors_of_dcmtk(path: Path, one: Taken, *, explicit: bool) -> set[str]:
    """Give dciodvfy's errors of what dcmtk makes of the same file: those are the syntax's.

    Implicit VR does not say of private elements what they are; dciodvfy then takes the word of its own dictionary,
    and refuses values of another VR that it let pass before.
    """
    made = path.with_suffix(".dcmtk")
    subprocess.run(
        ["dcmconv", "+te" if explicit else "+ti", str(one.path), str(made)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return _errors(made) if made.exists() else set()


def _errors(path: Path) -> set[str]:
    answer = subprocess.run(["dciodvfy", path], capture_output=True, check=False, timeout=60)
    if answer.returncode < 0:
        return {STUMBLED}
    lines = answer.stderr.decode("latin-1").splitlines()
    return {re.sub(r"\b(0x[0-9a-f]+|\d+) dec\b", "", line) for line in lines if line.startswith("Error")}


def _has_odd(header: Header) -> Iterator[bool]:
    """Say of each value of an odd length that it is one: it gets a byte more."""
    return (each.length % 2 == 1 for each in header.elements.values() if not each.undefined)


def _empty_private_sequences(header: Header) -> set[int]:
    """Give those that implicit VR does not tell from empty values: nobody says what they are."""
    return {
        each.tag
        for each in read_tree(header)
        if isinstance(each, Branch) and not each.items and each.tag >> 16 & 1
    }


def _is_big_of_32_bits(header: Header) -> bool:
    """Say whether pixels are turned round four bytes at a time, which the digest does by two."""
    return not header.little and bits_of(header) == 32


def _holds_fragments_below(elements: Elements, *, top: bool = True) -> bool:
    return any(
        any(_holds_fragments_below(item, top=False) for item in each.items)
        if isinstance(each, Branch)
        else not top and each.fragments is not None
        for each in elements
    )
