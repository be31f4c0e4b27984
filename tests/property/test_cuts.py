"""A data set that is cut off is never acknowledged: at every byte of small files, at every element of real ones.

One exception cannot be told from a whole data set and is counted apart: a cut exactly between two elements of the
top level (or where only padding was cut away), behind all that an instance must have. What is left is a shorter data set like
any other. In a deflated one nothing can be cut, since the stream says where it ends.
"""

from __future__ import annotations

import json
import os
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from node.dicom import walk
from node.dicom.header import Header, identify, scan
from node.dicom.part10 import Part10, read_part10
from node.dicom.syntax import is_deflated
from node.dimse.refusals import FILE, RefusalLog
from node.dimse.store_scp import Caller, Session
from node.errors import GridError
from node.names import Cause, NodeId
from tests.kit.clock import FrozenClock
from tests.kit.intake import ADMITTED, store
from tests.kit.malformed import CORPUS, Case, Source, sources, with_uids
from tests.kit.packs import open_packs

LONG = bool(os.environ.get("MERIDIAN_LONG"))
SMALL_BYTES = 4096
SMALL_FILES = 20
SAMPLED_FILES = 40
"""Of the open corpus, when the sweep is not long."""


def test_twenty_small_files_cut_at_every_byte_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda _descriptor: None)
    counted = Counter[str]()
    for n, source in enumerate(small_sources()):
        case = whole_case(source, n)
        session = open_session(tmp_path / str(n))
        allowed = set(between_elements(case))
        assert session(case, len(case.data_set)) == 0
        for length in range(len(case.data_set)):
            status = session(case, length)
            counted[f"0x{status:04X}"] += 1
            if length in allowed:
                counted["between elements"] += 1
                assert status == 0, (case.name, length)
            else:
                assert status in (0xC000, 0xA900), (case.name, length)
    print(f"{SMALL_FILES} files cut at every byte: {dict(counted)}")
    assert counted["0x0000"] == counted["between elements"]
    assert counted["0xC000"] > 10 * SMALL_FILES


@pytest.mark.timeout(3600)
def test_every_file_of_the_corpus_cut_at_its_elements_is_refused() -> None:
    cuts, between = 0, 0
    for path, parts, header in corpus():
        allowed = set(boundaries(header)) if not is_deflated(parts.transfer_syntax) else whole_streams(parts)
        for length in sorted(near(places(parts, header), len(parts.data_set))):
            cuts += 1
            if not acknowledged(parts, length):
                continue
            between += 1
            assert length in allowed, (path.name, length)
    print(f"{cuts} cuts, {between} of them between elements of the top level")
    assert cuts > 3000


def test_a_planted_scan_that_believes_a_length_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    case = whole_case(small_sources()[0], 0)
    parts = Part10(
        file_meta=b"",
        transfer_syntax=case.transfer_syntax,
        sop_class=case.sop_class,
        sop_uid=case.sop_uid,
        data_set=memoryview(case.data_set),
    )
    last = len(case.data_set) - 1
    assert last not in set(between_elements(case))
    assert not acknowledged(parts, last)
    monkeypatch.setattr(walk, "_SLACK_BYTES", 1 << 40)
    assert acknowledged(parts, last)


def small_sources() -> list[Source]:
    """Give twenty valid instances: those written by hand in each syntax, and small real ones."""
    fitting = [one for one in dict.fromkeys(sources()) if len(one.data_set) <= SMALL_BYTES]
    by_syntax: dict[str, list[Source]] = {}
    for one in fitting:
        by_syntax.setdefault(one.transfer_syntax, []).append(one)
    turns = [group[n] for n in range(len(fitting)) for group in by_syntax.values() if n < len(group)]
    return turns[:SMALL_FILES]


def whole_case(source: Source, n: int) -> Case:
    """Give an instance with the command that belongs to it."""
    data_set = with_uids(source, n)
    ids = identify(scan(data_set, source.transfer_syntax))
    return Case(f"source {n}", ids.sop_class, ids.sop_uid, source.transfer_syntax, data_set)


def between_elements(case: Case) -> Iterator[int]:
    """Give the lengths at which a cut leaves whole elements, the four UIDs among them."""
    if is_deflated(case.transfer_syntax):
        return
    header = scan(case.data_set, case.transfer_syntax)
    yield from boundaries(header)


def boundaries(header: Header) -> Iterator[int]:
    """Give where elements of the top level end, from the last of the four UIDs on."""
    needed = max(header.elements[tag].offset for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E))
    for element in header.elements.values():
        if element.offset >= needed:
            yield element.offset + element.length


def open_session(folder: Path) -> Callable[[Case, int], int]:
    """Give a function that stores a case's beginning and gives its status."""
    clock = FrozenClock()
    session = Session(
        Caller(calling="CT1", called="ALPHA", address="10.0.0.7"),
        ADMITTED,
        node=NodeId("alpha"),
        packs=open_packs(folder / "packs", clock=clock),
        clock=clock,
        cause=Cause("cause"),
        refusals=RefusalLog(folder / FILE, clock),
        stored=lambda: None,
    )

    return lambda case, length: store(session, replace(case, data_set=case.data_set[:length])).status


@cache
def corpus() -> tuple[tuple[Path, Part10, Header], ...]:
    """Give the readable files of the open corpus with a place in a study; some of them, when the sweep is not long."""
    entries = json.loads((CORPUS / "manifest.json").read_text())["files"]
    paths = [CORPUS / entry["path"] for entry in entries if entry["kind"] == "dicom"]
    chosen = paths if LONG else random.Random(7).sample(paths, SAMPLED_FILES)
    found = []
    for path in chosen:
        try:
            parts = read_part10(path.read_bytes())
            header = scan(parts.data_set, parts.transfer_syntax)
            identify(header)
        except GridError:
            continue
        found.append((path, parts, header))
    assert len(found) > 0.9 * len(chosen) - 10
    return tuple(found)


def places(parts: Part10, header: Header) -> Iterator[int]:
    """Give where heads and values of the top level begin and end; in a deflated data set places all over it."""
    if is_deflated(parts.transfer_syntax):
        yield from range(0, len(parts.data_set), max(1, len(parts.data_set) // 200))
        return
    for element in header.elements.values():
        yield from (element.start, element.offset, element.offset + element.length)


def near(at: Iterable[int], end: int) -> set[int]:
    """Give places and the bytes beside them, short of the whole."""
    return {place + by for place in at for by in (-1, 0, 1) if 0 <= place + by < end}


def acknowledged(parts: Part10, length: int) -> bool:
    """Say whether the beginning of a data set would be stored."""
    try:
        identify(scan(parts.data_set[:length], parts.transfer_syntax))
    except GridError:
        return False
    return True


def whole_streams(parts: Part10) -> set[int]:
    """Give the one length at which a deflate stream ends before its trailer or padding."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    stream.decompress(parts.data_set)
    return {len(parts.data_set) - len(stream.unused_data)}
