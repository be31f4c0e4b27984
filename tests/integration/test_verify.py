"""What `meridian verify` names: each thing that one altered byte, or one row or file that is gone, leaves behind.

Two nodes in whose folders something of every kind lies are filled once and copied for each case. Takes 20 seconds.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation.policy import change_policy
from node.database.port import integer
from node.journal.blocks import block_path
from node.node import Node
from ops.configuration import write_configuration
from ops.findings import Finding
from ops.verify import CHECKS, counts, verify, verify_part
from ops.verify_blocks import verify_blocks
from ops.verify_packs import verify_packs
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock
from tests.kit.filled import CENTRE, STUDY, Filled, fill
from tests.kit.rewriting import block_dropped, block_forged, past_rewritten, record_changed
from tests.kit.travelling import complete, contents_of, receive_ct

ROOT = Path(__file__).parents[2]
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def filled(whole: Filled, tmp_path: Path) -> Filled:
    return whole.copied(tmp_path)


@contextmanager
def opened(filled: Filled, name: str) -> Iterator[Node]:
    node = filled.open(name)
    try:
        yield node
    finally:
        node.close()


def found(filled: Filled, name: str) -> list[Finding]:
    with opened(filled, name) as node:
        return list(verify(node))


def flip(path: Path, at: int) -> None:
    """Change one bit of one byte."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0x04]))


def flip_in(path: Path, needle: bytes, *, at: int = 0) -> None:
    """Change one bit of the only place where something stands in a file."""
    content = path.read_bytes()
    assert content.count(needle) == 1, f"{needle!r} stands {content.count(needle)} times in {path.name}"
    flip(path, content.index(needle) + at)


def sql(statement: str) -> Damage:
    """Change a row as somebody with a shell would."""

    def damage(state: Path) -> None:
        with sqlite3.connect(state / "meridian.db") as database:
            assert database.execute(statement).rowcount >= 1

    return damage


def cell(state: Path, query: str) -> str:
    with sqlite3.connect(state / "meridian.db") as database:
        return str(database.execute(query).fetchone()[0])


def the(pattern: str, state: Path) -> Path:
    """Give the first file of a pattern."""
    return sorted(state.glob(pattern))[0]


@pytest.mark.parametrize("name", ["alpha", "centre"])
def test_nothing_is_said_of_a_node_that_is_whole(whole: Filled, name: str) -> None:
    with opened(whole, name) as node:
        assert list(verify(node)) == []
        counted = counts(node)
    empty = [what for what, n in counted.items() if not n]
    assert empty == (["packages", "sealed files"] if name == "centre" else [])


@dataclass(frozen=True)
class Case:
    """A damage, at whom, and what some line of the answer must say."""

    what: str
    node: str
    damage: Damage
    named: str

    def __str__(self) -> str:
        return self.what


def a_row_of_the_database(state: Path) -> None:
    """Alter one byte of a journal row where it lies in the file."""
    body = cell(state, "SELECT body FROM journal WHERE type = 'study-completed/1' AND version = 2")
    place = (
        body.encode()
        + cell(state, "SELECT digest FROM journal WHERE type = 'study-completed/1' AND version = 2").encode()
    )
    flip_in(state / "meridian.db", place, at=body.index("quiet"))


def an_envelope_in_the_database(state: Path) -> None:
    envelope = cell(state, "SELECT envelope FROM outbox WHERE state = 'sealed' LIMIT 1")
    flip_in(state / "meridian.db", envelope.encode()[-300:], at=100)


def a_page_of(name: str) -> Damage:
    """Alter the count of cells in the first page of a table or an index."""

    def damage(state: Path) -> None:
        with sqlite3.connect(state / "meridian.db") as database:
            sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            (page,) = database.execute(sql, (name,)).fetchone()
            (size,) = database.execute("PRAGMA page_size").fetchone()
        flip(state / "meridian.db", (page - 1) * size + 4)

    return damage


def a_pack_cut_off(state: Path) -> None:
    path = the("packs/**/*.pack", state)
    path.write_bytes(path.read_bytes()[:-100])


def a_strange_package(state: Path) -> None:
    folder = state / "archive" / "store-0" / "ab"
    folder.mkdir(exist_ok=True)
    (folder / ("ab" * 32)).write_bytes(b"PK")


CASES = (
    Case("a journal row, by its byte", "alpha", a_row_of_the_database, r"journal record \d+ \(study-completed/1 .*altered"),
    Case("an envelope, by its byte", "alpha", an_envelope_in_the_database, r"envelope 8 for centre in outbox: .*altered"),
    Case("a page of the journal", "alpha", a_page_of("journal"), r"^(database|journal): "),
    Case("a page of an index", "centre", a_page_of("access_study"), r"^database: .*access_study"),
    *(
        Case(f"a journal row's {column}", "centre", sql(f"UPDATE journal SET {column} = {value} WHERE seq = 5"), r"journal record 5 .*altered")
        for column, value in {
            "at": "at + 1", "origin": "'beta'", "type": "'case-cancelled/1'", "cause": "'other'",
            "body": "replace(body, '1', '2')", "digest": "replace(digest, 'a', 'b')",
        }.items()
    ),
    Case("a journal row moved", "alpha", sql("UPDATE journal SET version = 99 WHERE seq = (SELECT max(seq) FROM journal WHERE type = 'study-completed/1')"), r"journal of study/alpha/.*records are left"),
    Case("a journal row that no block covers", "alpha", sql("UPDATE journal SET cause = 'other' WHERE seq = (SELECT max(seq) FROM journal)"), r"journal record 26 .*altered"),
    Case("a block's file, by its byte", "alpha", lambda state: flip(block_path(state / "blocks", 2), 700), r"block 2: its file cannot be used .*altered"),
    Case("a block's file gone", "centre", lambda state: block_path(state / "blocks", 3).unlink(), r"block 3: its file cannot be used .*is gone"),
    Case("a sealed record and its digest", "alpha", lambda state: record_changed(state, 6), r"block 2: record 6 \(part-sealed/1 .*is not the one that was sealed"),
    Case("a sealed record gone", "centre", sql("DELETE FROM journal WHERE seq = 5"), r"block 2: record 5 .* is gone"),
    *(
        Case(f"a block row's {column}", "alpha", sql(f"UPDATE block SET {column} = {value} WHERE n = 3"), rf"block 3: {column} by its row: .*, by its file: ")
        for column, value in {
            "first_seq": "8", "last_seq": "13", "previous": "digest", "digest": "previous", "at": "at + 1",
            "signature": "(SELECT signature FROM block WHERE n = 1)", "verify_key": "'AAAA' || substr(verify_key, 5)",
        }.items()
    ),
    Case("a block dropped in the middle", "alpha", lambda state: block_dropped(state, 3, file=True), r"blocks 3 to 3: their rows are gone"),
    Case("a block's row gone", "alpha", lambda state: block_dropped(state, 3, file=False), r"0000000003\.jsonl: no row knows this file"),
    Case("the newest block's row gone, and its records changed", "alpha", lambda state: (block_dropped(state, 5, file=False), record_changed(state, 17)), r"0000000005\.jsonl: no row knows this file"),
    Case("the newest block dropped", "alpha", lambda state: block_dropped(state, 5, file=True), r"block 5: peers were told of it, and it is gone"),
    Case("what peers were told of", "alpha", sql("UPDATE outbox SET head = '5:' || substr(head, 4) || 'a' WHERE n = 9"), r"block 5: peers were told of another one"),
    Case("a block signed by another", "centre", lambda state: block_forged(state, 4), r"block 4: it is signed by a key that this node never had"),
    Case("a past rewritten with the node's own key", "alpha", lambda state: past_rewritten(state, 2), r"block 3: it does not follow the block before it"),
    Case("a journal row gone", "alpha", sql("DELETE FROM journal WHERE seq = 7"), r"journal records 7 to 7: they are gone"),
    Case("a subject's newest row gone", "centre", sql("DELETE FROM journal WHERE type = 'case-signed/1'"), r"case .*: version by its row: 3, by the journal: 2"),
    Case("a pack gone", "alpha", lambda state: the("packs/**/*.pack", state).unlink(), r"pack .*: its file is gone, and with it 3 instances of study alpha/2\.25\.41"),
    Case("a pack cut off", "alpha", a_pack_cut_off, r"pack .* at byte \d+.*breaks off"),
    Case("a package's copy", "alpha", lambda state: flip(the("archive/store-0/??/*", state), 300), r"package .* of study alpha/2\.25\.44: .*not what was put there"),
    Case("a package's copy gone", "alpha", lambda state: the("archive/store-0/??/*", state).unlink(), r"package .* of study alpha/2\.25\.44: no copy of it is whole, and 2 instances lie in it alone"),
    Case("a package that no study means", "alpha", a_strange_package, r"archive store store-0: package .* is meant by no study"),
    Case("what a copy is said to be", "alpha", sql("UPDATE package_copy SET state = 'damaged'"), r"its copy in store store-0 is damaged"),
    Case("a row's member of its package", "alpha", sql("UPDATE archived_series SET instances = (SELECT json_group_array(json_set(value, '$[3]', 3 - (value ->> 3))) FROM json_each(instances))"), r"instance 2\.25\.44\.1\.1 is said to be its member 2, and is not"),
    Case("what is known of a package", "alpha", sql("DELETE FROM archived"), r"package archive-.*: 2 instances lie in it, and nothing is known of it"),
    Case("a catalogue row gone", "alpha", sql(f"DELETE FROM online_instance WHERE sop_uid = '{STUDY}.1.2'"), rf"pack .* at byte \d+: instance {STUDY}\.1\.2 was indexed, and the catalogue has no row"),
    Case("a catalogue row gone at the peer", "centre", sql(f"DELETE FROM online_instance WHERE sop_uid = '{STUDY}.1.2'"), rf"instance {STUDY}\.1\.2 was indexed"),
    Case("a catalogue row's digest", "alpha", sql(f"UPDATE online_instance SET digest = replace(digest, 'a', 'b') WHERE sop_uid = '{STUDY}.1.2'"), r"the catalogue means digest"),
    Case("a catalogue row's place", "alpha", sql(f"UPDATE online_instance SET data_offset = data_offset + 2 WHERE sop_uid = '{STUDY}.1.2'"), rf"instance {STUDY}\.1\.2 of study alpha/{STUDY}: .*not the record that the catalogue means"),
    Case("an instance too many", "alpha", sql("INSERT INTO online_instance SELECT origin, study_uid, sop_uid || '9', digest, normal_digest, series_uid, sop_class, transfer_syntax, number, frames, rows, columns, pack, offset, meta_bytes, data_offset, data_bytes, state, door, received_at FROM instance LIMIT 1"), r"instances by its row: \d, in the catalogue: \d"),
    Case("a study's count", "centre", sql("UPDATE study SET instance_count = 7"), r"study/alpha/.*: instances by its row: 7, in the catalogue: 4"),
    Case("what a study is found by", "alpha", sql("UPDATE study SET name_key = '=x='"), r"study/alpha/.*: name_key is not what"),
    Case("what is answered of a study", "alpha", sql("UPDATE study_answer SET answer = '{}'"), r"what queries answer is not"),
    Case("pairs of letters of a name", "alpha", sql("DELETE FROM name_gram WHERE gram > 'a'"), r"is not found by its grams"),
    Case("a study's state", "alpha", sql(f"UPDATE study SET state = 'receiving' WHERE study_uid = '{STUDY}'"), r"state by its row: receiving, by the journal: complete"),
    Case("an overlay that nobody made", "alpha", sql(f"INSERT INTO overlay VALUES ('alpha', '{STUDY}', 'x', '{{}}', 1)"), rf"corrections of study/alpha/{STUDY}: its overlay is not what the corrections come to"),
    Case("a case's state", "alpha", sql("UPDATE consult_case SET state = 'claimed'"), r"case .*: state by its row: claimed, by the journal: signed"),
    Case("a case's fact gone", "alpha", sql("DELETE FROM case_fact WHERE n = 2"), r"case .*: facts: 2, by the journal: 3"),
    Case("a claim that nobody made", "centre", sql("INSERT INTO claim SELECT case_id, 'x', 'x', 9, 0 FROM consult_case"), r"case .*: claim by its row: 9, by the journal: 0"),
    Case("a text's row", "alpha", sql("UPDATE text SET body = replace(body, '两肺清晰', '两肺不清') WHERE kind = 'report'"), r"text .* \(report\): its words were altered"),
    Case("a text's file", "alpha", lambda state: flip(the("texts/*/*.txt", state), 20), r"text .*: its file .* was altered"),
    Case("a text's file gone", "centre", lambda state: the("texts/*/*.txt", state).unlink(), r"text .*: its file .* is gone"),
    Case("a text's row gone", "alpha", sql("DELETE FROM text WHERE kind = 'report'"), r"report .*: Reading text .* failed"),
    Case("a report's signer", "alpha", sql("UPDATE report SET signer_name = 'Nobody'"), r"report .*: it is not as centre signed it"),
    Case("a report's signature", "centre", sql("UPDATE report SET signature = 'AAAA' || substr(signature, 5)"), r"report .*: it is not as centre signed it"),
    Case("a report's PDF", "alpha", lambda state: the("documents/*.pdf", state).write_bytes(b"%PDF"), r"document .*\.pdf: \d+ bytes were written, 4 are here"),
    Case("a report's SR gone", "alpha", lambda state: the("documents/*.dcm", state).unlink(), r"document .*\.dcm: \d+ bytes were written, 0 are here"),
    Case("an outbox envelope", "alpha", sql("UPDATE outbox SET envelope = replace(envelope, 'a', 'b') WHERE state = 'sealed'"), r"envelope 8 for centre in outbox: its bytes were altered"),
    Case("an outbox envelope in another's place", "alpha", sql("UPDATE outbox SET (envelope, envelope_digest) = (SELECT envelope, envelope_digest FROM outbox AS o WHERE o.n = 9) WHERE n = 8"), r"envelope 8 for centre in outbox: it is sealed as another"),
    Case("an outbox message", "alpha", sql("UPDATE outbox SET message = replace(message, '3', '4') WHERE n = 3"), r"envelope 3 for centre in outbox: the message is not the one that was sealed"),
    Case("an outbox message gone", "alpha", sql("DELETE FROM outbox WHERE n = 9"), r"outbox for centre: 2 messages are not acknowledged, 1 are here"),
    Case("a mailbox envelope", "centre", sql("UPDATE mailbox SET envelope = replace(envelope, 'a', 'b') WHERE n > 0"), r"envelope \d for alpha in mailbox: its bytes were altered|envelope \d from centre for alpha in mailbox: its bytes were altered"),
    Case("a mailbox envelope's recipient", "centre", sql("UPDATE mailbox SET recipient = 'beta' WHERE n > 0"), r"for beta in mailbox: it is sealed as another"),
    Case("an inbox envelope", "centre", sql("UPDATE inbox SET envelope = replace(envelope, 'a', 'b') WHERE state = 'early'"), r"envelope 9 from alpha in inbox \(early\): its bytes were altered"),
    Case("a sealed file", "alpha", lambda state: flip(the("blobs/??/*", state), 500), r"sealed file .* of alpha: its bytes were altered"),
    Case("a sealed file gone", "alpha", lambda state: the("blobs/??/*", state).unlink(), r"sealed file .* of alpha: its file is gone"),
    Case("a sealed file's row gone", "alpha", sql("DELETE FROM blob"), r"part 1 of study/alpha/.* for centre: nothing is known of its sealed file"),
    Case("a rotation of keys that nobody signed", "centre", sql("INSERT INTO key_rotation VALUES ('alpha', 1, '{}', '', 0)"), r"^roster: "),
    Case("a statement of the roster", "centre", sql("UPDATE roster_statement SET body = replace(body, 'alpha hospital', 'other hospital') WHERE n = 2"), r"roster: Reading row 2 of the roster failed"),
)  # fmt: skip


@pytest.fixture(scope="module")
def named_by() -> dict[str, set[str]]:
    """The parts of `verify` that named each damage so far."""
    return {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_damage_is_named(filled: Filled, named_by: dict[str, set[str]], case: Case) -> None:
    case.damage(filled.folder / case.node)
    with opened(filled, case.node) as node:
        lines = {part: [finding.line for finding in verify_part(node, part)] for part in CHECKS}
    named_by[case.what] = {part for part, some in lines.items() if some}
    assert any(re.search(case.named, line) for some in lines.values() for line in some), lines
    other = "centre" if case.node == "alpha" else "alpha"
    assert found(filled, other) == []


def test_no_part_could_be_left_out(named_by: dict[str, set[str]]) -> None:
    """Without any one part, some damage above would go unnamed."""
    assert len(named_by) == len(CASES), "it stands on every damage above: run the whole file"
    alone = [parts for parts in named_by.values() if len(parts) == 1]
    assert set().union(*alone) == set(CHECKS)


def test_every_single_byte_of_a_pack_counts(filled: Filled) -> None:
    """Flip each byte of the first record and of the end in turn; header, facts, meta, pixels, digests and marks."""
    path = the("packs/**/*.pack", filled.folder / "alpha")
    with opened(filled, "alpha") as node:
        rows = node.database.read("SELECT offset FROM instance WHERE pack = ? ORDER BY offset", (path.stem,))
        assert len(rows) == 3
        second, size = integer(rows[1], "offset"), path.stat().st_size
        silent = [at for at in [*range(second), *range(size - 200, size)] if not _notices(node, path, at)]
        assert list(verify_packs(node)) == []
    assert silent == []


def _notices(node: Node, path: Path, at: int) -> bool:
    flip(path, at)
    try:
        return any(path.stem in finding.where for finding in verify_packs(node))
    finally:
        flip(path, at)


def test_every_single_byte_of_a_block_counts(filled: Filled) -> None:
    path = block_path(filled.folder / "alpha" / "blocks", 2)
    with opened(filled, "alpha") as node:
        silent = []
        for at in range(path.stat().st_size):
            flip(path, at)
            if not any(finding.where == "block 2" for finding in verify_blocks(node)):
                silent.append(at)
            flip(path, at)
        assert list(verify_blocks(node)) == []
    assert silent == []


def test_no_block_holds_a_word_of_a_patient_or_of_a_report(whole: Filled) -> None:
    """Texts stand elsewhere and can be erased; what is signed for ever names them by digest."""
    with opened(whole, "alpha") as node:
        (study,) = node.database.read(
            "SELECT patient_id, patient_name, birth_date, accession FROM study WHERE study_uid = ?", (STUDY,)
        )
        texts = [str(row["body"]) for row in node.database.read("SELECT body FROM text")]
    words = {str(word) for word in study.values() if word} | set(texts) | {"两肺清晰", "未见异常"}
    assert len(words) > 5
    for name in ("alpha", "centre"):
        for path in (whole.folder / name / "blocks").iterdir():
            content = path.read_text("utf-8")
            assert [word for word in words if word in content] == []


def test_what_is_not_indexed_yet_is_no_finding(filled: Filled) -> None:
    with opened(filled, "alpha") as node:
        receive_ct(node, study_uid="2.25.77", slices=2)
        assert list(verify(node)) == []


def test_each_part_goes_on_where_another_cannot_be_read(filled: Filled) -> None:
    sql("UPDATE journal SET body = 'no JSON' WHERE type = 'study-changed/1'")(filled.folder / "alpha")
    flip(the("blobs/??/*", filled.folder / "alpha"), 500)
    where = [finding.where for finding in found(filled, "alpha")]
    assert any(name.startswith("journal record") for name in where)
    assert "studies" in where
    assert any(name.startswith("sealed file") for name in where)


def test_the_command_says_how_much_is_whole_and_fails_when_something_is_not(filled: Filled) -> None:
    state = filled.folder / "alpha"
    write_configuration(state, id="alpha", name="First Clinic")
    toml = state / "meridian.toml"
    store = f'[[archive.store]]\nname = "store-0"\nkind = "folder"\npath = "{state}/archive/store-0"\n'
    toml.write_text(f"{toml.read_text()}\n{store}")
    whole = run_verify(state)
    assert (whole.returncode, whole.stdout.count("\n")) == (0, 1)
    assert "4 packs" in whole.stdout
    assert re.search(r" 5 blocks, .* 8 unsealed records since 2026-03-02 04:\d\d:\d\dZ: ", whole.stdout)
    assert "no findings" in whole.stdout
    flip(the("packs/**/*.pack", state), 700)
    broken = run_verify(state)
    assert broken.returncode == 1
    assert re.search(r"^pack \S+ at byte 0, instance .*altered", broken.stdout)
    assert broken.stdout.endswith("1 finding.\n")


def run_verify(state: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ops.cli import main; main()", "verify", str(state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


def test_a_sealed_file_altered_on_the_senders_own_disk_is_made_again(tmp_path: Path) -> None:
    """Its host refuses it; were it not made again, it would be sent for ever, and everything after it wait."""
    alliance = Alliance.found(tmp_path, FrozenClock())
    alpha = alliance["alpha"].node
    change_policy(alpha, CENTRE, grant="everything", by="test")
    alliance.faults.cut.add(alpha.id)
    key = receive_ct(alpha, study_uid=STUDY, slices=3)
    alliance.deliver_all()
    complete(alpha, key)
    flip(the("blobs/??/*", alpha.state), 500)
    assert [finding.what for finding in verify(alpha)] == ["its bytes were altered"]
    alliance.faults.cut.clear()
    alliance.deliver_all()
    assert contents_of(alliance["centre"].node, key) == contents_of(alpha, key)
    assert alpha.database.read("SELECT n FROM outbox WHERE state <> 'received'") == []
    assert [list(verify(member.node)) for member in alliance] == [[], []]
    alliance.close()
