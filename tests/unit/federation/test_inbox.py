from __future__ import annotations

import itertools

import pytest

from federation.envelope import Envelope
from federation.inbox import MISSING, Outcome, ask_for_missing
from federation.receipts import ASK_AGAIN
from node.errors import Conflict, Refused, Unavailable
from node.names import Cause
from node.node import Node
from tests.kit.correspondence import Correspondence


def shown(node: Node) -> dict[str, str]:
    rows = node.database.read("SELECT kind, detail FROM problem")
    return {str(row["kind"]): str(row["detail"]) for row in rows}


def flipped(envelope: bytes, at: int) -> bytes:
    changed = bytearray(envelope)
    changed[at] ^= 1
    return bytes(changed)


def test_an_envelope_given_twice_is_applied_once_and_nobody_is_alarmed(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    assert post.deliver(envelope, envelope) == [Outcome.APPLIED, Outcome.REPEATED]
    assert post.read() == ["a"]
    assert post.problems() == []


def test_a_replay_of_what_was_acknowledged_changes_nothing_and_is_shown(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    post.deliver(envelope)
    post.acknowledge()
    assert post.deliver(envelope, envelope) == [Outcome.REPEATED] * 2
    assert post.read() == ["a"]
    assert post.problems() == ["envelope-replayed"]


@pytest.mark.parametrize("order", itertools.permutations(range(4)), ids=str)
def test_any_order_ends_in_the_senders_order(post: Correspondence, order: tuple[int, ...]) -> None:
    envelopes = post.write("a", "b", "c", "d")
    post.deliver(*(envelopes[n] for n in order))
    assert post.read() == ["a", "b", "c", "d"]
    assert post.centre.database.read("SELECT 1 AS one FROM inbox") == []


def test_a_missing_envelope_is_asked_for_and_shown_and_the_rest_waits_here(post: Correspondence) -> None:
    _lost, second = post.write("a", "b")
    assert post.deliver(second) == [Outcome.EARLY]
    assert ask_for_missing(post.centre) == 0
    post.clock.advance(MISSING + 1)
    assert ask_for_missing(post.centre) == 1
    assert ask_for_missing(post.centre) == 0
    post.acknowledge()
    post.deliver(*post.seal())
    assert post.read() == ["a", "b"]
    assert "envelope-missing" in post.problems()


@pytest.mark.parametrize("where", [9, 40, 400, -1], ids=["magic", "header", "ciphertext", "tag"])
def test_a_flipped_byte_is_refused_shown_and_healed_by_sealing_again(
    post: Correspondence, where: int
) -> None:
    first, second = post.write("a", "b")
    assert post.deliver(flipped(first, where)) == [Outcome.REFUSED]
    assert len(post.problems()) == 1
    assert post.deliver(second) == [Outcome.EARLY]
    if post.receipt() is None:  # the sender could not be told from the bytes: its own timer helps
        post.clock.advance(MISSING + 1)
        ask_for_missing(post.centre)
    else:
        post.centre.write(asked_anew(post))
    post.acknowledge()
    post.deliver(*post.seal())
    assert post.read() == ["a", "b"]


def asked_anew(post: Correspondence) -> list:
    from federation.receipts import ask_again

    post.clock.advance(ASK_AGAIN + 1)
    return ask_again(post.alpha.id, now=post.centre.now())


@pytest.mark.parametrize("cut", [0, 3, 60, 500, -1])
def test_a_truncated_envelope_is_refused_and_shown(post: Correspondence, cut: int) -> None:
    (envelope,) = post.write("a")
    assert post.deliver(envelope[:cut]) == [Outcome.REFUSED]
    assert post.problems()
    assert post.read() == []


def test_a_thousand_bad_envelopes_are_one_problem_and_a_bounded_pile(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    for n in range(250):
        post.deliver(flipped(envelope, -1 - n))
    assert post.problems() == ["envelope-damaged"]
    (row,) = post.centre.database.read("SELECT count(*) AS n FROM inbox")
    assert row["n"] == 200
    assert post.deliver(envelope) == [Outcome.APPLIED]


def test_another_sender_in_the_header_is_refused(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    assert post.deliver(envelope.replace(b'"from":"alpha"', b'"from":"gamma"')) == [Outcome.REFUSED]
    assert post.problems() == ["envelope-unknown-sender"]


def test_another_recipient_in_the_header_is_refused(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    assert post.deliver(envelope.replace(b'"to":"centre"', b'"to":"center"')) == [Outcome.REFUSED]
    assert post.problems() == ["envelope-misaddressed"]


def test_a_planted_bypass_of_the_order_is_caught(
    post: Correspondence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check of positions the same envelope would be applied again: this test would see it."""
    monkeypatch.setattr("federation.envelope.check_position", lambda *_, **__: None)
    (envelope,) = post.write("a")
    post.deliver(envelope)
    post.centre.write_key = None if hasattr(post.centre, "write_key") else None
