"""A block as bytes: what its file says, that somebody else can read it, and that no byte of it may change."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from node.errors import Damaged, NotFound, Unavailable
from node.journal.blocks import (
    NONE_BEFORE,
    Block,
    BlockRow,
    block_number,
    block_path,
    make_block,
    read_block,
    read_block_file,
    remake_block,
    write_block_file,
)
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.blocks import happen
from tests.kit.clock import NOON, FrozenClock


@pytest.fixture
def node(tmp_path: Path):
    node = bare_node(tmp_path, "alpha", FrozenClock())
    happen(node, 3)
    yield node
    node.close()


def block_of(node: Node, after: BlockRow | None = None) -> Block:
    return make_block(node.keys, node.journal.since(0), after=after, at=node.now())


def test_a_block_is_read_as_it_was_made(node: Node) -> None:
    block = block_of(node)
    assert read_block(block.to_bytes()) == block
    assert (block.header.n, block.header.previous, block.header.at) == (1, NONE_BEFORE, NOON)
    assert (block.row.first_seq, block.row.last_seq, block.header.count) == (1, 3, 3)


def test_the_next_names_the_one_before(node: Node) -> None:
    first = block_of(node)
    second = block_of(node, first.row)
    assert (second.header.n, second.header.previous) == (2, first.header.digest)


def test_somebody_with_the_standard_library_reads_it_and_one_signature(node: Node) -> None:
    """As node/journal/README.md says it, with nothing of ours."""
    head, *records, seal, end = block_of(node).to_bytes().split(b"\n")
    header, said = json.loads(head), json.loads(seal)
    assert end == b""
    assert said["digest"] == hashlib.sha256(head).hexdigest()
    assert header["records"] == hashlib.sha256(b"".join(line + b"\n" for line in records)).hexdigest()
    for line in records:
        columns = json.loads(line)
        named = {name: columns[name] for name in columns if name not in ("seq", "digest")}
        spelled = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert columns["digest"] == hashlib.sha256(spelled.encode()).hexdigest()
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(header["verify_key"]))
    key.verify(base64.b64decode(said["signature"]), b"meridian-block/1" + head)


def test_each_changed_byte_is_caught(node: Node) -> None:
    content = block_of(node).to_bytes()
    silent = []
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 0x01
        try:
            read_block(bytes(changed))
        except Damaged:
            continue
        silent.append(at)
    assert silent == []


@pytest.mark.parametrize("cut", [0, 1, 200, -1, -2, -120])
def test_a_file_that_breaks_off_is_caught(node: Node, cut: int) -> None:
    with pytest.raises(Damaged):
        read_block(block_of(node).to_bytes()[:cut])


def test_what_is_added_left_out_or_moved_is_caught(node: Node) -> None:
    lines = block_of(node).to_bytes().splitlines(keepends=True)
    for order in ([0, 1, 2, 4], [0, 2, 1, 3, 4], [0, 1, 1, 2, 3, 4], [0, 1, 2, 3, 4, 4], [1, 2, 3, 4]):
        with pytest.raises(Damaged):
            read_block(b"".join(lines[n] for n in order))


def test_records_that_were_altered_before_they_were_signed_are_caught(node: Node) -> None:
    """A signature alone would vouch for them."""
    first, *others = node.journal.since(0)
    for records in (
        [replace(first, cause="other"), *others],  # type: ignore[arg-type]
        [first, *others[1:]],
    ):
        block = make_block(node.keys, records, after=None, at=NOON)
        with pytest.raises(Damaged):
            read_block(block.to_bytes())


def test_a_block_is_made_again_from_its_row_and_records_byte_for_byte(node: Node) -> None:
    block, records = block_of(node), node.journal.since(0)
    assert remake_block(block.row, records, origin=node.id).to_bytes() == block.to_bytes()
    with pytest.raises(Damaged):
        remake_block(block.row, records[1:], origin=node.id)
    with pytest.raises(Damaged):
        remake_block(replace(block.row, at=NOON + 1), records, origin=node.id)


def test_files_are_named_by_ten_digits(tmp_path: Path) -> None:
    path = block_path(tmp_path, 27)
    assert path.name == "0000000027.jsonl"
    assert block_number(path) == 27
    assert block_number(tmp_path / "0000000027.0123456789abcdef.aside") is None
    with pytest.raises(NotFound):
        read_block_file(path)


def test_a_full_disk_names_nothing(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    folder = tmp_path / "blocks"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        write_block_file(block_path(folder, 1), block_of(node))
    assert list(folder.iterdir()) == []
