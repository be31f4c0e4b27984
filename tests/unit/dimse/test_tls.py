from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from node.config import Config, DicomSection, NodeSection
from node.dimse.tls import certificate_shown, dicom_tls_context
from node.errors import InvalidRequest
from tests.kit.certificates import Pair


@pytest.fixture
def node(tmp_path: Path) -> Pair:
    return Pair(tmp_path, "node")


def config(node: Pair, *, trust: Path | None = None, **changes: str) -> Config:
    files = {"tls_certificate": str(node.path), "tls_key": str(node.key_path), "tls_trust": str(trust or "")}
    dicom = DicomSection(tls_port=2762, **{**files, **changes})  # type: ignore[arg-type]
    return Config(node=NodeSection(id="alpha", name="Alpha"), dicom=dicom)


def knock(
    context: ssl.SSLContext,
    *,
    device: Pair | None = None,
    set_up: Callable[[ssl.SSLContext], None] | None = None,
) -> tuple[str, str | None, str | None]:
    """Connect over loopback; gives what the node learned: the certificate's digest, the version; or its error."""
    outcome: list[tuple[str, str | None, str | None]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def answer() -> None:
            connection, _ = listener.accept()
            connection.settimeout(20)
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(b"here")
                    outcome.append((certificate_shown(secured), secured.version(), None))
                    secured.recv(1)
            except (ssl.SSLError, OSError) as error:
                outcome.append(("", None, str(error)))

        thread = threading.Thread(target=answer)
        thread.start()
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
        if device:
            ours.load_cert_chain(device.path, device.key_path)
        if set_up:
            set_up(ours)
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=20) as plain,
                ours.wrap_socket(plain) as secured,
            ):
                secured.recv(4)
        except (ssl.SSLError, OSError):
            pass
        thread.join(30)
    return outcome[0]


def older(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def weak(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0")


def only_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def test_a_device_whose_certificate_is_trusted_shakes_hands_and_is_known_by_its_digest(
    tmp_path: Path, node: Pair
) -> None:
    device = Pair(tmp_path, "ct1")
    shown, version, error = knock(dicom_tls_context(config(node, trust=device.path)), device=device)
    assert (shown, version, error) == (device.digest, "TLSv1.3", None)


def test_a_device_signed_by_a_trusted_authority_shakes_hands(tmp_path: Path, node: Pair) -> None:
    authority = Pair(tmp_path, "authority", authority=True)
    device = Pair(tmp_path, "ct1", issuer=authority)
    context = dicom_tls_context(config(node, trust=authority.path))
    assert knock(context, device=device, set_up=only_1_2) == (device.digest, "TLSv1.2", None)


def test_a_signed_certificate_may_be_trusted_without_who_signed_it(tmp_path: Path, node: Pair) -> None:
    authority = Pair(tmp_path, "authority", authority=True)
    device = Pair(tmp_path, "ct1", issuer=authority)
    other = Pair(tmp_path, "ct2", issuer=authority)
    context = dicom_tls_context(config(node, trust=device.path))
    assert knock(context, device=device)[0] == device.digest
    assert knock(context, device=other)[0] == ""


def test_a_stranger_and_a_device_without_a_certificate_are_refused(tmp_path: Path, node: Pair) -> None:
    known, stranger = Pair(tmp_path, "ct1"), Pair(tmp_path, "stranger")
    context = dicom_tls_context(config(node, trust=known.path))
    assert "certificate verify failed" in str(knock(context, device=stranger)[2]).lower()
    assert "did not return a certificate" in str(knock(context)[2])


def test_without_trust_no_certificate_is_asked_for(tmp_path: Path, node: Pair) -> None:
    context = dicom_tls_context(config(node))
    assert knock(context, device=Pair(tmp_path, "ct1")) == ("", "TLSv1.3", None)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("set_up", [older, weak])
def test_old_versions_and_weak_ciphers_are_refused(
    node: Pair, set_up: Callable[[ssl.SSLContext], None]
) -> None:
    assert knock(dicom_tls_context(config(node)), set_up=set_up)[2] is not None


def test_each_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path, node: Pair) -> None:
    other, nothing = Pair(tmp_path, "other"), tmp_path / "nothing.pem"
    nothing.write_text("no certificate")
    for changes, words in (
        ({"tls_certificate": str(tmp_path / "gone")}, "tls_certificate was refused: there is no file"),
        ({"tls_key": str(tmp_path / "gone")}, "tls_key was refused: there is no file"),
        ({"tls_trust": str(tmp_path / "gone")}, "tls_trust was refused: there is no file"),
        ({"tls_key": str(other.key_path)}, "give PEM files that belong together"),
        ({"tls_certificate": str(nothing)}, "give PEM files that belong together"),
        ({"tls_trust": str(nothing)}, "give a PEM file of certificates"),
        ({"tls_certificate": ""}, "Give tls_certificate and tls_key"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            dicom_tls_context(config(node, **changes))


def test_a_key_that_others_may_read_or_with_a_passphrase_is_refused(node: Pair) -> None:
    node.key_path.chmod(0o640)
    with pytest.raises(InvalidRequest, match="chmod 600"):
        dicom_tls_context(config(node))
    node.key_path.chmod(0o600)
    node.write_key(b"secret")
    with pytest.raises(InvalidRequest, match="without a passphrase"):
        dicom_tls_context(config(node))
