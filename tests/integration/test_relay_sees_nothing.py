"""A third node keeps the mailboxes: after a whole walk nothing of the person is in its memory or on its disk.

The same search finds every canary at the centre, in memory and on disk, so that
it is no search that cannot find anything. About 40 s.
"""

from __future__ import annotations

import base64
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.dicom.header import Header, scan
from node.imaging.phantom import make_series
from tests.kit import walk
from tests.kit.canaries import Needles, files_below, forms, found_in, found_in_files, new_canary
from tests.kit.core_dump import dump
from tests.kit.http import wait_for
from tests.kit.raw_sender import read_file
from tests.kit.rows import read_rows
from tests.kit.running import WITH_RELAY, RunningAlliance, running_alliance

pytestmark = pytest.mark.peer

SLICES = 6
SIZE = 170
"""A frame of 58 kB, which the web hands over by itself; a larger one is copied by the kernel."""
FRAMES_UNREAD = 200
"""12 MB, more than lies in the sockets between."""


@dataclass(frozen=True)
class Walked:
    alliance: RunningAlliance
    needles: Needles
    frame: tuple[str, ...]
    """UIDs of study, series and instance whose pixels are a canary."""
    cores: Path


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """An alliance after a whole walk that left a canary wherever a person's data goes."""
    folder = tmp_path_factory.mktemp("relay")
    canaries = {
        name: new_canary(name) for name in ("name", "patient", "study", "history", "findings", "impression")
    }
    files = plant(folder / "study", canaries)
    with running_alliance(folder, places=WITH_RELAY) as alliance:
        report = go(alliance, files, canaries)
        assert canaries["findings"] in report["findings"]
        needles = {name: forms(canary) for name, canary in canaries.items()}
        first = read_file(files[0])
        header = scan(first.data_set, first.transfer_syntax)
        needles["pixels"] = (pixel_canary(header),)
        frame = tuple(header.text(tag) for tag in (0x0020000D, 0x0020000E, 0x00080018))
        yield Walked(alliance, needles, frame, folder / "cores")
    shutil.rmtree(folder / "cores", ignore_errors=True)


def plant(folder: Path, canaries: dict[str, str]) -> list[Path]:
    folder.mkdir()
    instances = make_series(
        SLICES,
        SIZE,
        patient_name=f"{canaries['name']}^SAN=张^三",
        patient_id=canaries["patient"],
        study_description=f"胸部 {canaries['study']}",
    )
    for n, content in enumerate(instances):
        (folder / f"{n}.dcm").write_bytes(content)
    return sorted(folder.iterdir())


def pixel_canary(header: Header) -> bytes:
    """Give some pixels from the middle of a slice: noise that occurs in no other."""
    value = bytes(header.value(0x7FE00010) or b"")
    return value[len(value) // 2 : len(value) // 2 + 48]


def go(alliance: RunningAlliance, files: list[Path], canaries: dict[str, str]) -> dict[str, str]:
    """Walk, and at the end look at the words once more at the centre, as an expert does who goes on reading."""
    walk.send(alliance, files)
    technician = alliance.visitor("alpha", "technician")
    study = walk.complete_study(technician, instances=SLICES)
    case_id = walk.request(technician, study, history=f"吸烟 {canaries['history']}")
    expert = alliance.visitor("centre", "expert")
    walk.claim(expert, case_id)
    walk.images_at_centre(expert, case_id, instances=SLICES)
    words = {"findings": f"结节 {canaries['findings']}", "impression": f"复查 {canaries['impression']}"}
    walk.sign(expert, case_id, **words)
    report: dict[str, str] = walk.report_at_clinic(technician, case_id)
    expert.get(f"/api/consults/{case_id}")
    expert.get(f"/api/studies/alpha/{study['studyUid']}")
    expert.get(f"/api/reports/{report['reportId']}")
    return report


@contextmanager
def frame_under_way(walked: Walked) -> Iterator[None]:
    """Ask the centre for a frame many times and read none of it, so that it has one in its hands."""
    reader = walked.alliance.reader("centre")
    study, series, sop = walked.frame
    path = f"/dicomweb/from/alpha/studies/{study}/series/{series}/instances/{sop}/frames/1"
    host, _, port = reader.web.partition("://")[2].partition(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {reader.bearer}\r\n\r\n"
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(request.encode() * FRAMES_UNREAD)
        wait_for("an answer", lambda: slow.recv(1))
        yield


def in_memory(walked: Walked, node: str) -> dict[str, set[str]]:
    """Give what was found in the memory of each of a node's processes."""
    found = {}
    for kind, process in walked.alliance.processes(node).items():
        core = dump(process, walked.cores)
        found[kind] = set(found_in_files([core], walked.needles))
        core.unlink()
    assert set(found) == {"serve", "receiver", "grid", "worker"}
    return found


def on_disk(walked: Walked, node: str) -> dict[str, list[Path]]:
    files = files_below(walked.alliance.directory / node)
    assert any(path.name == "meridian.db" for path in files)
    return found_in_files(files, walked.needles)


def test_the_relay_s_memory_holds_nothing_of_the_person(walked: Walked) -> None:
    assert {kind: found for kind, found in in_memory(walked, "relay").items() if found} == {}


def test_the_relay_s_disk_holds_nothing_of_the_person(walked: Walked) -> None:
    assert on_disk(walked, "relay") == {}


def test_the_relay_did_carry_it(walked: Walked) -> None:
    sql = "SELECT recipient, arrival FROM mailbox_count"
    arrived = {
        row["recipient"]: row["arrival"] for row in read_rows(walked.alliance.directory / "relay", sql)
    }
    assert min(arrived["alpha"], arrived["centre"]) > 3, arrived


def test_the_same_search_finds_all_of_it_in_the_centre_s_memory(walked: Walked) -> None:
    with frame_under_way(walked):
        found = in_memory(walked, "centre")
    assert set().union(*found.values()) == set(walked.needles)


def test_the_same_search_finds_all_of_it_on_the_centre_s_disk(walked: Walked) -> None:
    assert set(on_disk(walked, "centre")) == set(walked.needles)


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("written", ["ascii", "utf-16-le", "base64"])
def test_a_canary_is_found_however_it_is_written(written: str, before: int) -> None:
    text = "x" * before + "NAME0123456789AB" + "y"
    content = base64.b64encode(text.encode()) if written == "base64" else text.encode(written)
    assert found_in(content, {"name": forms("NAME0123456789AB")}) == {"name"}
    assert found_in(content, {"name": forms("NAME0123X56789AB")}) == set()
