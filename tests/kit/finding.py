"""Store, release, find: one round of what a modality and a workstation do to each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kit.http import Visitor
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import RawSender
from tests.kit.running import RunningAlliance, running_alliance


@contextmanager
def clinic(directory: Path) -> Iterator[RunningAlliance]:
    """Run a clinic and its centre; nothing is shared with anybody, so what is measured is the clinic's own."""
    with running_alliance(directory) as alliance:
        yield alliance


def slice_of(number: int) -> tuple[bytes, str, str]:
    """Give a small instance of a study of its own: data set, SOP and study instance UID."""
    sop_uid, study_uid = f"2.25.77.1.{number}", f"2.25.77.{number}"
    data_set = make_ct(
        sop_uid=sop_uid,
        rows=64,
        columns=64,
        change={0x0020000D: ("UI", study_uid), 0x0020000E: ("UI", f"{study_uid}.1")},
    )
    return data_set, sop_uid, study_uid


class Round:
    """An association that stores one instance; then it is looked for."""

    def __init__(self, alliance: RunningAlliance, reader: Visitor, number: int) -> None:
        dicom = alliance.nodes["alpha"].dicom
        self._reader = reader
        self._data_set, self._sop_uid, self._study_uid = slice_of(number)
        self._sender = RawSender(
            dicom.host, dicom.port, called=dicom.aet, contexts=[(CT_IMAGE, EXPLICIT)], timeout_s=60
        )

    def store(self) -> float:
        """Store the instance; give when it was answered."""
        sent = self._sender.store(
            sop_class=CT_IMAGE, sop_uid=self._sop_uid, transfer_syntax=EXPLICIT, data_set=self._data_set
        )
        assert sent.status == 0, sent
        return time.monotonic()

    def release(self) -> float:
        """Release the association; give how long its answer took, in s."""
        asked = time.monotonic()
        self._sender.release()
        return time.monotonic() - asked

    def found(self) -> bool:
        """Look for the study by QIDO-RS."""
        answer: list[Any] | None = self._reader.get(f"/dicomweb/studies?StudyInstanceUID={self._study_uid}")
        return bool(answer)
