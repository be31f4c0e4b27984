"""One ingest after another, each with its fault one call later, until there is no call left to fail.

A run gives sentences about what was wrong; none is as it must be. After its
fault everything is started again without one, the device sends again what it
has no answer for, and `tests.kit.verdict` looks at the state folder.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Protocol

from node.clock import SystemClock
from tests.kit.bare_node import bare_node
from tests.kit.device import Device, digest_of
from tests.kit.injection import KILL, KILLED, WRITES, calls_in, hits, injected
from tests.kit.packs import open_writer, store
from tests.kit.receiving import admit_all
from tests.kit.swept import NODE, Died, Nursery, SweptProcess, open_packs
from tests.kit.verdict import wrong_with

MOST = 400
"""Calls of one kind; more would be a sweep without end."""
FEW = 12
GRID_STEPS = ("born", "ready", "registered", "ended")


@dataclass(frozen=True)
class Template:
    """A state folder that every run gets a copy of, and what it owes already."""

    folder: Path
    acknowledged: dict[str, str]
    sent: dict[str, str]


@dataclass
class Sweep:
    """What came of one kind of fault."""

    runs: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """What there was to fail, by kind."""
    hit: Counter[str] = field(default_factory=Counter)
    """Calls that met it, by kind."""
    bad: list[str] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """Kinds of which some call never failed."""
        return [kind for kind, n in self.calls.items() if self.hit[kind] < n]

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(self.hit.items()) if n)
        return f"{self.runs} runs, {self.hit.total()} calls met it ({kinds}), {len(self.bad)} bad outcomes"


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    calls: Counter[str]
    met: Counter[str]
    """Those that met the fault."""
    wrong: list[str]


class Run(Protocol):
    """One ingest over a copy of the template."""

    def __call__(self, folder: Path, rule: str) -> Outcome:
        """Run it with a fault, or with none when the rule is empty."""


def sweep(
    template: Template,
    run: Run,
    *,
    fault: str,
    calls: Sequence[str] = WRITES,
    stride: int = 1,
    first: int = 1,
    until_bad: bool = False,
) -> Sweep:
    """Let each call of each kind that there is fail once.

    Parameters
    ----------
    stride, first
        Every how many calls of a kind that has many, and from which on; for a part of the whole.
    until_bad
        End at the first bad outcome.
    """
    swept = Sweep()

    def once(name: str, rule: str) -> Outcome:
        folder = template.folder.parent / name
        shutil.copytree(template.folder, folder, symlinks=True)
        outcome = run(folder, rule)
        shutil.rmtree(folder)
        swept.runs += 1
        swept.bad += [f"{name}: {what}" for what in outcome.wrong]
        return outcome

    found = once("sound", "").calls
    swept.calls = Counter({call: found[call] for call in calls if found[call]})
    for call, calls_of_kind in swept.calls.items():
        for n in count(first, stride) if calls_of_kind > FEW else count(1):
            assert n <= MOST, f"{call} has no end"
            outcome = once(f"{call}-{n}", f"{call}:{fault}:when={n}")
            met = outcome.met[call] + outcome.met[KILLED]
            swept.hit[call] += met
            if not met or (until_bad and swept.bad):
                break
    return swept


def torn_template(folder: Path) -> Template:
    """Give a node whose receiver died: a record without its mark and half a record stand in its pack."""
    found_node(folder)
    packs = open_packs(folder / NODE)
    writer = open_writer(packs, study_uid="2.25.2")
    stored = [store(writer, n, study_uid="2.25.2") for n in (1, 2, 3)]
    ends = [one.next_offset for one, _ in stored]
    raw = packs.path(stored[0][0].location.pack).read_bytes()
    writer.close()
    torn = raw[: ends[1] - 8] + bytes(8) + raw[ends[1] : ends[2] - 100]
    packs.path(stored[0][0].location.pack).write_bytes(torn)
    answered = {
        f"2.25.1.1.{n}": digest_of(data_set) for n, (_, data_set) in zip((1, 2), stored, strict=False)
    }
    return Template(folder, answered, answered)


def received_template(folder: Path, nursery: Nursery, device: Device) -> Template:
    """Give a node that has taken a device's instances, and not looked at them yet."""
    found_node(folder)
    with _receiver(nursery, folder) as process:
        device.send(_ready(process))
    return Template(folder, device.acknowledged, device.sent)


def receiver_run(
    nursery: Nursery,
    template: Template,
    device: Callable[[], Device],
    *,
    step: str,
    roll_bytes: int = 1 << 30,
    also: Sequence[str] = (),
) -> Run:
    """Give a run of a receiver that takes a device's instances.

    Parameters
    ----------
    step
        In which calls fail: ``born``, when it recovers what was left, or ``ready``, when it takes the instances.
    also
        Rules that hold besides.
    """

    def run(folder: Path, rule: str) -> Outcome:
        log, sender = folder / "log", device()
        wrong: list[str] = []
        with _receiver(nursery, folder, roll_bytes) as process:
            try:
                if step == "born":
                    with injected(process.pid, log, rule, *also):
                        port = _ready(process)
                    sender.send(port)
                else:
                    port = _ready(process)
                    with injected(process.pid, log, rule, *also):
                        sender.send(port)
                        if sender.broken:
                            raise Died(sender.broken)
            except Died as error:
                if KILL not in rule and step == "ready":
                    wrong.append(f"the receiver or its association did not survive: {error}")
            except TimeoutError as error:
                wrong.append(f"a hang: {error}")
        if len(sender.refused) > 1 or any(status != 0xA700 for status in sender.refused):
            wrong.append(f"refused with {[f'{status:04X}' for status in sender.refused]}")
        wrong += [
            *_written_after_a_failed_sync(log),
            *_written_elsewhere(log, folder),
            *_again(nursery, folder, sender),
        ]
        wrong += wrong_with(
            folder,
            acknowledged=template.acknowledged | sender.acknowledged,
            sent=template.sent | sender.sent,
        )
        return Outcome(calls_in(log), hits(log), wrong)

    return run


def grid_run(nursery: Nursery, template: Template, *, step: str) -> Run:
    """Give a run of an index that registers what the template holds.

    Parameters
    ----------
    step
        In which calls fail: ``born``, when the database is opened, ``ready``, when the packs are registered, or
        ``registered``, when it is closed.
    """

    def run(folder: Path, rule: str) -> Outcome:
        log = folder / "log"
        wrong: list[str] = []
        process = nursery.start("grid", folder)
        try:
            for now, then in pairwise(GRID_STEPS):
                with injected(process.pid, log, rule, once=True) if now == step else nullcontext():
                    process.go()
                    process.hear(then)
        except Died as error:
            if KILL not in rule and step == "ready":
                wrong.append(f"the index did not survive: {error}")
        except TimeoutError as error:
            wrong.append(f"a hang: {error}")
        finally:
            process.end()
        wrong += _written_elsewhere(log, folder)
        wrong += wrong_with(folder, acknowledged=template.acknowledged, sent=template.sent)
        return Outcome(calls_in(log), hits(log), wrong)

    return run


def found_node(folder: Path) -> None:
    """Make a node that admits everybody; the bell of a process that died hangs there."""
    bare_node(folder, NODE, SystemClock()).close()
    admit_all(folder / NODE)
    (folder / NODE / "run" / "1-dead.bell").touch()


def _again(nursery: Nursery, folder: Path, device: Device) -> Iterator[str]:
    """Start the receiver without a fault, and let the device send what it has no answer for."""
    with _receiver(nursery, folder) as process:
        process.go()
        port, damaged = process.hear("ready").split()
        if damaged != "0":
            yield f"{damaged} packs are damaged"
        device.send(int(port))
    if device.refused or device.broken or device.acknowledged != device.sent:
        yield f"sent again it was refused: {device.refused} {device.broken}"


def _written_after_a_failed_sync(log: Path) -> Iterator[str]:
    """Name files that a process went on writing to, or synced again, after a sync of theirs had failed."""
    failed: set[str] = set()
    for line in log.read_text(errors="replace").splitlines():
        match = re.search(r" (fdatasync|fsync|pwrite64|pwritev2?)\(\d+<([^>]*\.pack)>", line)
        if match is None:
            continue
        call, pack = match.groups()
        if pack in failed:
            yield f"{call} of a pack whose sync had failed"
        if call.endswith("sync") and "INJECTED" in line:
            failed.add(pack)


def _written_elsewhere(log: Path, folder: Path) -> Iterator[str]:
    """Name calls that write to another folder: what is encrypted, backed up or has room is the state folder."""
    for line in log.read_text(errors="replace").splitlines():
        match = re.search(r' (?!openat)(\w+)\((?:(?![12]<)\d+<(/[^>]*)>|"(/[^"]*)")', line)
        if match and not (match[2] or match[3]).startswith(str(folder)):
            yield f"{match[1]} of {match[2] or match[3]}"


@contextmanager
def _receiver(nursery: Nursery, folder: Path, roll_bytes: int = 1 << 30) -> Iterator[SweptProcess]:
    process = nursery.start("receiver", folder, roll_bytes=roll_bytes)
    try:
        yield process
    finally:
        process.end()


def _ready(process: SweptProcess) -> int:
    """Let it recover and listen; give its port."""
    process.go()
    return int(process.hear("ready").split()[0])
