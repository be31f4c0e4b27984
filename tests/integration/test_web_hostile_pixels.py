"""Pixels that mean harm kill a worker at most: the server's process stays, answers in words, and goes on."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from tests.kit.compressed import SYNTAXES, compressed_ct
from tests.kit.holding import hold
from tests.kit.hostile_pixels import Hostile, hostile_instances
from tests.kit.http import Visitor
from tests.kit.instances import EXPLICIT
from tests.kit.serving import ServingProcess
from tests.kit.stow import impatient_node

GOOD = "2.25.67"
STUDY = "2.25.66"
MEMORY_MB = 1500
"""What the server alone may come to hold over all of it."""


def address(uid: str, sop_uid: str) -> str:
    return f"/dicomweb/studies/{uid}/series/{uid}.1/instances/{sop_uid}"


def furnish(folder: Path, hostile: list[Hostile]) -> None:
    node = impatient_node(folder)
    for name in ("jpeg-ls", "jpeg-2000"):
        uid = f"{GOOD}.{len(name)}"
        data_set = compressed_ct(name, study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1")
        hold(node, [data_set], transfer_syntax=SYNTAXES[name])
    for one in hostile:
        hold(node, [one.data_set], transfer_syntax=one.transfer_syntax)
    node.close()


def rendered(visitor: Visitor, path: str, accept: str = "image/png") -> tuple[int, bytes]:
    asking = Visitor(visitor.web, bearer=visitor.bearer, timeout_s=120, headers={"Accept": accept})
    status, _, body = asking.raw("GET", path)
    return status, body


def good(name: str) -> str:
    uid = f"{GOOD}.{len(name)}"
    return address(uid, f"{uid}.1.1")


def test_whatever_the_pixels_are_the_server_lives_and_answers_in_words(tmp_path: Path) -> None:
    hostile = list(hostile_instances(STUDY))
    furnish(tmp_path, hostile)
    wrong: list[str] = []
    explicit = f"application/dicom; transfer-syntax={EXPLICIT}"
    with ServingProcess(tmp_path / "alpha") as server:
        server_process = psutil.Process(server.pid)
        for one in hostile:
            for path, accept in (("/rendered", "image/png"), ("/thumbnail", "image/jpeg"), ("", explicit)):
                began = time.monotonic()
                status, body = rendered(server.visitor, address(STUDY, one.sop_uid) + path, accept)
                spent = time.monotonic() - began
                if status not in (200, 406) or spent > 70:
                    wrong.append(f"{one.name}{path}: {status} after {spent:.0f} s: {body[:200]!r}")
                if status == 406 and not json.loads(body)["error"]["message"].endswith("."):
                    wrong.append(f"{one.name}{path}: without words")
            assert server.lives, one.name
        assert wrong == [], wrong
        for name in ("jpeg-ls", "jpeg-2000"):
            assert rendered(server.visitor, good(name) + "/rendered")[0] == 200
        assert server_process.memory_info().rss < MEMORY_MB << 20
        assert server_process.is_running()


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def serving(tmp_path: Path, marks: Path, **environment: str) -> ServingProcess:
    furnish(tmp_path, [])
    return ServingProcess(
        tmp_path / "alpha",
        environment={
            "MERIDIAN_FAILPOINTS": "decoding",
            "MERIDIAN_FAILPOINT_MARKS": str(marks),
            **environment,
        },
    )


def workers(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children() if "node.imaging.codecs" in child.cmdline()}


def test_a_worker_that_dies_once_is_replaced_and_the_picture_made(tmp_path: Path, marks: Path) -> None:
    with serving(tmp_path, marks) as server:
        assert rendered(server.visitor, good("jpeg-ls") + "/rendered")[0] == 200
        assert (marks / "decoding").exists()
        assert server.lives
        assert len(workers(server.pid)) == 1


def test_a_picture_that_kills_twice_is_not_tried_a_third_time(tmp_path: Path, marks: Path) -> None:
    with ServingProcess(_furnished(tmp_path), environment={"MERIDIAN_FAILPOINTS": "decoding"}) as server:
        status, body = rendered(server.visitor, good("jpeg-ls") + "/rendered")
        assert (status, b"given up" in body) == (406, True)
        before = workers(server.pid)
        began = time.monotonic()
        assert rendered(server.visitor, good("jpeg-ls") + "/rendered")[0] == 406
        assert time.monotonic() - began < 0.2
        assert workers(server.pid) == before
        assert server.lives


def _furnished(tmp_path: Path) -> Path:
    furnish(tmp_path, [])
    return tmp_path / "alpha"


def test_planted_decoding_inside_the_server_is_caught(tmp_path: Path, marks: Path) -> None:
    """The same death as above, met where no codec may run: there is nobody left to answer."""
    with serving(tmp_path, marks, MERIDIAN_PLANTED="decode-inside") as server:
        with pytest.raises((ConnectionError, OSError)):
            rendered(server.visitor, good("jpeg-ls") + "/rendered")
        time.sleep(0.2)
        assert not server.lives


def test_a_worker_that_is_stopped_is_given_up_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    from node.imaging import decode
    from node.imaging.codec_process import Died
    from node.imaging.codecs import Request
    from tests.kit.compressed import encoded

    worker = decode.Worker()
    request = Request(
        transfer_syntax=SYNTAXES["jpeg-ls"], rows=32, columns=32, samples=1, bits_allocated=16, photometric=""
    )
    assert worker.decode(encoded("jpeg-ls"), request).shape == (32, 32)
    os.kill(worker.pid, 19)  # SIGSTOP: it never ends by itself
    monkeypatch.setattr(decode, "WAIT_S", 0.3)
    with pytest.raises(Died) as died:
        worker.decode(encoded("jpeg-ls"), request)
    assert died.value.late
    assert worker.spent


def test_a_frame_that_is_refused_only_after_long_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from node.imaging import decode
    from node.imaging.codecs import Request

    monkeypatch.setattr(decode, "LONG_S", -1.0)
    request = Request(
        transfer_syntax=SYNTAXES["jpeg-ls"], rows=32, columns=32, samples=1, bits_allocated=16, photometric=""
    )
    workshop = decode.Workshop()
    for words in ("was refused", "was given up"):
        with pytest.raises(decode.Undecodable, match=words):
            workshop.decode(b"\xff\xd8" + bytes(64), request)
