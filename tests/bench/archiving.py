"""What archiving costs whoever sends meanwhile: C-STORE beside a node that archives, and beside the same node at rest.

1,200 CT instances of 525 KB are received from one storescu while the node's worker makes packages of the ``ARCHIVING_HELD``
studies (24) of 26 MB that it holds, and while its rules let them wait; by turns, ``ARCHIVING_ROUNDS`` times (3), each on a copy of the same
state. ``ingest_effect`` is by the median of the ratios; what was sent must be stored, and packages must have been made meanwhile, or none.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from node.archive.lifecycle.rules import Rule
from node.archive.lifecycle.ruling import change_rules, get_rules
from node.clock import SystemClock
from node.database.port import Statement
from node.dicom.part10 import read_part10
from node.node import Node
from node.people.accounts import OPERATOR
from ops.compose import compose_node
from tests.bench._apart import ROOT, is_apart, run_apart
from tests.bench._objects import KINDS, Studies, write_one, write_series, write_studies
from tests.bench._senders import storescu, warm
from tests.bench._servers import Meridian
from tests.kit.holding import hold
from tests.kit.merging import complete
from tests.kit.rows import read_rows

ROUNDS = int(os.environ.get("ARCHIVING_ROUNDS", "3"))
HELD = int(os.environ.get("ARCHIVING_HELD", "24"))
SLICES = 50
SETS = 3


def main() -> None:
    if not is_apart():
        run_apart("archiving")
        return
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        folder = Path(name)
        sets = [write_studies(folder / f"sent-{n}", KINDS["ct"]) for n in range(SETS)]
        studies = [study for each in sets for study in each]
        server = Meridian(folder / "node")
        _fill(folder / "node" / "founded" / "alpha", folder / "held")
        warming = write_one(folder / "warming.dcm")
        found: dict[bool, list[float]] = {False: [], True: []}
        for n in range(ROUNDS):
            for works in (False, True) if n % 2 else (True, False):
                found[works].append(
                    _received(server, folder / "server", studies, warming=warming, works=works)
                )
    effect = 1 - statistics.median(
        busy / rests for rests, busy in zip(found[False], found[True], strict=True)
    )
    for works, rates in found.items():
        said = ", ".join(f"{rate:.0f}" for rate in rates)
        print(f"{'archiving' if works else 'at rest':<12} {said} instances/s")
    print(f"archiving: ingest_effect={effect:.3f}")


def _fill(state: Path, files: Path) -> None:
    """Give a state complete studies, and rules by which they wait."""
    node = compose_node(state, process="worker", clock=SystemClock())
    for n in range(HELD):
        written = write_series(files, KINDS["ct"], study=f"2.25.99.{n}", count=SLICES)
        key = hold(node, [bytes(read_part10(path.read_bytes()).data_set) for path in written])
        complete(node, key)
        shutil.rmtree(files)
    for pack in node.packs.landing():
        node.packs.landed(pack)
    node.write([Statement("UPDATE study SET study_date = ''")])  # of no age: none was brought in afterwards
    _rule(node, hours=24 * 300)
    node.close()


def _rule(node: Node, *, hours: int) -> None:
    rules = get_rules(node).rules
    rule = Rule(name="all", archive_after_hours=hours, copies=1)
    change_rules(node, OPERATOR, msgspec.structs.replace(rules, rules=(rule,)))


def _received(server: Meridian, folder: Path, studies: Studies, *, warming: Path, works: bool) -> float:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    sent = [[file for study in studies for file in study]]
    before = HELD * SLICES
    os.sync()
    with server.run(folder, environment) as listening:
        warm(listening, warming, environment)
        server.caught_up(folder, before + 1)
        if works:
            node = compose_node(folder)
            _rule(node, hours=0)
            node.close()
            _wait_for_a_package(folder)
        spent = storescu(listening, sent, environment)
        (row,) = read_rows(folder, "SELECT count(*) AS n FROM archived")
    assert server.stored(folder) == before + 1 + len(sent[0])
    made = int(row["n"])
    assert (0 < made < HELD) if works else not made, f"{made} packages were made"
    shutil.rmtree(folder)
    return len(sent[0]) / spent.wall_s


def _wait_for_a_package(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not read_rows(folder, "SELECT 1 AS one FROM archived LIMIT 1"):
        assert time.monotonic() < deadline, "no package was made"
        time.sleep(0.1)
