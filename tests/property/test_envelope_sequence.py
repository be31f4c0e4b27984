"""Whatever a host does to the order of envelopes, each is taken once and in its turn, or somebody is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from federation.envelope_errors import ChainBroken, OutOfOrder, Replayed
from federation.sequence import Position, check_position
from node.canonical import digest_of
from node.names import NodeId

ALPHA = NodeId("alpha")
LIVES = tuple(f"0199{life:04x}-0000-7000-8000-000000000000" for life in range(3))
Sent = tuple[Position, str]
"""An envelope's own position, and the digest it names as the one before."""


def sent_by(lives: list[int]) -> list[Sent]:
    """All envelopes of a sender that lived several times, ``lives[i]`` envelopes each."""
    envelopes: list[Sent] = []
    for inc, count in zip(LIVES, lives, strict=False):
        before = ""
        for n in range(1, count + 1):
            digest = digest_of(f"{inc} {n}")
            envelopes.append((Position(inc, n, digest), before))
            before = digest
    return envelopes


def take_all(arriving: list[Sent]) -> tuple[list[Position], list[Exception]]:
    """A recipient that looks again at what was early, until nothing moves."""
    taken: list[Position] = []
    refused: list[Exception] = []
    waiting = list(arriving)
    moved = True
    while moved:
        moved, again = False, []
        for envelope in waiting:
            this, prev = envelope
            try:
                check_position(
                    ALPHA, "study-announced/1", this=this, prev=prev, last=taken[-1] if taken else None
                )
            except OutOfOrder:
                again.append(envelope)
            except (Replayed, ChainBroken) as error:
                refused.append(error)
            else:
                taken.append(this)
                moved = True
        waiting = again
    return taken, refused


@given(count=st.integers(1, 12), data=st.data())
def test_any_order_and_any_repeats_end_the_same(count: int, data: st.DataObject) -> None:
    envelopes = sent_by([count])
    repeats = data.draw(st.lists(st.sampled_from(envelopes), max_size=10))
    taken, refused = take_all(data.draw(st.permutations(envelopes + repeats)))
    assert taken == [this for this, _ in envelopes]
    assert len(refused) == len(repeats)
    assert all(isinstance(error, Replayed) for error in refused)


@given(count=st.integers(2, 12), data=st.data())
def test_nothing_after_a_dropped_envelope_is_taken(count: int, data: st.DataObject) -> None:
    envelopes = sent_by([count])
    dropped = data.draw(st.integers(0, count - 1))
    taken, _ = take_all(data.draw(st.permutations(envelopes[:dropped] + envelopes[dropped + 1 :])))
    assert taken == [this for this, _ in envelopes[:dropped]]


@given(lives=st.lists(st.integers(1, 5), min_size=2, max_size=3), data=st.data())
def test_no_envelope_of_an_earlier_life_is_taken_after_one_of_a_later(
    lives: list[int], data: st.DataObject
) -> None:
    envelopes = sent_by(lives)
    taken, _ = take_all(data.draw(st.permutations(envelopes)))
    assert taken == sorted(taken, key=lambda this: (this.inc, this.n))
    assert len(set(taken)) == len(taken)
    last_life = [this for this, _ in envelopes if this.inc == LIVES[len(lives) - 1]]
    assert taken[-len(last_life) :] == last_life


@given(count=st.integers(2, 8), data=st.data())
def test_an_envelope_put_in_anothers_place_is_never_taken(count: int, data: st.DataObject) -> None:
    envelopes = sent_by([count])
    place = data.draw(st.integers(0, count - 1))
    this, prev = envelopes[place]
    forged = (this._replace(digest=digest_of("forged")), prev)
    other_chain = (this, digest_of("forged"))
    last = envelopes[place][0]
    for wrong, before in ((forged, last), (other_chain, envelopes[place - 1][0] if place else None)):
        try:
            check_position(ALPHA, "study-announced/1", this=wrong[0], prev=wrong[1], last=before)
        except ChainBroken:
            continue
        raise AssertionError(wrong)
