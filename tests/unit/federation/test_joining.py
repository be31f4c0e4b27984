from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from federation.invitation import (
    JoinRequest,
    join_request,
    join_words,
    new_invitation,
    read_answer,
    read_code,
    read_join_request,
    seal_answer,
)
from federation.joining import (
    ADMITTED,
    REQUESTED,
    VALID,
    admit,
    conclude,
    invitation_open,
    invite,
    join_alliance,
    pending,
    take_request,
    words_of,
)
from federation.membership import adopt
from federation.roster import Roster
from node.canonical import canonical_json
from node.errors import Conflict, Damaged, InvalidRequest, NotFound, Refused
from node.keys.aead import encrypt, new_nonce
from node.keys.certificates import certificate_digest
from node.keys.derivation import derive_key
from node.keys.encoding import to_base64
from node.keys.store import KeyStore
from node.names import NodeId
from node.node import Node
from tests.kit.alliance_keys import CHEAP, FoundedAlliance
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock

ADDRESS = "centre.example:7444"
CENTRE, BETA = NodeId("centre"), NodeId("beta")


@pytest.fixture
def alliance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FoundedAlliance:
    monkeypatch.setattr("node.keys.locked.COST", CHEAP)
    return FoundedAlliance.found(tmp_path / "offline", FrozenClock())


@pytest.fixture
def centre(tmp_path: Path, alliance: FoundedAlliance) -> Iterator[Node]:
    node = bare_node(tmp_path, "centre", alliance.clock)
    alliance.admit("centre", keys=node.keys.public_keys)
    node.write(adopt(node, alliance.statements))
    yield node
    node.close()


@pytest.fixture
def beta(tmp_path: Path, alliance: FoundedAlliance) -> Iterator[Node]:
    node = bare_node(tmp_path, "beta", alliance.clock)
    yield node
    node.close()


@pytest.fixture
def code(centre: Node) -> str:
    code, statements = invite(centre, "beta", address=ADDRESS)
    centre.write(statements)
    return code


def ask(node: Node, code: str) -> bytes:
    return join_request(node.keys, code, name=node.config.node.name)


def admit_all(centre: Node, alliance: FoundedAlliance) -> None:
    for join in pending(centre):
        signed = admit(
            alliance.root,
            Roster.load(centre.database),
            join.request,
            role="clinic",
            mailbox_host=CENTRE,
            address="",
            at=centre.now(),
        )
        alliance.statements += signed
        centre.write(conclude(centre, join.locator, signed))


def test_a_node_joins_and_both_people_saw_the_same_digits(
    centre: Node, beta: Node, code: str, alliance: FoundedAlliance
) -> None:
    first = read_answer(code, take_request(centre, ask(beta, code)))
    assert (first.state, len(first.statements)) == (REQUESTED, 1)
    shown = words_of(beta.keys, beta.config.node.name, first)
    assert [join.words for join in pending(centre)] == [shown]
    with pytest.raises(Refused, match="requested"):
        join_alliance(beta, first, compared=shown)

    admit_all(centre, alliance)
    second = read_answer(code, take_request(centre, ask(beta, code)))
    assert second.state == ADMITTED
    beta.write(join_alliance(beta, second, compared=shown))
    assert Roster.load(beta.database) == Roster.load(centre.database) == alliance.roster
    assert [entry.node for entry in Roster.load(beta.database).peers_of(BETA)] == [CENTRE]
    assert pending(centre) == []


def test_the_code_is_read_as_people_copy_it(centre: Node, code: str) -> None:
    invitation = read_code(code)
    assert invitation.address == ADDRESS
    assert invitation.certificate == certificate_digest(centre.keys.tls_certificate.decode())
    for copied in (
        f"  {code}\n",
        code.upper(),
        code.replace("-", " - ").replace("meridian1 - ", "meridian1-"),
    ):
        assert read_code(copied) == invitation
    lines = "\n".join(code[at : at + 30] for at in range(0, len(code), 30))
    assert read_code(lines) == invitation


def test_a_mistyped_code_is_noticed(code: str) -> None:
    body = code.removeprefix("meridian1-")
    letters = [at for at, letter in enumerate(body) if letter != "-"]
    for at in letters[::9]:
        wrong = "a" if body[at] != "a" else "b"
        with pytest.raises(InvalidRequest, match="Copy the whole code"):
            read_code("meridian1-" + body[:at] + wrong + body[at + 1 :])
    for broken in (
        "",
        body,
        code[:-3],
        "meridian1-",
        "meridian2-" + body,
        code + "é",
        code[:20] + "1" + code[21:],
    ):
        with pytest.raises(InvalidRequest):
            read_code(broken)


def test_a_code_shows_no_secret_in_logs_and_two_differ(code: str, centre: Node) -> None:
    invitation = read_code(code)
    assert repr(invitation.secret) not in repr(invitation)
    assert invitation.secret.hex() not in repr(invitation)
    assert invite(centre, "beta", address=ADDRESS)[0] != code


def test_the_secret_is_not_kept(centre: Node, code: str) -> None:
    rows = repr(centre.database.read("SELECT * FROM invitation")) + repr(
        centre.database.read("SELECT * FROM journal")
    )
    secret = read_code(code).secret
    assert code not in rows
    assert to_base64(secret) not in rows
    assert secret.hex() not in rows


@pytest.mark.parametrize(
    "address", ["", "centre", "centre:", "centre:port", "a b:1", "http://centre:1/x", "::1:7444"]
)
def test_an_address_that_cannot_be_dialled_is_refused(centre: Node, address: str) -> None:
    with pytest.raises(InvalidRequest, match="host:port"):
        invite(centre, "beta", address=address)


def test_addresses_of_both_families_are_taken(centre: Node) -> None:
    for address in ("192.0.2.1:7444", "[2001:db8::1]:7444", "centre.example:7444"):
        assert read_code(invite(centre, "beta", address=address)[0]).address == address


def test_who_may_be_invited(centre: Node, beta: Node) -> None:
    with pytest.raises(Conflict, match="taken"):
        invite(centre, "centre", address=ADDRESS)
    with pytest.raises(InvalidRequest):
        invite(centre, "Not A Node", address=ADDRESS)
    with pytest.raises(Refused, match="in no alliance"):
        invite(beta, "gamma", address=ADDRESS)


def test_an_invitation_lapses(centre: Node, beta: Node, code: str, alliance: FoundedAlliance) -> None:
    assert invitation_open(centre.database, centre.now())
    alliance.clock.advance(VALID)
    assert not invitation_open(centre.database, centre.now())
    with pytest.raises(Refused, match="lapsed"):
        take_request(centre, ask(beta, code))


def test_a_code_of_another_alliance_opens_nothing(centre: Node, beta: Node) -> None:
    stranger = new_invitation(ADDRESS, certificate_digest(centre.keys.tls_certificate.decode()))
    with pytest.raises(Refused, match="no such invitation"):
        take_request(centre, ask(beta, stranger.code))


def test_only_the_node_that_was_invited_can_use_the_code(
    centre: Node, code: str, tmp_path: Path, alliance: FoundedAlliance
) -> None:
    gamma = bare_node(tmp_path, "gamma", alliance.clock)
    with pytest.raises(Refused, match="beta was invited"):
        take_request(centre, ask(gamma, code))
    assert pending(centre) == []
    assert len(centre.database.read("SELECT * FROM problem")) == 1


def test_a_second_request_under_one_code_is_refused_and_shown(
    centre: Node, beta: Node, code: str, tmp_path: Path, alliance: FoundedAlliance
) -> None:
    take_request(centre, ask(beta, code))
    thief = bare_node(tmp_path / "thief", "beta", alliance.clock)
    for _ in range(3):
        with pytest.raises(Conflict, match="another request"):
            take_request(centre, ask(thief, code))
    assert [join.request.keys for join in pending(centre)] == [beta.keys.public_keys]
    assert len(centre.database.read("SELECT * FROM problem")) == 1


def test_the_same_request_may_come_as_often_as_it_likes(centre: Node, beta: Node, code: str) -> None:
    for _ in range(3):
        take_request(centre, ask(beta, code))
    assert len(pending(centre)) == 1


def test_an_altered_request_is_caught(centre: Node, beta: Node, code: str) -> None:
    sealed = ask(beta, code)
    for at in range(0, len(sealed), 37):
        flipped = bytearray(sealed)
        flipped[at] ^= 1
        with pytest.raises((Damaged, InvalidRequest, Refused)):
            take_request(centre, bytes(flipped))
    for cut in (b"", sealed[:-1], sealed[: len(sealed) // 2], b"x" * 300_000, b"\xff"):
        with pytest.raises(InvalidRequest):
            take_request(centre, cut)
    assert pending(centre) == []


def sealed_by_hand(code: str, request: JoinRequest, signer: KeyStore) -> bytes:
    """A request by somebody who has the code, with any content."""
    invitation = read_code(code)
    said = msgspec.to_builtins(request)
    signature = signer.sign(b"meridian-join/1" + invitation.locator.encode() + canonical_json(said).encode())
    content = canonical_json({"request": said, "signature": to_base64(signature)}).encode()
    nonce = new_nonce()
    key = derive_key(invitation.join_key, "meridian-join/1|request")
    ciphertext = encrypt(key, content, nonce=nonce, aad=invitation.locator.encode())
    text = {"v": 1, "locator": invitation.locator, "nonce": to_base64(nonce), "sealed": to_base64(ciphertext)}
    return json.dumps(text).encode()


def test_keys_must_be_shown_by_who_holds_them(
    centre: Node, beta: Node, code: str, alliance: FoundedAlliance
) -> None:
    request = JoinRequest(node=BETA, name="Beta", keys=beta.keys.public_keys)
    with pytest.raises(Damaged):
        take_request(centre, sealed_by_hand(code, request, alliance.store("thief")))
    take_request(centre, sealed_by_hand(code, request, beta.keys))
    assert len(pending(centre)) == 1


def test_a_request_that_could_not_be_admitted_is_refused_at_once(centre: Node, beta: Node, code: str) -> None:
    good = JoinRequest(node=BETA, name="Beta", keys=beta.keys.public_keys)
    for wrong in (
        JoinRequest(node=BETA, name=" ", keys=good.keys),
        JoinRequest(node=BETA, name="x" * 201, keys=good.keys),
        JoinRequest(node=NodeId("B!"), name="Beta", keys=good.keys),
        JoinRequest(node=BETA, name="Beta", keys=replace(good.keys, hpke=())),
        JoinRequest(node=BETA, name="Beta", keys=replace(good.keys, tls_certificate="none")),
    ):
        with pytest.raises(InvalidRequest):
            take_request(centre, sealed_by_hand(code, wrong, beta.keys))
    with pytest.raises(InvalidRequest, match="no name"):
        join_request(beta.keys, code, name="")


def test_a_request_and_an_answer_are_not_exchangeable(centre: Node, beta: Node, code: str) -> None:
    request = ask(beta, code)
    answer = take_request(centre, request)
    with pytest.raises(Damaged):
        read_answer(code, request)
    with pytest.raises(Damaged):
        read_join_request(answer, read_code(code).join_key)


def test_somebody_between_shows_in_the_digits(
    centre: Node, beta: Node, code: str, tmp_path: Path, alliance: FoundedAlliance
) -> None:
    """Who has the code can seal for both sides; the two people then read different digits."""
    evil_alliance = FoundedAlliance.found(tmp_path / "evil", alliance.clock)
    evil = bare_node(tmp_path / "evil", "beta", alliance.clock)
    take_request(centre, ask(evil, code))
    (at_centre,) = [join.words for join in pending(centre)]
    genuine = read_answer(code, take_request(centre, ask(evil, code)))
    for answer in (
        genuine,
        msgspec.convert(
            {**msgspec.to_builtins(genuine), "host_verify_key": evil.keys.verify_key}, type(genuine)
        ),
        msgspec.convert(
            {
                **msgspec.to_builtins(genuine),
                "statements": [msgspec.to_builtins(evil_alliance.root.founding)],
            },
            type(genuine),
        ),
    ):
        invitation = read_code(code)
        passed = read_answer(code, seal_answer(invitation.join_key, invitation.locator, answer))
        assert words_of(beta.keys, beta.config.node.name, passed) != at_centre


def test_an_answer_other_than_the_compared_one_is_not_adopted(
    centre: Node, beta: Node, code: str, tmp_path: Path, alliance: FoundedAlliance
) -> None:
    shown = words_of(
        beta.keys, beta.config.node.name, read_answer(code, take_request(centre, ask(beta, code)))
    )
    admit_all(centre, alliance)
    admitted = read_answer(code, take_request(centre, ask(beta, code)))
    other = FoundedAlliance.found(tmp_path / "evil", alliance.clock)
    other.admit("centre")
    other.admit("beta", host="centre", keys=beta.keys.public_keys)
    swapped = msgspec.convert(
        {**msgspec.to_builtins(admitted), "statements": msgspec.to_builtins(other.statements)}, type(admitted)
    )
    with pytest.raises(Refused, match="compared"):
        join_alliance(beta, swapped, compared=shown)
    emptied = msgspec.convert({**msgspec.to_builtins(admitted), "statements": []}, type(admitted))
    founding = admitted.statements[0]
    unsigned = replace(admitted, statements=(replace(founding, signature=other.root.founding.signature),))
    for answer in (emptied, unsigned):
        with pytest.raises(Damaged):
            words_of(beta.keys, beta.config.node.name, answer)
        with pytest.raises(Damaged):
            join_alliance(beta, answer, compared=shown)
    beta.write(join_alliance(beta, admitted, compared=shown))


def test_a_refused_request_stays_refused(
    centre: Node, beta: Node, code: str, alliance: FoundedAlliance
) -> None:
    take_request(centre, ask(beta, code))
    (join,) = pending(centre)
    centre.write(conclude(centre, join.locator, []))
    answer = read_answer(code, take_request(centre, ask(beta, code)))
    assert answer.state == "refused"
    with pytest.raises(Refused, match="refused"):
        join_alliance(beta, answer, compared=join.words)
    signed = admit(
        alliance.root,
        alliance.roster,
        join.request,
        role="clinic",
        mailbox_host=CENTRE,
        address="",
        at=centre.now(),
    )
    late = conclude(centre, join.locator, signed)
    with pytest.raises(Conflict, match="decided already"):
        centre.write(late)
    assert Roster.load(centre.database).peek(BETA) is None


def test_what_was_signed_must_be_for_who_asked(
    centre: Node, beta: Node, code: str, alliance: FoundedAlliance
) -> None:
    take_request(centre, ask(beta, code))
    (join,) = pending(centre)
    alliance.admit("gamma", host="centre")
    with pytest.raises(Damaged, match="not for the keys"):
        conclude(centre, join.locator, alliance.statements[2:])
    alliance.admit("beta", host="centre")  # the right id with other keys
    with pytest.raises(Damaged, match="not for the keys"):
        conclude(centre, join.locator, alliance.statements[2:])
    with pytest.raises(NotFound):
        conclude(centre, read_code(invite(centre, "delta", address=ADDRESS)[0]).locator, [])


def test_digits_depend_on_every_part(centre: Node, beta: Node, alliance: FoundedAlliance) -> None:
    request = JoinRequest(node=BETA, name="Beta", keys=beta.keys.public_keys)
    root, host = alliance.root.public, centre.keys.verify_key
    other = JoinRequest(node=BETA, name="Beta", keys=alliance.store("x").public_keys)
    words = {
        join_words(root, host, request),
        join_words(host, host, request),
        join_words(root, root, request),
        join_words(root, host, other),
        join_words(root, host, JoinRequest(node=BETA, name="Gamma", keys=request.keys)),
    }
    assert len(words) == 5
