"""Structured log lines: JSON, one a line, never a patient's data.

A line carries the cause id, so that a person's question ("what happened to this
study?") finds it beside the journal.
"""

from __future__ import annotations

import logging
import sys

import structlog


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(node=node, process=process)
