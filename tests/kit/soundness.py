"""What must hold of every header that a scan gives, whatever the bytes were."""

from __future__ import annotations

from node.dicom.header import Header

INFLATED_BYTES = 64 << 20


def unsound(header: Header) -> list[str]:
    """Look that the elements lie one behind the other and leave nothing out, within the bounds that are promised."""
    found: list[str] = []
    at, size = 0, len(header.data)
    for element in sorted(header.elements.values(), key=lambda element: element.start):
        if element.start != at:
            found.append(f"bytes {at} to {element.start} belong to no element")
        at = element.offset + element.length
    if at > size or any(header.data[at:]):
        found.append(f"its elements end at {at} of {size}")
    if size > INFLATED_BYTES:
        found.append(f"it was inflated to {size} bytes")
    if not header.whole:
        found.append("it is not whole")
    return found
