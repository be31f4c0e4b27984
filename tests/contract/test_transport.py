"""What every transport promises, over each adapter: the loopback of tests, and gRPC over mutual TLS."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation import blobs
from federation.envelope import Envelope
from federation.hosting import Hosting
from federation.messages import Receipt
from federation.outbox import seal_waiting, send
from federation.receipts import seal_receipt, tell_again
from federation.statements import NodeRevoked
from federation.transport.direct import DirectLink
from federation.transport.grpcio import GrpcTransport
from federation.transport.loopback import Faults, LoopbackTransport
from federation.transport.port import BlobOffer, MailboxLink, Transport
from federation.transport.server import MailboxServer
from node.canonical import digest_of
from node.clock import SystemClock
from node.errors import Conflict, Damaged, InvalidRequest, NotFound, Refused, Unavailable
from node.keys.encoding import from_base64
from node.names import Cause, Digest, NodeId
from ops.free_ports import free_ports
from tests.kit.alliance import Alliance
from tests.kit.notes import Note

ALPHA, BETA, CENTRE = NodeId("alpha"), NodeId("beta"), NodeId("centre")


@dataclass
class Network:
    """An alliance whose members reach the centre by one adapter."""

    alliance: Alliance
    transports: dict[NodeId, Transport]

    def link(self, caller: NodeId) -> MailboxLink:
        return self.transports[caller].link(CENTRE)

    def sealed(self, sender: NodeId, recipient: NodeId, *words: str) -> list[bytes]:
        """Give sealed notes, in order."""
        node = self.alliance[sender].node
        for word in words:
            node.write(send(node, recipient, Note(words=word), cause=Cause("c")))
        seal_waiting(node, self.alliance[sender].entry(recipient))
        rows = node.database.read("SELECT envelope FROM outbox WHERE peer = ? ORDER BY n", (recipient,))
        return [from_base64(str(row["envelope"])) for row in rows][-len(words) :]


class Direct:
    """Every caller as the host's own customer."""

    def __init__(self, caller: NodeId, hosting: Hosting) -> None:
        self._link = DirectLink(hosting, caller)

    def link(self, host: NodeId) -> MailboxLink:
        assert host == CENTRE
        return self._link

    def close(self) -> None:
        self._link.close()


@pytest.fixture(params=["direct", "loopback", "grpc"])
def network(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Network]:
    folder: Path = tmp_path_factory.mktemp("t")
    transports: dict[NodeId, Transport]
    if request.param != "grpc":
        alliance = Alliance.found(folder, SystemClock(), clinics=("alpha", "beta"))
        faultless = Faults()
        transports = {
            member.id: LoopbackTransport(member.id, alliance.hosts, faultless)
            if request.param == "loopback"
            else Direct(member.id, alliance["centre"].hosting)
            for member in alliance
        }
        yield Network(alliance, transports)
        alliance.close()
        return
    (port,) = free_ports(1)
    alliance = Alliance.found(
        folder, SystemClock(), clinics=("alpha", "beta"), addresses={"centre": f"127.0.0.1:{port}"}
    )
    server = MailboxServer(alliance["centre"].hosting, address=f"127.0.0.1:{port}")
    server.start()
    transports = {
        member.id: GrpcTransport(member.node.keys, member.rosters, member.hosting) for member in alliance
    }
    yield Network(alliance, transports)
    for transport in transports.values():
        transport.close()
    server.close()
    alliance.close()


def collected(link: MailboxLink) -> list[bytes]:
    return [one.envelope for batch in link.collect(follow=False) for one in batch]


def test_mail_is_given_in_the_order_it_came_until_it_is_acknowledged(network: Network) -> None:
    envelopes = network.sealed(ALPHA, CENTRE, "a", "b", "c")
    network.link(ALPHA).deposit(envelopes[:1])
    network.link(ALPHA).deposit(envelopes[1:])
    link = network.link(CENTRE)
    mail = [one for batch in link.collect(follow=False) for one in batch]
    assert [one.envelope for one in mail] == envelopes
    assert {one.sender for one in mail} == {ALPHA}
    link.acknowledge([mail[0].arrival])
    assert collected(link) == envelopes[1:]
    link.acknowledge([one.arrival for one in mail])
    assert collected(link) == []


def test_depositing_again_changes_nothing(network: Network) -> None:
    envelopes = network.sealed(ALPHA, CENTRE, "a", "b")
    for _ in range(2):
        network.link(ALPHA).deposit(envelopes)
    assert collected(network.link(CENTRE)) == envelopes


def test_a_clinic_collects_its_own_mail_and_nobody_elses(network: Network) -> None:
    for_alpha, for_beta = network.sealed(CENTRE, ALPHA, "a"), network.sealed(CENTRE, BETA, "b")
    network.link(CENTRE).deposit([*for_alpha, *for_beta])
    assert collected(network.link(ALPHA)) == for_alpha
    network.link(ALPHA).acknowledge([1, 2])
    assert collected(network.link(BETA)) == for_beta


def test_the_newest_receipt_replaces_the_last_and_stays(network: Network) -> None:
    centre = network.alliance["centre"]
    for _ in range(2):
        centre.node.write(tell_again(ALPHA, now=centre.node.now()))
        due = seal_receipt(centre.node, centre.entry(ALPHA))
        assert due is not None
        network.link(CENTRE).deposit([due.envelope])
    assert Envelope.from_bytes(due.envelope).header.n == 0
    link = network.link(ALPHA)
    (mail,) = [one for batch in link.collect(follow=False) for one in batch]
    assert mail.envelope == due.envelope
    link.acknowledge([mail.arrival])
    assert collected(link) == [due.envelope]
    assert Receipt.VERSION == 1


def test_nobody_sends_as_another(network: Network) -> None:
    with pytest.raises(Refused, match="may not send as alpha"):
        network.link(BETA).deposit(network.sealed(ALPHA, CENTRE, "a"))
    assert collected(network.link(CENTRE)) == []


def test_what_is_no_envelope_is_refused(network: Network) -> None:
    with pytest.raises(InvalidRequest):
        network.link(ALPHA).deposit([b"hello"])


def test_mail_that_comes_is_given_at_once_to_who_follows(network: Network) -> None:
    mail = network.link(ALPHA).collect(follow=True)
    assert next(mail) == []
    (envelope,) = network.sealed(CENTRE, ALPHA, "a")
    began = time.monotonic()
    network.link(CENTRE).deposit([envelope])
    (delivery,) = next(mail)
    assert delivery.envelope == envelope
    assert time.monotonic() - began < 2


def test_closing_a_link_ends_a_waiting_collect(network: Network) -> None:
    link = network.link(ALPHA)
    mail = link.collect(follow=True)
    assert next(mail) == []
    ended = threading.Event()

    def wait() -> None:
        with suppress(Unavailable):
            next(mail, None)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    time.sleep(0.1)
    link.close()
    assert ended.wait(10)


def test_a_revoked_node_is_refused_at_its_next_call(network: Network) -> None:
    network.link(BETA).deposit(network.sealed(BETA, CENTRE, "a"))
    network.alliance.say(NodeRevoked(node=BETA, reason="left"), "centre")
    with pytest.raises(Refused):
        network.link(BETA).deposit(network.sealed(BETA, CENTRE, "b"))
    with pytest.raises(Refused):
        collected(network.link(BETA))


def test_a_sealed_file_goes_up_in_pieces_and_down_from_anywhere(network: Network) -> None:
    content = bytes(range(256)) * 10_000
    digest = digest_of(content)
    link = network.link(BETA)
    offer = BlobOffer(digest=digest, size_bytes=len(content), readers=(ALPHA,))
    assert (link.offer_blob(offer).held_bytes, link.offer_blob(offer).ready) == (0, False)
    assert link.put_blob(digest, [content[:1000], content[1000:5000]], offset=0).ready is False
    assert link.offer_blob(offer).held_bytes == 5000
    with pytest.raises(Conflict, match="holds 5000"):
        link.put_blob(digest, [b"x"], offset=7)
    assert link.put_blob(digest, [content[5000:]], offset=5000).ready is True
    assert b"".join(network.link(ALPHA).get_blob(digest, offset=0)) == content
    assert b"".join(network.link(ALPHA).get_blob(digest, offset=123_456)) == content[123_456:]
    assert b"".join(network.link(ALPHA).get_blob(digest, offset=len(content))) == b""


def test_a_sealed_file_is_not_given_before_all_of_it_is_here_and_checked(network: Network) -> None:
    content = b"sealed" * 1000
    digest = digest_of(content)
    link = network.link(BETA)
    link.offer_blob(BlobOffer(digest=digest, size_bytes=len(content), readers=(ALPHA,)))
    link.put_blob(digest, [content[:-1]], offset=0)
    with pytest.raises(NotFound):
        list(network.link(ALPHA).get_blob(digest, offset=0))
    with pytest.raises(Damaged):
        link.put_blob(digest, [b"?"], offset=len(content) - 1)
    with pytest.raises(NotFound):
        list(network.link(ALPHA).get_blob(digest, offset=0))
    assert link.put_blob(digest, [content], offset=0).ready is True


def test_a_sealed_file_is_given_to_its_readers_alone(network: Network) -> None:
    content = b"for alpha"
    digest = digest_of(content)
    centre = network.link(CENTRE)
    centre.offer_blob(BlobOffer(digest=digest, size_bytes=len(content), readers=(ALPHA,)))
    centre.put_blob(digest, [content], offset=0)
    with pytest.raises(Refused):
        list(network.link(BETA).get_blob(digest, offset=0))
    network.link(BETA).release_blob(digest)
    assert b"".join(network.link(ALPHA).get_blob(digest, offset=0)) == content
    network.link(ALPHA).release_blob(digest)
    with pytest.raises(NotFound):
        list(network.link(ALPHA).get_blob(digest, offset=0))
    assert not blobs.path_of(network.alliance["centre"].node, digest).exists()


@pytest.mark.parametrize("name", ["", "../../x", "A" * 64, "0" * 63])
def test_a_name_that_is_no_digest_is_refused(network: Network, name: str) -> None:
    offer = BlobOffer(digest=Digest(name), size_bytes=4, readers=(ALPHA,))
    with pytest.raises(InvalidRequest):
        network.link(BETA).offer_blob(offer)
    with pytest.raises(NotFound):
        list(network.link(ALPHA).get_blob(Digest(name), offset=0))


def test_more_than_was_offered_is_refused(network: Network) -> None:
    digest = digest_of(b"abcd")
    link = network.link(BETA)
    link.offer_blob(BlobOffer(digest=digest, size_bytes=4, readers=(ALPHA,)))
    with pytest.raises(InvalidRequest):
        link.put_blob(digest, [b"abcde"], offset=0)


def test_a_file_for_a_stranger_is_refused(network: Network) -> None:
    offer = BlobOffer(digest=digest_of(b"x"), size_bytes=1, readers=(NodeId("gamma"),))
    with pytest.raises(Refused):
        network.link(BETA).offer_blob(offer)
