"""The port with TLS: who shows an accepted certificate is served as on the other port; who does not is not."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.config import Config, DicomSection, NodeSection
from node.dimse.refusals import FILE, read_lines
from node.dimse.server import Receiver
from ops.free_ports import free_ports
from tests.kit.certificates import Pair
from tests.kit.instances import CT_IMAGE, EXPLICIT, IMPLICIT, make_ct, part10
from tests.kit.raw_sender import VERIFICATION, RawSender, Rejected
from tests.kit.receiving import admit_all, packs_of, receiving, records, rule

HOST = "127.0.0.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
UID = "2.25.1.1.1"
DATA_SET = make_ct(sop_uid=UID, rows=1500, columns=1500)


@dataclass
class Place:
    """A receiver with TLS, its certificate and a device's."""

    receiver: Receiver
    node: Pair
    device: Pair
    stranger: Pair

    def open(self, shown: Pair | None, *, more: bool = False) -> RawSender:
        """Associate over TLS, showing a certificate or none."""
        context = ssl.create_default_context(cafile=str(self.node.path))
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if shown is not None:
            context.load_cert_chain(shown.path, shown.key_path)
        contexts = [(CT_IMAGE, EXPLICIT), (VERIFICATION, IMPLICIT), *([(FIND, IMPLICIT)] if more else [])]
        return SecuredSender(context, self.receiver.tls_port, contexts)


class SecuredSender(RawSender):
    """A raw sender over TLS."""

    def __init__(self, context: ssl.SSLContext, port: int, contexts: list[tuple[str, str]]) -> None:
        plain = socket.create_connection

        def secured(*arguments: object, **options: object) -> socket.socket:
            connection = plain(*arguments, **options)  # type: ignore[arg-type]
            return context.wrap_socket(connection)

        socket.create_connection = secured  # type: ignore[assignment]
        try:
            super().__init__(HOST, port, calling="CT1", contexts=contexts)
        finally:
            socket.create_connection = plain


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    node, device, stranger = (Pair(tmp_path, name) for name in ("node", "device", "stranger"))
    admit_all(tmp_path, rule("CT1", certificate=device.digest), rule("*"))
    (tls_port,) = free_ports(1)
    dicom = DicomSection(
        port=0,
        tls_port=tls_port,
        tls_certificate=str(node.path),
        tls_key=str(node.key_path),
        tls_trust=str(device.path),
    )
    config = Config(node=NodeSection(id="alpha", name="Alpha"), dicom=dicom)
    with receiving(tmp_path, config=config) as running:
        yield Place(running, node, device, stranger)


@pytest.mark.parametrize("more", [False, True], ids=["storage", "more than storage"])
def test_a_device_with_its_certificate_stores_and_the_certificate_is_kept(
    place: Place, tmp_path: Path, more: bool
) -> None:
    with place.open(place.device, more=more) as sender:
        assert sender.echo() == 0
        for _ in range(2):
            sent = sender.store(sop_class=CT_IMAGE, sop_uid=UID, transfer_syntax=EXPLICIT, data_set=DATA_SET)
            assert sent.status == 0
        sender.release()
    found = records(tmp_path)
    assert len(found) == 2
    assert {record.facts.certificate for record in found} == {place.device.digest}
    assert packs_of(tmp_path).read_data_set(found[0].location) == DATA_SET


def test_strangers_and_who_shows_nothing_get_no_further(place: Place, tmp_path: Path) -> None:
    for shown in (place.stranger, None):
        with pytest.raises((ssl.SSLError, OSError, Exception), match=r"(?i)alert|eof|reset|hung up|broke"):
            place.open(shown)
    with socket.create_connection((HOST, place.receiver.tls_port), timeout=10) as plain:
        plain.sendall(b"\x01\0\0\0\0\x44" + bytes(68))
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(4096):
                continue
    with place.open(place.device) as sender:
        assert sender.echo() == 0
        sender.release()
    assert records(tmp_path) == []
    shaken = [line for line in read_lines(tmp_path / "landing" / FILE, 0)[0] if line.kind == "handshake"]
    assert shaken, "who comes without a certificate is written down"
    assert shaken[0].words.startswith("TLS with 127.0.0.1 failed (")
    until = time.monotonic() + 20
    while place.receiver.places._half_open and time.monotonic() < until:
        time.sleep(0.05)
    assert not place.receiver.places._half_open


def test_a_rule_that_wants_a_certificate_is_not_met_on_the_plain_port(tmp_path: Path) -> None:
    device = Pair(tmp_path, "device")
    admit_all(tmp_path, rule("CT1", certificate=device.digest))
    with receiving(tmp_path) as receiver, pytest.raises(Rejected) as refused:
        RawSender(HOST, receiver.port, calling="CT1")
    assert (refused.value.result, refused.value.source, refused.value.reason) == (1, 1, 3)


def test_a_device_has_no_more_associations_at_once_than_its_rule_allows(tmp_path: Path) -> None:
    admit_all(tmp_path, rule("CT1", at_once=2), rule("CT2"))
    with receiving(tmp_path) as receiver:
        two = [RawSender(HOST, receiver.port, calling="CT1") for _ in range(2)]
        with pytest.raises(Rejected) as refused:
            RawSender(HOST, receiver.port, calling="CT1")
        assert (refused.value.result, refused.value.source, refused.value.reason) == (2, 3, 2)
        RawSender(HOST, receiver.port, calling="CT2").release()
        two[0].release()
        until = time.monotonic() + 20
        while True:
            try:
                RawSender(HOST, receiver.port, calling="CT1").release()
                break
            except Rejected:
                assert time.monotonic() < until
                time.sleep(0.05)
        two[1].close()


@pytest.mark.peer
def test_dcmtk_stores_over_tls(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(part10(make_ct(sop_uid=UID), sop_uid=UID))
    call = ["storescu", "-aet", "CT1", "-aec", "ALPHA"]
    secured = ["+tls", str(place.device.key_path), str(place.device.path), "+cf", str(place.node.path)]
    outcome = subprocess.run(
        [*call, *secured, HOST, str(place.receiver.tls_port), str(file)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    assert outcome.returncode == 0, outcome.stderr
    (record,) = records(tmp_path)
    assert record.facts.certificate == place.device.digest
