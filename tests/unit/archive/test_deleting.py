"""A study deleted for good: by two administrators or its rule, never against a hold, and then nothing of it is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from actors.jobs.tasks import ARCHIVE
from node.archive.archived import CopyRow, copies_of, peek_archived
from node.archive.certificate import certificate_text, read_certificate
from node.archive.copies import copy_row, stored_of
from node.archive.damage import note_damage
from node.archive.deciding import decide_due, look_again
from node.archive.deleting import JOB, STANDS, ask_deletion, delete_by_rule, withdraw_deletion
from node.archive.deletions import deletions_of, get_deletion, steps_of
from node.archive.erasing import erase_study
from node.archive.forgetting import TABLES
from node.archive.periods import DAY
from node.archive.rules import Rule, Rules
from node.archive.ruling import change_rules
from node.archive.stores.encrypted import EncryptedStore
from node.archive.stores.folder import FolderStore
from node.archive.stores.port import MARKER
from node.archive.superseding import supersede_some
from node.archive.tier import QUEUE, ArchiveTier
from node.catalogue.correction_drafts import draft_rejection, draft_study
from node.catalogue.corrections import make_correction
from node.catalogue.search import peek_study
from node.database.port import Statement, text
from node.errors import Conflict, Damaged, FieldMissing, InvalidRequest, NotFound, Refused
from node.journal.chain import seal_next
from node.keys.archive_keys import ArchiveKeys
from node.node import Node
from node.people.accounts import OPERATOR, Person
from ops.verify import verify
from tests.kit.archive_stores import file_with
from tests.kit.archived_study import archive, expire, hold_study, slices
from tests.kit.bare_node import bare_node, two_stores
from tests.kit.clock import FrozenClock
from tests.kit.deleting import LIN, WANG, approve, ask, delete, erase, erase_all, found_in
from tests.kit.instances import make_ct
from tests.kit.merging import KEY, STUDY, associate, complete, ingest, rows_of
from tests.kit.orphans import look_through

TECHNICIAN = Person(id="p1", user="chen", name="Chen", roles=frozenset({"technician"}))
WORDS = ("WANGCANARY", "wangcanary", "王金丝", "PIDCANARY77", "ACCCANARY9", "REASONCANARY")
YEARS_31 = 31 * 366 * DAY


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def node(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    node = two_stores(tmp_path, clock)
    hold_study(node)
    yield node
    node.close()


def planted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("node.failpoints._PLANTED", frozenset({name}))


def hold(node: Node, *, until: int | None = None) -> None:
    row = Statement(
        "INSERT INTO hold (origin, study_uid, reason, who, until) VALUES (?, ?, 'teaching', 'course-1', ?)",
        (KEY.origin, KEY.study_uid, until),
    )
    node.write([row])


def open_case(node: Node, state: str) -> None:
    columns = {
        "case_id": "case-1", "clinic": "alpha", "home": "alpha", "pool": "alpha/ct", "origin": KEY.origin,
        "study_uid": KEY.study_uid, "kind": "report", "urgency": "routine", "specialty": "ct", "form": "", "state": state,
        "cancelling": 0, "amended": 0, "requested_at": 1, "requested_by": "x", "due": 1, "reason": "", "claimed_by": "",
        "claimed_name": "", "claimed_at": 0, "version": 1, "cause": "c",
    }  # fmt: skip
    marks = ", ".join("?" * len(columns))
    sql = f"INSERT INTO consult_case ({', '.join(columns)}) VALUES ({marks})"
    node.write([Statement(sql, tuple(columns.values()))])


def left_of(node: Node) -> dict[str, int]:
    """Count the rows that any table of studies still has of it."""
    found = {
        table: len(node.database.read(f"SELECT 1 AS one FROM {table} WHERE study_uid = ?", (KEY.study_uid,)))
        for table in ("study", "study_answer", *TABLES)
    }
    return {table: count for table, count in found.items() if count}


def packages_of(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "archive").glob("store-*/??/*") if path.is_file()]


def test_two_administrators_delete_a_study_and_nothing_of_it_is_left(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    assert len(packages_of(tmp_path)) == 2
    asked = ask(node)
    assert peek_study(node.database, KEY) is not None
    deleted = approve(node, asked)
    assert (deleted.state, left_of(node), rows_of(node)) == ("deleted", {}, [])
    assert list(verify(node)) == []
    done = erase_all(node, deleted, clock)
    assert [step for step in steps_of(node.database, done.id) if step.state != "done"] == []
    assert (done.state, packages_of(tmp_path), node.packs.names()) == ("done", [], [])
    assert list(verify(node)) == []


def test_what_lies_in_the_archive_alone_goes_with_all_its_generations(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    associate(node, slices(7)[6])
    ingest(node)
    complete(node)
    archive(node)
    assert len(packages_of(tmp_path)) == 4
    expire(node, clock)
    done = erase_all(node, delete(node), clock)
    assert (done.state, packages_of(tmp_path), node.packs.names()) == ("done", [], [])


def test_copies_of_packages_that_were_superseded_go_too(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    associate(node, slices(7)[6])
    ingest(node)
    complete(node)
    archive(node)
    marker = tmp_path / "archive" / "store-1" / ".meridian-store"
    name = marker.read_bytes()
    clock.advance(DAY)
    supersede_some(node)
    assert len(packages_of(tmp_path)) == 2
    older = Statement(
        "INSERT INTO package_copy SELECT ?, 'store-1', ?, bytes, '', 'superseded', 1 FROM package_copy LIMIT 1",
        (first_digest(node), first_digest(node)),
    )
    node.write([older])  # as if that store had been away
    node.archive.store("store-1").put(*file_with(tmp_path, b"stands for it"))
    deleted = delete(node)
    marker.unlink()
    erase_all(node, deleted, clock)
    left = {step.what for step in steps_of(node.database, deleted.id) if step.state != "done"}
    assert first_digest(node) in left
    marker.write_bytes(name)
    clock.advance(DAY)
    look_through(node)
    assert erase_all(node, deleted, clock).state == "done"


def first_digest(node: Node) -> str:
    record = next(one for one in node.journal.of(KEY.subject) if one.type == "study-archived/1")
    return str(json.loads(record.body)["digest"])


def test_one_who_asked_does_not_approve(node: Node) -> None:
    asked = ask(node)
    with pytest.raises(Refused, match="Another administrator"):
        approve(node, asked, by=WANG)
    assert len(rows_of(node)) == 6


def test_a_planted_administrator_who_approves_what_she_asked_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(node)
    planted(monkeypatch, "one-administrator-twice")
    approve(node, asked, by=WANG)
    assert rows_of(node) == []


@pytest.mark.parametrize("by", [TECHNICIAN, OPERATOR])
def test_nobody_else_asks_or_approves(node: Node, by: Person) -> None:
    with pytest.raises(Refused):
        ask(node, by=by)
    asked = ask(node)
    with pytest.raises(Refused):
        approve(node, asked, by=by)


def test_a_hold_bars_asking_and_approving(node: Node) -> None:
    asked = ask(node)
    hold(node)
    with pytest.raises(Conflict, match="holds it"):
        approve(node, asked)
    withdraw_deletion(node, LIN, asked.id)
    with pytest.raises(Conflict, match="holds it"):
        ask(node)
    assert len(rows_of(node)) == 6


def test_a_hold_that_comes_between_looking_and_writing_bars_the_batch(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(node)
    monkeypatch.setattr("node.archive.barring.barred_by", lambda *_arguments, **_named: "")
    hold(node)
    with pytest.raises(Conflict, match="somebody holds it"):
        approve(node, asked)
    assert len(rows_of(node)) == 6


def test_a_planted_hold_that_deletion_ignores_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(node)
    hold(node)
    planted(monkeypatch, "deletion-hold-ignored")
    approve(node, asked)
    assert rows_of(node) == []


def test_a_hold_that_is_over_bars_nothing(node: Node) -> None:
    hold(node, until=node.now() - 1)
    delete(node)
    assert rows_of(node) == []


@pytest.mark.parametrize("state", ["requested", "offered", "claimed"])
def test_an_open_case_bars_it(node: Node, state: str) -> None:
    asked = ask(node)
    open_case(node, state)
    with pytest.raises(Conflict, match="case about it is open"):
        approve(node, asked)


def test_a_case_that_is_closed_goes_with_the_study(node: Node) -> None:
    open_case(node, "declined")
    delete(node)
    assert node.database.read("SELECT case_id FROM consult_case") == []


def test_a_rule_that_keeps_for_good_bars_it(node: Node) -> None:
    asked = ask(node)
    change_rules(node, LIN, Rules(rules=(Rule(name="court", retention="legal hold"),)))
    with pytest.raises(Conflict, match="keeps it for good"):
        approve(node, asked)


def test_a_request_counts_for_what_was_seen(node: Node) -> None:
    asked = ask(node)
    associate(node, slices(7)[6])
    ingest(node)
    complete(node)
    with pytest.raises(Conflict, match="instances came or went"):
        approve(node, asked)


def test_a_request_stands_for_seven_days_and_then_another_may_be_made(node: Node, clock: FrozenClock) -> None:
    asked = ask(node)
    with pytest.raises(Conflict, match="somebody has asked already"):
        ask(node, by=LIN)
    clock.advance(STANDS)
    with pytest.raises(Conflict, match="does not stand any more"):
        approve(node, asked)
    again = ask(node)
    assert get_deletion(node.database, asked.id).state == "lapsed"
    approve(node, again)


def test_what_was_withdrawn_is_not_approved(node: Node) -> None:
    asked = ask(node)
    withdraw_deletion(node, LIN, asked.id)
    with pytest.raises(Conflict):
        approve(node, asked)
    with pytest.raises(Conflict):
        withdraw_deletion(node, LIN, asked.id)


def test_who_approves_types_how_many_instances_go(node: Node) -> None:
    asked = ask(node)
    with pytest.raises(FieldMissing):
        approve(node, replace(asked, instances=5))
    assert len(rows_of(node)) == 6


@pytest.mark.parametrize("words", ["", "  ", "x" * 1001, "Zhang San asked", "of a-17"])
def test_a_reason_is_given_and_names_no_patient(node: Node, words: str) -> None:
    with pytest.raises(FieldMissing):
        ask_deletion(node, WANG, KEY, code="test", words=words)
    with pytest.raises(FieldMissing):
        ask_deletion(node, WANG, KEY, code="whim", words="a reason")


def test_time_that_is_not_over_is_no_reason(node: Node, clock: FrozenClock) -> None:
    archive(node)
    with pytest.raises(Conflict, match="its time is not over"):
        ask(node, code="retention-over")
    clock.advance(YEARS_31)
    approve(node, ask(node, code="retention-over"))
    assert rows_of(node) == []


def test_a_rule_deletes_by_itself_when_time_is_over_and_only_then(node: Node, clock: FrozenClock) -> None:
    archive(node)
    change_rules(node, LIN, Rules(rules=(Rule(name="short", retention="15y", deletes=True),)))
    with pytest.raises(Conflict, match="no rule deletes it"):
        delete_by_rule(node, KEY)
    node.write(look_again(node, [KEY]))
    expire(node, clock)
    clock.advance(YEARS_31)
    decide_due(node)
    (found,) = deletions_of(node.database, KEY)
    assert (found.state, found.asked_name, rows_of(node)) == ("deleted", "rule short", [])


def test_a_rule_without_that_word_deletes_nothing(node: Node, clock: FrozenClock) -> None:
    archive(node)
    expire(node, clock)
    clock.advance(YEARS_31)
    node.write(look_again(node, [KEY]))
    decide_due(node)
    assert len(rows_of(node)) == 6


def test_a_study_of_another_hospital_is_deleted_there(node: Node) -> None:
    node.write([Statement("UPDATE study SET state = state")])
    foreign = replace(KEY, origin="beta")  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        ask(node, foreign)


def test_a_store_that_is_away_is_tried_again_and_the_certificate_waits(
    node: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    archive(node)
    marker = tmp_path / "archive" / "store-1" / ".meridian-store"
    name = marker.read_bytes()
    marker.unlink()
    deleted = erase_all(node, delete(node), clock)
    assert (deleted.state, deleted.certificate) == ("deleted", "")
    assert len(packages_of(tmp_path)) == 1
    with pytest.raises(Conflict, match="not mounted"):
        certificate_text(node, deleted)
    waiting = node.database.read(
        "SELECT not_before FROM job WHERE name = 'erase_study' AND state = 'waiting'"
    )
    assert max(int(str(row["not_before"])) for row in waiting) > node.now()
    assert node.database.read("SELECT kind FROM problem") == []
    clock.advance(90 * DAY)
    erase(node, deleted)
    erase(node, deleted)
    (problem,) = node.database.read("SELECT kind, detail FROM problem")
    assert (problem["kind"], "not mounted" in text(problem, "detail")) == ("deletion-waits", True)
    marker.write_bytes(name)
    done = erase_all(node, deleted, clock)
    assert (done.state, packages_of(tmp_path)) == ("done", [])
    certificate = read_certificate(certificate_text(node, done))
    confirmed = {one.place: one.at for one in certificate.removed}
    assert confirmed["store/store-1"] - confirmed["store/store-0"] >= 90 * DAY


def test_a_planted_store_that_was_away_and_counts_as_done_is_caught(
    node: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(node)
    (tmp_path / "archive" / "store-1" / ".meridian-store").unlink()
    deleted = delete(node)
    planted(monkeypatch, "away-counted-as-done")
    assert erase(node, deleted).state == "done"
    assert packages_of(tmp_path) != [], "the certificate says that it is gone, and it is there"


@contextmanager
def sealing_node(tmp_path: Path, clock: FrozenClock) -> Iterator[tuple[Node, EncryptedStore]]:
    """Give a node whose only store is outside of the building, with an archived study."""
    plain = bare_node(tmp_path, "alpha", clock)
    inner = FolderStore("cloud", tmp_path / "cloud")
    (tmp_path / "cloud").mkdir()
    inner.prepare()
    store = EncryptedStore(inner, ArchiveKeys.open(plain.state / "keys", clock))
    node = replace(plain, archive=ArchiveTier(tmp_path / "work", [store], copies=1))
    hold_study(node)
    archive(node)
    yield node, store
    node.close()


def test_the_keys_of_sealed_copies_go_first_wherever_those_lie(tmp_path: Path, clock: FrozenClock) -> None:
    with sealing_node(tmp_path, clock) as (node, store):
        (copy,) = node_copies(node)
        store.open(stored_of(copy)).close()
        (tmp_path / "cloud" / MARKER).rename(tmp_path / "marker")
        assert found_in(node.state / "keys", [copy.wrapped_key]) != []
        deleted = delete(node)
        assert erase(node, deleted).state == "deleted"
        node.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
        assert found_in(node.state, [copy.wrapped_key]) == []
        assert erase_all(node, deleted, clock).state == "deleted"
        (tmp_path / "marker").rename(tmp_path / "cloud" / MARKER)
        with pytest.raises(NotFound, match="its key was forgotten"):
            store.open(replace(stored_of(copy), wrapped_key=""))
        assert erase_all(node, deleted, clock).state == "done"
        assert list(store.names()) == []


def without_stores(node: Node, tmp_path: Path) -> Node:
    """Give the node as somebody left it who took its store out of the configuration."""
    return replace(node, archive=ArchiveTier(tmp_path / "none", [], copies=1))


def test_the_key_of_a_copy_in_a_store_that_is_configured_no_more_goes_too(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with sealing_node(tmp_path, clock) as (node, _):
        (copy,) = node_copies(node)
        left = without_stores(node, tmp_path)
        assert erase_all(left, delete(left), clock).state == "deleted"
        assert found_in(node.state / "keys", [copy.wrapped_key]) == []


def test_a_planted_key_that_is_left_is_caught(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sealing_node(tmp_path, clock) as (node, _):
        (copy,) = node_copies(node)
        left = without_stores(node, tmp_path)
        planted(monkeypatch, "key-left")
        erase(left, delete(left))
        assert found_in(node.state / "keys", [copy.wrapped_key]) != []


def node_copies(node: Node) -> list[CopyRow]:
    archived = peek_archived(node.database, KEY)
    assert archived is not None
    return copies_of(node.database, archived.digest)


def test_a_damaged_pack_that_was_set_aside_goes_too(node: Node, clock: FrozenClock, tmp_path: Path) -> None:
    archive(node)
    (pack,) = {row.pack for row in rows_of(node)}
    note_damage(node, pack, rows_of(node)[:2], "a bit flipped")
    clock.advance(1_000)
    deleted = delete(node)
    node.packs.directory.set_aside(pack)
    assert len(list((tmp_path / "alpha").rglob("*.pack"))) == 1
    assert erase_all(node, deleted, clock).state == "done"
    assert list((tmp_path / "alpha").rglob("*.pack")) == []


def test_a_copy_that_is_mended_while_its_study_goes_is_not_kept(node: Node, tmp_path: Path) -> None:
    archived = archive(node)
    (first, second) = copies_of(node.database, archived.digest)
    node.write([Statement("UPDATE package_copy SET state = 'gone' WHERE store = ?", (second.store,))])
    delete(node)
    with pytest.raises(Conflict, match="deleted meanwhile"):
        node.write([copy_row(first)])
    assert list(verify(node)) == []


def test_verify_names_what_nothing_means(node: Node, tmp_path: Path) -> None:
    archived = archive(node)
    stray = Statement(
        "INSERT INTO package_copy SELECT 'feed', 'store-0', 'feed', bytes, '', state, verified_at FROM package_copy LIMIT 1"
    )
    node.write([stray])
    file_with(tmp_path, b"a package that nobody means")
    node.archive.store("store-1").put(*file_with(tmp_path, b"a package that nobody means"))
    (tmp_path / "archive" / "store-0" / archived.digest[:2] / archived.digest).unlink()
    found = [finding.what for finding in verify(node)]
    for words in ("no study has it", "is meant by no study", "is not there"):
        assert [what for what in found if words in what], (words, found)


def test_packs_that_only_repeat_what_came_go_too(node: Node, clock: FrozenClock) -> None:
    associate(node, *slices())
    associate(node, make_ct(study_uid="2.25.9", sop_uid="2.25.9.1"))
    ingest(node)
    complete(node)
    assert len(node.packs.names()) == 3
    clock.advance(1_000)
    done = erase_all(node, delete(node), clock)
    assert done.state == "done"
    assert node.packs.names() == [row.pack for row in rows_of(node)]
    assert {row.study_uid for row in rows_of(node)} == {"2.25.9"}


def test_what_comes_again_is_a_new_study_and_is_shown(node: Node, clock: FrozenClock) -> None:
    erase_all(node, delete(node), clock)
    hold_study(node)
    assert len(rows_of(node)) == 6
    (problem,) = node.database.read("SELECT kind, subject FROM problem")
    assert (problem["kind"], problem["subject"]) == ("deleted-study-came-again", KEY.subject)
    assert list(verify(node)) == []
    archive(node)
    erase_all(node, delete(node), clock)
    assert node.packs.names() == []


def personal(n: int) -> bytes:
    return make_ct(
        study_uid=STUDY, sop_uid=f"{STUDY}.1.{n}", number=n, patient_name="WANGCANARY^Ming=王金丝^明",
        patient_id="PIDCANARY77", charset="GB18030", python_charset="gb18030",
    )  # fmt: skip


def personal_study(node: Node, clock: FrozenClock) -> None:
    """Receive a study whose words can be searched for, in the database, texts, packs and stores, and correct it."""
    associate(node, *(personal(n) for n in range(11, 14)))
    ingest(node)
    complete(node)
    draft = draft_study(node, KEY, {"accession": "ACCCANARY9"})
    make_correction(node, TECHNICIAN, draft, reason="REASONCANARY 王金丝的号码")
    complete(node)
    archive(node)


@pytest.fixture
def named(tmp_path: Path, clock: FrozenClock) -> Iterator[Node]:
    node = bare_node(tmp_path, "alpha", clock)
    personal_study(node, clock)
    yield node
    node.close()


def test_no_word_of_the_patient_is_left_and_the_chain_verifies(
    named: Node, clock: FrozenClock, tmp_path: Path
) -> None:
    state = tmp_path / "alpha"
    clock.advance(DAY)
    seal_next(named)
    before = found_in(state, WORDS)
    assert {line[:5] for line in before} >= {"merid", "packs", "texts"}
    assert {line.split()[1] for line in before} == set(WORDS)
    done = erase_all(named, delete(named), clock)
    clock.advance(DAY)
    while seal_next(named) is not None:
        continue
    assert done.state == "done"
    assert list(verify(named)) == []
    assert len(list((state / "blocks").glob("*.jsonl"))) >= 2
    assert found_in(state, WORDS) == []


def test_no_word_is_left_in_a_database_of_many_studies(tmp_path: Path, clock: FrozenClock) -> None:
    """Rows and index entries stand among others, on pages that were split and joined since."""
    node = bare_node(tmp_path, "alpha", clock)
    others = [
        make_ct(study_uid=f"2.25.7{n}", sop_uid=f"2.25.7{n}.1", patient_name=f"WA^{n}", patient_id=f"P{n}")
        for n in range(120)
    ]
    for other in others[:60]:
        associate(node, other)
    personal_study(node, clock)
    for other in others[60:]:
        associate(node, other)
    ingest(node)
    done = erase_all(node, delete(node), clock)
    assert (done.state, len(rows_of(node))) == ("done", 120)
    assert found_in(tmp_path / "alpha", WORDS) == []
    node.close()


def test_planted_texts_that_are_not_erased_are_caught(
    named: Node, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "texts-left")
    done = erase_all(named, delete(named), clock)
    assert done.state == "done"
    assert any("REASONCANARY" in line for line in found_in(tmp_path / "alpha", WORDS))


def test_words_that_another_study_s_facts_name_stay(named: Node, clock: FrozenClock) -> None:
    other = replace(KEY, study_uid="2.25.5")  # type: ignore[arg-type]
    associate(named, make_ct(study_uid="2.25.5", sop_uid="2.25.5.1"))
    ingest(named)
    complete(named, other)
    (row,) = named.database.read("SELECT words FROM correction")
    shared = Statement(
        "INSERT INTO correction SELECT 'other', 99, kind, origin, '2.25.5', series_uid, patient_issuer, patient_id, words,"
        " code, person, at, undone_at, undone_by, undone_words, cause FROM correction"
    )
    named.write([shared])
    erase_all(named, delete(named), clock)
    assert named.database.read("SELECT 1 AS one FROM text WHERE digest = ?", (text(row, "words"),))


def test_a_rejected_study_is_deleted_too(named: Node, clock: FrozenClock) -> None:
    make_correction(named, TECHNICIAN, draft_rejection(named, KEY, code="113038"), reason="bad")
    complete(named)
    assert erase_all(named, delete(named), clock).state == "done"


def test_the_certificate_says_all_of_it_and_is_checked_without_the_node(
    node: Node, clock: FrozenClock
) -> None:
    archive(node)
    done = erase_all(node, delete(node), clock)
    written = certificate_text(node, done)
    certificate = read_certificate(written, key=node.keys.verify_key)
    deed = certificate.deed
    assert (deed.node, deed.study_uid, deed.instances, deed.code) == ("alpha", STUDY, 6, "mistaken")
    assert (deed.asked.by, deed.approved.by) == ("王主任", "林工")
    assert deed.packages[0].stores == ("store-0", "store-1")
    assert {one.place for one in certificate.removed} >= {"store/store-0", "store/store-1", "packs"}
    assert (deed.retention.years, deed.retention.over) == (30, False)
    (record,) = [one for one in node.journal.of(KEY.subject) if one.type == "study-deleted/1"]
    assert json.loads(record.body)["certificate"] == done.deed


def altered(written: str) -> list[str]:
    """Give certificates that are not what was signed."""
    content = json.loads(written)
    found = []
    for change in (
        lambda one: one["certificate"]["deed"].update(instances=5),
        lambda one: one["certificate"]["deed"]["approved"].update(by="王主任"),
        lambda one: one["certificate"].update(peers=[]) or one["certificate"]["removed"].pop(),
        lambda one: one["certificate"].update(note="and more"),
        lambda one: one.update(signature="A" * 86 + "=="),
    ):
        other = json.loads(written)
        change(other)
        found.append(json.dumps(other))
    assert all(json.loads(one) != content for one in found)
    return found


def test_a_certificate_that_was_altered_is_refused(node: Node, clock: FrozenClock) -> None:
    written = certificate_text(node, erase_all(node, delete(node), clock))
    for other in altered(written):
        with pytest.raises(Damaged):
            read_certificate(other)
    with pytest.raises(Damaged, match="another key"):
        read_certificate(written, key="A" * 43 + "=")
    for nonsense in ("", "{}", "[]", '{"certificate": {}}', json.dumps({**json.loads(written), "more": 1})):
        with pytest.raises(InvalidRequest):
            read_certificate(nonsense)


def test_a_planted_certificate_that_is_believed_is_caught(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = certificate_text(node, erase_all(node, delete(node), clock))
    planted(monkeypatch, "certificate-believed")
    assert [read_certificate(other).format for other in altered(written)]


def test_every_table_of_a_study_is_known(node: Node) -> None:
    """A table that comes later, with rows about a study, is named here or in what goes."""
    rows = node.database.read(
        "SELECT m.name AS name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' AND c.name = 'study_uid'"
    )
    assert {text(row, "name") for row in rows} == {*TABLES, "study", "study_answer", "deletion"}


def test_its_job_is_one_that_workers_know(node: Node) -> None:
    deleted = delete(node)
    (row,) = node.database.read("SELECT queue, args FROM job WHERE name = ?", (JOB,))
    ARCHIVE[JOB](node, **json.loads(text(row, "args")))
    assert (row["queue"], get_deletion(node.database, deleted.id).turn) == (QUEUE, 1)


def test_a_job_that_comes_twice_changes_nothing(node: Node, clock: FrozenClock) -> None:
    done = erase_all(node, delete(node), clock)
    erase_study(node, done.id)
    assert get_deletion(node.database, done.id) == done
