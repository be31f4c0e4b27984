from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from federation.parts import MANIFEST, VERSION, Manifest, Member, SealedPart, open_part, seal_part
from node.canonical import digest_of
from node.errors import Damaged
from node.keys.sealed import SealedWriter, open_sealed
from node.names import NodeId, StudyUID
from node.store.facts import Stored
from node.store.packs import Packs
from tests.kit.instances import CT_IMAGE, EXPLICIT, file_meta, make_ct
from tests.kit.packs import make_facts, open_packs, open_writer, store

STUDY = "2.25.1"


@pytest.fixture
def packs(tmp_path: Path) -> Iterator[Packs]:
    return open_packs(tmp_path / "packs")


def member(stored: Stored, n: int) -> Member:
    return Member(
        sop_class=CT_IMAGE,
        sop_uid=f"2.25.1.1.{n}",
        digest=stored.digest,
        transfer_syntax=EXPLICIT,
        meta_bytes=stored.location.meta_bytes,
        data_bytes=stored.location.data_bytes,
        received_at=n,
        calling="CT1",
        called="ALPHA",
        issuer="his",
        trust_issuer=False,
        department="CT",
    )


def manifest_of(*members: Member) -> Manifest:
    return Manifest(v=VERSION, origin=NodeId("alpha"), study_uid=StudyUID(STUDY), k=1, members=members)


def sealed(packs: Packs, folder: Path, count: int = 3) -> tuple[SealedPart, list[bytes]]:
    writer = open_writer(packs)
    instances = [store(writer, n) for n in range(1, count + 1)]
    manifest = manifest_of(*(member(stored, n) for n, (stored, _) in enumerate(instances, start=1)))
    part = seal_part(packs, manifest, [stored.location for stored, _ in instances], directory=folder)
    return part, [data_set for _, data_set in instances]


def test_a_part_gives_back_every_byte(packs: Packs, tmp_path: Path) -> None:
    part, data_sets = sealed(packs, tmp_path)
    with open_part(part.file.path, part.file.key, manifest_digest=part.manifest_digest) as opened:
        opened.check()
        assert [b"".join(opened.data_set(n)) for n in (1, 2, 3)] == data_sets
        assert opened.file_meta(2) == file_meta(sop_uid="2.25.1.1.2")
        assert opened.manifest.members[0].department == "CT"
    assert part.file.path.name == part.file.digest


def test_inside_is_a_zip_of_dicom_files_that_anybody_opens(packs: Packs, tmp_path: Path) -> None:
    part, data_sets = sealed(packs, tmp_path, count=1)
    with open_sealed(part.file.path, part.file.key) as content, zipfile.ZipFile(content) as archive:
        assert archive.namelist() == [MANIFEST, "000001.dcm"]
        assert archive.testzip() is None
        file = archive.read("000001.dcm")
    assert file[128:132] == b"DICM"
    assert file.endswith(data_sets[0])


def test_sealing_the_same_twice_gives_another_file_under_another_key(packs: Packs, tmp_path: Path) -> None:
    writer = open_writer(packs)
    stored, _ = store(writer, 1)
    parts = [
        seal_part(packs, manifest_of(member(stored, 1)), [stored.location], directory=tmp_path) for _ in "ab"
    ]
    assert parts[0].file.key != parts[1].file.key
    assert parts[0].file.digest != parts[1].file.digest


def test_a_record_that_is_not_what_was_received_is_not_sealed(packs: Packs, tmp_path: Path) -> None:
    stored, _ = store(open_writer(packs), 1)
    path = packs.path(stored.location.pack)
    content = bytearray(path.read_bytes())
    content[stored.location.data_offset + 5] ^= 1
    path.write_bytes(content)
    (folder := tmp_path / "out").mkdir()
    with pytest.raises(Damaged, match="not what was"):
        seal_part(packs, manifest_of(member(stored, 1)), [stored.location], directory=folder)
    assert list(folder.iterdir()) == []


def test_a_flipped_byte_anywhere_is_found(packs: Packs, tmp_path: Path) -> None:
    part, _ = sealed(packs, tmp_path)
    whole = part.file.path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        content = bytearray(whole)
        content[at] ^= 0x40
        part.file.path.write_bytes(content)
        with (
            pytest.raises(Damaged),
            open_part(part.file.path, part.file.key, manifest_digest=part.manifest_digest) as opened,
        ):
            opened.check()


def test_another_manifest_than_was_offered_is_refused(packs: Packs, tmp_path: Path) -> None:
    part, _ = sealed(packs, tmp_path)
    with (
        pytest.raises(Damaged, match="not the one that was offered"),
        open_part(part.file.path, part.file.key, manifest_digest=digest_of(b"another")),
    ):
        pass


@pytest.mark.parametrize("lie", ["digest", "size", "missing member", "not a zip", "version"])
def test_a_sender_that_lies_inside_its_part_is_found(packs: Packs, tmp_path: Path, lie: str) -> None:
    stored, data_set = store(open_writer(packs), 1)
    said = member(stored, 1)
    if lie == "digest":
        said = replace(said, digest=digest_of(b"another"))
    if lie == "size":
        said = replace(said, data_bytes=said.data_bytes - 2)
    manifest = manifest_of(said)
    if lie == "version":
        manifest = replace(manifest, v=2)
    archive_bytes = io.BytesIO()
    with zipfile.ZipFile(archive_bytes, "w") as archive:
        archive.writestr(MANIFEST, manifest.encode())
        if lie != "missing member":
            archive.writestr("000001.dcm", bytes(128) + b"DICM" + file_meta(sop_uid="2.25.1.1.1") + data_set)
    with SealedWriter(tmp_path / "lie") as writer:
        writer.write(b"no zip" if lie == "not a zip" else archive_bytes.getvalue())
        file = writer.finish()
    with (
        pytest.raises(Damaged),
        open_part(file.path, file.key, manifest_digest=digest_of(manifest.encode())) as opened,
    ):
        opened.check()


def test_without_the_check_a_lie_about_a_digest_would_pass_so_the_check_is_what_finds_it(
    packs: Packs, tmp_path: Path
) -> None:
    stored, data_set = store(open_writer(packs), 1)
    manifest = manifest_of(replace(member(stored, 1), digest=digest_of(b"another")))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(MANIFEST, manifest.encode())
        archive.writestr("000001.dcm", bytes(128) + b"DICM" + file_meta(sop_uid="2.25.1.1.1") + data_set)
    with SealedWriter(tmp_path / "lie") as writer:
        writer.write(content.getvalue())
        file = writer.finish()
    with open_part(file.path, file.key, manifest_digest=digest_of(manifest.encode())) as opened:
        assert b"".join(opened.data_set(1)) == data_set


def test_a_large_instance_is_never_whole_in_memory(packs: Packs, tmp_path: Path) -> None:
    pixels = bytes(24 << 20)
    data_set = make_ct(study_uid=STUDY, sop_uid="2.25.1.1.1", pixels=pixels)
    writer = open_writer(packs)
    stored = writer.append(
        make_facts(),
        sop_class=CT_IMAGE,
        sop_uid="2.25.1.1.1",
        file_meta=file_meta(sop_uid="2.25.1.1.1"),
        data_set=data_set,
    )
    del data_set, pixels
    tracemalloc.start()
    part = seal_part(packs, manifest_of(member(stored, 1)), [stored.location], directory=tmp_path)
    with open_part(part.file.path, part.file.key, manifest_digest=part.manifest_digest) as opened:
        opened.check()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20
