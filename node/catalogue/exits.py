"""The one home of what leaves: an instance's data set, file and header as they are corrected.

Every way out of this node goes through here: DICOMweb, C-GET and C-MOVE, delivery. The bytes
come as pieces, most of them regions of the pack, so an instance is never whole in memory. A study
without corrections leaves as it is stored; one with them has its overlay spliced into each header.

To peers go stored bytes, since digests and conflicts stand on them, and the overlay beside them as a message.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from node.catalogue.fresh import read_fresh
from node.catalogue.overlays import Overlay, overlay_digest, peek_overlay, values_for
from node.catalogue.search import InstanceRow
from node.catalogue.stored import (
    BEGINNING_BYTES,
    stored_beginning,
    stored_described,
    stored_region,
    stored_whole,
)
from node.clock import SECOND, Micros
from node.dicom.attributes import read_attributes
from node.dicom.encoding import Encoding
from node.dicom.frames import Span
from node.dicom.header import Header, scan
from node.dicom.json_model import bulk_value
from node.dicom.overlay import Corrected, Part, is_too_short, overlaid
from node.dicom.part10 import PREAMBLE, read_part10
from node.dicom.syntax import EXPLICIT_LITTLE, is_deflated
from node.dicom.walk import PIXELS, Element
from node.failpoints import planted
from node.names import NodeId, StudyKey
from node.node import Node
from node.store.regions import Piece, size_of, view_of, whole_of

_BEGINNINGS_BYTES = (BEGINNING_BYTES, 1 << 20)


def data_set_pieces(node: Node, row: InstanceRow) -> list[Piece]:
    """Give an instance's data set, in the transfer syntax of its row.

    Corrections are looked up for each, since a retrieval may last: what is merged meanwhile counts for the next.
    """
    return _pieces(node, row, _overlay(node, _key(row))) or [stored_region(node, row)]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An instance as a DICOM file: preamble, file meta as stored, data set.

    Source: DICOM PS3.10 7.1.
    """

    size: int
    """In bytes."""
    pieces: Callable[[], list[Piece]]


def file_pieces(node: Node, row: InstanceRow) -> list[Piece]:
    """Give an instance as a DICOM file."""
    return files_of(node, [row])[0].pieces()


def files_of(node: Node, rows: Sequence[InstanceRow]) -> list[File]:
    """Give instances of one study as DICOM files, all with the same corrections.

    What leaves as it is stored is of known size before anything was looked for.
    """
    overlay = _overlay(node, _key(rows[0])) if rows else None
    files = []
    for row in rows:
        corrected = _pieces(node, row, overlay)
        if corrected is None:
            size = len(PREAMBLE) + row.meta_bytes + row.data_bytes
            files.append(File(size=size, pieces=partial(_as_stored, node, row)))
        else:
            meta = stored_region(node, row, offset=-row.meta_bytes, length=row.meta_bytes)
            pieces = [PREAMBLE, meta, *corrected]
            files.append(File(size=size_of(pieces), pieces=partial(list, pieces)))
    return files


def _as_stored(node: Node, row: InstanceRow) -> list[Piece]:
    return [PREAMBLE, stored_region(node, row, offset=-row.meta_bytes)]


def read_leaving(node: Node, row: InstanceRow) -> Header:
    """Index a whole data set as it leaves, for whoever writes it anew."""
    corrected = _pieces(node, row, _overlay(node, _key(row)))
    if corrected is None:
        return stored_whole(node, row)
    pieces = [view_of(piece) for piece in corrected]
    return scan(whole_of(pieces, node.state), row.transfer_syntax)


def read_header(node: Node, row: InstanceRow) -> Header:
    """Index a whole data set, as corrected; two bytes then stand for its pixels. See `read_bulk`."""
    whole = stored_described(node, row)
    corrected = _corrected(node, row, whole)
    parts = None if corrected is None else overlaid(whole, corrected, size=len(whole.data))
    if parts is None:
        return whole
    plain = b"".join(_without_pixels(whole, parts))
    return scan(plain, EXPLICIT_LITTLE if is_deflated(row.transfer_syntax) else row.transfer_syntax)


def read_bulk(node: Node, row: InstanceRow, path: str) -> bytes:
    """Give the value at a path of the metadata, as corrected.

    Raises
    ------
    NotFound
        Nothing with a value stands there.
    """
    of_pixels = path.partition("/")[0] in {f"{tag:08X}" for tag in PIXELS}
    return bulk_value(stored_whole(node, row) if of_pixels else read_header(node, row), path)


def version_of(node: Node, rows: Sequence[InstanceRow]) -> str:
    """Give what names the corrections that instances of one study leave with; empty when there are none."""
    return overlay_digest(node.database, _key(rows[0])) if rows else ""


def corrected_file(node: Node, key: StudyKey, *, series_uid: str, file: bytes) -> bytes:
    """Give a DICOM file of a study that lies outside of its packs, as corrected."""
    overlay = _overlay(node, key)
    if overlay is None:
        return file
    parts = read_part10(file)
    header = scan(parts.data_set, parts.transfer_syntax)
    corrected = _correction(overlay, header, series_uid=series_uid, origin=key.origin)
    spliced = overlaid(header, corrected, size=len(header.data))
    if spliced is None:
        return file
    return PREAMBLE + parts.file_meta + b"".join(_bytes(header, spliced))


def _pieces(node: Node, row: InstanceRow, overlay: Overlay | None) -> list[Piece] | None:
    """Give the corrected data set; None when it leaves as it is stored."""
    if overlay is None or planted("overlay-forgotten"):
        return None
    return read_fresh(node, row, partial(_spliced, node, overlay))


def _spliced(node: Node, overlay: Overlay, row: InstanceRow) -> list[Piece] | None:
    for header in _headers(node, row):
        corrected = _correction(overlay, header, series_uid=row.series_uid, origin=row.origin)
        if is_too_short(header, corrected):
            continue
        deflated = is_deflated(row.transfer_syntax)
        parts = overlaid(header, corrected, size=len(header.data) if deflated else row.data_bytes)
        if parts is None:
            return None
        if deflated:
            return [_deflated(header, parts)]
        return [
            part
            if isinstance(part, bytes)
            else stored_region(node, row, offset=part.offset, length=part.length)
            for part in parts
        ]
    raise AssertionError("a whole data set is never too short")


def _headers(node: Node, row: InstanceRow) -> Iterator[Header]:
    """Read more and more of a data set; a deflated one whole at once."""
    for size in _BEGINNINGS_BYTES:
        if size < row.data_bytes and not is_deflated(row.transfer_syntax):
            yield stored_beginning(node, row, size=size)
    yield stored_whole(node, row)


def _corrected(node: Node, row: InstanceRow, header: Header) -> Corrected | None:
    overlay = _overlay(node, _key(row))
    if overlay is None or planted("overlay-forgotten"):
        return None
    return _correction(overlay, header, series_uid=row.series_uid, origin=row.origin)


def _overlay(node: Node, key: StudyKey) -> Overlay | None:
    overlay = peek_overlay(node.database, key)
    return overlay if overlay is not None and overlay.changes_attributes else None


def _correction(overlay: Overlay, header: Header, *, series_uid: str, origin: NodeId) -> Corrected:
    patient_id = read_attributes(header).study.patient_id
    return Corrected(
        values=values_for(overlay, patient_id=patient_id, series_uid=series_uid, origin=origin),
        system=origin,
        source="",
        at=_moment(overlay.at),
        reason="CORRECT",
    )


def _moment(at: Micros) -> str:
    """Write a time as a DT. Source: DICOM PS3.5 6.2."""
    moment = datetime.fromtimestamp(at // SECOND, tz=UTC)
    return f"{moment:%Y%m%d%H%M%S}.{at % SECOND:06d}+0000"


def _deflated(header: Header, parts: Sequence[Part]) -> bytes:
    """Deflate again; what was inflated is bounded. Source: DICOM PS3.5 A.5."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = b"".join([*(stream.compress(piece) for piece in _bytes(header, parts)), stream.flush()])
    return deflated + b"\0" * (len(deflated) % 2)


def _bytes(header: Header, parts: Sequence[Part]) -> Iterator[bytes | memoryview]:
    for part in parts:
        yield (part if isinstance(part, bytes) else header.data[part.offset : part.offset + part.length])


def _without_pixels(header: Header, parts: Sequence[Part]) -> Iterator[bytes | memoryview]:
    """Give parts with two bytes in place of large pixels."""
    pixels = next((header.elements[tag] for tag in PIXELS if tag in header.elements), None)
    for part in parts:
        if (
            isinstance(part, Span)
            and pixels is not None
            and part.offset <= pixels.start < part.offset + part.length
        ):
            end = pixels.offset + pixels.length
            yield header.data[part.offset : pixels.start]
            yield _stand_in(header, pixels)
            yield header.data[end : part.offset + part.length]
        else:
            yield from _bytes(header, [part])


def _stand_in(header: Header, pixels: Element) -> bytes:
    tag = next(tag for tag in PIXELS if header.elements.get(tag) is pixels)
    how = Encoding(explicit=header.explicit, little=header.little)
    return how.element(tag, pixels.vr or "OW", bytes(2))


def _key(row: InstanceRow) -> StudyKey:
    return StudyKey(origin=row.origin, study_uid=row.study_uid)
