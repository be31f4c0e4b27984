"""The same stories with real senders and processes: what dcmtk sends after somebody corrected gets the same treatment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.finding import clinic
from tests.kit.http import Visitor, wait_for
from tests.kit.instances import make_ct, part10
from tests.kit.notes_of_rejection import KOS, make_note
from tests.kit.running import RunningAlliance, storescu

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[2]
WANG = {"patient_id": "B-42", "patient_name": "Wang^Wu"}


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlliance]:
    with clinic(tmp_path_factory.mktemp("clinic")) as running:
        yield running


def ct(folder: Path, study: int, n: int, **changes: Any) -> Path:
    uid = f"2.25.{study}"
    data_set = make_ct(study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.{n}", number=n, **changes)
    path = folder / f"{study}-{n}-{len(list(folder.iterdir()))}.dcm"
    path.write_bytes(part10(data_set, sop_uid=f"{uid}.1.{n}"))
    return path


def ids(reader: Visitor) -> dict[str, tuple[str, int]]:
    return {
        one["0020000D"]["Value"][0]: (one["00100020"]["Value"][0], one["00201208"]["Value"][0])
        for one in reader.get("/dicomweb/studies")
    }


def test_what_is_sent_after_a_merge_a_move_and_a_note_gets_the_same_treatment(
    alliance: RunningAlliance, tmp_path: Path
) -> None:
    alpha, reader = alliance.nodes["alpha"], alliance.reader("alpha")
    technician = alliance.visitor("alpha", "technician")
    storescu(alpha, [ct(tmp_path, 1, 1), ct(tmp_path, 2, 1), ct(tmp_path, 3, 1, **WANG)])
    found = wait_for("three studies", lambda: len(ids(reader)) == 3 and ids(reader))
    assert found["2.25.1"] == ("A-17", 1)
    (wang,) = technician.get("/api/corrections/patients?text=B-42")["items"]
    stays = {"issuer": wang["issuer"], "id": "B-42"}

    # Moved, then sent again under the right patient with the same UIDs, and once more under the wrong one.
    place = "/api/studies/alpha/2.25.2/corrections"
    technician.post(place, {"kind": "move", "patient": stays, "reason": "Wrong worklist entry"})
    storescu(alpha, [ct(tmp_path, 2, 1, **WANG), ct(tmp_path, 2, 2, **WANG), ct(tmp_path, 2, 3)])
    wait_for("both sendings", lambda: ids(reader)["2.25.2"] == ("B-42", 3))
    page = technician.get("/api/studies/alpha/2.25.2")
    assert (page["study"]["conflict"], page["conflicts"]) == (0, [])

    # Merged: what comes later under the old ID is the other's.
    goes = {"issuer": wang["issuer"], "id": "A-17"}
    ask = {"kind": "merge", "patient": goes, "to": stays, "reason": "Same person"}
    merged = technician.post("/api/corrections", ask)["id"]
    storescu(alpha, [ct(tmp_path, 1, 2), ct(tmp_path, 4, 1)])
    wait_for(
        "later ones",
        lambda: ids(reader).get("2.25.4") == ("B-42", 1) and ids(reader)["2.25.1"] == ("B-42", 2),
    )
    assert reader.get("/dicomweb/studies?PatientID=A-17") == []

    # A device's rejection note hides what it lists.
    note = tmp_path / "note.dcm"
    note.write_bytes(part10(make_note(["2.25.1.1.2"]), sop_uid="2.25.1.9.1", sop_class=KOS))
    storescu(alpha, [note])
    wait_for("the rejection", lambda: ids(reader)["2.25.1"] == ("B-42", 1))
    assert technician.get("/api/corrections")["items"][0]["kind"] == "note"

    technician.post(f"/api/corrections/{merged}/undo", {"reason": "Two people"})
    assert ids(reader)["2.25.1"] == ("A-17", 1)
    assert ids(reader)["2.25.4"] == ("A-17", 1)
    assert ids(reader)["2.25.2"] == ("B-42", 3)

    state = alliance.directory / "alpha"
    command = [sys.executable, "-c", "from ops.cli import main; main()", "verify", str(state)]
    verdict = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (verdict.returncode, verdict.stdout.count("\n")) == (0, 1), verdict.stdout
