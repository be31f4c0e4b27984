from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from federation.identity import NAME, found_alliance, open_root
from federation.roster import Roster
from federation.rotation import sign_rotation
from federation.statements import (
    AllianceFounded,
    KeysRotated,
    MailboxMoved,
    NodeAdmitted,
    NodeRevoked,
    RosterStatement,
    SignedStatement,
    signed_bytes,
    statement_body,
)
from node.clock import SECOND
from node.errors import Conflict, Damaged, GridError, InvalidRequest, NotFound, Refused
from node.keys.certificates import certificate_digest
from node.keys.encoding import to_base64
from node.keys.signing import sign, verify_key_of
from node.names import NodeId
from tests.kit.alliance_keys import CHEAP, PASSPHRASE, FoundedAlliance
from tests.kit.clock import NOON, FrozenClock

ALPHA, BETA, CENTRE = NodeId("alpha"), NodeId("beta"), NodeId("centre")


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.keys.locked.COST", CHEAP)


@pytest.fixture
def alliance(tmp_path: Path) -> FoundedAlliance:
    alliance = FoundedAlliance.found(tmp_path, FrozenClock())
    alliance.admit("centre")
    alliance.admit("alpha", host="centre")
    return alliance


def resigned(alliance: FoundedAlliance, statement: RosterStatement) -> SignedStatement:
    """What a root that checks nothing would sign."""
    body = statement_body(statement)
    return SignedStatement(body=body, signature=to_base64(sign(alliance.root.private, signed_bytes(body))))


def test_a_roster_says_who_is_in_and_who_keeps_whose_mailbox(alliance: FoundedAlliance) -> None:
    roster = alliance.roster
    assert (roster.name, roster.root, roster.n) == ("Lakeside", alliance.root.public, 2)
    assert [entry.node for entry in roster.members()] == [ALPHA, CENTRE]
    assert [entry.node for entry in roster.peers_of(CENTRE)] == [ALPHA]
    assert [entry.node for entry in roster.hosted_by(CENTRE)] == [ALPHA, CENTRE]
    assert roster.entry(ALPHA).keys == alliance.store("alpha").public_keys
    assert roster.entry(ALPHA).fingerprint == alliance.store("alpha").public_keys.fingerprint
    assert roster.peek(BETA) is None
    with pytest.raises(NotFound):
        roster.entry(BETA)


def test_a_certificate_leads_to_its_node(alliance: FoundedAlliance) -> None:
    digest = certificate_digest(alliance.store("alpha").tls_certificate.decode())
    found = alliance.roster.by_certificate(digest)
    assert found is not None
    assert found.node == ALPHA
    assert alliance.roster.trust_pem().count(b"BEGIN CERTIFICATE") == 2


def test_a_revoked_node_stays_known_and_is_out(alliance: FoundedAlliance) -> None:
    digest = certificate_digest(alliance.store("alpha").tls_certificate.decode())
    alliance.say(NodeRevoked(node=ALPHA, reason="closed"))
    roster = alliance.roster
    assert roster.entry(ALPHA).revoked
    assert roster.peers_of(CENTRE) == []
    assert roster.by_certificate(digest) is None
    assert roster.trust_pem().count(b"BEGIN CERTIFICATE") == 1
    with pytest.raises(InvalidRequest, match="never reused"):
        alliance.admit("alpha", host="centre")
    with pytest.raises(InvalidRequest, match="revoked"):
        alliance.say(MailboxMoved(node=ALPHA, mailbox_host=CENTRE, address=""))


def test_a_mailbox_moves_only_to_a_node_that_listens(alliance: FoundedAlliance) -> None:
    alliance.admit("hub")
    alliance.say(MailboxMoved(node=ALPHA, mailbox_host=NodeId("hub"), address=""))
    assert alliance.entry("alpha").mailbox_host == "hub"
    for host in ("alpha", "nobody"):
        with pytest.raises(InvalidRequest, match="no address"):
            alliance.say(MailboxMoved(node=ALPHA, mailbox_host=NodeId(host), address=""))
    alliance.say(NodeRevoked(node=NodeId("hub"), reason="sold"))
    with pytest.raises(InvalidRequest, match="no address"):
        alliance.admit("beta", host="hub")


def test_acts_that_make_no_sense_are_not_signed(alliance: FoundedAlliance) -> None:
    mine = alliance.store("beta").public_keys
    theirs = alliance.store("alpha").public_keys
    admission = NodeAdmitted(
        node=BETA, name="Beta", role="clinic", keys=mine, mailbox_host=CENTRE, address=""
    )
    wrong: list[tuple[type[GridError], object]] = [
        (InvalidRequest, replace(admission, node=ALPHA)),
        (InvalidRequest, replace(admission, node=NodeId("Beta!"))),
        (InvalidRequest, replace(admission, role="boss")),
        (InvalidRequest, replace(admission, keys=replace(mine, verify_key=theirs.verify_key))),
        (InvalidRequest, replace(admission, keys=replace(mine, tls_certificate=theirs.tls_certificate))),
        (InvalidRequest, replace(admission, keys=replace(mine, hpke=theirs.hpke))),
        (InvalidRequest, replace(admission, keys=replace(mine, hpke=()))),
        (InvalidRequest, replace(admission, keys=replace(mine, verify_key="AAAA"))),
        (InvalidRequest, AllianceFounded(name="Again", root=alliance.root.public)),
        (NotFound, NodeRevoked(node=BETA, reason="never in")),
        (NotFound, KeysRotated(node=BETA, keys=mine)),
    ]
    before = list(alliance.statements)
    for error, act in wrong:
        with pytest.raises(error):
            alliance.say(act)  # type: ignore[arg-type]  # a list of acts of several kinds
    assert alliance.statements == before


def test_the_root_can_replace_all_keys_of_a_node(alliance: FoundedAlliance) -> None:
    fresh = alliance.store("alpha2").public_keys
    alliance.say(KeysRotated(node=ALPHA, keys=fresh))
    assert alliance.entry("alpha").keys == fresh
    assert alliance.entry("alpha").keys_n == 3


def test_dropped_reordered_or_repeated_statements_are_caught(alliance: FoundedAlliance) -> None:
    alliance.admit("beta", host="centre")
    founding, centre, alpha, beta = alliance.statements
    for chain in (
        [founding, alpha],
        [founding, alpha, centre],
        [founding, centre, centre],
        [founding, centre, beta],
        [centre],
        [founding, founding],
    ):
        with pytest.raises(Damaged):
            Roster.from_statements(chain)


def test_number_and_previous_digest_must_both_fit(alliance: FoundedAlliance) -> None:
    act = NodeRevoked(node=ALPHA, reason="x")
    digest = alliance.roster.digest
    for n, previous in ((4, digest), (2, digest), (3, alliance.statements[1].digest), (3, "")):
        statement = RosterStatement(n=n, previous=previous, at=NOON, act=act)
        with pytest.raises(Damaged, match="does not follow"):
            alliance.roster.extended(resigned(alliance, statement))
    alliance.roster.extended(resigned(alliance, RosterStatement(n=3, previous=digest, at=NOON, act=act)))


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("field", ["body", "signature"])
def test_an_altered_statement_is_caught(alliance: FoundedAlliance, at: int, field: str) -> None:
    signed = alliance.statements[at]
    text = getattr(signed, field)
    for place in range(0, len(text), max(1, len(text) // 40)):
        flipped = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        chain = [*alliance.statements]
        chain[at] = replace(signed, **{field: flipped})
        with pytest.raises(Damaged):
            Roster.from_statements(chain)


def test_another_root_cannot_go_on_with_the_roster(alliance: FoundedAlliance, tmp_path: Path) -> None:
    other = FoundedAlliance.found(tmp_path / "other", alliance.clock)
    with pytest.raises(Conflict, match="another alliance"):
        other.root.sign(NodeRevoked(node=ALPHA, reason="x"), roster=alliance.roster, at=NOON)
    act = NodeRevoked(node=ALPHA, reason="x")
    body = statement_body(RosterStatement(n=3, previous=alliance.roster.digest, at=NOON, act=act))
    forged = SignedStatement(body=body, signature=to_base64(sign(other.root.private, signed_bytes(body))))
    with pytest.raises(Damaged, match="signature"):
        alliance.roster.extended(forged)
    with pytest.raises(Damaged):
        Roster.from_statements([other.root.founding, *alliance.statements[1:]])


def test_a_founding_signed_by_another_than_it_names_is_caught(
    alliance: FoundedAlliance, tmp_path: Path
) -> None:
    other = FoundedAlliance.found(tmp_path / "other", alliance.clock)
    act = AllianceFounded(name="Lakeside", root=other.root.public)
    forged = resigned(alliance, RosterStatement(n=0, previous="", at=NOON, act=act))
    with pytest.raises(Damaged):
        Roster.from_statements([forged])


def test_a_signature_from_another_format_is_no_statement(alliance: FoundedAlliance) -> None:
    act = NodeRevoked(node=ALPHA, reason="x")
    body = statement_body(RosterStatement(n=3, previous=alliance.roster.digest, at=NOON, act=act))
    raw = sign(alliance.root.private, b"meridian-envelope/1" + body.encode())
    with pytest.raises(Damaged):
        alliance.roster.extended(SignedStatement(body=body, signature=to_base64(raw)))


def test_a_second_spelling_of_a_statement_is_caught_even_when_signed(alliance: FoundedAlliance) -> None:
    act = NodeRevoked(node=ALPHA, reason="x")
    body = statement_body(RosterStatement(n=3, previous=alliance.roster.digest, at=NOON, act=act))
    for other in (
        json.dumps(json.loads(body)),
        body.replace('"reason":"x"', '"reason":"y","reason":"x"'),
        body.replace('"v":1', '"v":1,"w":2'),
        body.replace('"v":1', '"v":2'),
        body.replace("node-revoked/1", "node-revoked/2"),
        body.replace('"n":3', '"n":"3"'),
    ):
        assert other != body
        signature = to_base64(sign(alliance.root.private, signed_bytes(other)))
        with pytest.raises(Damaged):
            alliance.roster.extended(SignedStatement(body=other, signature=signature))


def rotated(alliance: FoundedAlliance, node: str, *, n: int = 1, alliance_key: str = "") -> SignedStatement:
    return sign_rotation(
        alliance.store(node),
        alliance=alliance_key or alliance.root.public,
        after=alliance.entry(node).keys_n,
        rotation=n,
        at=NOON,
    )


def test_a_node_rotates_its_own_encryption_and_tls_keys(alliance: FoundedAlliance) -> None:
    store = alliance.store("alpha")
    store.rotate_hpke()
    store.rotate_tls()
    entry = alliance.roster.rotated(rotated(alliance, "alpha")).entry(ALPHA)
    assert entry.keys == store.public_keys != alliance.entry("alpha").keys
    assert entry.keys_n == alliance.entry("alpha").keys_n


def test_a_rotation_counts_no_more_when_the_root_has_spoken_since(alliance: FoundedAlliance) -> None:
    alliance.store("alpha").rotate_hpke()
    rotation = rotated(alliance, "alpha")
    fresh = alliance.store("alpha2").public_keys
    alliance.say(KeysRotated(node=ALPHA, keys=fresh))
    assert alliance.roster.rotated(rotation).entry(ALPHA).keys == fresh


def test_a_revoked_node_rotates_nothing(alliance: FoundedAlliance) -> None:
    alliance.store("alpha").rotate_hpke()
    rotation = rotated(alliance, "alpha")
    alliance.say(NodeRevoked(node=ALPHA, reason="closed"))
    assert alliance.roster.rotated(rotation) == alliance.roster


def test_a_node_can_rotate_nobody_elses_keys_nor_its_signing_key(
    alliance: FoundedAlliance, tmp_path: Path
) -> None:
    roster = alliance.roster
    genuine = rotated(alliance, "alpha")
    stranger = alliance.store("stranger")
    for body in (
        genuine.body.replace('"node":"alpha"', '"node":"centre"').replace('"after":2', '"after":1'),
        genuine.body.replace('"rotation":1', '"rotation":2'),
    ):
        with pytest.raises((Damaged, Refused)):
            roster.rotated(replace(genuine, body=body))
    taken_over = genuine.body.replace(alliance.store("alpha").verify_key, stranger.verify_key)
    raw = stranger.sign(b"meridian-rotation/1" + taken_over.encode())
    with pytest.raises(Refused, match="only the root"):
        roster.rotated(SignedStatement(body=taken_over, signature=to_base64(raw)))
    raw = stranger.sign(b"meridian-rotation/1" + genuine.body.encode())
    with pytest.raises(Damaged, match="did not sign"):
        roster.rotated(replace(genuine, signature=to_base64(raw)))
    with pytest.raises(Refused, match="another alliance"):
        roster.rotated(rotated(alliance, "alpha", alliance_key=stranger.verify_key))
    with pytest.raises(NotFound):
        roster.rotated(replace(genuine, body=genuine.body.replace('"node":"alpha"', '"node":"beta"')))


def test_a_root_opens_with_its_passphrase_only(tmp_path: Path, alliance: FoundedAlliance) -> None:
    root = open_root(tmp_path / "root", PASSPHRASE)
    assert root == alliance.root
    assert to_base64(root.private) not in repr(root)
    with pytest.raises(Refused, match="passphrase"):
        open_root(tmp_path / "root", PASSPHRASE + "!")
    with pytest.raises(NotFound):
        open_root(tmp_path / "alpha", PASSPHRASE)
    with pytest.raises(Conflict, match="holds a root"):
        found_alliance(tmp_path / "root", PASSPHRASE, name="Second", at=NOON)
    with pytest.raises(InvalidRequest, match="no name"):
        found_alliance(tmp_path / "third", PASSPHRASE, name=" ", at=NOON)


def test_the_roots_file_holds_no_private_key_in_clear(tmp_path: Path, alliance: FoundedAlliance) -> None:
    content = (tmp_path / "root" / NAME).read_bytes()
    assert to_base64(alliance.root.private).encode() not in content
    assert alliance.root.private not in content
    assert (tmp_path / "root" / NAME).stat().st_mode & 0o777 == 0o600


def test_a_root_file_that_others_read_or_that_was_mixed_up_is_refused(
    tmp_path: Path, alliance: FoundedAlliance
) -> None:
    path = tmp_path / "root" / NAME
    other = FoundedAlliance.found(tmp_path / "other", alliance.clock)
    good = json.loads(path.read_bytes())
    mixed = {**good, "founding": json.loads((tmp_path / "other" / "root" / NAME).read_bytes())["founding"]}
    for content in (json.dumps(mixed), json.dumps({**good, "format": "meridian-root/2"}), "{}", ""):
        path.write_text(content)
        with pytest.raises(Damaged):
            open_root(tmp_path / "root", PASSPHRASE)
    path.write_text(json.dumps(good))
    assert open_root(tmp_path / "root", PASSPHRASE).public != other.root.public
    path.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        open_root(tmp_path / "root", PASSPHRASE)


def test_a_verify_key_is_that_of_its_private_half(alliance: FoundedAlliance) -> None:
    assert verify_key_of(alliance.root.private) == alliance.root.public
    alliance.clock.advance(SECOND)
    assert alliance.say(NodeRevoked(node=ALPHA, reason="x")).digest == alliance.roster.digest
