"""What other readers make of the pixels of a DICOM file: dcmtk, GDCM in a process of its own, pydicom."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom

JPEG_LS, HTJ2K = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.201"
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_GDCM = """
import hashlib, json, sys
import gdcm
import numpy as np
for line in sys.stdin:
    reader = gdcm.ImageReader()
    reader.SetFileName(line.strip())
    found = None
    if reader.Read():
        image = reader.GetImage()
        raw = image.GetBuffer()
        raw = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else bytes(raw)
        raw = raw[: image.GetBufferLength()]
        columns, rows = image.GetDimension(0), image.GetDimension(1)
        samples = image.GetPixelFormat().GetSamplesPerPixel()
        if samples > 1 and image.GetPlanarConfiguration():
            raw = np.frombuffer(raw, "u1").reshape(-1, samples, rows, columns).transpose(0, 2, 3, 1).tobytes()
        found = [hashlib.sha256(raw).hexdigest(), columns, rows, samples]
    print(json.dumps(found), flush=True)
"""


def by_pydicom(file: Path) -> str | None:
    """Give the digest of the samples that pydicom reads, shape and type with them; None when it does not read them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(file)
            pixels = pydicom.pixels.pixel_array(ds, raw=True)
    except Exception:
        return None
    return f"{pixels.dtype}{pixels.shape}{hashlib.sha256(pixels.tobytes()).hexdigest()}"


def by_dcmtk(file: Path, folder: Path) -> str | None:
    """Give the digest of the pixel data that dcmtk decompresses, in little endian; None when it does not."""
    plain = folder / "plain.dcm"
    syntax = pydicom.filereader.read_file_meta_info(file).get("TransferSyntaxUID", "")
    command = ["dcmdjpls", "+te"] if syntax == JPEG_LS else ["dcmconv", "+te"]
    ran = subprocess.run([*command, file, plain], capture_output=True, check=False)
    if ran.returncode or (syntax not in NATIVE and syntax != JPEG_LS):
        return None
    try:
        ds = pydicom.dcmread(plain)
    except Exception:
        return None
    finally:
        plain.unlink(missing_ok=True)
    if "PixelData" not in ds:
        return None
    planar = ds.get("PlanarConfiguration", 0) if ds.get("SamplesPerPixel", 1) > 1 else 0
    size = (
        ds.Rows
        * ds.Columns
        * ds.get("SamplesPerPixel", 1)
        * ds.BitsAllocated
        // 8
        * int(ds.get("NumberOfFrames", 1) or 1)
    )
    return hashlib.sha256(_by_pixel(ds.PixelData[:size], ds, planar)).hexdigest()


def _by_pixel(raw: bytes, ds: pydicom.Dataset, planar: int) -> bytes:
    """Order samples of 8 bits by pixel."""
    if not planar:
        return raw
    planes = np.frombuffer(raw, "u1").reshape(-1, 3, ds.Rows, ds.Columns)
    return planes.transpose(0, 2, 3, 1).tobytes()


def by_gdcm(files: Sequence[Path]) -> list[str | None]:
    """Give what GDCM reads of each; it may end its process over a file, which another then goes on from."""
    found: list[str | None] = []
    while len(found) < len(files):
        left = files[len(found) :]
        ran = subprocess.run(
            [sys.executable, "-c", _GDCM], input="\n".join(map(str, left)) + "\n",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        found += [None if line is None else str(line) for line in lines]
        if len(lines) < len(left):
            found.append(None)  # it ended over this one
    return found
