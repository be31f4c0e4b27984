"""How fast both tiers are scrubbed, and what that costs whoever sends meanwhile.

``mb_s``: CT studies as packs and as packages in two stores, scrubbed without a budget; every file was read just before, but
the scrub has the kernel drop it first, so that the disk is read. ``ingest_effect``: how much slower 1,200 CT instances of
525 KB are received from one storescu while the node's scrub goes through its packs at the default rate, than while it rests: by the median of
the ratios of ``SCRUB_ROUNDS`` rounds (5), by turns, each on a copy of the same state; what was sent must be stored.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from node.archive.archiving import archive_study
from node.archive.lifecycle.periods import DAY
from node.archive.scrub.scrubbing import scrub_all
from node.clock import SystemClock
from node.dicom.part10 import read_part10
from node.names import StudyKey
from node.node import Node
from ops.compose import compose_node
from tests.bench._apart import ROOT, is_apart, run_apart
from tests.bench._objects import KINDS, Studies, write_one, write_series, write_studies
from tests.bench._senders import storescu, warm
from tests.bench._servers import Meridian
from tests.kit.bare_node import two_stores
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.merging import complete
from tests.kit.rows import read_rows

ROUNDS = int(os.environ.get("SCRUB_ROUNDS", "5"))
MEASURED = 16
"""Studies of 26 MB that are scrubbed as packs, and as packages in two stores."""
SETS = 3
"""Of eight such studies that are received: several steps of the scrub long."""
HELD = 16
"""Studies of 26 MB that the scrub goes through while others are received: 20 seconds of its rate."""


def main() -> None:
    if not is_apart():
        run_apart("scrub")
        return
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as folder:
        sets = [write_studies(Path(folder) / f"sent-{n}", KINDS["ct"]) for n in range(SETS)]
        studies = [study for each in sets for study in each]
        packs, copies = _rates(Path(folder), studies)
        print(f"packs {packs:.0f} MB/s, copies of packages {copies:.0f} MB/s", flush=True)
        resting, scrubbing = _effect(Path(folder), studies)
    effect = 1 - statistics.median(works / rests for rests, works in zip(resting, scrubbing, strict=True))
    print(f"instances/s, scrub at rest {_said(resting)}; scrubbing {_said(scrubbing)}")
    print(f"scrub: mb_s={packs:.0f} copies_mb_s={copies:.0f} ingest_effect={effect:.3f}")


def _rates(folder: Path, studies: Studies) -> tuple[float, float]:
    """Give MB/s of packs alone, and of copies of packages."""
    clock = FrozenClock(SystemClock().now())
    node = two_stores(folder, clock)
    keys = [_hold(node, files) for files in studies[:MEASURED]]
    _land(node)
    packs, packs_s = _timed(node, clock)
    for key in keys:
        complete(node, key)
        archive_study(node, origin=key.origin, study_uid=key.study_uid)
    both, both_s = _timed(node, clock)
    node.archive.close()
    node.close()
    shutil.rmtree(folder / "alpha")
    shutil.rmtree(folder / "archive")
    return packs / packs_s / 1e6, (both - packs) / (both_s - packs_s) / 1e6


def _timed(node: Node, clock: FrozenClock) -> tuple[int, float]:
    """Scrub everything; give how many bytes in how long."""
    os.sync()
    for path in [*node.state.rglob("*.pack"), *node.archive.folder.glob("store-*/??/*")]:
        path.read_bytes()
    clock.advance(DAY)
    began = time.perf_counter()
    done = scrub_all(node, lambda _: None)
    assert not done.damaged
    return done.bytes, time.perf_counter() - began


def _effect(folder: Path, studies: Studies) -> tuple[list[float], list[float]]:
    """Give instances a second while the scrub rests and while it works, round by round."""
    servers = [Meridian(folder / name) for name in ("rests", "works")]
    warming = write_one(folder / "warming.dcm")
    for name in ("rests", "works"):
        _fill(folder / name / "founded" / "alpha", folder / "held", works=name == "works")
    found: tuple[list[float], list[float]] = ([], [])
    for n in range(ROUNDS):
        for which in (0, 1) if n % 2 else (1, 0):
            found[which].append(_received(servers[which], folder / "server", studies, warming, which == 1))
    return found


def _fill(state: Path, files: Path, *, works: bool) -> None:
    """Give a state packs that were verified last a month ago, and say whether they are to be scrubbed."""
    node = compose_node(state, process="worker", clock=FrozenClock(SystemClock().now() - 30 * DAY))
    for n in range(HELD):
        _hold(node, write_series(files, KINDS["ct"], study=f"2.25.99.{n}", count=50))
        shutil.rmtree(files)
    _land(node)
    node.archive.close()
    node.close()
    path = state / "meridian.toml"
    if not works:
        path.write_text(path.read_text().replace("scrub_mb_s = 20 ", "scrub_mb_s = 0  "))


def _received(server: Meridian, folder: Path, studies: Studies, warming: Path, works: bool) -> float:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    parts = [[file for study in studies for file in study]]
    before = HELD * 50
    os.sync()
    with server.run(folder, environment) as listening:
        warm(listening, warming, environment)
        server.caught_up(folder, before + 1)
        spent = storescu(listening, parts, environment)
        time.sleep(0.2)
        (row,) = read_rows(
            folder,
            "SELECT count(*) AS n FROM scrubbed WHERE verified_at > (SELECT max(at) - 600000000 FROM journal)",
        )
    assert server.stored(folder) == before + 1 + len(parts[0])
    verified = int(row["n"])
    assert (0 < verified < HELD + len(studies)) if works else not verified, (
        f"{verified} packs were scrubbed meanwhile"
    )
    shutil.rmtree(folder)
    return len(parts[0]) / spent.wall_s


def _hold(node: Node, files: list[Path]) -> StudyKey:
    return hold(node, [read_part10(file.read_bytes()).data_set for file in files])


def _land(node: Node) -> None:
    for pack in node.packs.landing():
        node.packs.landed(pack)


def _said(rates: list[float]) -> str:
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"
