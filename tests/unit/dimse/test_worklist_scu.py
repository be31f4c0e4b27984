"""What is asked of a worklist."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import pytest
from pydicom.filereader import read_dataset

from node.dimse.worklist_scu import write_question


@pytest.mark.parametrize("explicit", [True, False])
def test_the_day_is_matched_on_and_no_name_is_asked_for(explicit: bool) -> None:
    raw = write_question(date(2026, 12, 1), charset="GB18030", explicit=explicit)
    asked = read_dataset(BytesIO(raw), is_implicit_VR=not explicit, is_little_endian=True)
    (step,) = asked.ScheduledProcedureStepSequence
    assert step.ScheduledProcedureStepStartDate == "20261201"
    assert step.Modality == ""
    assert asked.PatientID == ""
    assert asked.SpecificCharacterSet == "GB18030"
    assert "PatientName" not in asked
    tags = [element.tag for element in asked]
    assert tags == sorted(tags)
