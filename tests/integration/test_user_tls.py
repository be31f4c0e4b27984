"""Calling with TLS: whom we trust, who trusts us, and what is said where it does not come about."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from node.clock import SystemClock
from node.config import Config, DicomSection, NodeSection
from node.dimse.calling import Called, Proposal, called
from node.dimse.echo_scu import echo
from node.dimse.exchange import exchange
from node.dimse.outgoing import outgoing_file
from node.dimse.remote_form import Remote
from node.dimse.services import VERIFICATION
from node.dimse.store_scu import store
from node.errors import InvalidRequest, Refused, Unavailable
from node.names import AETitle, Cause
from node.transfers.door import open_door
from tests.kit.bare_node import bare_node
from tests.kit.certificates import Pair
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct, part10
from tests.kit.receiving import admit_all, rule
from tests.kit.strange_provider import provider

HOST = "127.0.0.1"


@contextmanager
def listening(own: Pair, trusted: Pair | None, *, store: Callable[[Any], int] = lambda _: 0) -> Iterator[int]:
    """A provider with TLS that may ask for our certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.path, own.key_path)
    if trusted is not None:
        context.load_verify_locations(trusted.path)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    entity = AE(ae_title="PACS")
    entity.add_supported_context(VERIFICATION)
    entity.add_supported_context(CT_IMAGE, EXPLICIT)
    handlers = [(evt.EVT_C_STORE, store)]
    server = entity.start_server((HOST, 0), block=False, ssl_context=context, evt_handlers=handlers)
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()


def whom(port: int, *, trust: Pair | None, own: Pair | None) -> Called:
    dicom = DicomSection(
        tls_trust=str(trust.path) if trust else "",
        tls_certificate=str(own.path) if own else "",
        tls_key=str(own.key_path) if own else "",
    )
    config = Config(node=NodeSection(id="alpha", name="Alpha"), dicom=dicom)
    remote = Remote(id="r", name="PACS", aet=AETitle("PACS"), host=HOST, port=port, tls=True)
    return called(config, remote)


def ask(port: int, *, trust: Pair | None, own: Pair | None) -> None:
    echo(whom(port, trust=trust, own=own))


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


def test_instances_of_many_fragments_go_whole(tmp_path: Path) -> None:
    theirs = Pair(tmp_path, "pacs")
    data_sets = [make_ct(sop_uid=f"2.25.1.{n}", rows=900, columns=512) for n in (1, 2)]
    taken: list[bytes] = []

    def store_it(event: Any) -> int:
        taken.append(event.request.DataSet.getvalue())
        return 0

    with listening(theirs, None, store=store_it) as port:
        store(
            whom(port, trust=theirs, own=None),
            [outgoing_file(part10(one, sop_uid=f"2.25.1.{n}")) for n, one in enumerate(data_sets, 1)],
            directory=tmp_path,
            told=lambda sent: sent.is_stored,
        )
    assert taken == data_sets


def test_a_rule_that_wants_a_certificate_is_met_by_whom_we_called(tmp_path: Path) -> None:
    theirs = Pair(tmp_path, "pacs")
    node = bare_node(tmp_path, "alpha", SystemClock())
    with listening(theirs, None) as port:
        called_one = whom(port, trust=theirs, own=None)
        with exchange(called_one, [Proposal(VERIFICATION, ("1.2.840.10008.1.2",))]) as asking:
            address, shown = asking.address, asking.certificate
    assert shown == theirs.digest
    admit_all(node.state, rule("PACS", certificate=theirs.digest))
    open_door(node, called_one, address, cause=Cause("c"), certificate=shown).close()
    with pytest.raises(Refused, match="is not known here"):
        open_door(node, called_one, address, cause=Cause("c"))
    node.close()
