from __future__ import annotations

import pytest

from federation import mailbox
from federation.envelope import Envelope
from federation.hosting import Hosting
from node.errors import InvalidRequest, Refused, Unavailable
from node.names import NodeId
from tests.kit.correspondence import Correspondence

ALPHA, CENTRE = NodeId("alpha"), NodeId("centre")


@pytest.fixture
def hosting(post: Correspondence) -> Hosting:
    return post.alliance["centre"].hosting


def test_an_arrival_number_is_never_given_twice(post: Correspondence, hosting: Hosting) -> None:
    first, second = post.write("a", "b")
    hosting.deposit(ALPHA, [first])
    (one,) = hosting.waiting(CENTRE, after=0)
    hosting.acknowledge(CENTRE, [one.arrival])
    hosting.deposit(ALPHA, [second])
    (other,) = hosting.waiting(CENTRE, after=one.arrival)
    assert other.arrival > one.arrival


def test_an_envelope_sealed_anew_replaces_the_one_under_its_number(
    post: Correspondence, hosting: Hosting
) -> None:
    (first,) = post.write("a")
    hosting.deposit(ALPHA, [first])
    post.alpha.write(
        [
            *sealed_again(),
        ]
    )
    (anew,) = post.seal()
    assert anew != first
    hosting.deposit(ALPHA, [anew])
    assert [one.envelope for one in hosting.waiting(CENTRE, after=0)] == [anew]


def sealed_again() -> list:
    from node.database.port import Statement

    return [
        Statement("UPDATE outbox SET state = 'waiting', digest = NULL, envelope = NULL"),
        Statement("UPDATE outgoing SET digest = ''"),
    ]


def test_mail_is_given_in_answers_of_bounded_size(
    post: Correspondence, hosting: Hosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelopes = post.write(*map(str, range(10)))
    hosting.deposit(ALPHA, envelopes)
    monkeypatch.setattr(mailbox, "BATCH_BYTES", 3 * len(envelopes[0]))
    answers, after = [], 0
    while given := hosting.waiting(CENTRE, after=after):
        answers.append(len(given))
        after = given[-1].arrival
    assert sum(answers) == 10
    assert max(answers) == 3


def test_a_mailbox_full_of_one_senders_mail_takes_no_more_of_it(
    post: Correspondence, hosting: Hosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "QUOTA_ENVELOPES", 2)
    first, second, third = post.write("a", "b", "c")
    hosting.deposit(ALPHA, [first, second])
    with pytest.raises(Unavailable, match="full"):
        hosting.deposit(ALPHA, [third])
    hosting.acknowledge(CENTRE, [one.arrival for one in hosting.waiting(CENTRE, after=0)])
    hosting.deposit(ALPHA, [third])


def test_mail_for_a_mailbox_kept_elsewhere_is_refused(post: Correspondence) -> None:
    (envelope,) = post.write("a")
    elsewhere = post.alliance["alpha"].hosting
    with pytest.raises(Refused, match="not kept at alpha"):
        elsewhere.deposit(ALPHA, [envelope])


def test_too_much_at_once_is_refused(post: Correspondence, hosting: Hosting) -> None:
    (envelope,) = post.write("a")
    with pytest.raises(InvalidRequest, match="too much"):
        hosting.deposit(ALPHA, [envelope] * 4000)
    with pytest.raises(InvalidRequest, match="too much"):
        hosting.acknowledge(CENTRE, list(range(2000)))


def test_the_host_keeps_nothing_but_what_the_header_says(post: Correspondence, hosting: Hosting) -> None:
    (envelope,) = post.write("a secret word")
    hosting.deposit(ALPHA, [envelope])
    header = Envelope.from_bytes(envelope).header
    (row,) = post.centre.database.read("SELECT * FROM mailbox")
    assert (row["sender"], row["recipient"], row["n"]) == (header.sender, header.recipient, header.n)
    assert b"secret" not in envelope
    assert "secret" not in str(row)
