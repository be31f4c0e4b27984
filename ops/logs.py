"""Structured log lines: JSON, one a line, never a patient's data.

A line carries the cause id, so that a person's question ("what happened to this
study?") finds it beside the journal.
"""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from node.failpoints import planted


def configure_logs(node: str, process: str) -> None:
    """Send everything to standard error as JSON lines, libraries only from WARNING on."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, Unfailing(sys.stderr))),
    )
    structlog.contextvars.bind_contextvars(node=node, process=process)


class Unfailing(io.TextIOBase):
    """Standard error that may be a file on a full disk, or a pipe that nobody reads: a line is lost then, and no work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, words: str) -> int:
        if planted("log-stops-work"):
            return self._stream.write(words)
        with suppress(OSError, ValueError):
            self._stream.write(words)
        return len(words)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()
