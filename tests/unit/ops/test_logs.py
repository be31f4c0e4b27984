"""Lines of a log: whole, or lost; and nothing else is lost with them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from ops.logs import configure_logs
from tests.kit.logs import logs_as_before
from tests.kit.planting import planted


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with logs_as_before():
        yield


class Full(io.StringIO):
    """A file on a disk that is full."""

    def write(self, words: str) -> int:
        raise OSError(28, "No space left on device")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def test_a_line_is_json_with_node_and_process(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("alpha", "worker")
    structlog.get_logger("a").warning("job failed", cause="c")
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {name: line[name] for name in ("event", "node", "process", "cause", "level")} == {
        "event": "job failed", "node": "alpha", "process": "worker", "cause": "c", "level": "warning",
    }  # fmt: skip


@pytest.mark.parametrize("stream", [Full(), closed()], ids=["full", "closed"])
def test_a_line_that_cannot_be_written_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("alpha", "worker")
    structlog.get_logger("a").error("job failed")


def test_a_planted_log_that_stops_work_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "log-stops-work")
    monkeypatch.setattr(sys, "stderr", Full())
    configure_logs("alpha", "worker")
    with pytest.raises(OSError, match="No space left"):
        structlog.get_logger("a").error("job failed")
