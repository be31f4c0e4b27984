"""Sending to others: dcmtk's storescp as a PACS, and our own receiver as a strict one."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.dimse.calling import Called, Proposal, calling
from node.dimse.echo_scu import echo as echo_to
from node.dimse.outgoing import outgoing_file
from node.dimse.store_scu import NO_CONTEXT, Sent, store
from node.errors import InvalidRequest, Refused, Unavailable
from ops.free_ports import free_ports
from tests.kit.instances import BIG, CT_IMAGE, DEFLATED, EXPLICIT, IMPLICIT, make_ct, part10
from tests.kit.receiving import admit_all, packs_of, receiving, records, rule

HOST = "127.0.0.1"


def whom(aet: str, host: str, port: int, calling: str) -> Called:
    return Called(name="PACS", aet=aet, host=host, port=port, calling=calling)


def echo(aet: str, host: str, port: int, calling: str) -> None:
    echo_to(whom(aet, host, port, calling))


def send(
    aet: str, host: str, port: int, calling: str, files: Sequence[bytes], *, charset: str = ""
) -> list[Sent]:
    sent: list[Sent] = []

    def told(one: Sent) -> bool:
        sent.append(one)
        return True

    with tempfile.TemporaryDirectory() as folder:
        outgoing = [outgoing_file(file) for file in files]
        store(whom(aet, host, port, calling), outgoing, directory=Path(folder), charset=charset, told=told)
    return sent


@contextmanager
def storescp(folder: Path, *arguments: str) -> Iterator[int]:
    """dcmtk's storage SCP, keeping bytes as they come."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        ["storescp", *arguments, "--bit-preserving", "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def instance(n: int, syntax: str = EXPLICIT, **changes: object) -> bytes:
    uid = f"2.25.1.1.{n}"
    data_set = make_ct(sop_uid=uid, transfer_syntax=syntax, **changes)  # type: ignore[arg-type]
    return part10(data_set, sop_uid=uid, transfer_syntax=syntax)


@pytest.mark.peer
def test_dcmtk_hears_us_and_takes_what_we_send(tmp_path: Path) -> None:
    with storescp(tmp_path) as port:
        echo("PACS", HOST, port, "ALPHA")
        sent = send("PACS", HOST, port, "ALPHA", [instance(1), instance(2)])
    assert [(one.sop_uid, one.status, one.is_stored) for one in sent] == [
        ("2.25.1.1.1", 0, True),
        ("2.25.1.1.2", 0, True),
    ]
    assert len(list(tmp_path.iterdir())) == 2
    for file in tmp_path.iterdir():
        assert make_ct(sop_uid=file.name.removeprefix("CT.")) in file.read_bytes()


@pytest.mark.peer
def test_a_destination_that_takes_implicit_only_gets_it_converted(tmp_path: Path) -> None:
    with storescp(tmp_path, "+xi") as port:
        (sent,) = send("PACS", HOST, port, "ALPHA", [instance(1)])
    assert sent.is_stored
    (file,) = tmp_path.iterdir()
    dump = subprocess.run(["dcmdump", str(file)], check=True, capture_output=True, text=True, timeout=30)
    assert "LittleEndianImplicit" in dump.stdout
    assert "Zhang^San" in dump.stdout


@pytest.mark.peer
def test_a_syntax_that_a_destination_does_not_take_is_said(tmp_path: Path) -> None:
    with storescp(tmp_path, "+xi") as port:
        sent = send("PACS", HOST, port, "ALPHA", [instance(1, "1.2.3.4"), instance(2)])
    assert [one.status for one in sent] == [NO_CONTEXT, 0]
    assert not sent[0].is_stored
    assert "does not take this SOP class" in sent[0].words


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_the_bytes_of_the_data_set_go_as_they_are(tmp_path: Path, syntax: str) -> None:
    admit_all(tmp_path)
    with receiving(tmp_path) as receiver:
        (sent,) = send("ALPHA", HOST, receiver.port, "CT1", [instance(1, syntax)])
    assert sent.status == 0
    (record,) = records(tmp_path)
    data_set = make_ct(sop_uid="2.25.1.1.1", transfer_syntax=syntax)
    assert packs_of(tmp_path).read_data_set(record.location) == data_set


def test_what_a_destination_says_to_each_instance_is_told(tmp_path: Path) -> None:
    admit_all(tmp_path)
    cut = part10(make_ct(sop_uid="2.25.1.1.1")[:-4], sop_uid="2.25.1.1.1")
    with receiving(tmp_path) as receiver:
        sent = send("ALPHA", HOST, receiver.port, "CT1", [cut, instance(2)])
    assert [one.status for one in sent] == [0xC000, 0]
    assert sent[0].words == "it cannot understand the data set (status 0xC000)"


def test_more_classes_than_one_association_holds_go_in_several(tmp_path: Path) -> None:
    admit_all(tmp_path)
    files = []
    for n in range(150):
        data_set = make_ct(sop_uid=f"2.25.1.1.{n}", change={0x00080016: ("UI", f"2.25.8.{n}")})
        files.append(part10(data_set, sop_uid=f"2.25.1.1.{n}", sop_class=f"2.25.8.{n}"))
    with receiving(tmp_path) as receiver:
        sent = send("ALPHA", HOST, receiver.port, "CT1", files)
    assert [one.status for one in sent] == [0] * 150
    assert len(packs_of(tmp_path).names()) > 1


def test_a_destination_that_does_not_know_us_refuses_with_its_reason(tmp_path: Path) -> None:
    admit_all(tmp_path, rule("CT1"))
    with receiving(tmp_path) as receiver:
        with pytest.raises(Refused, match="it does not know our AE title"):
            echo("ALPHA", HOST, receiver.port, "CT9")
        with pytest.raises(Refused, match="it is not called so"):
            send("BETA", HOST, receiver.port, "CT1", [instance(1)])


def test_where_nothing_listens_it_is_unavailable_and_says_so() -> None:
    with pytest.raises(
        Unavailable, match=r"PACS at 127\.0\.0\.1:\d+ failed: nothing listens there\. Check host and port"
    ):
        echo("PACS", HOST, free_ports(1)[0], "ALPHA")


def test_a_destination_that_hangs_up_is_unavailable() -> None:
    with socket.create_server((HOST, 0)) as listening:

        def hang_up() -> None:
            peer, _ = listening.accept()
            peer.recv(10)
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Unavailable, match="broke off"):
            echo("PACS", HOST, listening.getsockname()[1], "ALPHA")
        thread.join()


@pytest.mark.parametrize(
    ("aet", "host", "port", "calling"),
    [
        ("", HOST, 104, "ALPHA"),
        ("A" * 17, HOST, 104, "ALPHA"),
        ("PACS", HOST, 104, ""),
        ("PACS", "", 104, "ALPHA"),
        ("PACS", HOST, 0, "ALPHA"),
        ("PACS", HOST, 70000, "ALPHA"),
    ],
)
def test_a_destination_that_cannot_be_one_is_refused(aet: str, host: str, port: int, calling: str) -> None:
    with pytest.raises((InvalidRequest, Unavailable)):
        echo(aet, host, port, calling)


def test_a_file_that_is_not_dicom_is_refused_before_anybody_is_called() -> None:
    with pytest.raises(InvalidRequest, match="not a DICOM file"):
        send("PACS", HOST, 1, "ALPHA", [b"%PDF-1.7"])
    unnamed = part10(make_ct(), sop_uid="", sop_class=CT_IMAGE)
    with pytest.raises(InvalidRequest, match="does not say its SOP class and instance"):
        send("PACS", HOST, 1, "ALPHA", [unnamed])


def test_an_answer_that_comes_sooner_than_expected_is_left_for_whoever_waits(tmp_path: Path) -> None:
    """pynetdicom's own thread would take it for a request and drop it; the sender then waits for a minute."""
    admit_all(tmp_path)
    with (
        receiving(tmp_path) as receiver,
        calling(whom("ALPHA", HOST, receiver.port, "CT1"), [Proposal(CT_IMAGE, (EXPLICIT,))]) as association,
    ):
        answer = object()
        association.dimse.msg_queue.put((1, answer))
        time.sleep(0.1)  # its thread looks every millisecond
        assert association.dimse.msg_queue.get_nowait() == (1, answer)
