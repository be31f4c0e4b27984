"""What is fuzzed: a function of any bytes that may refuse them and must do nothing else, and valid bytes to begin with.

To add one: write its function and its seeds, and give it a line in `TARGETS`. Modules under `node.dicom` and
`node.dimse` are followed line by line when the function imports them here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from node.dicom.attributes import read_attributes
from node.dicom.frames import frame_of
from node.dicom.header import identify, scan
from node.dicom.json_model import to_json
from node.dicom.normal import normal_digest
from node.dicom.part10 import read_part10
from node.dimse.commands import read_command
from node.dimse.items import Malformed
from node.dimse.upper_layer import read_associate
from node.errors import GridError, InvalidRequest
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    LITTLE,
    RLE,
    UNDEFINED,
    encapsulate,
    make_ct,
    part10,
)
from tests.kit.malformed import Source, written_sources
from tests.kit.raw_sender import VERIFICATION, _command, _ui, _us, associate_rq
from tests.kit.soundness import unsound
from tests.kit.spoiled import nest

SYNTAXES = (EXPLICIT, IMPLICIT, BIG, DEFLATED, JPEG_BASELINE, RLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads bytes of strangers."""

    name: str
    run: Callable[[bytes], None]
    """Returns whatever the bytes are; anything it raises is a finding."""
    seeds: Callable[[], Iterator[bytes]]


def scan_data_set(data: bytes) -> None:
    """Scan a data set; the first byte chooses the transfer syntax."""
    try:
        header = scan(data[1:], _syntax(data))
    except InvalidRequest:
        return
    wrong = unsound(header)
    assert wrong == [], wrong
    try:
        identify(header)
    except InvalidRequest:
        return


def read_data_set(data: bytes) -> None:
    """Read a data set that was let in as the catalogue, the pages and DICOMweb do."""
    syntax = _syntax(data)
    try:
        header = scan(data[1:], syntax)
    except InvalidRequest:
        return
    for reader in (
        lambda: read_attributes(header),
        lambda: to_json(header, bulk=str),
        lambda: normal_digest(data[1:], syntax),
        lambda: frame_of(header, 1),
    ):
        try:
            reader()
        except GridError:
            continue


def read_file(data: bytes) -> None:
    """Take a DICOM file apart."""
    try:
        parts = read_part10(data)
    except InvalidRequest:
        return
    assert data.endswith(parts.file_meta + bytes(parts.data_set)), "something was left out"


def _syntax(data: bytes) -> str:
    return SYNTAXES[data[0] % len(SYNTAXES)] if data else EXPLICIT


def _data_sets() -> Iterator[bytes]:
    for source in written_sources():
        yield _chosen(source)
    pixels = encapsulate(b"\xff\xd8" + bytes(6), b"\xff\xd8" + bytes(4), table=bytes(7))
    plain = make_ct(change={0x00280008: ("IS", "2 "), 0x7FE00010: None})
    frames = plain + LITTLE.element(0x7FE00010, "OB", pixels, length=UNDEFINED)
    yield bytes([SYNTAXES.index(JPEG_BASELINE)]) + frames
    for depth in (1, 31, 33):
        for delimited in (True, False):
            yield b"\0" + nest(True, True, depth, "SQ", 0x00081140, delimited)


def _files() -> Iterator[bytes]:
    for source in written_sources():
        yield part10(source.data_set, transfer_syntax=source.transfer_syntax)
        yield part10(source.data_set, transfer_syntax=source.transfer_syntax)[128 + 4 :]


def _chosen(source: Source) -> bytes:
    return bytes([SYNTAXES.index(source.transfer_syntax)]) + source.data_set


def read_request(data: bytes) -> None:
    """Read an A-ASSOCIATE-RQ."""
    try:
        read_associate(data)
    except Malformed:
        return


def read_message(data: bytes) -> None:
    """Read a command set."""
    try:
        read_command(data)
    except Malformed:
        return


def _requests() -> Iterator[bytes]:
    yield associate_rq("CT1", "ALPHA", [(VERIFICATION, IMPLICIT), ("2.25.7", EXPLICIT)])[6:]


def _messages() -> Iterator[bytes]:
    yield _command([_ui(0x0002, VERIFICATION), _us(0x0100, 0x0030), _us(0x0110, 7), _us(0x0800, 0x0101)])


TARGETS = {
    target.name: target
    for target in (
        Target(name="scan", run=scan_data_set, seeds=_data_sets),
        Target(name="readers", run=read_data_set, seeds=_data_sets),
        Target(name="part10", run=read_file, seeds=_files),
        Target(name="request", run=read_request, seeds=_requests),
        Target(name="command", run=read_message, seeds=_messages),
    )
}
