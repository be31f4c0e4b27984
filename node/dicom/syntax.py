"""Which transfer syntax is encoded how: order of bytes, explicit VR, deflated, encapsulated.

Decides nothing about whether a syntax is accepted; that is admission's.
"""

from __future__ import annotations

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"

_GE_BIG_PIXELS = "1.2.840.113619.5.2"
_WHOLLY_DEFLATED = frozenset({DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED, _GE_BIG_PIXELS})
_REFERENCED = frozenset({"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204"})
"""Pixel data stands elsewhere, named by a URL."""


def is_explicit(transfer_syntax: str) -> bool:
    """Say whether elements carry their VR.

    Source: DICOM PS3.5 A.1, A.2, A.4; the GE private syntax is implicit.
    """
    return transfer_syntax not in (IMPLICIT_LITTLE, _GE_BIG_PIXELS)


def is_little_endian(transfer_syntax: str) -> bool:
    """Say whether the low byte of a number comes first.

    Source: DICOM PS3.5 7.3, A.3.
    """
    return transfer_syntax != EXPLICIT_BIG


def is_deflated(transfer_syntax: str) -> bool:
    """Say whether the whole data set is one deflate stream.

    Source: DICOM PS3.5 A.5, A.7, A.9.
    """
    return transfer_syntax in _WHOLLY_DEFLATED


def is_encapsulated(transfer_syntax: str) -> bool:
    """Say whether pixel data comes as fragments.

    Source: DICOM PS3.5 A.4.
    """
    return transfer_syntax not in _NATIVE | _REFERENCED | _WHOLLY_DEFLATED
