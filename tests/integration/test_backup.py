"""Backups taken while everything goes on, restored, and held against what had been answered for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.compose import compose_node
from tests.kit.backing import Backed, arrive, read_everything, wrong_in
from tests.kit.outage import Outages
from tests.kit.promises import Device, broken
from tests.kit.receiving import admit_all

LONG = bool(os.environ.get("MERIDIAN_LONG"))
DEVICES = 2


@pytest.fixture
def backed(tmp_path: Path) -> Backed:
    return Backed.begin(tmp_path)


def test_what_was_restored_is_what_was_there(backed: Backed) -> None:
    node = backed.open()
    arrive(node, 1, 1, 2, 3)
    node.write([node.texts.put("finding", "两肺清晰。")[1]])
    before = read_everything(node)
    made = backed.make(node)
    node.close()
    restored = backed.restore()
    assert restored.name == made.name
    assert wrong_in(restored.state) == []
    node = compose_node(restored.state)
    there = read_everything(node)
    node.close()
    assert there == before
    assert len(there) == 3


@pytest.mark.timeout(120)
def test_a_backup_in_full_ingest_has_each_row_s_bytes_and_all_that_was_answered_before(
    backed: Backed,
) -> None:
    admit_all(backed.state)
    outages = Outages()
    try:
        outages.start_index(backed.state, backed.folder / "notes")
        port = outages.start_receiver(backed.state)
        devices = [Device(port, f"2.25.7{k}", sizes=(200, 2_000, 40_000)) for k in range(DEVICES)]
        for device in devices:
            device.start()
        assert all(device.begun.wait(30) for device in devices)
        for round_ in range(3):
            answered = [uid for device in devices for uid in list(device.acknowledged)]
            node = backed.open()
            made = backed.make(node)
            node.close()
            meanwhile = sum(len(device.acknowledged) for device in devices) - len(answered)
            assert meanwhile > 0, "nothing came while it was made"
            state = backed.restore(f"restored-{round_}", backup=made.name).state
            assert wrong_in(state) == []
            found = broken(state, answered, {})
            assert not found, vars(found)
            print(f"{len(answered)} answered before, {meanwhile} meanwhile, {made.put_bytes} bytes put")
    finally:
        outages.close()
