"""How fast an archived study comes back, and a frame of it: beside what one core decodes, and beside a bare `pread`.

A CT of ``RECALL_SLICES`` slices (200) is archived and let go in a node without a web; then by turns, ``RECALL_ROUNDS`` times (5): its frames are
decoded by one process and thrown away; and the study is recalled, with a digest of each instance, a synced pack that is read back from the
disk, and rows that mean it. Frames: each as stored from the open package, and the same bytes by `os.pread`, by turns, 50 times over.
At last one series of eight comes from a bucket (SeaweedFS on this machine, sealed), by ranges and with the package fetched whole, by turns.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from node.archive.archived import is_archived, peek_archived
from node.archive.archiving import archive_study
from node.archive.copies import local_package, open_package
from node.archive.expiring import expire_study
from node.archive.package.members import read_record
from node.archive.reading import peek_frame
from node.archive.recall.recalling import bring
from node.catalogue.search import instances_of
from node.clock import SystemClock
from node.dicom.part10 import read_part10
from node.imaging.lossless import decode, load_codecs
from node.names import StudyKey
from node.node import Node
from tests.bench._apart import ROOT
from tests.bench._series import one_series
from tests.bench._studies import slices
from tests.kit.bare_node import bare_node
from tests.kit.holding import hold
from tests.kit.merging import complete

ROUNDS = int(os.environ.get("RECALL_ROUNDS", "5"))
SLICES = int(os.environ.get("RECALL_SLICES", "200"))
READS = 50


def main() -> None:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        node = bare_node(Path(name), "alpha", SystemClock())
        try:
            key = _archived(node)
            frame, bare = _frames(node, key)
            decoded, recalled = _rates(node, key)
        finally:
            node.close()
        ranges, whole = one_series(Path(name) / "series", count=SLICES, rounds=ROUNDS)
    print(f"{'':<26}{'min':>9}{'median':>9}{'max':>9}{'p99':>9}")
    for what, each, unit in (
        ("frame of an open package", frame, "us"),
        ("the same by pread", bare, "us"),
        ("decoded by one core", decoded, "MB/s"),
        ("recalled", recalled, "MB/s"),
        ("a series, by ranges", ranges.took_ms, "ms"),
        ("... package whole", whole.took_ms, "ms"),
        ("fetched, by ranges", ranges.fetched_mb, "MB"),
        ("... package whole", whole.fetched_mb, "MB"),
    ):
        p99 = f"{_p99(each):9.1f}" if unit == "us" else f"{'':9}"
        print(f"{what:<26}{min(each):9.1f}{statistics.median(each):9.1f}{max(each):9.1f}{p99} {unit}")
    ratios = [ours / core for ours, core in zip(recalled, decoded, strict=True)]
    print(
        f"recall: recall_ratio={statistics.median(ratios):.2f} recalled_mb_s={statistics.median(recalled):.0f}"
        f" frame_p99_ratio={_p99(frame) / _p99(bare):.2f}"
        f" series_ratio={statistics.median(whole.took_ms) / statistics.median(ranges.took_ms):.2f}"
    )


def _archived(node: Node) -> StudyKey:
    _, files = slices(SLICES)
    key = hold(node, [bytes(read_part10(file).data_set) for file in files])
    complete(node, key)
    archive_study(node, origin=key.origin, study_uid=key.study_uid)
    expire_study(node, key, reason="due")
    return key


def _frames(node: Node, key: StudyKey) -> tuple[list[float], list[float]]:
    """Give microseconds of frames through the node, and of the bare reads that they come to."""
    rows = instances_of(node.database, key)
    archived = peek_archived(node.database, key)
    assert archived is not None
    ours, theirs = [], []
    with open_package(node, archived.digest) as package:
        (store,) = node.archive.stores
        path = next(Path(node.archive.folder).glob(f"store-0/??/{archived.digest}"))
        descriptor = os.open(path, os.O_RDONLY)
        assert store.name == "store-0"
        places = [package.instance(row.offset).places[0] for row in rows]
        for read in range(READS):
            for row, place in zip(rows, places, strict=True):
                by_turns: list[tuple[list[float], Callable[[], object]]] = [
                    (ours, partial(peek_frame, node, row, 1)),
                    (theirs, partial(os.pread, descriptor, place.size, place.at)),
                ]
                # The second finds the frame in the processor's cache.
                for times, act in by_turns if read % 2 else reversed(by_turns):
                    times.append(_timed(act))
        os.close(descriptor)
    return ours[SLICES:], theirs[SLICES:]


def _rates(node: Node, key: StudyKey) -> tuple[list[float], list[float]]:
    load_codecs()
    decoded, recalled = [], []
    size = sum(row.data_bytes for row in instances_of(node.database, key)) / 1e6
    for _ in range(ROUNDS):
        os.sync()
        decoded.append(_decoded(node, key))
        os.sync()
        took = _timed(lambda: bring(node, key, who="", why="bench")) / 1e6
        recalled.append(size / took)
        assert not any(is_archived(row.pack) for row in instances_of(node.database, key))
        expire_study(node, key, reason="due")
    return decoded, recalled


def _decoded(node: Node, key: StudyKey) -> float:
    """Give MB/s of samples that one process decodes."""
    archived = peek_archived(node.database, key)
    assert archived is not None
    with (
        node.archive.work_folder(node.clock) as folder,
        local_package(node, archived.digest, folder) as (package, _),
    ):
        numbers = range(1, package.count + 1)
        work = [
            (package.frame(n, 1), package.instance(n).syntax, read_record(package.record(n))[0].layout)
            for n in numbers
        ]
    began = time.perf_counter()
    size = sum(decode(code, syntax, layout).nbytes for code, syntax, layout in work)  # type: ignore[arg-type]
    return size / 1e6 / (time.perf_counter() - began)


def _timed(act: Callable[[], object]) -> float:
    """Give microseconds."""
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e6


def _p99(each: list[float]) -> float:
    return sorted(each)[len(each) * 99 // 100]
