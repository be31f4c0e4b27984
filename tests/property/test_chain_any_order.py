"""Whatever happens, is sealed, ends or is lost, in any order and by two at once: one chain, every record once, and it verifies."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.errors import Conflict
from node.journal.blocks import block_path, read_block_file
from node.journal.chain import blocks_folder, mend, seal_next
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.blocks import FEW, covered, few_a_block, findings, happen, rows, seal_all
from tests.kit.clock import NOON, FrozenClock

EXAMPLES = 600 if os.environ.get("MERIDIAN_LONG") else 40
FAILPOINTS = ("block-written", "block-rowed")
WHO = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("happen"), st.integers(1, 2 * FEW)),
        st.tuples(st.just("happen"), st.integers(1, 2 * FEW)),
        st.tuples(st.just("seal"), WHO),
        st.tuples(st.just("end"), st.tuples(WHO, st.sampled_from(FAILPOINTS))),
        st.tuples(st.just("both"), st.none()),
        st.tuples(st.just("start"), WHO),
        st.tuples(st.just("lose"), st.integers(0, 99)),
    ),
    min_size=4,
    max_size=16,
)


class Killed(BaseException):
    """As a kill -9: nothing tidies up behind it but what the kernel does."""


def end_at(name: str, node: Node) -> None:
    def ends(passed: str) -> None:
        if passed == name:
            raise Killed

    with patch("node.journal.chain.failpoint", ends):
        try:
            seal_next(node)
        except Killed:
            return


def seal_both(nodes: tuple[Node, Node]) -> None:
    """Let two seal at once, each until nothing is left."""
    failed: list[BaseException] = []

    def work(node: Node) -> None:
        try:
            while True:
                try:
                    seal_all(node)
                    return
                except Conflict:
                    continue
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def lose_a_file(node: Node, which: int) -> None:
    made = rows(node)
    if made:
        block_path(blocks_folder(node), made[which % len(made)].n).unlink(missing_ok=True)


def take(step: tuple[str, object], nodes: tuple[Node, Node]) -> None:
    match step:
        case ("happen", int(count)):
            happen(nodes[0], count)
        case ("seal", int(who)):
            seal_next(nodes[who])
        case ("end", (int(who), str(name))):
            end_at(name, nodes[who])
        case ("both", _):
            seal_both(nodes)
        case ("start", int(who)):
            mend(nodes[who])
        case ("lose", int(which)):
            lose_a_file(nodes[0], which)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, changed=st.tuples(st.integers(0, 99), st.integers(0, 9_999), st.integers(1, 255)))
def test_any_order_gives_one_chain_that_covers_every_record_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]], changed: tuple[int, int, int]
) -> None:
    folder = tmp_path_factory.mktemp("chain")
    clocks = FrozenClock(), FrozenClock(NOON + 1)  # so that two never seal the same bytes
    nodes = (bare_node(folder, "alpha", clocks[0]), bare_node(folder, "alpha", clocks[1]))
    with few_a_block():
        for step in steps:
            take(step, nodes)
            assert covered(nodes[0]) == list(range(1, len(covered(nodes[0])) + 1))
        mend(nodes[1])
        seal_both(nodes)
    node = nodes[0]
    assert covered(node) == list(range(1, node.journal.head() + 1))
    assert findings(node) == []
    assert [read_block_file(path).row for path in files(node)] == rows(node)
    if rows(node):
        check_a_changed_byte(node, *changed)
    for one in nodes:
        one.close()


def files(node: Node) -> list[Path]:
    """Give all that lies beside the packs; nothing but blocks may."""
    return sorted(blocks_folder(node).iterdir())


def check_a_changed_byte(node: Node, which: int, at: int, by: int) -> None:
    path = files(node)[which % len(files(node))]
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= by
    path.write_bytes(content)
    number = int(path.stem)
    assert f"block {number}" in [finding.where for finding in findings(node)]
