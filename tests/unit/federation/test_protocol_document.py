"""PROTOCOL.md names every message, field, call and limit that the code has."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from federation import mailbox, outbox, parts, receipts, sealing
from federation.appliers import APPLIERS, Entry
from federation.messages import AnnouncedSeries, AnnouncedStudy
from federation.transport.wire import mailbox_pb2
from node.clock import SECOND

TEXT = (Path(__file__).parents[3] / "federation" / "PROTOCOL.md").read_text("utf-8")
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `([a-z-]+/1)` \|.*$", TEXT, re.MULTILINE)}


@pytest.mark.parametrize("entry", APPLIERS.values(), ids=lambda entry: entry.type)
def test_a_message_stands_there_with_all_its_fields(entry: Entry) -> None:
    row = ROWS[entry.type]
    assert [one.name for one in fields(entry.message) if f"`{one.name}`" not in row] == []


def test_no_message_stands_there_that_is_not_spoken() -> None:
    assert set(ROWS) == set(APPLIERS)


@pytest.mark.parametrize("shape", [AnnouncedStudy, AnnouncedSeries, parts.Manifest, parts.Member])
def test_what_messages_are_made_of_stands_there(shape: type) -> None:
    assert [one.name for one in fields(shape) if not re.search(rf"[`\"]{one.name}[`\"]", TEXT)] == []


def test_every_call_stands_there() -> None:
    calls = [
        method.name
        for service in mailbox_pb2.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    assert [name for name in calls if not re.search(rf"`{name}[`(]", TEXT)] == []


def test_limits_and_times_are_those_of_the_code() -> None:
    assert f"{mailbox.QUOTA_ENVELOPES:,} envelopes, {mailbox.QUOTA_BYTES >> 20} MiB" in TEXT
    assert f"no receipt {outbox.OVERDUE // SECOND} s after" in TEXT
    assert f"at most once in {receipts.ASK_AGAIN // SECOND} s" in TEXT
    assert f"{sealing.FULL_BYTES >> 20} MiB have come, or {sealing.LULL / SECOND} s after" in TEXT
    assert f"At most {parts.PART_BYTES >> 20} MiB" in TEXT
