"""What the kernel sends of packs: every byte in order, to the client that asked and to nobody else."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node.errors import Damaged
from node.store.regions import Region
from web.dicomweb import kernel_copy as module
from web.dicomweb.kernel_copy import KernelCopy, kernel_copy
from web.threads import Threads

BYTES = os.urandom(9 << 20)
"""More than a connection takes at once."""


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads("test", workers=2, waiting=10)
    yield threads
    threads.close()


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "one.pack"
    path.write_bytes(BYTES)
    return path


async def connected(threads: Threads) -> tuple[KernelCopy, asyncio.Transport, socket.socket]:
    """Give a sender, its transport, and the client's end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    sender = kernel_copy(transport, threads)
    assert sender is not None
    return sender, transport, theirs


async def read(theirs: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (more := await asyncio.get_running_loop().sock_recv(theirs, 1 << 20)):
        found += more
    return found


async def ended(sending: Awaitable[None]) -> BaseException | None:
    try:
        await asyncio.wait_for(sending, 20)
    except (OSError, Damaged) as error:
        return error
    return None


def test_pieces_arrive_in_order_however_slowly_they_are_read(pack: Path, threads: Threads) -> None:
    async def story() -> None:
        sender, transport, theirs = await connected(threads)
        regions = [Region(path=pack, offset=at, length=3 << 20) for at in (0, 6 << 20, 3 << 20)]
        pieces = [b"<", regions[0], b"|", regions[1], regions[2], b">" * 700_000]
        sending = asyncio.ensure_future(sender.send(pieces))
        await asyncio.sleep(0.05)
        whole = b"<" + BYTES[: 3 << 20] + b"|" + BYTES[6 << 20 :] + BYTES[3 << 20 : 6 << 20] + b">" * 700_000
        assert await read(theirs, len(whole)) == whole
        assert await ended(sending) is None
        sender.close()
        assert not transport.is_closing()
        transport.close()
        theirs.close()

    asyncio.run(story())


def test_who_waits_for_a_slow_client_holds_no_thread(pack: Path, threads: Threads) -> None:
    async def story() -> None:
        waiting = [await connected(threads) for _ in range(6)]  # three times as many as there are threads
        region = Region(path=pack, offset=0, length=len(BYTES))
        tasks = [asyncio.ensure_future(sender.send([region])) for sender, _, _ in waiting]
        await asyncio.sleep(0.2)
        assert await asyncio.wait_for(threads.run(lambda: 7), 5) == 7
        for _, _, theirs in waiting:
            assert await read(theirs, len(BYTES)) == BYTES
        assert [await ended(task) for task in tasks] == [None] * 6
        for sender, transport, theirs in waiting:
            sender.close()
            transport.close()
            theirs.close()

    asyncio.run(story())


def test_a_client_that_goes_away_ends_it_and_leaves_no_file_open(pack: Path, threads: Threads) -> None:
    async def story() -> None:
        sender, transport, theirs = await connected(threads)
        sending = asyncio.ensure_future(sender.send([Region(path=pack, offset=0, length=len(BYTES))]))
        await asyncio.sleep(0.05)
        theirs.close()
        assert isinstance(await ended(sending), ConnectionError)
        sender.close()
        transport.abort()
        await asyncio.sleep(0)

    before = len(list(Path("/proc/self/fd").iterdir()))
    asyncio.run(story())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_whoever_gives_up_in_the_middle_leaves_nothing_running(pack: Path, threads: Threads) -> None:
    async def story() -> None:
        sender, transport, theirs = await connected(threads)
        sending = asyncio.ensure_future(sender.send([Region(path=pack, offset=0, length=len(BYTES))]))
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        sender.close()
        transport.close()
        theirs.close()

    asyncio.run(story())


def test_a_pack_that_ends_too_early_breaks_off(pack: Path, threads: Threads) -> None:
    async def story() -> None:
        sender, transport, theirs = await connected(threads)
        sending = asyncio.ensure_future(sender.send([Region(path=pack, offset=8 << 20, length=2 << 20)]))
        assert await read(theirs, 1 << 20) == BYTES[8 << 20 :]
        assert isinstance(await ended(sending), Damaged)
        sender.close()
        transport.close()
        theirs.close()

    asyncio.run(story())


def test_bytes_that_still_wait_in_the_transport_are_not_overtaken(threads: Threads) -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        transport.write(BYTES)
        assert transport.get_write_buffer_size()
        assert kernel_copy(transport, threads) is None
        transport.abort()
        theirs.close()

    asyncio.run(story())


def _reaches_another(pack: Path, threads: Threads) -> bytes:
    """Close a connection while it is being sent over, let another client have its number, and give what that one got."""
    got: list[bytes] = []

    async def story() -> None:
        sender, transport, theirs = await connected(threads)
        number = transport.get_extra_info("socket").fileno()
        region = Region(path=pack, offset=0, length=len(BYTES))
        left = iter([region])
        sender._give(left)  # a step, as a thread has it in hand
        theirs.close()
        transport.abort()
        await asyncio.sleep(0.01)  # the transport lets go of its descriptor
        other, client = socket.socketpair()
        other.setblocking(False)
        if other.fileno() != number:
            os.dup2(other.fileno(), number)
        with suppress(OSError):
            sender._give(left)
        client.setblocking(False)
        try:
            got.append(client.recv(1 << 16))
        except BlockingIOError:
            got.append(b"")
        client.close()
        other.close()

    asyncio.run(story())
    return got[0]


def test_another_client_never_gets_what_was_for_one_that_is_gone(pack: Path, threads: Threads) -> None:
    assert _reaches_another(pack, threads) == b""


def test_a_planted_borrowed_number_is_caught(
    pack: Path, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "planted", lambda fault: fault == "number-borrowed")
    assert _reaches_another(pack, threads) != b""
