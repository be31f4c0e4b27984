from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store.packs import Packs
from node.store.reading import look
from node.store.record import TRAILER_BYTES
from node.store.recovery import Recovered, recover_pack
from tests.kit.packs import open_packs, open_writer, store


@pytest.fixture
def memory() -> Iterator[int]:
    """A file in memory, to be filled by each case."""
    descriptor = os.memfd_create("pack")
    yield descriptor
    os.close(descriptor)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """An open pack of two records, and where each begins and the last ends."""
    packs = open_packs(tmp_path_factory.mktemp("packs"))
    writer = open_writer(packs)
    stored = [store(writer, n)[0] for n in (1, 2)]
    raw = packs.path(stored[0].location.pack).read_bytes()
    return raw, [0, *(one.next_offset for one in stored)]


def fill(descriptor: int, raw: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, raw, 0)


def recover(descriptor: int, raw: bytes) -> tuple[Recovered, bytes]:
    fill(descriptor, raw)
    found = recover_pack(descriptor, 5)
    return found, os.pread(descriptor, len(raw) + 4096, 0)


def whole_records(cut: int, ends: list[int]) -> int:
    """How many records had every byte on disk before their mark."""
    return sum(1 for end in ends[1:] if cut >= end - 8)


def is_ended(descriptor: int, at: int) -> bool:
    found = look(descriptor, at, os.fstat(descriptor).st_size)
    return found is not None and found.header.is_end and found.marked and found.agrees


def test_a_tail_torn_at_any_byte_keeps_what_was_whole(memory: int, written: tuple[bytes, list[int]]) -> None:
    raw, ends = written
    for cut in range(len(raw)):
        found, after = recover(memory, raw[:cut])
        kept = whole_records(cut, ends)
        assert (found.records, found.damage) == (kept, ""), cut
        assert after[: ends[kept]] == raw[: ends[kept]], cut
        assert is_ended(memory, ends[kept]) == (kept > 0), cut


def test_a_tail_of_zeros_from_any_byte_keeps_what_was_whole(
    memory: int, written: tuple[bytes, list[int]]
) -> None:
    raw, ends = written
    for cut in range(ends[1], len(raw)):
        found, after = recover(memory, raw[:cut] + bytes(len(raw) - cut))
        kept = whole_records(cut, ends)
        assert (found.records, found.damage) == (kept, ""), cut
        assert after[: ends[kept]] == raw[: ends[kept]], cut


def test_a_whole_record_gets_the_mark_it_lacks(memory: int, written: tuple[bytes, list[int]]) -> None:
    raw, ends = written
    found, after = recover(memory, raw[:-8])
    assert (found.records, found.marked, found.cut_bytes) == (2, 1, 0)
    assert after[: ends[2]] == raw


def test_an_unmarked_record_with_a_wrong_byte_is_cut_off(
    memory: int, written: tuple[bytes, list[int]]
) -> None:
    raw, ends = written
    for at in range(ends[1], ends[2] - 8, 5):
        changed = bytearray(raw[:-8])
        changed[at] ^= 1
        if 8 <= at - ends[1] < 12:
            continue  # version and flags: then it is a newer version's
        found, after = recover(memory, bytes(changed))
        assert (found.records, found.damage) == (1, ""), at
        assert after[: ends[1]] == raw[: ends[1]], at


def test_an_acknowledged_record_is_never_cut_off_whatever_happens_to_its_bytes(
    memory: int, written: tuple[bytes, list[int]]
) -> None:
    """A byte of the first or the last of two marked records goes bad; both were promised."""
    raw, _ = written
    for at in range(0, len(raw), 3):
        changed = bytearray(raw)
        changed[at] ^= 1
        found, after = recover(memory, bytes(changed))
        if found.damage:
            assert after == bytes(changed), at
            assert found.damage.startswith("Recovering it stopped at byte") or "Install" in found.damage
        else:
            assert found.records == 2, at
            assert found.cut_bytes == 0, at


def test_a_torn_record_behind_a_damaged_one_does_not_hide_the_promise(
    memory: int, written: tuple[bytes, list[int]]
) -> None:
    raw, ends = written
    changed = bytearray(raw + raw[ends[1] : ends[1] + 300])
    changed[0] ^= 1
    found, after = recover(memory, bytes(changed))
    assert "stopped at byte 0" in found.damage
    assert after == bytes(changed)


def test_recovering_twice_changes_nothing(memory: int, written: tuple[bytes, list[int]]) -> None:
    raw, _ = written
    _, once = recover(memory, raw[:-8])
    found, twice = recover(memory, once)
    assert once == twice
    assert (found.records, found.marked, found.cut_bytes) == (2, 0, 0)


def test_the_end_of_a_pack_is_torn_at_any_byte_and_written_again(
    memory: int, written: tuple[bytes, list[int]]
) -> None:
    raw, ends = written
    _, ended = recover(memory, raw)
    for cut in range(len(raw), len(ended)):
        found, after = recover(memory, ended[:cut])
        assert found.records == 2
        assert after == ended
        assert is_ended(memory, ends[2])


def test_a_record_of_a_newer_version_is_left_alone(memory: int, written: tuple[bytes, list[int]]) -> None:
    raw, ends = written
    changed = bytearray(raw)
    changed[ends[1] + 8] = 9
    found, after = recover(memory, bytes(changed))
    assert "Install the version" in found.damage
    assert after == bytes(changed)


def torn(directory: Path, writer: str = "node") -> tuple[Packs, str]:
    """A folder with one pack of one whole record and half a second; its writer is gone."""
    packs = open_packs(directory, writer=writer)
    pen = open_writer(packs)
    first, _ = store(pen, 1)
    second, _ = store(pen, 2)
    pen._file = None  # the process died: nothing was ended, nothing is held
    path = packs.path(first.location.pack)
    os.truncate(path, second.next_offset - TRAILER_BYTES)
    let_go(path)
    return packs, path.stem


def let_go(path: Path) -> None:
    """Close the descriptors that a dead writer of this process would have lost."""
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink() and entry.readlink() == path:
            os.close(int(entry.name))


def test_recovery_ends_the_pack_and_the_index_reads_on(tmp_path: Path) -> None:
    _, name = torn(tmp_path)
    packs = open_packs(tmp_path)
    report = packs.recover()
    assert (report.packs, report.marked, report.damaged) == (1, 0, ())
    assert report.cut_bytes > 0
    records = list(packs.marked(name, 0))
    assert [record.sop_uid for record in records] == ["2.25.1.1.1"]
    assert packs.is_finished(name, records[0].next_offset)
    assert packs.landing() == [name]


def test_recovery_leaves_a_pack_alone_while_its_writer_lives(tmp_path: Path) -> None:
    packs = open_packs(tmp_path)
    writer = open_writer(packs)
    store(writer, 1)
    assert open_packs(tmp_path).recover().packs == 0
    second, _ = store(writer, 2)
    assert [r.sop_uid for r in packs.marked(second.location.pack, 0)] == ["2.25.1.1.1", "2.25.1.1.2"]


def test_recovery_leaves_other_kinds_of_writers_alone(tmp_path: Path) -> None:
    _, name = torn(tmp_path, writer="receiver")
    assert open_packs(tmp_path, writer="grid").recover().packs == 0
    assert open_packs(tmp_path, writer="receiver").recover().packs == 1
    assert open_packs(tmp_path).names() == [name]


def test_a_pack_that_holds_nothing_vanishes(tmp_path: Path) -> None:
    packs, name = torn(tmp_path)
    os.truncate(packs.path(name), 100)
    assert packs.recover().cut_bytes == 100
    assert packs.names() == packs.landing() == []


def test_the_name_of_a_pack_that_never_came_to_be_vanishes(tmp_path: Path) -> None:
    packs, name = torn(tmp_path)
    packs.path(name).unlink()
    assert packs.recover().packs == 0
    assert packs.landing() == []


def test_a_damaged_pack_is_named_and_the_others_recovered(tmp_path: Path) -> None:
    packs, name = torn(tmp_path)
    whole = packs.path(name).read_bytes()
    packs.path(name).write_bytes(b"\0" + whole[1:] + whole)
    _, other = torn(tmp_path)
    report = open_packs(tmp_path).recover()
    assert report.packs == 2
    assert [sentence.split(":")[0] for sentence in report.damaged] == [f"pack {name}"]
    assert packs.path(name).read_bytes() == b"\0" + whole[1:] + whole
    assert [record.sop_uid for record in packs.marked(other, 0)] == ["2.25.1.1.1"]
