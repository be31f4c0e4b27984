from __future__ import annotations

import itertools

import pytest

from federation.envelope import Envelope
from federation.inbox import MISSING, Outcome, ask_for_missing
from federation.messages import StudyCompletedThere
from federation.outbox import send
from federation.receipts import ASK_AGAIN, ask_again
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


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
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
        post.clock.advance(ASK_AGAIN + 1)
        post.centre.write(ask_again(post.alpha.id, now=post.centre.now()))
    post.acknowledge()
    post.deliver(*post.seal())
    assert post.read() == ["a", "b"]


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


def test_without_the_check_of_order_a_reordered_pair_would_be_applied_so_this_suite_would_see_it(
    post: Correspondence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.envelope.check_position", lambda *_, **__: None)
    first, second = post.write("a", "b")
    post.deliver(second, first)
    assert post.read() != ["a", "b"]


def test_the_write_key_alone_stops_a_second_application(
    post: Correspondence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.envelope.check_position", lambda *_, **__: None)
    (envelope,) = post.write("a")
    post.deliver(envelope, envelope)
    assert post.read() == ["a"]


def test_a_message_that_its_applier_refuses_is_shown_and_counts_as_done(post: Correspondence) -> None:
    post.notebook.fail["a"] = Refused("Taking a note was refused: not today. Ask tomorrow.")
    assert post.deliver(*post.write("a", "b")) == [Outcome.SKIPPED, Outcome.APPLIED]
    assert post.read() == ["b"]
    assert "not today" in shown(post.centre)["message-refused"]
    post.acknowledge()
    assert post.states() == ["1 received", "2 received"]


def test_a_message_that_this_node_fails_on_stops_nothing(post: Correspondence) -> None:
    post.notebook.fail["a"] = ZeroDivisionError()
    assert post.deliver(*post.write("a", "b")) == [Outcome.SKIPPED, Outcome.APPLIED]
    assert "ZeroDivisionError" in shown(post.centre)["message-refused"]
    (kept,) = post.centre.database.read("SELECT state, envelope FROM inbox")
    assert kept["state"] == "skipped"
    assert Envelope.from_text(str(kept["envelope"])).header.n == 1


def test_a_message_whose_words_no_row_may_hold_stops_nothing(post: Correspondence) -> None:
    assert post.deliver(*post.write("x'00'", "b")) == [Outcome.SKIPPED, Outcome.APPLIED]
    assert post.read() == ["b"]
    assert "x'..'" in shown(post.centre)["message-refused"]


def test_a_conflict_is_decided_anew(post: Correspondence) -> None:
    post.notebook.fail["a"] = Conflict("Taking a note was refused: somebody else was first.")
    assert post.deliver(*post.write("a")) == [Outcome.APPLIED]
    assert post.read() == ["a"]


def test_a_message_that_conflicts_for_ever_is_set_aside(
    post: Correspondence, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second) = post.write("a", "b")
    taken = post.notebook.apply

    def conflicting(node, received, note):
        if note.words == "a":
            raise Conflict("Taking a note was refused: somebody else was first.")
        return taken(node, received, note)

    monkeypatch.setattr(post.notebook, "apply", conflicting)
    assert post.deliver(first, second) == [Outcome.SKIPPED, Outcome.APPLIED]


def test_what_an_applier_lacks_for_now_leaves_the_message_where_it_was(post: Correspondence) -> None:
    post.notebook.fail["a"] = Unavailable("Taking a note failed: try again.")
    (envelope,) = post.write("a")
    with pytest.raises(Unavailable):
        post.deliver(envelope)
    assert post.deliver(envelope) == [Outcome.APPLIED]
    assert post.read() == ["a"]


def test_an_unknown_message_is_kept_and_shown(post: Correspondence) -> None:
    unknown = StudyCompletedThere(origin="alpha", study_uid="1.2", instances=1, contents=1, set_digest="")
    post.alpha.write(send(post.alpha, post.centre.id, unknown, cause=Cause("c")))
    assert post.deliver(*post.seal()) == [Outcome.SKIPPED]
    assert "Update this node" in shown(post.centre)["message-refused"]


def test_a_key_that_is_gone_is_healed_by_sealing_again(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    post.centre.keys.rotate_hpke()
    post.centre.keys.forget_hpke(superseded_before=post.centre.now() + 1)
    assert post.deliver(envelope) == [Outcome.REFUSED]
    assert post.problems() == ["envelope-key-gone"]
    (owed,) = post.centre.database.read("SELECT again FROM incoming")
    assert owed["again"] == 1


def test_two_lives_of_one_sender_are_told_apart_and_shown(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    post.back_up("alpha")
    post.deliver(*post.write("b"))  # early; alpha lives on
    post.deliver(envelope)
    post.restore("alpha")
    assert post.deliver(*post.write("another b")) == [Outcome.REFUSED]
    assert post.problems() == ["envelope-forked"]
    post.acknowledge()
    assert "node-restored" in post.problems(post.alpha)
    post.deliver(*post.seal())
    # What the restored life had not seen acknowledged comes once more: every applier bears that.
    assert post.read() == ["a", "b", "a", "another b"]
