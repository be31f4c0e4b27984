"""The pool that the loop sends blocking work to: bounded, and honest about what still runs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from node.errors import Unavailable
from web.threads import Threads


def test_a_call_too_many_is_refused_and_place_comes_back() -> None:
    async def scene() -> int:
        threads, hold = Threads("test", workers=1, waiting=1), threading.Event()
        taken = [asyncio.create_task(threads.run(hold.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="Try again"):
            await threads.run(int)
        hold.set()
        await asyncio.gather(*taken)
        return await threads.run(lambda: 7)

    assert asyncio.run(scene()) == 7


def test_a_caller_that_goes_away_does_not_free_the_thread_it_took() -> None:
    async def scene() -> None:
        threads, hold = Threads("test", workers=1, waiting=0), threading.Event()
        gone = asyncio.create_task(threads.run(hold.wait))
        await asyncio.sleep(0.01)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        hold.set()

    asyncio.run(scene())


def test_what_the_function_raises_comes_through() -> None:
    async def scene() -> None:
        with pytest.raises(ZeroDivisionError):
            await Threads("test", workers=1, waiting=0).run(lambda: 1 // 0)

    asyncio.run(scene())
