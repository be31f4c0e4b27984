"""Calling with TLS: whom we trust, who trusts us, and what is said where it does not come about."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pynetdicom import AE

from node.config import Config, DicomSection, NodeSection
from node.dimse.calling import called
from node.dimse.echo_scu import echo
from node.dimse.remote_form import Remote
from node.dimse.services import VERIFICATION
from node.errors import InvalidRequest, Refused, Unavailable
from node.names import AETitle
from tests.kit.certificates import Pair
from tests.kit.strange_provider import provider

HOST = "127.0.0.1"


@contextmanager
def listening(own: Pair, trusted: Pair | None) -> Iterator[int]:
    """A provider with TLS that may ask for our certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.path, own.key_path)
    if trusted is not None:
        context.load_verify_locations(trusted.path)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    entity = AE(ae_title="PACS")
    entity.add_supported_context(VERIFICATION)
    server = entity.start_server((HOST, 0), block=False, ssl_context=context)
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()


def ask(port: int, *, trust: Pair | None, own: Pair | None) -> None:
    dicom = DicomSection(
        tls_trust=str(trust.path) if trust else "",
        tls_certificate=str(own.path) if own else "",
        tls_key=str(own.key_path) if own else "",
    )
    config = Config(node=NodeSection(id="alpha", name="Alpha"), dicom=dicom)
    remote = Remote(id="r", name="PACS", aet=AETitle("PACS"), host=HOST, port=port, tls=True)
    echo(called(config, remote))


def test_both_show_certificates_that_the_other_trusts(tmp_path: Path) -> None:
    theirs, ours = Pair(tmp_path, "pacs"), Pair(tmp_path, "alpha")
    with listening(theirs, ours) as port:
        ask(port, trust=theirs, own=ours)


def test_who_shows_a_certificate_that_we_do_not_trust_is_refused(tmp_path: Path) -> None:
    theirs, other = Pair(tmp_path, "pacs"), Pair(tmp_path, "other")
    with listening(theirs, None) as port, pytest.raises(Refused, match="into \\[dicom\\] tls_trust"):
        ask(port, trust=other, own=None)


def test_who_does_not_trust_ours_is_said(tmp_path: Path) -> None:
    theirs, ours, other = (Pair(tmp_path, name) for name in ("pacs", "alpha", "other"))
    with listening(theirs, other) as port, pytest.raises(Unavailable, match=r"TLS did not come|broke off"):
        ask(port, trust=theirs, own=ours)


def test_a_port_without_tls_is_said(tmp_path: Path) -> None:
    with provider() as port, pytest.raises(Unavailable, match="TLS did not come about"):
        ask(port, trust=Pair(tmp_path, "pacs"), own=None)


def test_that_nobody_is_trusted_is_said_before_anybody_is_called() -> None:
    with pytest.raises(InvalidRequest, match="tls_trust names nobody"):
        ask(1, trust=None, own=None)
