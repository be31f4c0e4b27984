"""What every archive store promises, over each adapter and each that stands around one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from node.archive.stores.credentials import keep_credentials
from node.archive.stores.described import DescribedStore
from node.archive.stores.encrypted import EncryptedStore
from node.archive.stores.folder import FolderStore
from node.archive.stores.opening import open_store, prepare_store
from node.archive.stores.port import ArchiveStore, Stored
from node.archive.stores.s3 import S3Store
from node.archive.stores.slow import SlowStore
from node.archive.stores.verifying import verify_copy
from node.errors import Damaged, NotFound, NotReady, Unavailable
from tests.kit.archive_stores import (
    Dribbling,
    Flipping,
    Forgetful,
    Stale,
    content_of,
    digest_of,
    file_with,
    once_ready,
)
from tests.kit.clock import FrozenClock
from tests.kit.planting import planted
from tests.kit.seaweed import WRITER, Seaweed

BUCKET = "packages"
PIECES = 9 * (1 << 20) + 17
"""More than one piece of any adapter."""


@dataclass
class Place:
    """A store under test, and the node's disk."""

    kind: str
    store: ArchiveStore
    clock: FrozenClock
    disk: Path

    def put(self, content: bytes) -> Stored:
        return self.store.put(*file_with(self.disk, content))

    def read(self, stored: Stored, *, store: ArchiveStore | None = None) -> bytes:
        with closing(once_ready(self.clock, lambda: (store or self.store).open(stored))) as file:
            return file.read_at(0, file.size)

    def back(self, stored: Stored) -> bytes:
        return once_ready(self.clock, lambda: b"".join(self.store.read_back(stored)))

    def verify(self, stored: Stored, *, store: ArchiveStore | None = None) -> None:
        once_ready(self.clock, lambda: verify_copy(store or self.store, stored, self.clock))


KINDS: dict[str, type[ArchiveStore]] = {
    "folder": FolderStore,
    "s3": S3Store,
    "slow": SlowStore,
    "encrypted": EncryptedStore,
    "slow and encrypted s3": EncryptedStore,
}


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        server.make_bucket(BUCKET)
        yield server


def described_of(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> DescribedStore:
    """Make a place for a store, empty, and say where it is."""
    rest = {"name": "cellar", "slow_minutes": 240 if "slow" in kind else 0, "leaves": "encrypted" in kind}
    if "s3" not in kind:
        (tmp_path / "store").mkdir()
        return DescribedStore(kind="folder", path=str(tmp_path / "store"), **rest)
    server: Seaweed = request.getfixturevalue("seaweed")
    return DescribedStore(
        kind="s3", endpoint=server.endpoint, bucket=BUCKET, prefix=f"{uuid4().hex}/", **rest
    )


@pytest.fixture(params=KINDS)
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    kind: str = request.param
    clock, disk, keys = FrozenClock(), tmp_path / "disk", tmp_path / "keys"
    disk.mkdir()
    keys.mkdir(mode=0o700)
    described = described_of(kind, tmp_path, request)
    keep_credentials(keys, "cellar", WRITER)
    prepare_store(described, keys)
    with closing(open_store(described, keys, clock)) as store:
        assert isinstance(store, KINDS[kind])
        yield Place(kind, store, clock, disk)


@pytest.mark.parametrize("size", [0, 1, PIECES])
def test_what_was_put_comes_back(place: Place, size: int) -> None:
    content = content_of(size)
    stored = place.put(content)
    assert stored.package == digest_of(content)
    assert place.read(stored) == content
    assert place.back(stored) == content
    place.verify(stored)
    assert list(place.store.names()) == [stored.stored_name]


def test_ranges_are_read_from_several_threads(place: Place) -> None:
    content = content_of(PIECES)
    stored = place.put(content)
    wrong: list[int] = []

    def read(first: int) -> None:
        for at in range(first, PIECES, 400_009):
            if file.read_at(at, min(100_000, PIECES - at)) != content[at : at + 100_000]:
                wrong.append(at)

    with closing(once_ready(place.clock, lambda: place.store.open(stored))) as file:
        threads = [threading.Thread(target=read, args=(n * 1_000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert file.size == PIECES
        assert file.read_at(5, 0) == b""
        with pytest.raises(Damaged, match="ends too early"):
            file.read_at(PIECES - 1, 2)
    assert wrong == []


def test_what_lies_near_is_the_package_itself(place: Place) -> None:
    content = content_of(PIECES)
    near = place.store.near(place.put(content))
    assert near is None or near.read_bytes() == content
    assert (near is not None) == (place.kind == "folder")


def test_a_store_puts_reading_off_when_it_says_that_it_is_slow(place: Place) -> None:
    stored = place.put(content_of(1000))
    try:
        place.store.open(stored).close()
        put_off = False
    except NotReady:
        put_off = True
    assert put_off == place.store.is_slow


def test_putting_again_changes_nothing_that_can_be_read(place: Place) -> None:
    content = content_of(1000)
    first, again = place.put(content), place.put(content)
    for stored in (first, again):
        assert place.read(stored) == content
    assert set(place.store.names()) == {first.stored_name, again.stored_name}


def test_a_file_that_is_not_what_its_name_says_is_not_put(place: Place) -> None:
    digest, path = file_with(place.disk, content_of(1000))
    path.write_bytes(content_of(1000, "other"))
    with pytest.raises(Damaged, match="is not what its name says"):
        place.store.put(digest, path)
    assert list(place.store.names()) == []
    assert list(place.disk.iterdir()) == [path]


def test_a_planted_putting_without_looking_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, path = file_with(place.disk, content_of(1000))
    path.write_bytes(content_of(1000, "other"))
    planted(monkeypatch, "put-unchecked")
    stored = place.store.put(digest, path)
    assert list(place.store.names()) == [stored.stored_name]
    with pytest.raises(Damaged):
        place.verify(stored)


def test_a_file_that_is_not_there_is_not_put(place: Place) -> None:
    with pytest.raises(NotFound):
        place.store.put(digest_of(b"x"), place.disk / "nothing")
    assert list(place.store.names()) == []


def test_what_is_not_there_is_not_found(place: Place) -> None:
    nowhere = replace(place.put(b"x"), stored_name=digest_of(b"nothing"))
    with pytest.raises(NotFound):
        place.store.open(nowhere)
    with pytest.raises(NotFound):
        list(place.store.read_back(nowhere))
    with pytest.raises(NotFound):
        verify_copy(place.store, nowhere, place.clock)


def test_what_is_removed_is_gone_and_removing_it_again_is_nothing(place: Place) -> None:
    kept, stored = place.put(b"kept"), place.put(b"x")
    for _ in range(2):
        place.store.remove(stored.stored_name)
    with pytest.raises(NotFound):
        place.store.open(stored)
    assert list(place.store.names()) == [kept.stored_name]


def test_names_are_in_order(place: Place) -> None:
    stored = [place.put(str(n).encode()) for n in range(30)]
    assert list(place.store.names()) == sorted(one.stored_name for one in stored)


def test_names_go_on_after_any_one(place: Place) -> None:
    names = sorted(place.put(str(n).encode()).stored_name for n in range(30))
    for at, after in enumerate(names):
        assert list(place.store.names(after=after)) == names[at + 1 :]
    assert list(place.store.names(after=names[7][:9])) == names[7:], (
        "a name that is not there counts as a place"
    )
    assert list(place.store.names(after="g")) == []


def test_room_is_a_number_or_not_known(place: Place) -> None:
    room = place.store.room()
    assert room is None or room > 0


def test_a_store_that_only_says_it_keeps_is_found_out(place: Place) -> None:
    store = Forgetful(place.store)
    stored = store.put(*file_with(place.disk, b"x"))
    with pytest.raises(NotFound):
        verify_copy(store, stored, place.clock)


def test_a_store_that_gives_old_bytes_is_found_out(place: Place) -> None:
    store = Stale(place.store)
    store.put(*file_with(place.disk, content_of(1000, "old")))
    stored = store.put(*file_with(place.disk, content_of(1000, "new")))
    with pytest.raises(Damaged):
        place.verify(stored, store=store)


@pytest.mark.parametrize("at", [0, 17, PIECES - 1])
def test_a_store_that_changes_a_bit_is_found_out(place: Place, at: int) -> None:
    stored = place.put(content_of(PIECES))
    with pytest.raises(Damaged):
        place.verify(stored, store=Flipping(place.store, at))


def test_a_planted_copy_that_is_not_compared_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = place.put(content_of(1000))
    store = Stale(place.store)
    store.first = stored
    other = store.put(*file_with(place.disk, content_of(1000, "other")))
    with pytest.raises(Damaged):
        place.verify(other, store=store)
    planted(monkeypatch, "copy-not-compared")
    place.verify(other, store=store)


def test_a_store_that_takes_minutes_for_a_piece_is_given_up(place: Place) -> None:
    stored = place.put(content_of(1000))
    with pytest.raises(Unavailable, match="less than 1 MB/s"):
        place.verify(stored, store=Dribbling(place.store, place.clock))


def test_a_planted_waiting_for_a_slow_store_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = place.put(content_of(1000))
    planted(monkeypatch, "slow-store-awaited")
    place.verify(stored, store=Dribbling(place.store, place.clock))


def test_a_slow_medium_says_when_it_will_be_ready(place: Place) -> None:
    stored = place.put(b"x")
    if "slow" not in place.kind:
        assert place.read(stored) == b"x"
        return
    for _ in range(2):
        with pytest.raises(NotReady, match="08:00 UTC") as refused:
            place.store.open(stored)
        assert refused.value.ready_at == FrozenClock().now() + 240 * 60_000_000
        place.clock.advance(60_000_000)
    place.clock.advance(refused.value.ready_at - place.clock.now())
    assert place.read(stored) == b"x"
    place.clock.advance(25 * 3600 * 1_000_000)
    with pytest.raises(NotReady):
        place.store.open(stored)


def test_what_was_put_is_listed_as_its_row_must_keep_it(place: Place) -> None:
    put = [place.put(content_of(size)) for size in (10, 5_000)]
    listed = {one.stored_name: one for one in place.store.listed()}
    assert {one.stored_name: one for one in put}.items() <= listed.items()
    place.store.remove(put[0].stored_name)
    assert put[0].stored_name not in {one.stored_name for one in place.store.listed()}
