"""A corrected data set, whole, and what of two data sets differs."""

from __future__ import annotations

from typing import Any

from node.dicom.frames import Span
from node.dicom.header import Header, scan
from node.dicom.json_model import to_json
from node.dicom.overlay import Corrected, overlaid
from node.dicom.syntax import is_deflated

IDENTITY = {0x00100010: "Wang^Wu", 0x00100020: "B-42", 0x00100030: "19700203", 0x00100040: "F"}


def corrected(values: dict[int, str], *, source: str = "", system: str = "alpha") -> Corrected:
    return Corrected(
        values=values, system=system, source=source, at="20260302101500.000000+0000", reason="CORRECT"
    )


def whole(header: Header, data: bytes | memoryview, values: dict[int, str]) -> bytes:
    """Give the corrected data set as bytes, inflated when it came deflated."""
    return joined(overlaid(header, corrected(values), size=len(data)), data)


def joined(parts: list[bytes | Span] | None, data: bytes | memoryview) -> bytes:
    if parts is None:
        return bytes(data)
    return b"".join(
        part if isinstance(part, bytes) else bytes(data[part.offset : part.offset + part.length])
        for part in parts
    )


def rescanned(raw: bytes, header: Header) -> Header:
    """Index bytes that are plain now, whatever the header's syntax deflates."""
    syntax = header.transfer_syntax
    return scan(raw, "1.2.840.10008.1.2.1" if is_deflated(syntax) else syntax)


def differences(one: Header, other: Header) -> set[str]:
    """Give the top-level tags whose meaning differs, by DICOM JSON with all binary values inline."""
    before, after = (_model(header) for header in (one, other))
    return {tag for tag in before.keys() | after.keys() if before.get(tag) != after.get(tag)}


def _model(header: Header) -> dict[str, Any]:
    def bulk(path: str) -> str:
        return path

    model = to_json(header, bulk=bulk)
    for tag, element in header.elements.items():
        entry = model.get(f"{tag:08X}")
        if isinstance(entry, dict) and "BulkDataURI" in entry:
            entry["BulkDataURI"] = hash(bytes(header.data[element.offset : element.offset + element.length]))
    return model
