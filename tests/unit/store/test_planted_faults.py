"""Recovery and check compare digests: what they would let through if they did not is caught here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.errors import Damaged
from node.store.facts import Stored
from node.store.packs import Packs
from tests.kit.packs import open_packs, open_writer, store
from tests.kit.planting import planted


def plant(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    planted(monkeypatch, fault)


def pack_of_two(directory: Path) -> tuple[Packs, list[Stored]]:
    packs = open_packs(directory)
    writer = open_writer(packs)
    stored = [store(writer, n)[0] for n in (1, 2)]
    writer.close()
    return packs, stored


def wrong_after_recovery(directory: Path) -> list[str]:
    """Recover a pack whose second record has its head and its end, zeros between, and no mark; name what is wrong."""
    packs, (first, second) = pack_of_two(directory)
    path = packs.path(first.location.pack)
    os.truncate(path, second.next_offset - 8)
    with path.open("r+b") as file:
        file.seek(second.location.data_offset + 40)
        file.write(bytes(100))
    recovered = open_packs(directory)
    recovered.recover()
    wrong: list[str] = []
    for record in recovered.marked(path.stem, 0):
        try:
            recovered.check(record.location)
        except Damaged as error:
            wrong.append(str(error))
    return wrong


def is_flip_found(directory: Path) -> bool:
    """Change a byte of a data set, and say whether that is found."""
    packs, (first, _) = pack_of_two(directory)
    with packs.path(first.location.pack).open("r+b") as file:
        file.seek(first.location.data_offset + 40)
        file.write(b"\xff")
    try:
        packs.check(first.location)
    except Damaged:
        return True
    return False


def test_a_torn_tail_is_no_record(tmp_path: Path) -> None:
    assert wrong_after_recovery(tmp_path) == []


def test_a_planted_torn_tail_that_counts_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "torn-tail-accepted")
    assert wrong_after_recovery(tmp_path) != []


def test_a_flipped_byte_of_a_data_set_is_found(tmp_path: Path) -> None:
    assert is_flip_found(tmp_path)


def test_a_planted_hash_that_is_not_compared_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "hash-not-compared")
    assert not is_flip_found(tmp_path)
