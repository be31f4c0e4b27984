"""How fast queries and retrievals are answered: this node and Orthanc, side by side, on the same instances.

Both hold the same studies, received by C-STORE, and run at once; they take turns, shape by shape and round
by round. C-FIND is asked by a client that reads every answer and looks into none, over an association that
stands. C-GET is unmodified ``getscu``, C-MOVE unmodified ``movescu`` towards an unmodified ``storescp``; both drop
what comes (``--ignore``), and both take PDUs of 128 KiB. A time is from the request to the last answer, for the
programs from their start to their end; ratios are of medians.

``least`` is what is left of a C-MOVE by a sender that costs nothing: the start of ``movescu``, and what ``storescp`` takes
to be sent the same instances from memory. No server comes nearer to Orthanc than its ratio.

``DIMSE_STUDIES`` (20000) says how many small studies there are beside one CT of 200 slices, ``DIMSE_ROUNDS`` how
often each shape is asked.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from federation.statements import CENTRE
from node.dicom.part10 import read_part10
from node.dimse.admission import save_rule
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote
from node.dimse.rule_form import RuleForm, RuleKey
from node.dimse.rules import OWN
from node.names import NodeId
from node.people.accounts import OPERATOR
from ops.founding import Place, found_on_this_machine
from ops.free_ports import free_ports
from tests.bench._apart import ROOT, is_apart, run_apart
from tests.bench._asking import Asker, Key
from tests.bench._objects import KINDS, write_series
from tests.bench._servers import ORTHANC, OURS, Listening, Meridian, Orthanc, program
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import RawSender

STUDIES, ROUNDS, SLICES = 20_000, 7, 200
ANSWERED: tuple[Key, ...] = (
    (0x00080020, "DA", ""),
    (0x00080050, "SH", ""),
    (0x00080052, "CS", "STUDY"),
    (0x00080061, "CS", ""),
    (0x00081030, "LO", ""),
    (0x00100010, "PN", ""),
    (0x00100020, "LO", ""),
    (0x0020000D, "UI", ""),
)
"""What every query wants to know."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A query, and how many studies of so many it finds."""

    key: Key
    found: Callable[[int], int]


def shapes(studies: int) -> dict[str, Shape]:
    """Give the queries that are asked."""
    some = studies // 2
    return {
        "patient_id": Shape((0x00100020, "LO", f"B{some:06d}"), lambda n: 1),
        "study_uid": Shape((0x0020000D, "UI", uid(some)), lambda n: 1),
        "accession": Shape((0x00080050, "SH", f"A{some:06d}"), lambda n: 1),
        "date": Shape((0x00080020, "DA", "20260105"), lambda n: len(range(4, n, 28))),
        "name_prefix": Shape((0x00100010, "PN", "Wang^0005*"), lambda n: 100),
        "name_inside": Shape(
            (0x00100010, "PN", "*0077*"), lambda n: sum("0077" in name(m) for m in range(n))
        ),
        "everything": Shape((0x00100020, "LO", ""), lambda n: n + 1),
    }


def main() -> None:
    if not is_apart():
        run_apart("dimse")
        return
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    studies = int(os.environ.get("DIMSE_STUDIES", STUDIES))
    rounds = int(os.environ.get("DIMSE_ROUNDS", ROUNDS))
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as folder,
        serving(Path(folder)) as (servers, sink),
    ):
        fill(servers, Path(folder), studies)
        times: dict[tuple[str, str], list[float]] = {}
        askers = {name: Asker(server.port, server.aet) for name, server in servers.items()}
        for shape_name, shape in shapes(studies).items():
            for _ in range(rounds):
                for server_name, asker in askers.items():
                    spent = _asked(asker, shape, studies)
                    times.setdefault((shape_name, server_name), []).append(spent)
        for asker in askers.values():
            asker.release()
        for way, command in (("cget", _getscu), ("cmove", _movescu)):
            for _ in range(rounds):
                for server_name, server in servers.items():
                    times.setdefault((way, server_name), []).append(_timed(command(server)))
        times["cmove", "least"] = [_least(Path(folder), sink) for _ in range(rounds)]
    _print_table(times)
    print(f"took {(time.monotonic() - began) / 60:.1f} min", flush=True)
    print(summary(times))


@contextmanager
def serving(folder: Path) -> Iterator[tuple[dict[str, Listening], int]]:
    """Run both servers, and the storescp that C-MOVE sends to; give them, and its port."""
    (sink,) = free_ports(1)
    environment = {**os.environ, "TCP_NODELAY": "1"}
    ours = Asked(folder, sink)
    theirs = Orthanc(
        DicomModalities={"SINK": ["SINK", "127.0.0.1", sink]},
        DicomAlwaysAllowFind=True,
        DicomAlwaysAllowGet=True,
        DicomAlwaysAllowMove=True,
        SyncStorageArea=False,
    )
    keeper = [program("storescp"), "-aet", "SINK", "--ignore", "-pdu", "131072", str(sink)]
    with (
        subprocess.Popen(keeper, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as storescp,
        ours.run(folder / "ours", environment) as first,
        theirs.run(folder / "theirs", environment) as second,
    ):
        try:
            yield {OURS: first, ORTHANC: second}, sink
        finally:
            storescp.terminate()


class Asked(Meridian):
    """A node whose rule lets everybody here query, and which knows where C-MOVE sends to."""

    def __init__(self, directory: Path, sink: int) -> None:
        self._founded = directory / "founded"
        place = Place(id="alpha", name="Alpha", role=CENTRE, listens=True, reserve_mb=2048, quiet_s=60.0)
        node = found_on_this_machine(self._founded, (place,))[NodeId("alpha")]
        key = RuleKey(calling="*", address="127.0.0.1")
        save_rule(node, OPERATOR.id, RuleForm(key=key, admitted=True, issuer="HIS", reads=OWN))
        form = RemoteForm(name="sink", aet="SINK", host="127.0.0.1", port=sink, send=True)
        add_remote(node, OPERATOR, form)
        node.close()


def fill(servers: dict[str, Listening], folder: Path, studies: int) -> None:
    """Send everything to both, and wait until all of it can be found."""
    slices = write_series(folder / "ct", KINDS["ct"], study=SERIES_STUDY, count=SLICES)
    for server_name, server in servers.items():
        print(f"Sending {studies} studies to {server_name} ...", flush=True)
        began = time.monotonic()
        with RawSender("127.0.0.1", server.port, calling="BENCH", called=server.aet, contexts=[(CT_IMAGE, EXPLICIT)]) as sender:  # fmt: skip
            for n in range(studies):
                answer = sender.store(
                    sop_class=CT_IMAGE, sop_uid=f"{uid(n)}.1.1", transfer_syntax=EXPLICIT, data_set=small(n)
                )
                assert answer.status == 0, answer
            sender.release()
        storescu = ["storescu", "-aet", "BENCH", "-aec", server.aet, "127.0.0.1", str(server.port)]
        subprocess.run([*storescu, *map(str, slices)], check=True, capture_output=True)
        asker = Asker(server.port, server.aet)
        while asker.find((0x00080052, "CS", "STUDY"), (0x0020000D, "UI", "")) < studies + 1:
            assert time.monotonic() - began < 900, "not all of it is found"
            time.sleep(0.5)
        asker.release()
        print(f"  {time.monotonic() - began:.0f} s", flush=True)


SERIES_STUDY = "2.25.88"


def uid(n: int) -> str:
    """Give a small study's UID."""
    return f"2.25.9000{n}"


def name(n: int) -> str:
    """Give a small study's patient."""
    return f"Wang^{n:06d}"


def small(n: int) -> bytes:
    """Give the only instance of a small study."""
    return make_ct(
        study_uid=uid(n),
        series_uid=f"{uid(n)}.1",
        sop_uid=f"{uid(n)}.1.1",
        patient_id=f"B{n:06d}",
        patient_name=name(n),
        accession=f"A{n:06d}",
        study_date=f"202601{n % 28 + 1:02d}",
        change={0x00080060: ("CS", "CT")},
    )


def _asked(asker: Asker, shape: Shape, studies: int) -> float:
    keys = {key[0]: key for key in (*ANSWERED, shape.key)}
    began = time.perf_counter()
    count = asker.find(*keys.values())
    spent = time.perf_counter() - began
    assert count == shape.found(studies), f"{count} found of {shape.found(studies)} by {shape.key}"
    return spent


def _getscu(server: Listening) -> list[str]:
    return [program("getscu"), "-S", "-aet", "BENCH", "-aec", server.aet, "--ignore", "-pdu", "131072", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={SERIES_STUDY}", "127.0.0.1", str(server.port)]  # fmt: skip


def _movescu(server: Listening) -> list[str]:
    return [program("movescu"), "-S", "-aet", "BENCH", "-aec", server.aet, "-aem", "SINK", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={SERIES_STUDY}", "127.0.0.1", str(server.port)]  # fmt: skip


def _least(folder: Path, sink: int) -> float:
    """Give the least that a C-MOVE can take: ``movescu`` starts, and a sender that reads nothing fills ``storescp``."""
    began = time.perf_counter()
    subprocess.run([program("movescu"), "--version"], check=True, capture_output=True)
    started = time.perf_counter() - began
    files = [read_part10(path.read_bytes()) for path in sorted((folder / "ct").rglob("*.dcm"))]
    assert len(files) == SLICES
    contexts = [(files[0].sop_class, files[0].transfer_syntax)]
    data_sets = [bytes(file.data_set) for file in files]
    began = time.perf_counter()
    with RawSender("127.0.0.1", sink, calling="BENCH", called="SINK", contexts=contexts) as sender:
        for file, data_set in zip(files, data_sets, strict=True):
            answer = sender.store(
                sop_class=file.sop_class,
                sop_uid=file.sop_uid,
                transfer_syntax=file.transfer_syntax,
                data_set=data_set,
            )
            assert answer.status == 0, answer
        sender.release()
    return started + time.perf_counter() - began


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "TCP_NODELAY": "1"}, timeout=300
    )
    return time.perf_counter() - began


def _print_table(times: dict[tuple[str, str], list[float]]) -> None:
    print(f"{'ms':<14}{'':<10}{'min':>10}{'median':>10}{'max':>10}{'ratio':>8}")
    for (shape, server), spent in times.items():
        ratio = f"{_ratio(times, shape):8.2f}" if server == OURS else ""
        ratio = ratio if server != "least" else f"{_ratio(times, shape, server):8.2f}"
        low, middle, high = (each * 1e3 for each in (min(spent), statistics.median(spent), max(spent)))
        print(f"{shape:<14}{server:<10}{low:10.2f}{middle:10.2f}{high:10.2f}{ratio}")


def summary(times: dict[tuple[str, str], list[float]]) -> str:
    """Give the last line; C-FIND by its least ratio."""
    finds = [
        _ratio(times, shape) for shape, server in times if server == OURS and shape not in ("cget", "cmove")
    ]
    return (
        f"dimse: cfind_ratio={min(finds):.2f} cget_ratio={_ratio(times, 'cget'):.2f}"
        f" cmove_ratio={_ratio(times, 'cmove'):.2f}"
    )


def _ratio(times: dict[tuple[str, str], list[float]], shape: str, ours: str = OURS) -> float:
    return statistics.median(times[shape, ORTHANC]) / statistics.median(times[shape, ours])
