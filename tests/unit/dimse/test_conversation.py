"""Messages cut into PDUs: whatever a peer takes, the fragments together are the data set and one of them is the last."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.dimse.commands import NO_DATA_SET, Field
from node.dimse.connection import Connection
from node.dimse.conversation import Conversation
from node.dimse.items import Malformed
from node.dimse.sending import PieceReader
from node.dimse.upper_layer import PDU_HEADER, PDV_HEADER, write_command
from node.errors import Damaged, InvalidRequest
from node.store.regions import Made, Region


def fragments(raw: bytes, takes: int) -> list[tuple[int, int, bytes]]:
    """Read P-DATA-TF PDUs as a peer would: context, control and content of each fragment."""
    found = []
    at = 0
    while at < len(raw):
        kind, length = PDU_HEADER.unpack_from(raw, at)
        assert kind == 4
        assert not takes or length <= takes
        at += PDU_HEADER.size
        end = at + length
        while at < end:
            size, context, control = PDV_HEADER.unpack_from(raw, at)
            found.append((context, control, raw[at + PDV_HEADER.size : at + 4 + size]))
            at += 4 + size
        assert at == end
    return found


def sent(takes: int, content: bytes, *, written: bool = False) -> bytes:
    ours, theirs = socket.socketpair()
    received = bytearray()

    def read() -> None:
        while more := theirs.recv(1 << 16):
            received.extend(more)

    reader = threading.Thread(target=read)
    reader.start()
    conversation = Conversation(Connection(ours), peer_takes=takes)
    if written:
        conversation.send_written(conversation.written(5, b"command!", content))
    else:
        conversation.send_instance(5, b"command!", PieceReader([content]).fill, len(content))
    ours.close()
    reader.join(10)
    theirs.close()
    return bytes(received)


@pytest.mark.parametrize("written", [True, False])
@settings(deadline=None)
@given(
    st.sampled_from([0, 7, 8, 64, 1000, 16384]),
    st.sampled_from([0, 1, 2, 57, 58, 59, 116, 994, 16378, 40_000]),
)
def test_fragments_are_the_data_set(written: bool, takes: int, size: int) -> None:
    content = bytes(n % 251 for n in range(size))
    found = fragments(sent(takes, content, written=written), takes)
    commands = [each for each in found if each[1] & 1]
    data = [each for each in found if not each[1] & 1]
    assert b"".join(each[2] for each in commands) == b"command!"
    assert b"".join(each[2] for each in data) == content
    assert [each[1] & 2 for each in data] == [0] * (len(data) - 1) + [2]
    assert {each[0] for each in found} == {5}


def test_a_file_that_ends_too_early_is_not_padded(tmp_path: Path) -> None:
    path = tmp_path / "pack"
    path.write_bytes(b"x" * 100)
    ours, theirs = socket.socketpair()
    conversation = Conversation(Connection(ours), peer_takes=0)
    reader = PieceReader([b"head", Region(path=path, offset=50, length=100)])
    with pytest.raises(Damaged):
        conversation.send_instance(5, b"command!", reader.fill, 104)
    reader.close()
    ours.close()
    theirs.close()


def test_pieces_are_read_one_behind_the_other(tmp_path: Path) -> None:
    path = tmp_path / "pack"
    path.write_bytes(bytes(range(100)))
    reader = PieceReader([b"head", Region(path=path, offset=10, length=20), b"", b"tail"])
    place = bytearray(100)
    assert reader.fill(memoryview(place)[:7]) == 7
    assert reader.fill(memoryview(place)[7:]) == 21
    assert bytes(place[:28]) == b"head" + bytes(range(10, 30)) + b"tail"


def test_pieces_are_made_when_their_turn_comes_and_one_that_cannot_be_ends_all() -> None:
    made: list[str] = []

    def make() -> bytes:
        made.append("frame")
        return b"frame"

    def fails() -> bytes:
        raise InvalidRequest("Decoding a frame was refused: it is cut off. Take it as stored.")

    reader = PieceReader(
        [b"head", Made(length=5, make=make), memoryview(b"view"), Made(length=9, make=fails)]
    )
    assert (reader.size, made) == (22, [])
    place = bytearray(22)
    assert reader.fill(memoryview(place)[:4]) == 4
    assert made == []
    assert reader.fill(memoryview(place)[4:7]) == 3
    assert reader.fill(memoryview(place)[7:13]) == 6
    assert (bytes(place[:13]), made) == (b"headframeview", ["frame"])
    with pytest.raises(Damaged, match="it is cut off"):
        reader.fill(memoryview(place)[13:])


def test_a_pack_that_was_merged_meanwhile_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_bytes(b"..content")
    moved = Region(path=path, offset=2, length=7)
    reader = PieceReader([Region(path=tmp_path / "old", offset=0, length=7, again=lambda: moved)])
    place = bytearray(7)
    assert reader.fill(memoryview(place)) == 7
    assert bytes(place) == b"content"


def answer(field: int = Field.C_STORE | 0x8000, data: int = NO_DATA_SET) -> bytes:
    def short(element: int, value: int) -> bytes:
        return b"\0\0" + element.to_bytes(2, "little") + b"\2\0\0\0" + value.to_bytes(2, "little")

    return short(0x0100, field) + short(0x0120, 7) + short(0x0800, data) + short(0x0900, 0xB007)


@pytest.mark.parametrize("takes", [0, 13])
def test_an_answer_is_read_in_whatever_pieces(takes: int) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(write_command(3, answer(), takes))
    conversation = Conversation(Connection(ours), peer_takes=0)
    assert conversation.has_come()
    context, command = conversation.receive(5)
    assert (context, command.answered_id, command.status) == (3, 7, 0xB007)
    assert not conversation.has_come()
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "raw",
    [
        write_command(3, answer(data=1), 0),
        PDU_HEADER.pack(4, 0x7FFFFFFF),
        PDU_HEADER.pack(5, 4) + bytes(4),
        PDU_HEADER.pack(4, 8) + PDV_HEADER.pack(4, 3, 0) + b"xx",
        PDU_HEADER.pack(4, 6) + PDV_HEADER.pack(900, 3, 1),
    ],
    ids=["with-data", "endless", "release", "no-command", "too-long"],
)
def test_what_has_no_place_ends_the_association(raw: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(raw)
    with pytest.raises(Malformed):
        Conversation(Connection(ours), peer_takes=0).receive(5)
    ours.close()
    theirs.close()
