"""How fast this node answers over DICOMweb, beside Orthanc with its plug-in: the same studies, by turns.

Queries: eight shapes at ``DICOMWEB_STUDIES`` small studies (20,000), each asked ``DICOMWEB_ASKED`` times (20); both
must find as many. Then a CT study of ``DICOMWEB_SLICES`` slices (200, 105 MB) is stored by STOW-RS into both,
``DICOMWEB_ROUNDS`` times (3), another one each time, and read: whole, by frames, as pictures. A picture is asked for
once of each slice, so that none is answered from what was kept.

First byte: from the request to the first byte of a whole study's body. ``bare`` is aiohttp with `pread` and nothing else,
in one process with this node's web, over the same pack; frames are asked of both by turns.

Ratios are of medians: theirs by ours, for MB/s ours by theirs; of frames beside the bare handler ours by its.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.bench._apart import ROOT, is_apart, run_apart
from tests.bench._client import Answered, Connection
from tests.bench._studies import slices, small_studies
from tests.bench._web_servers import Served, bare, meridian, orthanc
from tests.kit.stow import BOUNDARY, files

STUDIES = int(os.environ.get("DICOMWEB_STUDIES", "20000"))
SLICES = int(os.environ.get("DICOMWEB_SLICES", "200"))
ROUNDS = int(os.environ.get("DICOMWEB_ROUNDS", "3"))
ASKED = int(os.environ.get("DICOMWEB_ASKED", "20"))
OURS, ORTHANC = "meridian", "orthanc"
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
OCTETS = 'multipart/related; type="application/octet-stream"'
SHAPES = {
    "patient id": "PatientID=P000017",
    "study uid": "StudyInstanceUID={uid}",
    "dates": "StudyDate=20200101-20200131&limit=50",
    "modality": "ModalitiesInStudy=MR&limit=50",
    "name prefix": "PatientName=Wang^XiaoDong1*&limit=50",  # the plug-in does not decode %5E
    "name inside": "PatientName=*Dong1*&limit=50",
    "accession": "AccessionNumber=A0000123",
    "deep page": "includefield=all&limit=50&offset={deep}",
}
Spent = dict[str, dict[str, list[float]]]
"""What was measured, by what and by whom; seconds, or MB/s."""


class Client:
    """One connection that is kept, as a viewer keeps it."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._connection = Connection(served.host, served.port)

    def ask(
        self, path: str, *, accept: str = "application/dicom+json", headers: Mapping[str, str] | None = None,
        body: bytes | None = None, keep: bool = True,
    ) -> Answered:  # fmt: skip
        """Ask, and read the answer whole; see `Connection.ask`."""
        said = {**self._served.headers, "Accept": accept, **(headers or {})}
        if body is not None:
            self._connection.close()  # what was idle while a study was made may be closed at the other end
        method = "GET" if body is None else "POST"
        found = self._connection.ask(method, self._served.root + path, headers=said, body=body, keep=keep)
        assert found.status == 200, (path, found.status, found.body[:300])
        return found


def main() -> None:
    if not is_apart():
        run_apart("dicomweb")
        return
    began = time.monotonic()
    studies = list(small_studies(STUDIES))
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as folder, ExitStack() as stack:
        _say(f"Filling both with {STUDIES} studies ...")
        beside = Path(folder)
        served = {
            OURS: stack.enter_context(meridian(beside / OURS, studies)),
            ORTHANC: stack.enter_context(orthanc(beside / ORTHANC, studies)),
        }
        clients = {name: Client(each) for name, each in served.items()}
        spent: Spent = {}
        uid = studies[len(studies) // 2].study_uid
        _ask_queries(clients, spent, uid)
        for number in range(ROUNDS):
            _say(f"Round {number + 1} of {SLICES} slices ...")
            _store_and_read(clients, spent)
        ours, other = stack.enter_context(bare(beside / "bare", slices(min(SLICES, 50))[1]))
        _ask_beside_bare({OURS: Client(ours), "bare": Client(other)}, spent)
    _print_table(spent)
    _say(f"took {(time.monotonic() - began) / 60:.1f} min")
    print(summary(spent))


def _ask_queries(clients: Mapping[str, Client], spent: Spent, uid: str) -> None:
    for shape, query in SHAPES.items():
        path = "/studies?" + query.format(uid=uid, deep=STUDIES * 3 // 4)
        found = {}
        for _ in range(ASKED):
            for name, client in clients.items():
                answer = client.ask(path)
                _note(spent, f"qido {shape}", name, answer.whole_s)
                found[name] = len(msgspec.json.decode(answer.body))
        assert len(set(found.values())) == 1, (shape, found)


def _store_and_read(clients: Mapping[str, Client], spent: Spent) -> None:
    study, contents = slices(SLICES)
    body = files(*contents)
    multipart = {"Content-Type": f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'}
    for name, client in clients.items():
        os.sync()  # what others left to write is not for this one to wait for
        stored = client.ask("/studies", headers=multipart, body=body)
        _note(spent, "stow MB/s", name, len(body) / 1e6 / stored.whole_s)
    for _ in range(3):
        for name, client in clients.items():
            whole = client.ask(f"/studies/{study}", accept=AS_STORED, keep=False)
            assert whole.size > SLICES * 512 * 512 * 2, f"{name} gave less than was stored"
            _note(spent, "study MB/s", name, whole.size / 1e6 / whole.whole_s)
            _note(spent, "first byte", name, whole.first_s)
    series = f"/studies/{study}/series/{study}.1/instances"
    for number in range(1, SLICES + 1):
        place = f"{series}/{study}.1.{number}"
        for name, client in clients.items():
            frame = client.ask(f"{place}/frames/1", accept=OCTETS)
            _note(spent, "frame", name, frame.whole_s)
            picture = client.ask(f"{place}/rendered", accept="image/jpeg")
            assert picture.body[:2] == b"\xff\xd8", f"{name} gave no JPEG"
            _note(spent, "rendered", name, picture.whole_s)


def _ask_beside_bare(clients: Mapping[str, Client], spent: Spent) -> None:
    """Ask for every frame several times, so that places are known to both."""
    found = msgspec.json.decode(clients[OURS].ask("/studies").body)
    study = found[0]["0020000D"]["Value"][0]
    count = found[0]["00201208"]["Value"][0]
    for turn in range(20):
        for number in range(1, count + 1):
            path = f"/studies/{study}/series/{study}.1/instances/{study}.1.{number}/frames/1"
            for name, client in clients.items():
                answer = client.ask(path, accept="application/octet-stream")
                assert len(answer.body) == 512 * 512 * 2
                if turn:
                    _note(spent, "frame beside bare", name, answer.whole_s)


def _note(spent: Spent, what: str, name: str, figure: float) -> None:
    spent.setdefault(what, {}).setdefault(name, []).append(figure)


def _print_table(spent: Spent) -> None:
    print(f"{'':<22}{'':<10}{'min':>10}{'median':>10}{'max':>10}")
    for what, by_name in spent.items():
        scale, unit = (1.0, "MB/s") if what.endswith("MB/s") else (1e3, "ms")
        for name, figures in by_name.items():
            row = [min(figures), statistics.median(figures), max(figures)]
            print(f"{what:<22}{name:<10}" + "".join(f"{figure * scale:10.2f}" for figure in row) + f" {unit}")


def summary(spent: Spent) -> str:
    """Give the last line; what was not measured is ``nan``."""

    def median(what: str, name: str) -> float:
        figures: Sequence[float] = spent.get(what, {}).get(name, [])
        return statistics.median(figures) if figures else float("nan")

    def sooner(what: str) -> float:
        return median(what, ORTHANC) / median(what, OURS)

    def faster(what: str) -> float:
        return median(what, OURS) / median(what, ORTHANC)

    ratios: dict[str, Callable[[], float]] = {
        "qido_ratio_min": lambda: min(sooner(f"qido {shape}") for shape in SHAPES),
        "wado_study_ratio": lambda: faster("study MB/s"),
        "first_byte_ratio": lambda: sooner("first byte"),
        "frame_ratio": lambda: sooner("frame"),
        "frame_bare_ratio": lambda: median("frame beside bare", OURS) / median("frame beside bare", "bare"),
        "rendered_ratio": lambda: sooner("rendered"),
        "stow_ratio": lambda: faster("stow MB/s"),
    }
    return "dicomweb: " + " ".join(f"{name}={ratio():.2f}" for name, ratio in ratios.items())


def _say(words: str) -> None:
    print(words, flush=True)
