"""How small and how fast the archive's packages are: beside Orthanc's compression, and beside the prototype.

Sizes: every native instance of the open sets as Orthanc keeps it with ``StorageCompression`` (zlib), and what it takes in
a package, records, manifest and ZIP with it. Ratios are theirs by ours: CT, MR, CR with DX and XA, US in RGB, and all instances of all sets.

Speeds: the chest CT of the open sets, ``ARCHIVE_ROUNDS`` times (3), by turns: the prototype, and this node's packages with one process and
with two, as small as can be and fast; each package is read back and compared in all of them. Restoring is with SHA-256 of each original.
Frames: of a CT of 200 slices over WADO-RS, as stored, online and where its package lies; ``first_frame_ratio`` is the latter by the former.
``identical`` is how many instances came back byte for byte of all.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from node.archive.package.reading import Package
from node.archive.package.requests import Profile
from node.archive.package.restoring import Wanted, restore
from node.archive.package.source import FileSource
from node.archive.package.workers import Workers
from node.archive.package.writing import Made
from node.dicom.header import Header, scan
from node.dicom.part10 import read_part10
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dicom.walk import PIXEL_DATA
from ops.free_ports import free_ports
from tests.bench._apart import ROOT, is_apart, run_apart
from tests.bench._archive_web import Served, serve
from tests.bench._servers import Orthanc
from tests.kit.archiving import Given, Shelf, file_of, opened
from tests.kit.corpus import CORPUS, Taken, readable
from tests.kit.seaweed import Seaweed

ROUNDS = int(os.environ.get("ARCHIVE_ROUNDS", "3"))
SLICES = int(os.environ.get("ARCHIVE_SLICES", "200"))
CHEST = "o01-chest-ct-lungfcp-0001"
KINDS = {"CT": "ct", "MR": "mr", "CR": "cr", "DX": "cr", "XA": "cr"}
PROTOTYPE = CORPUS.parents[1] / "reference" / "package_prototype.py"
Spent = dict[str, list[float]]
T = TypeVar("T")


def main() -> None:
    if not is_apart():
        run_apart("archive")
        return
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as folder, ExitStack() as stack:
        one, two = stack.enter_context(Workers(1)), stack.enter_context(Workers(2))
        _say("Archiving the open sets ...")
        sizes, identical, count = _sizes(Path(folder), two)
        ratios = _print_sizes(sizes)
        spent, small, fast = _speeds(Path(folder), one, two)
        local, cloud = _frames(Path(folder))
    _print_speeds(spent, small, fast)
    medians = {name: statistics.median(each) for name, each in spent.items()}
    packed = medians["pack, two processes"] / medians["pack, prototype"]
    restored = medians["restore, two processes"] / medians["restore, prototype"]
    _say(
        f"one process: pack {medians['pack, one process'] / medians['pack, prototype']:.2f}, restore"
        f" {medians['restore, one process'] / medians['restore, prototype']:.2f} of the prototype's; fast profile:"
        f" {medians['pack fast, one process'] / medians['pack, prototype']:.2f} with one process,"
        f" {medians['pack fast, two processes'] / medians['pack, prototype']:.2f} with two, {fast / small - 1:+.1%} bytes;"
        f" two processes by one: pack {medians['pack, two processes'] / medians['pack, one process']:.2f},"
        f" restore {medians['restore, two processes'] / medians['restore, one process']:.2f}"
    )
    _say(
        f"a first frame out of the archive: {local.archived.first_s * 1e3:.1f} ms, then {local.archived.median_ms:.2f} ms"
        f" (online {local.online.median_ms:.2f} ms); encrypted in a bucket {cloud.archived.first_s * 1e3:.1f} ms, then"
        f" {cloud.archived.median_ms:.2f} ms; recalled at {local.recalled_mb_s:.0f} MB/s, {cloud.recalled_mb_s:.0f} from there"
    )
    first = local.archived.median_ms / local.online.median_ms
    found = " ".join(f"{kind}_ratio={ratios[kind]:.2f}" for kind in ("ct", "mr", "cr", "us", "all"))
    print(
        f"archive: {found} identical={identical}/{count} pack_ratio={packed:.2f} restore_ratio={restored:.2f}"
        f" first_frame_ratio={first:.2f}"
    )


def _frames(folder: Path) -> tuple[Served, Served]:
    """Serve a study of ``ARCHIVE_SLICES`` (200) online, then out of a folder, and out of a bucket."""
    _say("Serving frames ...")
    local = serve(folder / "local", SLICES)
    (folder / "weed").mkdir()
    with Seaweed(folder / "weed") as server:
        server.make_bucket("packages")
        cloud = serve(folder / "cloud", SLICES, bucket=server.endpoint)
    return local, cloud


def _sizes(folder: Path, workers: Workers) -> tuple[dict[str, list[tuple[int, int, int]]], int, int]:
    """Give, for each kind, what instances are by themselves, in Orthanc, and in packages; and how many came back."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    identical = count = refused = 0
    with _orthanc(folder / "orthanc") as compressed:
        for n, files in enumerate(_studies().values()):
            place = folder / f"study-{n}"
            place.mkdir()
            shelf = Shelf(place, workers)
            originals = [shelf.put(given_of(taken)) for taken in files]
            made = shelf.make(originals)
            package = opened(made.path)
            of = {each.offset: taken for each, taken in zip(originals, files, strict=True)}
            beside = made.size_bytes - sum(
                package.content(number)[3] for number in range(1, package.count + 1)
            )
            for number, line in enumerate(package.arrivals(), start=1):
                taken = of[json.loads(line)["at"]]
                given = given_of(taken)
                count += 1
                identical += file_of(package, number) == given.file
                stored = package.content(number)[3] + beside // package.count
                theirs = compressed(given.file)
                if theirs is None:
                    refused += 1
                    continue
                for kind in ("all", kind_of(scan(taken.data_set, taken.transfer_syntax))):
                    found.setdefault(kind, []).append((len(given.file), theirs, stored))
    _say(f"{refused} instances are no DICOM to Orthanc, and stand in no row")
    return found, identical, count


def kind_of(header: Header) -> str:
    """Say in which row of the table an instance stands."""
    native = header.transfer_syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE) and PIXEL_DATA in header.elements
    modality = header.text(0x00080060)
    if not native or header.elements[PIXEL_DATA].undefined:
        return "not native"
    if modality == "US":
        return "us" if header.text(0x00280004) == "RGB" else "other"
    return KINDS.get(modality, "other")


def given_of(taken: Taken) -> Given:
    """Give a file of the corpus as it is archived."""
    return Given(taken.data_set, taken.transfer_syntax, read_part10(taken.path.read_bytes()).file_meta)


def _studies() -> dict[tuple[str, str], list[Taken]]:
    found: dict[tuple[str, str], list[Taken]] = {}
    for taken in readable():
        found.setdefault((taken.set, taken.study_uid), []).append(taken)
    return found


class _orthanc:  # noqa: N801  # used as a context
    """Orthanc that compresses; called with a file, it gives the bytes that the file takes there."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        said = {
            "HttpServerEnabled": True, "HttpPort": self._port, "AuthenticationEnabled": False,
            "StorageCompression": True, "OverwriteInstances": True,
        }  # fmt: skip
        self._running = Orthanc(**said).run(folder, os.environ)

    def __enter__(self) -> Callable[[bytes], int | None]:
        self._running.__enter__()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

        def ask(method: str, path: str, body: bytes | None = None) -> bytes:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
            return content if answer.status == 200 else b""

        def compressed(file: bytes) -> int | None:
            taken = ask("POST", "/instances", file)
            if not taken:
                return None
            uid = json.loads(taken)["ID"]
            size = int(ask("GET", f"/instances/{uid}/attachments/dicom/compressed-size"))
            ask("DELETE", f"/instances/{uid}")
            return size

        return compressed

    def __exit__(self, *said: object) -> None:
        self._running.__exit__(None, None, None)


def _print_sizes(sizes: dict[str, list[tuple[int, int, int]]]) -> dict[str, float]:
    print(
        f"{'':<12}{'instances':>10}{'bytes':>14}{'orthanc':>14}{'package':>14}{'by itself':>11}{'by orthanc':>11}"
    )
    ratios = {}
    for kind in ("ct", "mr", "cr", "us", "other", "not native", "all"):
        plain, theirs, ours = (sum(column) for column in zip(*sizes[kind], strict=True))
        ratios[kind] = theirs / ours
        print(
            f"{kind:<12}{len(sizes[kind]):>10}{plain:>14}{theirs:>14}{ours:>14}{plain / ours:>11.2f}{theirs / ours:>11.2f}"
        )
    return ratios


def _speeds(folder: Path, one: Workers, two: Workers) -> tuple[Spent, int, int]:
    chest = [given_of(taken) for taken in readable() if taken.set == CHEST]
    size = sum(len(each.file) for each in chest) / 1e6
    prototype, spent = _prototype(), Spent()
    small = fast = 0
    for number in range(ROUNDS):
        _say(f"Round {number + 1} of {len(chest)} slices ...")
        by_prototype = folder / f"prototype-{number}.zip"
        files = [({"n": n}, each.file) for n, each in enumerate(chest)]
        _timed(spent, "pack, prototype", size, partial(prototype.write_package, by_prototype, files))
        _timed(spent, "restore, prototype", size, partial(_all_restored, prototype, by_prototype))
        for workers, said in ((one, "one process"), (two, "two processes")):
            for profile, name in ((Profile.SMALL, "pack"), (Profile.FAST, "pack fast")):
                place = folder / f"{number}-{workers.count}-{profile.value}"
                place.mkdir()
                shelf = Shelf(place, workers)
                originals = [shelf.put(each) for each in chest]
                made = _timed(spent, f"{name}, {said}", size, partial(shelf.make, originals, profile=profile))
                if profile is Profile.SMALL:
                    small = made.size_bytes
                    _timed(spent, f"restore, {said}", size, partial(_restored, made, place, workers))
                else:
                    fast = made.size_bytes
    return spent, small, fast


def _all_restored(prototype: ModuleType, path: Path) -> None:
    for _ in prototype.restore(path):
        pass


def _restored(made: Made, folder: Path, workers: Workers) -> None:
    package = Package(FileSource(made.path))
    sink = folder / "restored"
    sink.touch()
    longest = max(
        package.instance(n).meta_bytes + package.instance(n).data_bytes for n in range(1, package.count + 1)
    )
    wanted = (Wanted(number=n, file=str(sink), at=(n - 1) * longest) for n in range(1, package.count + 1))
    done = sum(1 for _ in restore(package, made.path, workers, wanted))
    assert done == package.count


def _timed(spent: Spent, what: str, size: float, act: Callable[[], T]) -> T:
    os.sync()
    began = time.perf_counter()
    result = act()
    spent.setdefault(what, []).append(size / (time.perf_counter() - began))
    return result


def _prototype() -> ModuleType:
    if not PROTOTYPE.exists():
        raise SystemExit("This bench needs reference/package_prototype.py beside the open sets.")
    told = importlib.util.spec_from_file_location("package_prototype", PROTOTYPE)
    assert told is not None
    assert told.loader is not None
    module = importlib.util.module_from_spec(told)
    told.loader.exec_module(module)
    return module


def _print_speeds(spent: Spent, small: int, fast: int) -> None:
    print(f"{'':<28}{'min':>8}{'median':>8}{'max':>8}")
    for what, each in spent.items():
        print(f"{what:<28}{min(each):8.1f}{statistics.median(each):8.1f}{max(each):8.1f} MB/s")
    print(f"{'bytes':<28}{small:>14} small {fast:>14} fast")


def _say(words: str) -> None:
    print(words, flush=True)
