"""Which instances are coded again in the archive, and how; all others stay as received.

Measured on real files. JPEG-LS is smallest on grey images. Of RGB the smaller is taken, since HTJ2K
transforms colours. Signed samples narrower than their container go to HTJ2K, which says their sign: dcmtk and GDCM lose
it in JPEG-LS. YBR_FULL never does: browsers' decoders take three components for transformed ones. In any
doubt an instance is left alone: a strange file must never stop a study, nor be changed.

Source: DICOM PS3.3 C.7.6.3 (Image Pixel), C.9.2 (Overlay Plane); PS3.5 8.1, 8.2.
"""

from __future__ import annotations

from node.archive.package.requests import Profile
from node.dicom.header import Header
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dicom.walk import PIXEL_DATA, PIXELS
from node.imaging.lossless import HTJ2K, JPEG_LS, Layout, Syntax

SAMPLES, PHOTOMETRIC, PLANAR, FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
_ROWS, _COLUMNS = 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH_BIT, _REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_OVERLAY_GROUPS, _OVERLAY_BIT = 0x6000, 0x0102
_GREY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
RGB = "RGB"
_COLOUR = (RGB, "YBR_FULL")


class AsReceived(Exception):
    """An instance is not coded again; says why."""


def layout_of(header: Header) -> Layout:
    """Read how the samples lie of an instance that every reader would read alike once it is coded.

    Raises
    ------
    AsReceived
        It is none.
    """
    if header.transfer_syntax not in (IMPLICIT_LITTLE, EXPLICIT_LITTLE):
        raise AsReceived("it came compressed, deflated or big endian")
    if header.explicit != (header.transfer_syntax == EXPLICIT_LITTLE) or not header.whole:
        raise AsReceived("it is written otherwise than its transfer syntax says")
    pixels = header.elements.get(PIXEL_DATA)
    if pixels is None:
        floats = any(tag in header.elements for tag in PIXELS)
        raise AsReceived("its pixels are floating point" if floats else "it has no pixel data")
    if pixels.undefined:
        raise AsReceived("it came compressed")
    if not header.explicit and pixels.offset + pixels.length != len(header.data):
        raise AsReceived("something stands behind the pixel data of an implicit VR data set")
    if _has_overlay_in_pixels(header):
        raise AsReceived("an overlay lies in the high bits of its pixel data")
    layout = _described(header)
    if not 0 < layout.frames * layout.frame_bytes <= pixels.length:
        raise AsReceived("its pixel data is shorter than it says")
    return layout


def syntaxes_for(layout: Layout, photometric: str, profile: Profile) -> tuple[Syntax, ...]:
    """Give the syntaxes to try; the smallest result counts."""
    if photometric == "YBR_FULL":
        return (JPEG_LS,)
    if layout.signed and layout.narrow:
        return (HTJ2K,)
    if profile is Profile.FAST:
        return (HTJ2K,)
    return (JPEG_LS, HTJ2K) if photometric == RGB else (JPEG_LS,)


def _described(header: Header) -> Layout:
    samples, photometric = _number(header, SAMPLES, default=1), header.text(PHOTOMETRIC)
    allocated, stored, high_bit = (_number(header, tag) for tag in (_ALLOCATED, _STORED, _HIGH_BIT))
    if not (allocated == stored == 8 or (allocated == 16 and 9 <= stored <= 16)):
        raise AsReceived(f"readers disagree about {stored} bits stored in {allocated}, or no coding fits")
    if high_bit != stored - 1:
        raise AsReceived("its samples do not lie in the lowest bits")
    if photometric not in {1: _GREY, 3: _COLOUR}.get(samples, ()):
        raise AsReceived(f"no coding fits {samples} samples of {photometric or 'unnamed colours'}")
    frames = header.text(FRAMES) or "1"
    if not (frames.isascii() and frames.isdigit() and len(frames) < 10):
        raise AsReceived("its number of frames is none")
    return Layout(
        rows=_number(header, _ROWS),
        columns=_number(header, _COLUMNS),
        allocated=allocated,
        stored=stored,
        samples=samples,
        signed=_number(header, _REPRESENTATION) == 1,
        planar=samples > 1 and _number(header, PLANAR, default=0) == 1,
        frames=int(frames),
    )


def _has_overlay_in_pixels(header: Header) -> bool:
    return any(
        tag >> 16 & 0xFF01 == _OVERLAY_GROUPS and tag & 0xFFFF == _OVERLAY_BIT and _number(header, tag)
        for tag in header.elements
    )


def _number(header: Header, tag: int, *, default: int | None = None) -> int:
    raw = header.value(tag)
    if raw is None and default is not None:
        return default
    if raw is None or len(raw) != 2:
        raise AsReceived(f"it has no usable ({tag >> 16:04X},{tag & 0xFFFF:04X})")
    return int.from_bytes(raw, "little")
