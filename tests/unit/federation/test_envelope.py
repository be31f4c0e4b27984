from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from federation.envelope import (
    ENVELOPE_LIMIT_BYTES,
    MAGIC,
    PREFIX,
    SIZES_BYTES,
    SUITE,
    Envelope,
    Header,
    Inner,
    Opened,
    open_envelope,
    padded_size,
    seal_envelope,
)
from federation.envelope_errors import (
    ChainBroken,
    EnvelopeDamaged,
    EnvelopeMalformed,
    Forged,
    Forked,
    KeyGone,
    Misnumbered,
    NotForUs,
    OutOfOrder,
    Replayed,
    RevokedSender,
    UnknownSender,
    UnknownSuite,
)
from federation.sequence import Position
from federation.statements import KeysRotated, NodeRevoked
from federation.transport import port
from node.canonical import canonical_json, digest_of
from node.clock import SECOND
from node.errors import GridError, InvalidRequest, Refused, Retry
from node.keys.aead import encrypt, new_key, new_nonce
from node.keys.hpke import seal_hpke
from node.names import Cause, NodeId
from tests.kit.alliance_keys import CHEAP, FoundedAlliance
from tests.kit.clock import FrozenClock

ALPHA, BETA, CENTRE = NodeId("alpha"), NodeId("beta"), NodeId("centre")


@pytest.fixture
def alliance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FoundedAlliance:
    monkeypatch.setattr("node.keys.locked.COST", CHEAP)
    alliance = FoundedAlliance.found(tmp_path, FrozenClock())
    alliance.admit("centre")
    alliance.admit("alpha", host="centre")
    alliance.admit("beta", host="centre")
    return alliance


def words(alliance: FoundedAlliance, n: int = 1, *, prev: str = "", **other: Any) -> Inner:
    inner = Inner(
        sender=ALPHA,
        recipient=CENTRE,
        inc=alliance.store("alpha").incarnation,
        n=n,
        prev=prev,
        head=None,
        cause=Cause("cause-1"),
        type="study-announced/1",
        body=canonical_json({"study": "张三^肺", "n": n}),
    )
    return replace(inner, **other)


def seal(alliance: FoundedAlliance, inner: Inner) -> Envelope:
    return seal_envelope(alliance.store(inner.sender), alliance.entry(inner.recipient), inner)


def take(alliance: FoundedAlliance, envelope: Envelope, last: Position | None = None) -> Opened:
    return open_envelope(alliance.store("centre"), alliance.roster, envelope, last)


def outer_of(header: Header) -> bytes:
    return MAGIC + canonical_json(msgspec.to_builtins(header)).encode()


def seal_by_hand(
    alliance: FoundedAlliance,
    inner: bytes,
    *,
    signer: str = "alpha",
    prefix: bytes = PREFIX,
    pad: bytes = b"\0",
    content_size: int = 0,
    **header_fields: Any,
) -> Envelope:
    """What a peer with wrong or hostile software could send: every field as it likes."""
    said = json.loads(inner)
    header = Header(
        sender=said["from"],
        recipient=said["to"],
        inc=said["inc"],
        n=said["n"],
        suite=SUITE,
        size=1024,
        key_id=alliance.store("centre").hpke_public.key_id,
    )
    header = msgspec.structs.replace(header, **header_fields)
    content = len(inner).to_bytes(4) + inner + alliance.store(signer).sign(prefix + inner)
    key, nonce = new_key(), new_nonce()
    info = f"meridian/1|{header.sender}|{header.recipient}".encode()
    outer = outer_of(header)
    enc, wrapped = seal_hpke(alliance.store("centre").hpke_public.key, key, info=info, aad=outer)
    sealed = encrypt(key, content.ljust(content_size or 1024, pad), nonce=nonce, aad=outer)
    return Envelope(header=header, enc=enc, wrapped_key=wrapped, nonce=nonce, ciphertext=sealed)


def test_what_was_said_comes_out(alliance: FoundedAlliance) -> None:
    inner = words(alliance)
    envelope = Envelope.from_text(seal(alliance, inner).to_text())
    opened = take(alliance, envelope)
    assert opened.inner == inner
    assert opened.digest == inner.digest
    assert opened.position == Position(inner.inc, 1, inner.digest)


def test_the_reference_by_hand_opens_too(alliance: FoundedAlliance) -> None:
    assert take(alliance, seal_by_hand(alliance, words(alliance).to_bytes())).inner == words(alliance)


@pytest.mark.parametrize("field", ["cause", "type", "head"])
def test_what_no_row_may_hold_is_refused(alliance: FoundedAlliance, field: str) -> None:
    inner = words(alliance, **{field: "x'00'"})
    with pytest.raises(GridError, match="signed what no node writes"):
        take(alliance, seal_by_hand(alliance, inner.to_bytes()))


def test_a_chain_is_taken_in_its_order(alliance: FoundedAlliance) -> None:
    last: Position | None = None
    for n in range(1, 5):
        inner = words(alliance, n, prev=last.digest if last else "")
        last = take(alliance, seal(alliance, inner), last).position
    assert last is not None
    assert last.n == 4


def test_the_host_sees_no_content(alliance: FoundedAlliance) -> None:
    body = canonical_json({"name": "CANARY^PATIENT"})
    raw = seal(alliance, words(alliance, body=body)).to_bytes()
    for canary in (b"CANARY", b"study-announced", b"cause-1"):
        assert canary not in raw


def test_the_digest_is_known_before_sealing_and_survives_sealing_again(alliance: FoundedAlliance) -> None:
    inner = words(alliance)
    first = seal(alliance, inner)
    alliance.store("centre").rotate_hpke()
    alliance.say(KeysRotated(node=CENTRE, keys=alliance.store("centre").public_keys))
    second = seal(alliance, inner)
    assert first.header.key_id != second.header.key_id
    assert first.to_bytes() != second.to_bytes()
    assert take(alliance, first).digest == take(alliance, second).digest == digest_of(inner.to_bytes())


def test_two_seals_of_one_message_share_neither_key_nor_nonce(alliance: FoundedAlliance) -> None:
    first, second = (seal(alliance, words(alliance)) for _ in range(2))
    assert first.enc != second.enc
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext


@pytest.mark.parametrize("length", [0, 1, 700, 900, 5000, 100_000, 500_000])
def test_sizes_tell_a_bucket_only(alliance: FoundedAlliance, length: int) -> None:
    envelope = seal(alliance, words(alliance, body=canonical_json({"text": "x" * length})))
    assert envelope.header.size in SIZES_BYTES
    assert len(envelope.ciphertext) == envelope.header.size + 16
    assert len(envelope.to_bytes()) <= ENVELOPE_LIMIT_BYTES
    assert take(alliance, envelope).inner.body.count("x") >= length


def test_the_transport_lets_through_what_an_envelope_may_be() -> None:
    assert port.ENVELOPE_LIMIT_BYTES == ENVELOPE_LIMIT_BYTES


def test_what_does_not_fit_an_envelope_is_refused(alliance: FoundedAlliance) -> None:
    assert padded_size(SIZES_BYTES[-1], "x/1") == SIZES_BYTES[-1]
    with pytest.raises(InvalidRequest, match="blob"):
        seal(alliance, words(alliance, body=canonical_json({"text": "x" * SIZES_BYTES[-1]})))


def test_only_what_is_ours_is_sealed_and_for_whom_it_is(alliance: FoundedAlliance) -> None:
    inner = words(alliance)
    with pytest.raises(Refused):
        seal_envelope(alliance.store("beta"), alliance.entry("centre"), inner)
    with pytest.raises(Refused):
        seal_envelope(alliance.store("alpha"), alliance.entry("beta"), inner)
    with pytest.raises(InvalidRequest, match="not JSON"):
        seal(alliance, words(alliance, body="{"))
    alliance.say(NodeRevoked(node=ALPHA, reason="x"))
    alliance.say(NodeRevoked(node=CENTRE, reason="x"))
    with pytest.raises(Refused, match="revoked"):
        seal_envelope(alliance.store("alpha"), alliance.entry("centre"), inner)


def regions(envelope: Envelope) -> dict[str, range]:
    raw = envelope.to_bytes()
    header = len(outer_of(envelope.header)) - len(MAGIC)
    ends = {"magic": 8, "length": 10, "header": 10 + header}
    ends["enc"] = ends["header"] + 32
    ends["wrapped key"] = ends["enc"] + 48
    ends["nonce"] = ends["wrapped key"] + 12
    ends["ciphertext"] = len(raw)
    starts = [0, *ends.values()]
    return {name: range(starts[n], end) for n, (name, end) in enumerate(ends.items())}


@pytest.mark.parametrize("region", ["magic", "length", "header", "enc", "wrapped key", "nonce", "ciphertext"])
def test_a_flipped_byte_anywhere_is_caught(alliance: FoundedAlliance, region: str) -> None:
    envelope = seal(alliance, words(alliance))
    raw, places = envelope.to_bytes(), regions(envelope)[region]
    for place in range(places.start, places.stop, max(1, len(places) // 60)):
        for bit in (1, 0x80):
            flipped = bytearray(raw)
            flipped[place] ^= bit
            with pytest.raises(GridError):
                take(alliance, Envelope.from_bytes(bytes(flipped)))


def test_the_bit_that_x25519_ignores_is_caught_too(alliance: FoundedAlliance) -> None:
    envelope = seal(alliance, words(alliance))
    enc = envelope.enc[:-1] + bytes((envelope.enc[-1] ^ 0x80,))
    with pytest.raises(EnvelopeDamaged):
        take(alliance, replace(envelope, enc=enc))


def test_truncation_anywhere_is_caught(alliance: FoundedAlliance) -> None:
    raw = seal(alliance, words(alliance)).to_bytes()
    for kept in [*range(0, 320, 7), len(raw) - 1025, len(raw) - 16, len(raw) - 1]:
        with pytest.raises((EnvelopeMalformed, EnvelopeDamaged)):
            take(alliance, Envelope.from_bytes(raw[:kept]))
    with pytest.raises(EnvelopeDamaged):
        take(alliance, Envelope.from_bytes(raw + b"\0"))
    with pytest.raises(EnvelopeMalformed):
        Envelope.from_bytes(raw + bytes(ENVELOPE_LIMIT_BYTES))
    text = seal(alliance, words(alliance)).to_text()
    for broken in (text[:-1], text[:-4] + "!!!!", " " + text, ""):
        with pytest.raises(EnvelopeMalformed):
            Envelope.from_text(broken)


def test_an_envelope_for_another_is_refused_even_when_readdressed(alliance: FoundedAlliance) -> None:
    to_beta = seal(alliance, words(alliance, recipient=BETA))
    with pytest.raises(NotForUs, match="this is centre"):
        take(alliance, to_beta)
    header = msgspec.structs.replace(
        to_beta.header, recipient=CENTRE, key_id=alliance.store("centre").hpke_public.key_id
    )
    with pytest.raises(EnvelopeDamaged):
        take(alliance, replace(to_beta, header=header))
    with pytest.raises(KeyGone):
        take(alliance, replace(to_beta, header=msgspec.structs.replace(to_beta.header, recipient=CENTRE)))


def test_what_a_recipient_was_told_cannot_be_passed_on_as_said_to_another(alliance: FoundedAlliance) -> None:
    """Beta opened alpha's words and wraps them, signature and all, for the centre."""
    to_beta = words(alliance, recipient=BETA)
    rewrapped = seal_by_hand(alliance, to_beta.to_bytes(), recipient=CENTRE)
    with pytest.raises(Forged, match="alpha to beta"):
        take(alliance, rewrapped)


def test_a_swapped_sender_is_caught(alliance: FoundedAlliance) -> None:
    envelope = seal(alliance, words(alliance))
    with pytest.raises(EnvelopeDamaged):
        take(alliance, replace(envelope, header=msgspec.structs.replace(envelope.header, sender=BETA)))
    mine = words(alliance).to_bytes()
    with pytest.raises(Forged, match="beta"):
        take(alliance, seal_by_hand(alliance, mine, sender=BETA))
    with pytest.raises(Forged, match="alpha"):
        take(alliance, seal_by_hand(alliance, mine, signer="beta"))


def test_a_stranger_is_refused_before_anything_is_opened(alliance: FoundedAlliance) -> None:
    stranger = words(alliance, sender=NodeId("stranger"))
    with pytest.raises(UnknownSender):
        take(alliance, seal_by_hand(alliance, stranger.to_bytes(), signer="stranger"))


def test_a_revoked_sender_is_refused(alliance: FoundedAlliance) -> None:
    envelope = seal(alliance, words(alliance))
    alliance.say(NodeRevoked(node=ALPHA, reason="stolen"))
    with pytest.raises(RevokedSender):
        take(alliance, envelope)


@pytest.mark.parametrize("field", ["inc", "n"])
def test_a_header_that_says_other_than_the_inside_is_forged(alliance: FoundedAlliance, field: str) -> None:
    value: Any = 2 if field == "n" else alliance.store("beta").new_incarnation()
    with pytest.raises(Forged, match="inside it is another"):
        take(alliance, seal_by_hand(alliance, words(alliance).to_bytes(), **{field: value}))


def test_a_signature_from_another_format_is_forged(alliance: FoundedAlliance) -> None:
    with pytest.raises(Forged):
        take(alliance, seal_by_hand(alliance, words(alliance).to_bytes(), prefix=b"meridian-roster/1"))


def test_a_second_spelling_is_forged_even_when_signed(alliance: FoundedAlliance) -> None:
    good = words(alliance).to_bytes().decode()
    for other in (
        json.dumps(json.loads(good)),
        good.replace('"n":1,"prev"', '"n":2,"n":1,"prev"'),
        good.replace('"v":1', '"v":1,"w":1'),
        good.replace('"v":1', '"v":2'),
        good.replace('"body":{', '"body":{"x":NaN,'),
        good.replace('"n":1,"prev"', '"n":1.0,"prev"'),
    ):
        assert other != good
        with pytest.raises(Forged):
            take(alliance, seal_by_hand(alliance, other.encode()))


def test_something_hidden_in_the_padding_is_caught(alliance: FoundedAlliance) -> None:
    with pytest.raises(EnvelopeDamaged):
        take(alliance, seal_by_hand(alliance, words(alliance).to_bytes(), pad=b"x"))


def test_an_unknown_suite_says_so(alliance: FoundedAlliance) -> None:
    with pytest.raises(UnknownSuite, match="Update"):
        take(alliance, seal_by_hand(alliance, words(alliance).to_bytes(), suite="xwing"))


@pytest.mark.parametrize(("size", "content_size"), [(1025, 1025), (1025, 0), (2048, 0), (0, 0), (-1, 0)])
def test_a_size_that_is_no_bucket_or_not_the_contents_is_refused(
    alliance: FoundedAlliance, size: int, content_size: int
) -> None:
    inner = words(alliance).to_bytes()
    with pytest.raises(EnvelopeDamaged):
        take(alliance, seal_by_hand(alliance, inner, size=size, content_size=content_size))


def test_a_header_has_one_spelling(alliance: FoundedAlliance) -> None:
    envelope = seal(alliance, words(alliance))
    raw, header = envelope.to_bytes(), outer_of(envelope.header)[len(MAGIC) :]
    for other in (header.replace(b",", b", ", 1), header[:-1] + b',"x":1}', header[:-1] + b',"n":1}'):
        changed = MAGIC + len(other).to_bytes(2) + other + raw[10 + len(header) :]
        with pytest.raises(EnvelopeMalformed):
            Envelope.from_bytes(changed)


def test_a_lost_key_asks_for_sealing_again(alliance: FoundedAlliance) -> None:
    envelope = seal(alliance, words(alliance))
    alliance.clock.advance(SECOND)
    alliance.store("centre").rotate_hpke()
    assert take(alliance, envelope).inner.n == 1
    alliance.store("centre").forget_hpke(superseded_before=alliance.clock.now() + 1)
    with pytest.raises(KeyGone, match="alpha must seal it again"):
        take(alliance, envelope)


@pytest.fixture
def five(alliance: FoundedAlliance) -> list[Inner]:
    chain: list[Inner] = []
    for n in range(1, 6):
        chain.append(words(alliance, n, prev=chain[-1].digest if chain else ""))
    return chain


def at(inner: Inner) -> Position:
    return Position(inner.inc, inner.n, inner.digest)


def test_a_gap_waits_for_what_is_missing(alliance: FoundedAlliance, five: list[Inner]) -> None:
    for last, n in ((None, 2), (at(five[0]), 3), (at(five[1]), 5)):
        with pytest.raises(OutOfOrder, match="has not come yet") as caught:
            take(alliance, seal(alliance, five[n - 1]), last)
        assert caught.value.retry is Retry.LATER


def test_a_replay_is_known(alliance: FoundedAlliance, five: list[Inner]) -> None:
    for n in (1, 3, 4):
        with pytest.raises(Replayed):
            take(alliance, seal(alliance, five[n - 1]), at(five[3]))


def test_a_wrong_previous_digest_breaks_the_chain(alliance: FoundedAlliance, five: list[Inner]) -> None:
    for inner, last in (
        (replace(five[2], prev=five[0].digest), at(five[1])),
        (replace(five[0], prev=five[4].digest), None),
        (five[1], Position(five[0].inc, 1, five[3].digest)),
    ):
        with pytest.raises(ChainBroken):
            take(alliance, seal(alliance, inner), last)


def test_two_envelopes_under_one_number_are_a_fork(alliance: FoundedAlliance, five: list[Inner]) -> None:
    other = replace(five[2], body="{}")
    with pytest.raises(Forked, match="lives twice"):
        take(alliance, seal(alliance, other), at(five[2]))


def test_a_new_life_begins_at_one_and_an_earlier_one_is_a_replay(
    alliance: FoundedAlliance, five: list[Inner]
) -> None:
    later = alliance.store("alpha").new_incarnation()
    first = words(alliance, 1, inc=later)
    assert take(alliance, seal(alliance, first), at(five[4])).position == Position(later, 1, first.digest)
    with pytest.raises(OutOfOrder):
        take(alliance, seal(alliance, words(alliance, 2, inc=later, prev=first.digest)), at(five[4]))
    with pytest.raises(ChainBroken):
        take(alliance, seal(alliance, words(alliance, 1, inc=later, prev=five[4].digest)), at(five[4]))
    for inner in (five[0], five[4]):
        with pytest.raises(Replayed, match="earlier life"):
            take(alliance, seal(alliance, inner), at(first))


def test_receipts_alone_are_unnumbered(alliance: FoundedAlliance, five: list[Inner]) -> None:
    receipt = words(alliance, 0, type="receipt/1")
    for last in (None, at(five[4])):
        assert take(alliance, seal(alliance, receipt), last).inner == receipt
    for wrong in (replace(five[0], n=0), replace(five[0], type="receipt/1")):
        with pytest.raises(Misnumbered):
            take(alliance, seal(alliance, wrong))


def test_receipts_pass_every_other_check(alliance: FoundedAlliance) -> None:
    receipt = words(alliance, 0, type="receipt/1")
    with pytest.raises(Forged):
        take(alliance, seal_by_hand(alliance, receipt.to_bytes(), signer="beta"))
    alliance.say(NodeRevoked(node=ALPHA, reason="x"))
    with pytest.raises(RevokedSender):
        take(alliance, seal_by_hand(alliance, receipt.to_bytes()))


@pytest.mark.parametrize(
    "fields", [{"n": -1}, {"n": 1 << 53}, {"inc": "INC"}, {"inc": ""}, {"inc": "0" * 36}]
)
def test_a_header_out_of_bounds_is_malformed(alliance: FoundedAlliance, fields: dict[str, object]) -> None:
    envelope = seal(alliance, words(alliance))
    header = msgspec.structs.replace(envelope.header, **fields)
    with pytest.raises(EnvelopeMalformed):
        Envelope.from_bytes(replace(envelope, header=header).to_bytes())
