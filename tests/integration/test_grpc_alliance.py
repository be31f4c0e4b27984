"""gRPC over mutual TLS for real: who gets in, who does not, and an alliance whose actors run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from federation.current_roster import CurrentRoster
from federation.identity import open_root
from federation.invitation import join_request
from federation.joining import admit, conclude, invite, join_alliance, pending, words_of
from federation.policy import change_policy
from federation.transport.grpcio import GrpcLink
from federation.transport.joining import JoinDoor, ask_to_join
from federation.transport.names import MAILBOX
from federation.transport.server import MailboxServer
from federation.transport.wire import mailbox_pb2 as wire
from node.clock import SystemClock
from node.errors import Conflict, Refused, Unavailable
from node.names import NodeId
from node.node import Node
from ops.free_ports import free_ports
from tests.kit.alliance import Alliance
from tests.kit.alliance_keys import PASSPHRASE
from tests.kit.bare_node import bare_node
from tests.kit.driven import driven_alliance
from tests.kit.http import wait_for
from tests.kit.travelling import complete, contents_of, nothing_twice, receive_ct

CENTRE = NodeId("centre")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("g")


@pytest.fixture
def listening(folder: Path) -> Iterator[tuple[Alliance, MailboxServer, str]]:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    alliance = Alliance.found(folder, SystemClock(), addresses={"centre": address})
    server = MailboxServer(alliance["centre"].hosting, address=address)
    server.start()
    yield alliance, server, address
    server.close()
    alliance.close()


def dial(node: Node, alliance: Alliance, host: str = "centre") -> GrpcLink:
    """Give a link of a node that believes the alliance's roster, whether or not it is in it."""
    return GrpcLink(NodeId(host), node.keys, alliance["centre"].rosters)


def test_a_stranger_with_keys_of_its_own_is_shut_out(
    listening: tuple[Alliance, MailboxServer, str], folder: Path
) -> None:
    alliance, _, _ = listening
    stranger = bare_node(folder, "mallory", SystemClock())
    with pytest.raises(Unavailable):
        list(dial(stranger, alliance).collect(follow=False))
    stranger.close()


def test_a_caller_without_a_certificate_is_shut_out(
    listening: tuple[Alliance, MailboxServer, str],
) -> None:
    alliance, _, address = listening
    root = alliance["centre"].node.keys.tls_certificate
    credentials = grpc.ssl_channel_credentials(root_certificates=root)
    options = [("grpc.ssl_target_name_override", "centre")]
    with grpc.secure_channel(address, credentials, options=options) as channel:
        call = channel.unary_stream(
            f"/{MAILBOX}/Collect",
            request_serializer=wire.CollectRequest.SerializeToString,
            response_deserializer=wire.Deliveries.FromString,
        )
        with pytest.raises(grpc.RpcError) as raised:
            list(call(wire.CollectRequest(follow=False), timeout=10))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_host_with_another_certificate_than_the_rosters_is_not_spoken_to(
    listening: tuple[Alliance, MailboxServer, str],
) -> None:
    alliance, _, _ = listening
    alliance["centre"].node.keys.rotate_tls()  # and tells nobody
    with pytest.raises(Unavailable, match="certificates do not match"):
        list(dial(alliance["alpha"].node, alliance).collect(follow=False))


def test_a_newcomer_is_let_in_without_a_restart(
    listening: tuple[Alliance, MailboxServer, str], folder: Path
) -> None:
    alliance, _, _ = listening
    beta = bare_node(folder, "beta", SystemClock())
    with pytest.raises(Unavailable):
        list(dial(beta, alliance).collect(follow=False))
    alliance.admit(beta, host=CENTRE)
    alliance.say_all("centre")
    assert list(dial(beta, alliance).collect(follow=False)) == [[]]
    beta.close()


def test_a_node_joins_by_invitation_through_the_second_door(folder: Path) -> None:
    clock = SystemClock()
    alliance = Alliance.found(folder, clock)
    centre, gamma = alliance["centre"].node, bare_node(folder, "gamma", clock)
    (port,) = free_ports(1)
    door = JoinDoor(centre, address=f"127.0.0.1:{port}")
    door.look()
    assert not door.is_open
    code, statements = invite(centre, "gamma", address=f"127.0.0.1:{port}")
    centre.write(statements)
    door.look()
    assert door.is_open
    request = join_request(gamma.keys, code, name=gamma.config.node.name)
    answer = ask_to_join(code, request)
    assert answer.state == "requested"
    (waits,) = pending(centre)
    words = words_of(gamma.keys, gamma.config.node.name, answer)
    assert waits.words == words
    signed = admit(
        open_root(folder / "root", PASSPHRASE),
        alliance["centre"].rosters(),
        waits.request,
        role="clinic",
        mailbox_host=CENTRE,
        address="",
        at=clock.now(),
    )
    centre.write(conclude(centre, waits.locator, signed))
    gamma.write(join_alliance(gamma, ask_to_join(code, request), compared=words))
    assert CurrentRoster(gamma.database)().peek(NodeId("gamma")) is not None
    door.close()
    with pytest.raises(Unavailable, match="nobody answers"):
        ask_to_join(code, request)
    gamma.close()
    alliance.close()


def test_a_door_that_shows_another_certificate_is_refused(folder: Path) -> None:
    alliance = Alliance.found(folder, SystemClock())
    centre, gamma = alliance["centre"].node, bare_node(folder, "gamma", SystemClock())
    (port,) = free_ports(1)
    code, statements = invite(centre, "gamma", address=f"127.0.0.1:{port}")
    centre.write(statements)
    centre.keys.rotate_tls()
    door = JoinDoor(centre, address=f"127.0.0.1:{port}")
    door.look()
    with pytest.raises(Refused, match="another certificate"):
        ask_to_join(code, join_request(gamma.keys, code, name="Gamma"))
    door.close()
    gamma.close()
    alliance.close()


@pytest.mark.parametrize("relay", ["", "relay"], ids=["centre hosts", "a third node hosts"])
def test_a_study_travels_while_actors_run(folder: Path, relay: str) -> None:
    with driven_alliance(folder, relay=relay) as (_, driven):
        alpha, centre = driven["alpha"].node, driven["centre"].node
        change_policy(alpha, CENTRE, grant="everything", by="test")
        key = receive_ct(alpha, study_uid="2.25.7", slices=6)
        wait_for("all images there", lambda: len(contents_of(centre, key)) == 6)
        again(lambda: complete(alpha, key))
        wait_for(
            "the completion compared",
            lambda: centre.database.read("SELECT 1 AS one FROM completed_there WHERE agreed_at IS NOT NULL"),
        )
        wait_for("all acknowledged", lambda: not owed(alpha))
        assert nothing_twice(centre)
        assert [
            state.error for one in driven.values() for state in one.supervisor.states() if state.error
        ] == []


def test_a_clinic_has_no_listener_for_peers(folder: Path) -> None:
    before = listeners()
    with driven_alliance(folder) as (_, driven):
        wait_for("connected", lambda: driven["centre"].node.database.read("SELECT 1 AS one FROM link"))
        assert len(listeners() - before) == 1  # the centre's
        assert driven["alpha"].server is None


def test_a_host_that_goes_away_and_comes_back_is_found_again_by_itself(folder: Path) -> None:
    with driven_alliance(folder) as (_, driven):
        alpha, centre = driven["alpha"].node, driven["centre"].node
        change_policy(alpha, CENTRE, grant="everything", by="test")
        server = driven["centre"].server
        assert server is not None
        wait_for("connected", lambda: link(alpha) == "connected")
        server.close()
        key = receive_ct(alpha, study_uid="2.25.7", slices=3)
        wait_for("shown as down", lambda: link(alpha) == "down")
        assert link(centre) == "away"
        entry = driven["alpha"].member.entry(CENTRE)
        driven["centre"].server = MailboxServer(driven["centre"].member.hosting, address=entry.address)
        driven["centre"].server.start()
        wait_for("all images there", lambda: len(contents_of(centre, key)) == 3, timeout_s=60)
        wait_for("connected again", lambda: link(alpha) == "connected" == link(centre))
        assert nothing_twice(centre)


def test_an_idle_alliance_costs_little(folder: Path) -> None:
    with driven_alliance(folder) as (_, driven):
        alpha = driven["alpha"].node
        wait_for("connected", lambda: link(alpha) == "connected")
        time.sleep(1.0)
        began = time.process_time()
        time.sleep(3.0)
        assert (time.process_time() - began) / 3.0 < 0.06  # two nodes, 3 % of a core each


def link(node: Node) -> str:
    rows = node.database.read("SELECT state FROM link")
    return str(rows[0]["state"]) if rows else ""


def owed(node: Node) -> bool:
    return bool(node.database.read("SELECT 1 AS one FROM outbox WHERE state <> 'received'"))


def listeners() -> set[int]:
    process = psutil.Process()
    return {each.laddr.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}


def again(act) -> None:
    """Do what an actor would do again when somebody else was first."""
    for _ in range(20):
        try:
            act()
        except Conflict:
            continue
        return
    raise AssertionError("conflicts for ever")
