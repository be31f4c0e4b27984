"""End a process at a named point of the walk, and let it come back.

All points of a node are in its environment from the start, each with its mark
laid, so that none fires; `Crashes.arm` takes one mark away. The process that
comes there next lays it again and ends itself with SIGKILL; `ops.serve` starts it
anew. What was lost or came twice is for `tests.kit.ledger` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from node.imaging.phantom import make_series
from ops.founding import CLINIC_AND_CENTRE
from tests.kit import walk
from tests.kit.http import Visitor
from tests.kit.ledger import Walked
from tests.kit.running import RunningAlliance, running_alliance

SLICES = 6
QUIET_S = 1.0
KILLS = 2
"""After so many of one process its node is started anew: `ops.serve` waits longer each time."""


@dataclass(frozen=True)
class Point:
    """Where a process is to end: a failpoint, the node it is on, and which process comes there."""

    name: str
    node: str
    kind: str


@dataclass
class Crashes:
    """An alliance whose processes end where they are told to."""

    alliance: RunningAlliance
    technician: Visitor
    expert: Visitor
    kills: dict[tuple[str, str], int] = field(default_factory=dict)

    def arm(self, point: Point) -> None:
        """Let the next process that comes to a point end there."""
        if self.kills.get((point.node, point.kind), 0) >= KILLS:
            self._restart(point.node)
        self.kills[point.node, point.kind] = self.kills.get((point.node, point.kind), 0) + 1
        self.mark(point).unlink()

    def disarm(self, point: Point) -> bool:
        """Say whether it fired; if not, it will not any more."""
        fired = self.mark(point).exists()
        self.mark(point).touch()
        return fired

    def mark(self, point: Point) -> Path:
        return marks_of(self.alliance.directory, point.node) / point.name

    def deaths(self, point: Point) -> int:
        """Give how often `ops.serve` saw this kind of process end by SIGKILL."""
        return self.alliance.nodes[point.node].log.read_text().count(f"{point.kind} ended with -9;")

    def walk(self, n: int) -> Walked:
        """Let a new study go the whole way; whoever meets a crash does again what a person would."""
        files = self._study(n)
        study_uid = f"2.25.77{n:04d}"
        walk.send(self.alliance, files)
        study = walk.complete_study(self.technician, instances=SLICES, study_uid=study_uid)
        case_id = walk.request(self.technician, study)
        walk.claim(self.expert, case_id)
        walk.images_at_centre(self.expert, case_id, instances=SLICES)
        walk.sign(self.expert, case_id)
        report = walk.report_at_clinic(self.technician, case_id)
        return Walked(study_uid, case_id, str(report["reportId"]), images=SLICES)

    def _study(self, n: int) -> list[Path]:
        folder = self.alliance.directory / "sent" / str(n)
        folder.mkdir(parents=True)
        slices = make_series(SLICES, seed=n, study_uid=f"2.25.77{n:04d}", accession=f"A{n}")
        for number, content in enumerate(slices, start=1):
            (folder / f"{number}.dcm").write_bytes(content)
        return sorted(folder.iterdir())

    def _restart(self, name: str) -> None:
        self.alliance.nodes[name].stop()
        self.alliance.start_node(name)
        self.alliance.nodes[name].wait_until_ready()
        self.kills = {(node, kind): n for (node, kind), n in self.kills.items() if node != name}


@contextmanager
def crashing_alliance(directory: Path, points: Sequence[Point]) -> Iterator[Crashes]:
    """Run an alliance whose processes can be told to end at these points."""
    environment: dict[str, dict[str, str]] = {}
    for place in CLINIC_AND_CENTRE:
        names = [point.name for point in points if point.node == place.id]
        marks = marks_of(directory, place.id)
        marks.mkdir(parents=True)
        for name in names:
            (marks / name).touch()
        environment[place.id] = {
            "MERIDIAN_FAILPOINTS": ",".join(names),
            "MERIDIAN_FAILPOINT_MARKS": str(marks),
        }
    places = [replace(place, quiet_s=QUIET_S) for place in CLINIC_AND_CENTRE]
    with running_alliance(directory, places=places, environment=environment) as alliance:
        technician = alliance.visitor("alpha", "technician")
        yield Crashes(alliance, technician, alliance.visitor("centre", "expert"))


def marks_of(directory: Path, node: str) -> Path:
    return directory / "marks" / node
