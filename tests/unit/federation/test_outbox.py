from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from federation.inbox import MISSING, Outcome, ask_for_missing
from federation.outbox import OVERDUE, repeat_overdue, send, unacknowledged
from federation.receipts import ASK_AGAIN, ask_again
from node.database.port import Statement
from node.errors import Conflict, InvalidRequest
from node.names import Cause, NodeId
from tests.kit.correspondence import Correspondence
from tests.kit.notes import Note

CENTRE = NodeId("centre")


def note(words: str) -> Note:
    return Note(words=words)


def test_several_sends_in_one_batch_get_numbers_without_gaps(post: Correspondence) -> None:
    batch = [
        statement for words in "abc" for statement in send(post.alpha, CENTRE, note(words), cause=Cause("c"))
    ]
    post.alpha.write(batch)
    assert post.states() == ["1 waiting", "2 waiting", "3 waiting"]


def test_a_batch_that_fails_takes_its_message_and_its_number_with_it(post: Correspondence) -> None:
    refused = Statement("UPDATE outgoing SET n = n WHERE peer = 'nobody'", expect=1)
    with pytest.raises(Conflict):
        post.alpha.write([*send(post.alpha, CENTRE, note("a"), cause=Cause("c")), refused])
    post.alpha.write(send(post.alpha, CENTRE, note("b"), cause=Cause("c")))
    assert post.states() == ["1 waiting"]


def test_many_writers_at_once_leave_no_gap_and_no_double(post: Correspondence) -> None:
    def write(n: int) -> None:
        post.alpha.write(send(post.alpha, CENTRE, note(str(n)), cause=Cause("c")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(60)))
    rows = post.alpha.database.read("SELECT n FROM outbox ORDER BY n")
    assert [row["n"] for row in rows] == list(range(1, 61))


def test_a_message_too_large_for_an_envelope_is_refused(post: Correspondence) -> None:
    with pytest.raises(InvalidRequest, match="Shorten it"):
        send(post.alpha, CENTRE, note("x" * 600_000), cause=Cause("c"))


def test_messages_are_sealed_in_order_and_kept_until_the_receipt(post: Correspondence) -> None:
    envelopes = post.write("a", "b")
    assert post.states() == ["1 deposited", "2 deposited"]
    post.deliver(*envelopes)
    post.acknowledge()
    assert post.read() == ["a", "b"]
    assert post.states() == ["1 received", "2 received"]


def test_a_receipt_for_some_leaves_the_rest(post: Correspondence) -> None:
    first, _ = post.write("a", "b")
    post.deliver(first)
    post.acknowledge()
    assert post.states() == ["1 received", "2 deposited"]


def test_what_is_never_acknowledged_is_shown_and_deposited_again_later_each_time(
    post: Correspondence,
) -> None:
    post.write("a")
    assert unacknowledged(post.alpha, [CENTRE]) == {}
    post.clock.advance(OVERDUE + 1)
    assert list(unacknowledged(post.alpha, [CENTRE])) == [CENTRE]
    assert repeat_overdue(post.alpha, CENTRE) == 1
    assert len(post.seal()) == 1
    post.clock.advance(OVERDUE // 2)
    assert repeat_overdue(post.alpha, CENTRE) == 0
    post.clock.advance(OVERDUE)
    assert repeat_overdue(post.alpha, CENTRE) == 1


def test_the_newest_dropped_by_its_host_comes_again_by_itself(post: Correspondence) -> None:
    kept, _dropped = post.write("a", "b")
    post.deliver(kept)
    post.acknowledge()
    post.clock.advance(OVERDUE + 1)
    repeat_overdue(post.alpha, CENTRE)
    post.deliver(*post.seal())
    assert post.read() == ["a", "b"]


def test_an_older_receipt_given_again_moves_nothing_back(post: Correspondence) -> None:
    first, second = post.write("a", "b")
    post.deliver(first)
    post.clock.advance(1_000_000)
    old = post.receipt()
    assert old is not None
    post._take(post.alpha, old, "centre")
    post.deliver(second)
    post.acknowledge()
    post._take(post.alpha, old, "centre")
    assert post.states() == ["1 received", "2 received"]


def test_a_sender_restored_from_a_backup_begins_a_new_incarnation_and_loses_nothing_new(
    post: Correspondence,
) -> None:
    post.deliver(*post.write("a"))
    post.acknowledge()
    post.back_up("alpha")
    post.deliver(*post.write("b", "c"))
    post.acknowledge()
    inc = post.alpha.keys.incarnation
    post.restore("alpha")
    assert post.deliver(*post.write("d")) == [Outcome.REPEATED]
    post.acknowledge()
    assert post.alpha.keys.incarnation > inc
    assert "node-restored" in post.problems(post.alpha)
    post.deliver(*post.seal())
    post.acknowledge()
    assert post.read() == ["a", "b", "c", "d"]
    assert post.states() == ["1 received", "1 received"]


def test_a_recipient_restored_from_a_backup_gets_again_what_it_lost(post: Correspondence) -> None:
    post.deliver(*post.write("a"))
    post.acknowledge()
    post.back_up("centre")
    post.deliver(*post.write("b", "c"))
    post.acknowledge()
    post.restore("centre")
    assert post.read() == ["a"]
    assert post.deliver(*post.write("d")) == [Outcome.EARLY]
    post.clock.advance(MISSING + 1)
    assert ask_for_missing(post.centre) == 1
    post.acknowledge()
    post.deliver(*post.seal())
    post.acknowledge()
    assert post.read() == ["a", "b", "c", "d"]
    assert post.states() == [f"{n} received" for n in (1, 2, 3, 4)]


def test_asked_to_seal_again_what_was_on_its_way_is_no_restored_node(post: Correspondence) -> None:
    first, second = post.write("a", "b")
    post.deliver(first)
    post.clock.advance(ASK_AGAIN)
    post.centre.write(ask_again(post.alpha.id, now=post.clock.now()))
    asked = post.receipt()
    post.deliver(second)
    post.clock.advance(1_000_000)
    taken = post.receipt()
    assert asked is not None
    assert taken is not None
    inc = post.alpha.keys.incarnation
    post._take(post.alpha, asked, "centre")
    post._take(post.alpha, taken, "centre")
    assert post.alpha.keys.incarnation == inc
    assert post.states() == ["1 received", "2 received"]
    assert post.deliver(*post.write("c")) == [Outcome.APPLIED]
    assert post.problems(post.alpha) == []
