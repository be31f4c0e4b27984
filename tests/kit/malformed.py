"""Instances as nobody should send them: an endless, seeded stream, each made again from its number alone.

Every case is a command's UIDs, a transfer syntax and the bytes of a data set. It
begins as a valid instance, small and written here or the head of a real file,
with UIDs of its own, and is then spoiled in one way; how is in `spoiling`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count as counting
from pathlib import Path

from node.dicom.header import identify, scan
from node.dicom.part10 import read_part10
from node.errors import GridError
from node.names import is_uid
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    LITTLE,
    RLE,
    UNDEFINED,
    deflate,
    encapsulate,
    encoding_of,
    make_ct,
)
from tests.kit.spoiled import Spoiled
from tests.kit.spoiling import KINDS

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"
HEAD_BYTES = 8192
INSTANCES_OF_A_STUDY = 64
_UIDS = (0x00080018, 0x0020000D, 0x0020000E)


@dataclass(frozen=True, slots=True)
class Case:
    """One C-STORE that somebody might send."""

    name: str
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    data_set: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A valid instance to begin with; its UIDs are replaced at their places."""

    transfer_syntax: str
    data_set: bytes


def cases(
    count: int | None = None, *, seed: int = 0, first: int = 0, kind: str | None = None
) -> Iterator[Case]:
    """Give cases one after the other; without a count, for ever."""
    for n in counting(first) if count is None else range(first, first + count):
        yield case(n, seed=seed, kind=kind)


def case(n: int, *, seed: int = 0, kind: str | None = None) -> Case:
    """Make one case; the kinds take turns, or there is only one."""
    chance = random.Random(f"{seed}/{n}")
    source = chance.choice(sources())
    data_set = with_uids(source, n)
    ids = identify(scan(data_set, source.transfer_syntax))
    names = list(KINDS)
    name = kind or names[n % len(names)]
    spoiled = KINDS[name](Spoiled(source.transfer_syntax, data_set, ids.sop_class, ids.sop_uid), chance)
    return Case(
        name=f"{seed}/{n} {name}",
        sop_class=spoiled.sop_class,
        sop_uid=spoiled.sop_uid,
        transfer_syntax=spoiled.transfer_syntax,
        data_set=spoiled.data_set,
    )


def with_uids(source: Source, n: int) -> bytes:
    """Give a source UIDs of its own, each as long as it was: instance ``n``, of a study shared with its neighbours."""
    deflated = source.transfer_syntax == DEFLATED
    header = scan(source.data_set, source.transfer_syntax)
    written = bytearray(header.data)
    for tag, number in zip(_UIDS, (n, n // INSTANCES_OF_A_STUDY, n // INSTANCES_OF_A_STUDY), strict=True):
        element = header.elements[tag]
        digits = f"{number + 1}".rjust(element.length - 5, "7")
        written[element.offset : element.offset + element.length] = f"2.25.{digits}".encode()
    return deflate(bytes(written)) if deflated else bytes(written)


@cache
def sources() -> tuple[Source, ...]:
    """Give the valid instances: as many of the kinds written here as of real ones."""
    written = written_sources()
    heads = tuple(_heads())
    assert heads, f"the open corpus is not at {CORPUS}: put it there, or little is shown"
    return (*written * max(1, len(heads) // len(written)), *heads)


def written_sources() -> tuple[Source, ...]:
    """Write an instance in each syntax, with nested, private, encapsulated and Chinese parts."""
    long = {
        "study_uid": "2.25.1" + "0" * 24,
        "series_uid": "2.25.2" + "0" * 24,
        "sop_uid": "2.25.3" + "0" * 24,
    }
    made = [
        Source(syntax, make_ct(transfer_syntax=syntax, **long))  # type: ignore[arg-type]
        for syntax in (EXPLICIT, IMPLICIT, BIG, DEFLATED)
    ]
    for syntax in (EXPLICIT, IMPLICIT, BIG):
        how = encoding_of(syntax)
        name = how.element(0x00100010, "PN", "王^小明", charset="gb18030")
        inner = how.sequence(0x00400555, how.item(name), how.item(name, delimited=True), delimited=True)
        change = {
            0x00080005: ("CS", "GB18030"),
            0x00081140: ("SQ", how.item(inner) + how.item()),
            0x00090010: ("LO", "MERIDIAN TEST"),
            0x00091001: ("UN", how.item(name)),
            0x00100010: ("PN", "Wang^Xiaoming=王^小明"),
        }
        made.append(
            Source(syntax, make_ct(transfer_syntax=syntax, python_charset="gb18030", change=change, **long))  # type: ignore[arg-type]
        )
    pixels = encapsulate(b"\xff\xd8" + bytes(30), bytes(8), table=bytes(4))
    bare = make_ct(change={0x7FE00010: None}, **long)  # type: ignore[arg-type]
    made += [
        Source(syntax, bare + LITTLE.element(0x7FE00010, "OB", pixels, length=UNDEFINED))
        for syntax in (JPEG_BASELINE, RLE)
    ]
    return tuple(made)


def _heads() -> Iterator[Source]:
    """Give what stands before the pixels in real files, where that is little."""
    for entry in json.loads((CORPUS / "manifest.json").read_text())["files"]:
        if entry["kind"] != "dicom":
            continue
        try:
            parts = read_part10((CORPUS / entry["path"]).read_bytes())
            header = scan(parts.data_set, parts.transfer_syntax)
            identify(header)
        except GridError:
            continue
        end = min(
            (e.start for tag, e in header.elements.items() if tag >= 0x7FE00000), default=len(header.data)
        )
        longest = max((header.elements[tag].length for tag in _UIDS), default=0)
        shortest = min(header.elements[tag].length for tag in _UIDS)
        if not header.whole or end > HEAD_BYTES or shortest < 20 or longest > 64:
            continue
        head = bytes(header.data[:end])
        deflated = parts.transfer_syntax == DEFLATED
        yield Source(parts.transfer_syntax, deflate(head) if deflated else head)


def part10_with_preamble(file: bytes, preamble: bytes) -> bytes:
    """Put another preamble before a DICOM file: what a polyglot is made of."""
    return preamble.ljust(128, b"\0")[:128] + file[128:]


PREAMBLES = {
    "tiff": b"II*\x00\x10\x00\x00\x00" + bytes(8) + b"\x01\x00\x00\x01\x04\x00",
    "tiff big endian": b"MM\x00*\x00\x00\x00\x10",
    "windows program": b"MZ" + bytes(58) + b"\x80\x00\x00\x00",
    "web page": b"<html><script>alert(1)</script>",
    "zip": b"PK\x03\x04\x14\x00\x00\x00",
    "elf": b"\x7fELF\x02\x01\x01",
    "shell": b"#!/bin/sh\nid\n",
    "pdf": b"%PDF-1.7\n",
}
"""What else a DICOM file can be made to be, by its first 128 bytes.

Source: DICOM PS3.10 7.5; Ortiz, HIPAA-compliant malware in DICOM preambles, CVE-2019-11687.
"""

HOSTILE_TITLES = (
    b"",
    b" " * 16,
    b"\0" * 16,
    b"A\\B",
    b"CT1\0CT2",
    b"CT1\r\nCT2",
    b"\x1b$)A\xb0\xa1",
    b"\xff" * 16,
    "放射科".encode("gb18030"),
    b"../../etc/passwd",
    b"x'00'",
    b"';DROP TABLE x--",
    b"*",
    b"a" * 16,
)
"""AE titles as they stand in the sixteen bytes of an A-ASSOCIATE-RQ (padded by whoever sends them)."""


def valid_uids(sop_class: str, sop_uid: str) -> bool:
    """Say whether both are UIDs."""
    return is_uid(sop_class) and is_uid(sop_uid)
