"""A node whose studies lie in either tier or in both: what an earlier version leaves for later ones to open.

``python -m tests.kit.two_tiers OUT`` lets it happen with the version that it runs in, and keeps that as a fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.recall.recalling import bring
from node.archive.stores.opening import prepare_store
from node.catalogue.correction_drafts import draft_choice, draft_merge, draft_patient, draft_rejection
from node.catalogue.correction_facts import PatientChange
from node.catalogue.corrections import make_correction
from node.catalogue.moving import RETIRED_FOR, merge_packs, retire_packs
from node.catalogue.search import conflicts_of
from node.config import load_config
from node.node import Node
from tests.kit.instances import make_ct
from tests.kit.lost_index import TickingClock, begin, complete, key, opened, patient, seal, send
from tests.kit.people import TECHNICIAN
from tests.kit.state_fixture import NEAR, OUTSIDE, keep

AWAY, TOO, PART, MERGED, INTO, CORRECTED = 1, 2, 3, 4, 5, 6
"""In the archive alone; online too; recalled in part; of a merged patient, away; of whom she was merged into; corrected."""
SIDE = 16
_STORES = f"""
[[archive.store]]
name = "near"
kind = "folder"
path = "{{state}}/{NEAR}"

[[archive.store]]
name = "outside"
kind = "folder"
path = "{{state}}/{OUTSIDE}"
leaves = true
"""


def begin_with_stores(folder: Path) -> Path:
    """Make an empty node with a store here, and one outside where packages are sealed; give its state folder."""
    state = begin(folder)
    with (state / "meridian.toml").open("a") as file:
        file.write(_STORES.format(state=state))
    for described in load_config(state).archive.store:
        Path(described.path).mkdir()
        prepare_store(described, state / "keys")
    return state


def live(node: Node, clock: TickingClock) -> None:
    """Let studies come, be corrected, archived, let go and asked back; seal what was written of it."""
    _receive(node, clock)
    _correct(node)
    complete(node, clock)
    for study in (AWAY, TOO, PART, MERGED):
        archive_study(node, origin="alpha", study_uid=f"2.25.{study}")
    for study in (AWAY, PART, MERGED):
        expire_study(node, key(study), reason="age")
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)
    bring(node, key(PART), who="Dr. Li", why="asked", series_uid=f"2.25.{PART}.1")
    seal(node, clock)


def _receive(node: Node, clock: TickingClock) -> None:
    send(node, clock, AWAY, *(slice_(AWAY, n) for n in (1, 2, 3)), slice_(AWAY, 1, series=2))
    send(node, clock, AWAY, *(slice_(AWAY, n, series=2, numbered=False) for n in (2, 3)))
    send(node, clock, AWAY, slice_(AWAY, 2, seed=9))  # another content under the same UID
    send(node, clock, AWAY, slice_(AWAY, 1, series=2, seed=9))
    packs = [send(node, clock, TOO, slice_(TOO, n)) for n in (1, 2)]
    merge_packs(node, key(TOO), packs)
    send(node, clock, TOO, slice_(TOO, 1, series=2))
    send(node, clock, PART, *(slice_(PART, 1, series=series) for series in (1, 2)))
    send(node, clock, MERGED, *(slice_(MERGED, n, patient_id="B-42", name="Wang^Wu") for n in (1, 2)))
    send(node, clock, INTO, slice_(INTO, 1, patient_id="C-1", name="王^五"))
    send(node, clock, CORRECTED, slice_(CORRECTED, 1, patient_id="D-1"))


def _correct(node: Node) -> None:
    twice = next(row for row in conflicts_of(node.database, key(AWAY)) if row.series_uid.endswith(".2"))
    for draft in (
        draft_choice(node, key(AWAY), twice.sop_uid, twice.digest),
        draft_rejection(node, key(AWAY), sop_uids=[f"2.25.{AWAY}.1.3"]),
        draft_merge(node, patient("C-1"), patient("B-42")),
        draft_patient(node, patient("D-1"), PatientChange(name="Sun^Ba")),
    ):
        make_correction(node, TECHNICIAN, draft, reason="As it was")


def slice_(
    study: int,
    n: int,
    *,
    series: int = 1,
    seed: int = 0,
    numbered: bool = True,
    patient_id: str = "A-17",
    name: str = "Zhang^San",
) -> bytes:
    """Give a small picture with a little noise, which the archive codes again."""
    noise = n + 5 * series + seed
    values = (
        1000 + 40 * x + 25 * y + (x * 7 + y * 13 + noise * 5) % 11 for y in range(SIDE) for x in range(SIDE)
    )
    number = {} if numbered else {0x00200013: None}
    return make_ct(
        study_uid=f"2.25.{study}", series_uid=f"2.25.{study}.{series}", sop_uid=f"2.25.{study}.{series}.{n}",
        number=n, patient_id=patient_id, patient_name=name, charset="ISO_IR 192", python_charset="utf-8",
        rows=SIDE, columns=SIDE, pixels=b"".join(value.to_bytes(2, "little") for value in values),
        change={0x00280004: ("CS", "MONOCHROME2")} | number,
    )  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    with TemporaryDirectory() as folder:
        clock = TickingClock()
        state = begin_with_stores(Path(folder))
        node = opened(state, clock)
        live(node, clock)
        node.close()
        keep(state, Path(arguments[0]), clock)


if __name__ == "__main__":
    main(sys.argv[1:])
