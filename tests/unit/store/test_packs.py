from __future__ import annotations

import gc
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from node.errors import Damaged, Defect, InvalidRequest, NotFound, Unavailable
from node.names import Cause
from node.store.facts import Location, Stored
from node.store.packs import Packs
from node.store.record import Foreign
from tests.kit.instances import CT_IMAGE, file_meta, make_ct
from tests.kit.packs import make_facts, open_packs, open_writer, store


@pytest.fixture
def packs(tmp_path: Path) -> Packs:
    return open_packs(tmp_path / "packs")


def numbers(packs: Packs, pack: str) -> list[str]:
    return [record.sop_uid.rsplit(".", 1)[1] for record in packs.marked(pack, 0)]


def check_all(packs: Packs, pack: str) -> list[str]:
    return [packs.check(record.location) for record in packs.marked(pack, 0)]


def open_files() -> int:
    gc.collect()  # what earlier tests left is closed now, not in between
    return len(list(Path("/proc/self/fd").iterdir()))


def flip(path: Path, at: int, *, mask: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))


def test_an_instance_comes_back_byte_for_byte(packs: Packs) -> None:
    writer = open_writer(packs)
    stored, data_set = store(writer, 1)
    assert packs.read_data_set(stored.location) == data_set
    assert (
        packs.read_file(stored.location) == bytes(128) + b"DICM" + file_meta(sop_uid="2.25.1.1.1") + data_set
    )
    assert stored.digest == hashlib.sha256(data_set).hexdigest()
    raw = packs.path(stored.location.pack).read_bytes()
    assert raw[stored.location.data_offset :][: len(data_set)] == data_set


def test_a_reader_finds_what_was_stored_with_what_the_association_knew(packs: Packs) -> None:
    writer = open_writer(packs)
    first, _ = store(writer, 1)
    second, _ = store(writer, 2)
    records = list(packs.marked(first.location.pack, 0))
    assert [record.location for record in records] == [first.location, second.location]
    assert records[0].facts == make_facts()
    assert (records[0].sop_class, records[0].sop_uid) == (CT_IMAGE, "2.25.1.1.1")
    assert records[0].digest == first.digest
    assert [r.sop_uid for r in packs.marked(first.location.pack, first.next_offset)] == ["2.25.1.1.2"]


def test_a_data_set_written_while_it_comes_is_the_same_record(packs: Packs) -> None:
    data_set = make_ct(rows=64, columns=64)
    writer = open_writer(packs)
    known: dict[str, Any] = {"sop_class": CT_IMAGE, "sop_uid": "2.25.1", "file_meta": b""}
    stored = [
        writer.append(make_facts(), **known, data_set=source) for source in (data_set, memoryview(data_set))
    ]
    for pieces in ([data_set[at : at + 1000] for at in range(0, len(data_set), 1000)], []):
        growing = writer.begin(make_facts(), **known)
        for piece in pieces:
            growing.write(piece)
        stored.append(growing.finish(hashlib.sha256(b"".join(pieces)).digest()))
    assert stored[0].digest == stored[1].digest == stored[2].digest
    assert packs.read_data_set(stored[2].location) == data_set
    assert packs.read_data_set(stored[3].location) == b""
    for one in stored:
        assert packs.check(one.location) == one.digest


def test_a_pack_is_landing_until_the_index_has_read_its_end(packs: Packs) -> None:
    writer = open_writer(packs)
    stored, _ = store(writer, 1)
    pack = stored.location.pack
    assert packs.landing() == packs.names() == [pack]
    assert not packs.is_finished(pack, stored.next_offset)
    writer.close()
    assert packs.is_finished(pack, stored.next_offset)
    assert numbers(packs, pack) == ["1"]
    packs.landed(pack)
    assert packs.landing() == []
    assert packs.names() == [pack]


def test_a_pack_that_has_grown_past_its_size_is_ended(tmp_path: Path) -> None:
    packs = open_packs(tmp_path, roll_bytes=1500)
    writer = open_writer(packs)
    for n in range(1, 6):
        store(writer, n)
    writer.close()
    assert sorted(numbers(packs, pack) for pack in packs.names()) == [["1", "2"], ["3", "4"], ["5"]]


def test_another_study_or_association_is_never_in_the_same_pack(packs: Packs) -> None:
    writer = packs.open_writer(study_uid="2.25.9", cause=Cause("cause"))
    with pytest.raises(Defect, match="another study"):
        store(writer, 1)
    with pytest.raises(Defect, match="another association"):
        store(packs.open_writer(study_uid="2.25.1", cause=Cause("other")), 1)


def test_a_writer_without_instances_leaves_nothing(packs: Packs) -> None:
    open_writer(packs).close()
    assert packs.names() == packs.landing() == []


def test_a_disk_at_its_reserve_refuses_with_words_and_keeps_nothing(tmp_path: Path) -> None:
    packs = open_packs(tmp_path, reserve_bytes=1 << 62)
    with pytest.raises(
        Unavailable, match=r"full up to its reserve of 4398046511104 MB. Free some space"
    ) as refused:
        store(open_writer(packs), 1)
    assert refused.value.dimse == 0xA700
    assert [packs.path(name).stat().st_size for name in packs.names()] in ([], [0])


def test_a_data_set_that_breaks_off_leaves_the_pack_at_its_last_mark(packs: Packs) -> None:
    writer = open_writer(packs)
    first, _ = store(writer, 1)
    growing = writer.begin(make_facts(), sop_class="", sop_uid="", file_meta=b"")
    growing.write(b"half")
    assert packs.path(first.location.pack).stat().st_size > first.next_offset
    growing.drop()
    assert packs.path(first.location.pack).stat().st_size == first.next_offset
    second, _ = store(writer, 2)
    assert second.location.offset == first.next_offset
    assert numbers(packs, first.location.pack) == ["1", "2"]


class Disk:
    """Calls of the operating system that fail when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.broken = False
        true = getattr(os, name)

        def call(*arguments: object) -> object:
            if self.broken:
                raise OSError(5, "Input/output error")
            return true(*arguments)

        monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("call", ["fdatasync", "pwritev"])
def test_after_a_failed_sync_or_write_the_next_instance_gets_another_pack(
    packs: Packs, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    disk = Disk(monkeypatch, call)
    writer = open_writer(packs)
    first, _ = store(writer, 1)
    disk.broken = True
    with pytest.raises(Unavailable, match="Input/output error") as refused:
        store(writer, 2)
    assert refused.value.dimse == 0xA700
    disk.broken = False
    third, _ = store(writer, 3)
    writer.close()
    assert third.location.pack != first.location.pack
    assert numbers(packs, first.location.pack) == ["1"]
    assert numbers(packs, third.location.pack) == ["3"]
    assert packs.path(first.location.pack).stat().st_size == first.next_offset


def test_a_folder_that_does_not_sync_refuses_and_keeps_nothing(
    packs: Packs, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, "fsync")
    before = open_files()
    writer = open_writer(packs)
    disk.broken = True
    with pytest.raises(Unavailable, match="beginning a pack failed"):
        store(writer, 1)
    assert packs.names() == packs.landing() == []
    assert open_files() == before
    disk.broken = False
    store(writer, 1)


def test_a_pack_whose_end_could_not_be_written_is_ended_by_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = open_packs(tmp_path)
    disk = Disk(monkeypatch, "fdatasync")
    writer = open_writer(packs)
    stored, _ = store(writer, 1)
    disk.broken = True
    writer.close()
    assert not packs.is_finished(stored.location.pack, stored.next_offset)
    disk.broken = False
    assert open_packs(tmp_path).recover().packs == 1
    assert packs.is_finished(stored.location.pack, stored.next_offset)


def test_a_pack_whose_end_mark_could_not_be_synced_stays_landing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = open_packs(tmp_path)
    writer = open_writer(packs)
    pack = store(writer, 1)[0].location.pack
    writer.close()
    disk = Disk(monkeypatch, "fdatasync")
    disk.broken = True
    with pytest.raises(Unavailable, match="off the landing failed"):
        packs.landed(pack)
    assert packs.landing() == [pack]
    disk.broken = False
    packs.landed(pack)
    assert packs.landing() == []


@pytest.fixture
def three(packs: Packs) -> tuple[Packs, list[Stored]]:
    writer = open_writer(packs)
    stored = [store(writer, n)[0] for n in (1, 2, 3)]
    writer.close()
    packs.landed(stored[0].location.pack)
    return packs, stored


def test_a_flipped_byte_anywhere_is_found(three: tuple[Packs, list[Stored]]) -> None:
    packs, stored = three
    path = packs.path(stored[0].location.pack)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole)
        flip(path, at)
        with pytest.raises((Damaged, Foreign), match=r"Reading the record at byte \d+ of pack node-"):
            check_all(packs, path.stem)
    path.write_bytes(whole)
    assert check_all(packs, path.stem) == [one.digest for one in stored]


def test_a_pack_cut_off_between_records_is_found(three: tuple[Packs, list[Stored]]) -> None:
    packs, stored = three
    path = packs.path(stored[0].location.pack)
    os.truncate(path, stored[1].location.offset)
    with pytest.raises(Damaged, match="breaks off"):
        list(packs.marked(path.stem, 0))
    with pytest.raises(Damaged, match="cut off"):
        packs.read_data_set(stored[2].location)
    with pytest.raises(Damaged, match="cut off"):
        packs.check(stored[2].location)


def test_a_record_taken_out_of_a_pack_is_found(three: tuple[Packs, list[Stored]]) -> None:
    packs, stored = three
    path = packs.path(stored[0].location.pack)
    whole = path.read_bytes()
    path.write_bytes(whole[: stored[0].next_offset] + whole[stored[1].next_offset :])
    with pytest.raises(Damaged, match="3 records were written, 2 are left"):
        list(packs.marked(path.stem, 0))


def test_a_row_that_means_another_record_is_found(three: tuple[Packs, list[Stored]]) -> None:
    packs, stored = three
    where = stored[1].location
    wrong = Location(
        pack=where.pack,
        offset=where.offset,
        meta_bytes=where.meta_bytes,
        data_offset=where.data_offset,
        data_bytes=where.data_bytes - 1,
    )
    with pytest.raises(Damaged, match="not the record that the catalogue means"):
        packs.check(wrong)


def test_a_record_without_its_mark_is_no_record_yet(packs: Packs) -> None:
    writer = open_writer(packs)
    first, _ = store(writer, 1)
    second, _ = store(writer, 2)
    path = packs.path(first.location.pack)
    os.truncate(path, second.next_offset - 8)
    assert numbers(packs, path.stem) == ["1"]
    with pytest.raises(Damaged, match="end mark was altered"):
        packs.check(second.location)


def test_the_mark_of_another_record_does_not_count(packs: Packs) -> None:
    writer = open_writer(packs)
    first, _ = store(writer, 1)
    second, _ = store(writer, 2)
    path = packs.path(first.location.pack)
    raw = path.read_bytes()
    path.write_bytes(raw[: second.next_offset - 8] + raw[first.next_offset - 8 : first.next_offset])
    assert numbers(packs, path.stem) == ["1"]


@pytest.mark.parametrize(("at", "mask"), [(8, 2), (10, 1)], ids=["version", "encrypted"])
def test_a_record_of_a_newer_version_is_refused_and_says_so(packs: Packs, at: int, mask: int) -> None:
    writer = open_writer(packs)
    stored, _ = store(writer, 1)
    flip(packs.path(stored.location.pack), at, mask=mask)
    with pytest.raises(InvalidRequest, match="Install the version of Meridian that wrote it"):
        list(packs.marked(stored.location.pack, 0))


@pytest.mark.parametrize("name", ["../meridian.db", "node-1", "", "node-" + "0" * 36])
def test_what_is_not_the_name_of_a_pack_opens_nothing(packs: Packs, name: str) -> None:
    with pytest.raises(InvalidRequest, match="not the name of one"):
        packs.path(name)


def test_a_pack_that_is_not_here_is_not_found(packs: Packs) -> None:
    with pytest.raises(NotFound, match="Look its row up once more"):
        list(packs.marked("node-00000000-0000-7000-8000-000000000000", 0))


def test_more_packs_are_read_than_are_kept_open(tmp_path: Path) -> None:
    packs = open_packs(tmp_path, roll_bytes=1)
    writer = open_writer(packs)
    before = open_files()
    stored = [store(writer, n) for n in range(80)]
    writer.close()
    for one, data_set in stored:
        assert packs.read_data_set(one.location) == data_set
    assert open_files() - before <= 64


def test_a_kind_of_writer_with_an_odd_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="use 1 to 16"):
        open_packs(tmp_path, writer="a/b")
