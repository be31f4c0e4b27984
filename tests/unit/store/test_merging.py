"""Many packs copied into one: byte for byte, synced before it has its name, and nothing of it seen before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.errors import Damaged, InvalidRequest, Unavailable
from node.store.merging import MergedPack, is_merged, sources_of
from node.store.packs import Packs
from node.store.record import Source
from tests.kit.clock import FrozenClock
from tests.kit.packs import open_packs, open_writer, store
from tests.kit.planting import planted

CLOCK = FrozenClock()


@pytest.fixture
def packs(tmp_path: Path) -> Packs:
    return open_packs(tmp_path / "packs")


def closed(packs: Packs, *numbers: int) -> str:
    """Store slices in one pack, end it, and take it from the landing; give its name."""
    writer = open_writer(packs)
    stored = [store(writer, n)[0] for n in numbers]
    writer.close()
    packs.landed(stored[0].location.pack)
    return stored[0].location.pack


def merge(packs: Packs, *names: str) -> MergedPack:
    merged = MergedPack(packs, CLOCK)
    for name in names:
        merged.take(name, list(packs.marked(name, 0)))
    return merged


def raw_records(packs: Packs, name: str) -> bytes:
    """Give the bytes of all records of a pack, without its end record."""
    end = list(packs.marked(name, 0))[-1].next_offset
    return packs.path(name).read_bytes()[:end]


def test_records_are_copied_byte_for_byte_in_order(packs: Packs) -> None:
    names = [closed(packs, 1, 2), closed(packs, 3), closed(packs, 4, 5, 6)]
    merged = merge(packs, *names)
    merged.finish()
    merged.keep()
    assert is_merged(merged.name)
    assert raw_records(packs, merged.name) == b"".join(raw_records(packs, name) for name in names)
    records = list(packs.marked(merged.name, 0))
    assert [packs.check(record.location) for record in records] == [record.digest for record in records]
    assert packs.is_finished(merged.name, records[-1].next_offset)
    assert merged.name not in packs.landing()


def test_the_end_record_says_what_was_merged_and_where_it_stands(packs: Packs) -> None:
    names = [closed(packs, 1), closed(packs, 2, 3)]
    sizes = [len(raw_records(packs, name)) for name in names]
    merged = merge(packs, *names)
    merged.finish()
    merged.keep()
    said = [Source(pack=names[0], offset=0, size_bytes=sizes[0])]
    said.append(Source(pack=names[1], offset=sizes[0], size_bytes=sizes[1]))
    assert sources_of(packs, merged.name) == tuple(said)
    assert sources_of(packs, names[0]) == ()


def test_a_merged_pack_that_is_merged_again_hands_on_what_it_took(packs: Packs) -> None:
    first = merge(packs, closed(packs, 1), closed(packs, 2))
    first.finish()
    first.keep()
    early = closed(packs, 3)
    second = merge(packs, early, first.name)
    second.finish()
    second.keep()
    shift = len(raw_records(packs, early))
    inside = sources_of(packs, first.name)
    assert sources_of(packs, second.name)[2:] == tuple(
        Source(pack=one.pack, offset=one.offset + shift, size_bytes=one.size_bytes) for one in inside
    )


def test_nothing_of_it_is_seen_before_it_is_whole(packs: Packs, tmp_path: Path) -> None:
    names = [closed(packs, 1), closed(packs, 2)]
    merged = merge(packs, *names)
    assert packs.names() == sorted(names)
    assert packs.landing() == []
    assert packs.recover().packs == 0
    assert packs.directory.merging() == [merged.name]
    assert packs.directory.claim_merge(merged.name) is None  # its writer lives
    merged.finish()
    assert merged.name in packs.names()
    merged.drop()
    assert packs.names() == sorted(names)
    assert packs.directory.merging() == []


def test_one_that_lost_its_writer_can_be_claimed(packs: Packs) -> None:
    merged = merge(packs, closed(packs, 1), closed(packs, 2))
    merged.release()
    descriptor = packs.directory.claim_merge(merged.name)
    assert descriptor is not None
    os.close(descriptor)


def test_no_process_writes_under_the_kind_of_merged_packs(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="not 'merged', 'archive'"):
        open_packs(tmp_path, writer="merged")


def test_a_damaged_pack_is_not_taken_and_the_others_are(packs: Packs) -> None:
    names = [closed(packs, 1), closed(packs, 2), closed(packs, 3)]
    flip_data(packs, names[1])
    merged = merge(packs, names[0])
    with pytest.raises(Damaged, match="not what was received"):
        merged.take(names[1], list(packs.marked(names[1], 0)))
    merged.take(names[2], list(packs.marked(names[2], 0)))
    merged.finish()
    merged.keep()
    assert raw_records(packs, merged.name) == raw_records(packs, names[0]) + raw_records(packs, names[2])
    assert [one.pack for one in sources_of(packs, merged.name)] == [names[0], names[2]]


def test_planted_copying_without_looking_at_digests_is_caught(
    packs: Packs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the test before is no empty one: without it a damaged data set becomes the only one."""
    names = [closed(packs, 1), closed(packs, 2)]
    flip_data(packs, names[1])
    planted(monkeypatch, "merge-unchecked")
    merged = merge(packs, *names)
    merged.finish()
    merged.keep()
    with pytest.raises(Damaged):
        [packs.check(record.location) for record in packs.marked(merged.name, 0)]


@pytest.mark.parametrize("nth", range(3))
def test_what_reads_back_otherwise_gets_no_name(
    packs: Packs, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """A disk that keeps other bytes than it was given, in any of three records."""
    names = [closed(packs, n) for n in (1, 2, 3)]
    merged = merge(packs, *names)
    records = [next(iter(packs.marked(name, 0))) for name in names]
    begin = sum(record.next_offset for record in records[:nth])
    fsync = os.fsync

    def forgetful(descriptor: int) -> None:
        fsync(descriptor)
        os.pwrite(descriptor, b"?", begin + records[nth].location.data_offset + 40)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", forgetful)
        with pytest.raises(Damaged, match="reads back otherwise"):
            merged.finish()
    merged.drop()
    assert packs.names() == sorted(names)


def test_a_full_disk_leaves_the_old_packs(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [closed(packs, 1), closed(packs, 2)]
    merged = merge(packs, names[0])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(Unavailable, match="No space left"):
            merged.take(names[1], list(packs.marked(names[1], 0)))
    merged.drop()
    assert packs.names() == sorted(names)
    assert packs.directory.merging() == []


def order_of_calls(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Merge two packs and give what was synced and named, in order."""
    merged = merge(packs, closed(packs, 1), closed(packs, 2))
    calls: list[str] = []
    fsync, link = os.fsync, os.link

    def recorded_fsync(descriptor: int) -> None:
        calls.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name.partition('-')[0]}")
        fsync(descriptor)

    def recorded_link(source: Path, target: Path) -> None:
        calls.append("name")
        link(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", recorded_fsync)
        patched.setattr(os, "link", recorded_link)
        merged.finish()
        calls.append("rows")
        merged.keep()
    return calls


SYNCED = ["sync merged", "sync merging", "name", "sync packs", "rows"]


def test_the_new_pack_is_synced_then_named_then_meant(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of_calls(packs, monkeypatch) == SYNCED


def test_planted_rows_before_the_sync_are_caught(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "merge-before-sync")
    assert order_of_calls(packs, monkeypatch) != SYNCED


def flip_data(packs: Packs, name: str) -> None:
    """Change a bit of the data set of a pack's first record."""
    at = next(iter(packs.marked(name, 0))).location.data_offset + 60
    with packs.path(name).open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 4]))
