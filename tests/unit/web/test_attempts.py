"""How often an address may try a password."""

from __future__ import annotations

import pytest

from tests.kit.clock import FrozenClock
from web.auth import ADDRESSES, ATTEMPT_EVERY, ATTEMPTS, Attempts
from web.errors import TooManyAttempts


def emptied(clock: FrozenClock) -> Attempts:
    attempts = Attempts(clock)
    for _ in range(ATTEMPTS):
        attempts.take("10.0.0.1")
    return attempts


def test_the_bucket_empties_for_one_address_alone() -> None:
    attempts = emptied(FrozenClock())
    with pytest.raises(TooManyAttempts):
        attempts.take("10.0.0.1")
    attempts.take("10.0.0.2")


def test_it_fills_again_with_time_but_never_over() -> None:
    clock = FrozenClock()
    attempts = emptied(clock)
    clock.advance(ATTEMPT_EVERY)
    attempts.take("10.0.0.1")
    with pytest.raises(TooManyAttempts):
        attempts.take("10.0.0.1")
    clock.advance(1000 * ATTEMPTS * ATTEMPT_EVERY)
    for _ in range(ATTEMPTS):
        attempts.take("10.0.0.1")
    with pytest.raises(TooManyAttempts):
        attempts.take("10.0.0.1")


def test_a_right_password_costs_nothing() -> None:
    attempts = Attempts(FrozenClock())
    for _ in range(10 * ATTEMPTS):
        attempts.take("10.0.0.1")
        attempts.forgive("10.0.0.1")


def test_memory_is_bounded_however_many_addresses_try() -> None:
    attempts = Attempts(FrozenClock())
    for number in range(2 * ADDRESSES):
        attempts.take(f"address {number}")
    assert len(attempts._buckets) == ADDRESSES
