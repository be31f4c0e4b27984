from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
import zipfile
from pathlib import Path

import pytest

from node.errors import Damaged, InvalidRequest, NotFound, Unavailable
from node.keys.aead import encrypt, new_key
from node.keys.encoding import from_base64, to_base64
from node.keys.sealed import (
    CHUNK_BYTES,
    HEADER,
    SealedFile,
    SealedReader,
    SealedWriter,
    chunk_nonce,
    open_sealed,
    sweep_parts,
)
from tests.kit.planting import planted

SEALED_CHUNK = CHUNK_BYTES + 16


def content_of(size: int) -> bytes:
    return hashlib.shake_128(b"phantom").digest(size)


def seal(path: Path, content: bytes) -> SealedFile:
    with SealedWriter(path) as writer:
        writer.write(content)
        return writer.finish()


def read_back(path: Path, key: str) -> bytes:
    with open_sealed(path, key) as reader:
        return reader.read()


@pytest.fixture
def three_chunks(tmp_path: Path) -> tuple[SealedFile, bytes]:
    content = content_of(2 * CHUNK_BYTES + 1000)
    return seal(tmp_path / "sealed", content), content


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_content_of_any_size_comes_back(tmp_path: Path, size: int) -> None:
    content = content_of(size)
    sealed = seal(tmp_path / "sealed", content)
    raw = sealed.path.read_bytes()
    assert read_back(sealed.path, sealed.key) == content
    assert sealed.digest == hashlib.sha256(raw).hexdigest()
    assert sealed.size_bytes == len(raw) == 16 + size + 16 * max(1, -(-size // CHUNK_BYTES))
    assert sealed.path.stat().st_mode & 0o777 == 0o600


def test_how_the_content_was_cut_into_writes_makes_no_difference(tmp_path: Path) -> None:
    content = content_of(CHUNK_BYTES + 4096)
    with SealedWriter(tmp_path / "sealed") as writer:
        for at in range(0, len(content), 70_001):
            writer.write(memoryview(content)[at : at + 70_001])
        sealed = writer.finish()
    assert read_back(sealed.path, sealed.key) == content


def test_the_file_is_what_the_readme_says(tmp_path: Path) -> None:
    sealed = seal(tmp_path / "sealed", content_of(CHUNK_BYTES + 5))
    raw, key = sealed.path.read_bytes(), from_base64(sealed.key)
    assert raw[:16] == b"MRDNSEAL\x01\x01\x00\x00\x00\x10\x00\x00"
    content = content_of(CHUNK_BYTES + 5)
    assert raw[16 : 16 + SEALED_CHUNK] == encrypt(key, content[:CHUNK_BYTES], nonce=bytes(12), aad=raw[:16])
    assert raw[16 + SEALED_CHUNK :] == encrypt(
        key, content[CHUNK_BYTES:], nonce=bytes(10) + b"\x01\x01", aad=raw[:16]
    )


def test_reads_at_any_offset(three_chunks: tuple[SealedFile, bytes]) -> None:
    sealed, content = three_chunks
    with open_sealed(sealed.path, sealed.key) as reader:
        assert reader.length == len(content)
        for offset, size in [
            (0, 10),
            (CHUNK_BYTES - 5, 10),
            (CHUNK_BYTES, 1),
            (5, 2 * CHUNK_BYTES),
            (len(content) - 3, 100),
            (len(content), 1),
            (len(content) + 9, 9),
        ]:
            assert reader.read_at(offset, size) == content[offset : offset + size]
        reader.seek(-4, io.SEEK_END)
        assert reader.tell() == len(content) - 4
        assert reader.read() == content[-4:]
        reader.seek(2 * CHUNK_BYTES - 1)
        reader.seek(-1, io.SEEK_CUR)
        buffer = bytearray(4)
        assert reader.readinto(buffer) == 4
        assert buffer == content[2 * CHUNK_BYTES - 2 :][:4]


def test_neighbours_are_read_at_once_a_few_megabytes_at_a_time(tmp_path: Path) -> None:
    content = content_of(10 * CHUNK_BYTES + 7)
    sealed = seal(tmp_path / "blob", content)
    lies = Listing(sealed.path.read_bytes())
    with SealedReader(lies, sealed.key) as reader:
        lies.lengths.clear()
        assert reader.read_at(5, len(content)) == content[5:]
        assert lies.lengths == [8 * SEALED_CHUNK, 2 * SEALED_CHUNK + 16 + 7]


class Listing:
    """A sealed file in a store, which says what was read of it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.size = len(raw)
        self.lengths: list[int] = []

    def read_at(self, offset: int, length: int) -> bytes:
        self.lengths.append(length)
        return self._raw[offset : offset + length]

    def close(self) -> None:
        """Nothing is held."""


def test_a_zip_is_read_in_place(tmp_path: Path) -> None:
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        for name in ("a", "b", "c"):
            archive.writestr(name, name.encode() + content_of(600_000))
    sealed = seal(tmp_path / "sealed", plain.getvalue())
    with open_sealed(sealed.path, sealed.key) as reader, zipfile.ZipFile(reader) as archive:
        assert archive.testzip() is None
        assert archive.read("b") == b"b" + content_of(600_000)


def test_several_threads_read_one_file(three_chunks: tuple[SealedFile, bytes]) -> None:
    sealed, content = three_chunks
    wrong: list[int] = []
    with open_sealed(sealed.path, sealed.key) as reader:

        def read(start: int) -> None:
            for offset in range(start, len(content), 400_003):
                if reader.read_at(offset, 100) != content[offset : offset + 100]:
                    wrong.append(offset)

        threads = [threading.Thread(target=read, args=(n * 7001,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "at", [0, 8, 9, 12, 15, 16, 16 + CHUNK_BYTES, 16 + SEALED_CHUNK - 1, 16 + SEALED_CHUNK, -1]
)
def test_a_flipped_byte_is_caught(three_chunks: tuple[SealedFile, bytes], at: int) -> None:
    sealed, _ = three_chunks
    raw = bytearray(sealed.path.read_bytes())
    raw[at] ^= 0x40
    sealed.path.write_bytes(raw)
    with pytest.raises(Damaged):
        read_back(sealed.path, sealed.key)


@pytest.mark.parametrize("kept", [0, 15, 16, 17, 32, 16 + SEALED_CHUNK, 16 + 2 * SEALED_CHUNK, -1])
def test_truncation_is_caught_at_opening_even_at_a_chunk_border(
    three_chunks: tuple[SealedFile, bytes], kept: int
) -> None:
    sealed, _ = three_chunks
    sealed.path.write_bytes(sealed.path.read_bytes()[:kept])
    with pytest.raises(Damaged):
        open_sealed(sealed.path, sealed.key)


def chunks_of(sealed: SealedFile) -> list[bytes]:
    raw = sealed.path.read_bytes()
    return [raw[at : at + SEALED_CHUNK] for at in range(16, len(raw), SEALED_CHUNK)]


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 2], [0, 2], [0, 1, 2, 2], [2, 1, 0], [0, 1, 1, 2]])
def test_reordered_repeated_or_dropped_chunks_are_caught(
    three_chunks: tuple[SealedFile, bytes], order: list[int]
) -> None:
    sealed, _ = three_chunks
    chunks = chunks_of(sealed)
    sealed.path.write_bytes(HEADER + b"".join(chunks[n] for n in order))
    with pytest.raises(Damaged):
        read_back(sealed.path, sealed.key)


def test_chunks_of_another_file_do_not_fit(tmp_path: Path) -> None:
    ours, theirs = (seal(tmp_path / name, content_of(CHUNK_BYTES + 9)) for name in "ab")
    ours.path.write_bytes(HEADER + chunks_of(theirs)[0] + chunks_of(ours)[1])
    with pytest.raises(Damaged):
        read_back(ours.path, ours.key)


@pytest.mark.parametrize(("first", "last"), [(True, True), (False, False), (True, False)])
def test_a_wrong_last_flag_is_caught(tmp_path: Path, first: bool, last: bool) -> None:
    key = new_key()
    chunks = [
        encrypt(key, bytes(CHUNK_BYTES), nonce=chunk_nonce(0, last=first), aad=HEADER),
        encrypt(key, b"end", nonce=chunk_nonce(1, last=last), aad=HEADER),
    ]
    path = tmp_path / "sealed"
    path.write_bytes(HEADER + b"".join(chunks))
    with pytest.raises(Damaged):
        read_back(path, to_base64(key))


def test_another_key_opens_nothing(three_chunks: tuple[SealedFile, bytes]) -> None:
    sealed, _ = three_chunks
    with pytest.raises(Damaged):
        open_sealed(sealed.path, to_base64(new_key()))
    with pytest.raises(InvalidRequest):
        open_sealed(sealed.path, "short")
    with pytest.raises(NotFound):
        open_sealed(sealed.path.with_name("nothing"), sealed.key)


def test_every_attempt_draws_its_own_key(tmp_path: Path) -> None:
    attempts = [seal(tmp_path / "sealed", b"the same content") for _ in range(3)]
    assert len({sealed.key for sealed in attempts}) == 3
    assert len({sealed.digest for sealed in attempts}) == 3


def test_a_blob_takes_its_digest_as_its_name(tmp_path: Path) -> None:
    with SealedWriter(tmp_path, named_by_digest=True) as writer:
        writer.write(b"part")
        sealed = writer.finish()
    assert [path.name for path in tmp_path.iterdir()] == [sealed.digest]


def test_a_writer_that_crashed_leaves_only_a_part_which_is_swept(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        SealedWriter(tmp_path / "sealed").write(content_of(CHUNK_BYTES + 1))
        os._exit(0)
    os.waitpid(child, 0)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".part"
    with SealedWriter(tmp_path / "other") as living:
        living.write(b"x")
        assert sweep_parts(tmp_path) == 1
        assert not left.exists()
        assert read_back((sealed := living.finish()).path, sealed.key) == b"x"


def test_an_abandoned_writer_leaves_nothing(tmp_path: Path) -> None:
    with SealedWriter(tmp_path / "sealed") as writer:
        writer.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = SealedWriter(tmp_path / "sealed")
    writer.write(b"x")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        writer.finish()
    assert list(tmp_path.iterdir()) == []


def order_of_calls(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[str]:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append("sync folder" if name.is_dir() else f"sync {name.suffix}")
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    seal(path, b"x")
    return calls


SYNCED = ["sync .part", "rename", "sync folder"]


def test_bytes_are_synced_before_they_have_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of_calls(monkeypatch, tmp_path / "sealed") == SYNCED


def test_a_planted_missing_sync_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "no-seal-sync")
    assert order_of_calls(monkeypatch, tmp_path / "sealed") != SYNCED


def test_a_reader_gives_up_its_descriptor(three_chunks: tuple[SealedFile, bytes]) -> None:
    sealed, _ = three_chunks
    for _ in range(3):
        SealedReader(sealed.path, sealed.key).close()
        with pytest.raises(Damaged):
            SealedReader(sealed.path, to_base64(new_key()))
    held = [link for link in Path("/proc/self/fd").iterdir() if link.resolve() == sealed.path.resolve()]
    assert held == []
