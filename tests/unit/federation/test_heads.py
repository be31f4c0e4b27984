"""Which block of its journal an envelope tells of, and what a peer whose past was rewritten is noticed by."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from federation.envelope import Envelope, open_envelope
from federation.heads import NUMBERED, RECEIPTS, Head, known_head, own_head, read_head
from federation.inbox import Outcome
from federation.receipts import ask_again
from node.clock import SECOND
from node.database.port import Statement
from node.database.schema import MIGRATIONS
from node.journal.chain import blocks_folder
from node.names import Digest, NodeId
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.blocks import few_a_block, findings, happen, rows, seal_all
from tests.kit.clock import FrozenClock
from tests.kit.correspondence import Correspondence
from tests.kit.planting import planted

ALPHA, CENTRE = NodeId("alpha"), NodeId("centre")


def seal(node: Node, blocks: int = 1) -> None:
    """Let a journal grow by some blocks."""
    with few_a_block():
        seal_all(node)
        for _ in range(blocks):
            happen(node)
            seal_all(node)


def rewrite(node: Node, clock: FrozenClock, *, blocks: int) -> None:
    """Let a journal have another past, of so many blocks; only what peers were told of gives it away here."""
    node.write([Statement("DELETE FROM block")])
    for path in blocks_folder(node).iterdir():
        path.unlink()
    clock.advance(SECOND)
    with few_a_block(-(-node.journal.head() // blocks)):
        assert seal_all(node) == blocks
    assert {finding.what.partition(",")[0] for finding in findings(node)} <= {
        "peers were told of it",
        "peers were told of another one",
    }


def head_of(post: Correspondence, envelope: bytes) -> str | None:
    member = post.alliance["centre"]
    return open_envelope(member.node.keys, member.rosters(), Envelope.from_bytes(envelope), None).inner.head


def told(post: Correspondence, stream: str = NUMBERED) -> Head | None:
    known = known_head(post.centre.database, ALPHA, stream)
    return None if known is None else known.head


def newest(node: Node) -> Head:
    row = rows(node)[-1]
    return Head(row.n, row.digest)


def test_before_the_first_block_there_is_nothing_to_tell(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    assert head_of(post, envelope) is None
    assert post.deliver(envelope) == [Outcome.APPLIED]
    assert (told(post), post.problems()) == (None, [])


def test_an_envelope_tells_of_the_newest_block_and_its_recipient_keeps_it(post: Correspondence) -> None:
    seal(post.alpha)
    (envelope,) = post.write("a")
    assert head_of(post, envelope) == str(newest(post.alpha)) == own_head(post.alpha.database)
    post.deliver(envelope)
    assert told(post) == newest(post.alpha)
    seal(post.alpha, 2)
    post.deliver(*post.write("b"))
    assert told(post) == newest(post.alpha)
    assert post.read() == ["a", "b"]
    assert post.problems() == []


def test_a_receipt_tells_of_it_too(post: Correspondence) -> None:
    seal(post.centre)
    post.deliver(*post.write("a"))
    post.acknowledge()
    known = known_head(post.alpha.database, CENTRE, RECEIPTS)
    assert known is not None
    assert known.head == newest(post.centre)


def test_an_older_receipt_given_again_alarms_nobody(post: Correspondence) -> None:
    first, second = post.write("a", "b")
    seal(post.centre)
    post.deliver(first)
    old = post.receipt()
    assert old is not None
    post.clock.advance(SECOND)
    seal(post.centre)
    post.deliver(second)
    post.acknowledge()
    post._take(post.alpha, old, "centre")
    assert post.problems(post.alpha) == []
    known = known_head(post.alpha.database, CENTRE, RECEIPTS)
    assert known is not None
    assert known.head == newest(post.centre)


def test_a_version_that_seals_no_blocks_is_understood_beside_those_that_do(post: Correspondence) -> None:
    seal(post.alpha)
    post.deliver(*post.write("a"))
    post.alpha.write([Statement("DELETE FROM block")])
    assert post.deliver(*post.write("b")) == [Outcome.APPLIED]
    assert post.problems() == []


@pytest.mark.parametrize("blocks", [1, 3], ids=["fewer blocks", "the same number, another block"])
def test_a_rewritten_past_is_shown_once_and_the_mail_is_applied(post: Correspondence, blocks: int) -> None:
    seal(post.alpha, 2)
    before = newest(post.alpha)
    assert before.n == 3
    post.deliver(*post.write("a"))
    rewrite(post.alpha, post.clock, blocks=blocks)
    assert newest(post.alpha).n == blocks
    assert post.deliver(*post.write("b", "c")) == [Outcome.APPLIED] * 2
    assert post.read() == ["a", "b", "c"]
    assert post.problems() == ["journal-rewritten"]
    (row,) = post.centre.database.read("SELECT subject, detail FROM problem")
    assert row["subject"] == "peer/alpha"
    for block in (before, newest(post.alpha)):
        assert f"block {block.n} with digest {block.digest}" in str(row["detail"])


def test_a_planted_head_that_is_not_compared_is_caught(
    post: Correspondence, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(post.alpha, 2)
    post.deliver(*post.write("a"))
    rewrite(post.alpha, post.clock, blocks=1)
    planted(monkeypatch, "head-not-compared")
    post.deliver(*post.write("b"))
    assert post.problems() != ["journal-rewritten"]


def test_another_digest_in_a_receipt_is_shown(post: Correspondence) -> None:
    """A peer that has nothing to say but receipts is noticed too."""
    seal(post.centre)
    post.deliver(*post.write("a"))
    post.acknowledge()
    rewrite(post.centre, post.clock, blocks=newest(post.centre).n)
    post.deliver(*post.write("b"))
    post.acknowledge()
    assert post.problems(post.alpha) == ["journal-rewritten"]
    assert post.states() == ["1 received", "2 received"]


def test_sealed_again_an_envelope_tells_what_it_told_and_keeps_its_digest(post: Correspondence) -> None:
    """Else the recipient, who may have taken it meanwhile, would see two under one number."""
    seal(post.alpha)
    first, second = post.write("a", "b")
    head = head_of(post, first)
    post.centre.write(ask_again(ALPHA, now=post.centre.now()))
    receipt = post.receipt()
    assert receipt is not None
    seal(post.alpha)
    post.clock.advance(SECOND)
    post._take(post.alpha, receipt, "centre")
    again = post.seal()
    assert [head_of(post, again[0]), len(again)] == [head, 2]
    assert again[0] != first
    assert post.deliver(first, again[0], again[1]) == [Outcome.APPLIED, Outcome.REPEATED, Outcome.APPLIED]
    assert post.deliver(second) == [Outcome.REPEATED]
    assert post.problems() == []


def test_what_an_earlier_version_sealed_is_sealed_again_as_it_was(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    post.alpha.write([Statement("UPDATE outbox SET head = ''")])  # as the migration leaves it
    seal(post.alpha)
    post.centre.write(ask_again(ALPHA, now=post.centre.now()))
    post.acknowledge()
    (again,) = post.seal()
    assert head_of(post, again) is None
    assert post.deliver(envelope, again) == [Outcome.APPLIED, Outcome.REPEATED]


def test_the_outbox_of_an_earlier_version_tells_of_no_block(tmp_path: Path) -> None:
    state = tmp_path / "alpha"
    state.mkdir()
    earlier = MIGRATIONS[
        : next(n for n, one in enumerate(MIGRATIONS) if any("peer_head" in sql for sql in one))
    ]
    with closing(sqlite3.connect(state / "meridian.db")) as database:
        for sql in (sql for one in earlier for sql in one):
            database.execute(sql)
        database.execute(
            "INSERT INTO outbox (peer, inc, n, type, message, cause, state, at)"
            " VALUES ('centre', 'i', 1, 'note/1', '{}', 'c', 'waiting', 1)"
        )
        database.execute(f"PRAGMA user_version = {len(earlier)}")
        database.commit()
    node = bare_node(tmp_path, "alpha", FrozenClock())
    assert node.database.read("SELECT head FROM outbox") == [{"head": ""}]
    assert findings(node) == []
    seal(node)
    assert findings(node) == []
    node.close()


def test_a_restored_sender_begins_anew_and_is_not_taken_for_a_forger(post: Correspondence) -> None:
    seal(post.alpha)
    post.deliver(*post.write("a"))
    post.acknowledge()
    post.back_up("alpha")
    seal(post.alpha, 3)
    post.deliver(*post.write("b", "c"))
    post.acknowledge()
    post.restore("alpha")
    assert post.deliver(*post.write("d")) == [Outcome.REPEATED]
    post.acknowledge()
    assert post.deliver(*post.seal()) == [Outcome.APPLIED]
    assert "journal-rewritten" not in post.problems()
    assert told(post) == newest(post.alpha)


def test_a_head_that_is_none_is_shown_and_the_mail_applied(
    post: Correspondence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.outbox.own_head", lambda _: "7")
    assert post.deliver(*post.write("a")) == [Outcome.APPLIED]
    assert post.problems() == ["head-unreadable"]
    assert told(post) is None


@pytest.mark.parametrize(
    "said",
    [
        "",
        "7",
        "0:" + "a" * 64,
        "07:" + "a" * 64,
        "7:" + "A" * 64,
        "7:" + "a" * 63,
        "-1:" + "a" * 64,
        "9" * 16,
    ],
)
def test_a_head_has_one_spelling(said: str) -> None:
    assert read_head(said) is None


def test_a_head_is_read_as_it_was_written() -> None:
    head = Head(7, Digest("a" * 64))
    assert read_head(str(head)) == head
