"""Command sets: read from and written for others."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dsutils import decode

from node.dimse.commands import Command, read_command, write_response
from node.dimse.items import Malformed
from tests.kit.instances import CT_IMAGE
from tests.kit.raw_sender import _command, _ui, _us

STORE = [_ui(2, CT_IMAGE), _us(0x100, 1), _us(0x110, 7), _us(0x700, 0), _us(0x800, 1), _ui(0x1000, "2.25.1")]


def test_request_is_read() -> None:
    assert read_command(_command(STORE)) == Command(
        field=1, message_id=7, has_data_set=True, sop_class=CT_IMAGE, sop_uid="2.25.1"
    )


def test_order_of_elements_and_a_wrong_group_length_do_not_matter() -> None:
    shuffled = b"".join(reversed(STORE))
    assert read_command(shuffled) == read_command(_command(STORE))
    assert read_command(b"\0\0\0\0\x04\0\0\0\xff\xff\0\0" + shuffled).message_id == 7


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\0\0",
        _command(STORE)[:-1],
        _command([_us(0x100, 1)]),
        _command([_us(0x800, 1)]),
        b"\x08\0\x18\0\x02\0\0\0ab",
        _command([_us(0x800, 1), b"\0\0\0\x01\x01\0\0\0a"]),
    ],
)
def test_command_that_says_not_what_it_is_is_malformed(wrong: bytes) -> None:
    with pytest.raises(Malformed):
        read_command(wrong)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_be_malformed(noise: bytes) -> None:
    try:
        read_command(noise)
    except Malformed:
        return


@pytest.mark.parametrize("comment", ["", "odd", "even"])
@pytest.mark.parametrize("uid", ["2.25.1", "2.25.12", ""])
def test_answer_is_read_by_others_as_it_was_meant(comment: str, uid: str) -> None:
    command = Command(field=1, message_id=300, has_data_set=True, sop_class=CT_IMAGE, sop_uid=uid)
    written = write_response(command, 0xA700, comment)
    read = decode(io.BytesIO(written), True, True)
    assert (read.CommandField, read.MessageIDBeingRespondedTo) == (0x8001, 300)
    assert (read.Status, read.CommandDataSetType) == (0xA700, 0x0101)
    assert read.get("ErrorComment", "") == comment
    assert read.get("AffectedSOPInstanceUID", "") == uid
    assert read.CommandGroupLength == len(written) - 12
    message = C_STORE_RSP()
    message.command_set = read
