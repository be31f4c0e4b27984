"""A node that is stopped cleanly has sealed all that happened: a database lost after that leaves nothing unknown."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from node.catalogue.correction_drafts import draft_study
from node.catalogue.corrections import make_correction
from node.clock import SystemClock
from node.keys.private_files import folder_lock
from ops.compose import compose_node
from ops.configuration import write_configuration
from ops.free_ports import free_ports
from ops.rebuild.rebuilding import rebuild
from ops.running import RunningNode, start_node
from ops.verify import UNSEALED, counts
from tests.kit.lost_index import TECHNICIAN, TickingClock, key, lose_database, send, slice_

END_S = 60.0


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the state folder of a node that holds a study."""
    dicom, web = free_ports(2)
    state = tmp_path / "alpha"
    write_configuration(state, id="alpha", name="Alpha", reserve_mb=1, dicom_port=dicom, web_port=web)
    clock = TickingClock(SystemClock().now())
    node = compose_node(state, clock=clock)
    send(node, clock, 1, slice_(1, 1), slice_(1, 2))
    node.close()
    return state


def started(state: Path, *, one_process: bool, environment: dict[str, str] | None = None) -> RunningNode:
    """Start a node, in three processes or in one; it is ready."""
    serving = start_node(state, environment=environment, one_process=one_process)
    serving.wait_until_ready()
    return serving


def corrected(state: Path) -> None:
    """Let somebody correct the study at the node that runs, a moment before it is stopped."""
    node = compose_node(state)
    draft = draft_study(node, key(1), {"description": "Thorax"})
    make_correction(node, TECHNICIAN, draft, reason="Wrong word")
    node.close()


def ended(serving: RunningNode) -> int:
    """Stop a node as an administrator does; give its exit code."""
    serving.process.send_signal(signal.SIGTERM)
    return serving.process.wait(END_S)


def left_unsealed(state: Path) -> int:
    node = compose_node(state)
    try:
        return counts(node)[UNSEALED]
    finally:
        node.close()


def shown(state: Path) -> list[dict[str, object]]:
    """Give what the study shows, and up to when its corrections are known."""
    node = compose_node(state)
    try:
        return [
            dict(row)
            for row in node.database.read("SELECT study_uid, description, corrections_until FROM study")
        ]
    finally:
        node.close()


@pytest.mark.parametrize("one_process", [False, True], ids=["three processes", "one process"])
def test_a_database_lost_after_a_clean_stop_leaves_no_study_marked(state: Path, one_process: bool) -> None:
    serving = started(state, one_process=one_process)
    try:
        corrected(state)
        assert ended(serving) == 0
    finally:
        serving.stop()
    assert left_unsealed(state) == 0
    lose_database(state)
    done = rebuild(state)
    assert (done.doubt.marked, done.doubt.why) == (0, [])
    assert shown(state) == [{"study_uid": "2.25.1", "description": "Thorax", "corrections_until": None}]


def test_a_planted_stop_that_leaves_the_tail_is_caught(state: Path) -> None:
    serving = started(state, one_process=False, environment={"MERIDIAN_PLANTED": "tail-left"})
    try:
        corrected(state)
        assert ended(serving) == 0
    finally:
        serving.stop()
    assert left_unsealed(state) > 0
    lose_database(state)
    assert rebuild(state).doubt.marked == 1


def test_a_stop_does_not_wait_for_somebody_who_holds_the_chain_and_the_next_one_seals(state: Path) -> None:
    serving = started(state, one_process=False)
    try:
        corrected(state)
        (state / "blocks").mkdir(exist_ok=True)
        with folder_lock(state / "blocks"):
            assert ended(serving) == 0
    finally:
        serving.stop()
    assert "the next start seals it" in serving.log.read_text()
    assert left_unsealed(state) > 0
    serving = started(state, one_process=False)
    try:
        assert ended(serving) == 0
    finally:
        serving.stop()
    assert left_unsealed(state) == 0
