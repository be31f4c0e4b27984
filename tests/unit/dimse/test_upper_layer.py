"""PDUs as bytes: held against pynetdicom's reading of them, and against bytes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP

from node.dicom.part10 import IMPLEMENTATION_CLASS_UID
from node.dimse.items import Malformed, Reason
from node.dimse.upper_layer import (
    APPLICATION_CONTEXT,
    PDU_HEADER,
    PDV_HEADER,
    Answered,
    AssociateRequest,
    Pdu,
    Proposed,
    Result,
    read_associate,
    write_abort,
    write_accept,
    write_command,
    write_reject,
    write_release,
)
from node.dimse.user_information import DEFAULT_MAX_PDU, UserInformation
from tests.kit.instances import CT_IMAGE, EXPLICIT, IMPLICIT
from tests.kit.raw_sender import associate_rq

TITLES = b"ALPHA".ljust(16) + b"CT1".ljust(16)


def item(kind: int, content: bytes) -> bytes:
    return bytes((kind, 0)) + len(content).to_bytes(2, "big") + content


def context(number: int, *names: bytes) -> bytes:
    return item(0x20, bytes((number, 0, 0, 0)) + b"".join(names))


def body(*items: bytes) -> bytes:
    return b"\0\x01\0\0" + TITLES + bytes(32) + b"".join(items)


def accepted(request: AssociateRequest, *answers: Answered) -> A_ASSOCIATE_AC:
    written = write_accept(request, answers, UserInformation(max_pdu_bytes=1 << 17))
    read = A_ASSOCIATE_AC()
    read.decode(written)
    return read


def test_request_is_read_as_it_was_meant() -> None:
    raw = associate_rq("CT1", "ALPHA", [(CT_IMAGE, EXPLICIT), (CT_IMAGE, IMPLICIT)], max_pdu_bytes=50_000)
    request = read_associate(raw[6:])
    assert (request.called, request.calling, request.version) == ("ALPHA", "CT1", 1)
    assert request.application_context == APPLICATION_CONTEXT
    assert request.user.max_pdu_bytes == 50_000
    assert [each.id for each in request.contexts] == [1, 3]
    assert request.contexts[1] == Proposed(id=3, abstract_syntax=CT_IMAGE, transfer_syntaxes=(IMPLICIT,))


@pytest.mark.parametrize(
    ("user", "takes"),
    [
        (b"", DEFAULT_MAX_PDU),
        (item(0x50, b""), DEFAULT_MAX_PDU),
        (item(0x50, item(0x52, b"2.25.1")), DEFAULT_MAX_PDU),
        (item(0x50, item(0x51, bytes(4))), 0),
        (item(0x50, item(0x53, b"\0\x05\0\x05") + item(0x51, b"\0\0\x40\0") + item(0x58, b"\x01\0")), 16384),
    ],
    ids=["none", "empty", "no-length", "no-limit", "among-others"],
)
def test_what_a_peer_takes_is_read_whatever_else_it_says(user: bytes, takes: int) -> None:
    assert read_associate(body(user)).user.max_pdu_bytes == takes


def test_names_padded_with_zeros_or_blanks_are_taken() -> None:
    names = (
        item(0x30, CT_IMAGE.encode() + b"\0"),
        item(0x40, EXPLICIT.encode() + b" "),
        item(0x41, b"what is this"),
    )
    (read,) = read_associate(body(context(1, *names))).contexts
    assert read == Proposed(id=1, abstract_syntax=CT_IMAGE, transfer_syntaxes=(EXPLICIT,))


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        body()[:67],
        body(context(2, item(0x30, b"1.2"))),
        body(context(1, item(0x30, b"1.2")), context(1, item(0x30, b"1.2"))),
        body(*(context(n, item(0x30, b"1.2")) for n in [*range(1, 257, 2), 1])),
        body(context(1)),
        body(item(0x20, b"\x01")),
        body(item(0x20, b"\x01\0\0\0\x30")),
        body(b"\x20\0\xff\xff\x01"),
        body(context(1, b"\x30\0\x09\x00" + b"1.2")),
        body(context(1, item(0x30, b"1.\xff"))),
        body(item(0x50, item(0x51, b"\0"))),
    ],
)
def test_request_that_breaks_its_form_is_malformed(wrong: bytes) -> None:
    with pytest.raises(Malformed, match="Check what calls this port"):
        read_associate(wrong)


@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_be_malformed(noise: bytes) -> None:
    for content in (noise, body(noise)):
        try:
            read_associate(content)
        except Malformed:
            continue


def test_acceptance_is_read_by_others_as_it_was_meant() -> None:
    request = read_associate(associate_rq("CT1", "ALPHA", [(CT_IMAGE, EXPLICIT)])[6:])
    read = accepted(
        request,
        Answered(id=1, result=Result.ACCEPTED, transfer_syntax=EXPLICIT),
        Answered(id=3, result=Result.NO_TRANSFER_SYNTAX, transfer_syntax=IMPLICIT),
    )
    assert (read.called_ae_title, read.calling_ae_title) == ("ALPHA", "CT1")
    assert read.application_context_name == APPLICATION_CONTEXT
    assert [(each.context_id, each.result, each.transfer_syntax) for each in read.presentation_context] == [
        (1, 0, EXPLICIT),
        (3, 4, IMPLICIT),
    ]
    assert read.user_information is not None
    assert read.user_information.maximum_length == 1 << 17
    assert read.user_information.implementation_class_uid == IMPLEMENTATION_CLASS_UID


def test_our_short_pdus_are_read_by_others() -> None:
    rejection, abort, release = A_ASSOCIATE_RJ(), A_ABORT_RQ(), A_RELEASE_RP()
    rejection.decode(write_reject(2, 3, 2))
    assert (rejection.result, rejection.source, rejection.reason_diagnostic) == (2, 3, 2)
    abort.decode(write_abort(Reason.UNEXPECTED))
    assert (abort.source, abort.reason_diagnostic) == (2, 2)
    release.decode(write_release())


@given(length=st.integers(1, 400), takes=st.sampled_from([0, 7, 8, 50, 16384]))
def test_command_is_cut_to_what_the_peer_takes(length: int, takes: int) -> None:
    command = bytes(n % 251 for n in range(length))
    written, taken, controls = write_command(5, command, takes), b"", []
    while written:
        kind, size = PDU_HEADER.unpack_from(written)
        assert kind == Pdu.DATA
        assert not takes or size <= takes
        value, number, control = PDV_HEADER.unpack_from(written, 6)
        assert (value, number) == (size - 4, 5)
        taken += written[12 : 6 + size]
        controls.append(control)
        written = written[6 + size :]
    assert taken == command
    assert controls == [1] * (len(controls) - 1) + [3]


@given(st.lists(st.sampled_from([CT_IMAGE, "2.25.7", "1.2.840.10008.1.1"]), min_size=1, max_size=12))
def test_another_reader_sees_the_same_request(classes: list[str]) -> None:
    raw = associate_rq("CT1", "ALPHA", [(each, EXPLICIT) for each in classes])
    theirs, ours = A_ASSOCIATE_RQ(), read_associate(raw[6:])
    theirs.decode(raw)
    assert [(each.context_id, each.abstract_syntax) for each in theirs.presentation_context] == [
        (each.id, each.abstract_syntax) for each in ours.contexts
    ]
