"""Files taken apart and meta information written."""

from __future__ import annotations

import pytest

from node.dicom.part10 import PREAMBLE, read_part10, write_file_meta
from node.errors import InvalidRequest
from tests.kit.instances import CT_IMAGE, EXPLICIT, file_meta, make_ct, part10

FILE = part10(make_ct())


def test_file_is_meta_information_and_data_set() -> None:
    parts = read_part10(FILE)
    assert (parts.transfer_syntax, parts.sop_class, parts.sop_uid) == (EXPLICIT, CT_IMAGE, "2.25.1.1.1")
    assert PREAMBLE + parts.file_meta + bytes(parts.data_set) == FILE


def test_preamble_may_be_missing() -> None:
    assert read_part10(FILE[132:]).sop_uid == "2.25.1.1.1"


def test_wrong_group_length_is_not_trusted() -> None:
    meta = file_meta()
    lie = meta[:8] + b"\x04\x00\x00\x00" + meta[12:]
    assert bytes(read_part10(bytes(128) + b"DICM" + lie + make_ct()).data_set) == make_ct()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>" * 100, bytes(200), make_ct()])
def test_what_is_no_dicom_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not a DICOM file"):
        read_part10(content)


def test_truncation_at_any_byte_of_the_meta_information_is_refused() -> None:
    end = len(FILE) - len(make_ct())
    for length in range(end):
        try:
            parts = read_part10(FILE[:length])
        except InvalidRequest:
            continue
        assert parts.transfer_syntax == EXPLICIT  # cut behind it, at an element's end


def test_written_meta_information_is_read_back() -> None:
    meta = write_file_meta(sop_class=CT_IMAGE, sop_uid="2.25.7", transfer_syntax=EXPLICIT, sender="CT1")
    parts = read_part10(PREAMBLE + meta + make_ct())
    assert parts.file_meta == meta
    assert (parts.sop_uid, parts.transfer_syntax) == ("2.25.7", EXPLICIT)
    assert len(meta) == 12 + int.from_bytes(meta[8:12], "little")


@pytest.mark.parametrize("sender", ["", "放射科", "\xff" * 4, "A\\B", "CT1\0CT2", "A" * 17, "CT1\n"])
def test_a_title_that_is_none_is_not_written_into_the_meta_information(sender: str) -> None:
    named = {"sop_class": CT_IMAGE, "sop_uid": "2.25.7", "transfer_syntax": EXPLICIT}
    assert write_file_meta(**named, sender=sender) == write_file_meta(**named)


def test_pydicom_reads_what_was_written() -> None:
    from io import BytesIO

    from pydicom import dcmread

    meta = write_file_meta(sop_class=CT_IMAGE, sop_uid="2.25.7", transfer_syntax=EXPLICIT)
    data_set = dcmread(BytesIO(PREAMBLE + meta + make_ct()))
    assert data_set.file_meta.MediaStorageSOPInstanceUID == "2.25.7"
    assert data_set.PatientID == "A-17"
