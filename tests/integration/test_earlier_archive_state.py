"""What a node with two tiers left under earlier schemas: opened by this one, which goes on with it.

`tests.kit.two_tiers` says what happened to it; ``digests.json`` and ``export.jsonl`` what that version answered. About
a minute, most of it the rebuild and what codes and decodes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.archive.archived import PART as IN_PART
from node.archive.archived import peek_archived
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.recall.recalling import bring
from node.catalogue.moving import RETIRED_FOR, retire_packs
from node.catalogue.search import instances_of
from node.database.schema import MIGRATIONS
from node.errors import Conflict
from node.node import Node
from ops.verify import UNSEALED, counts, verify
from tests.kit.archive_stores import flipped
from tests.kit.archived_study import lies_in_archive
from tests.kit.lost_index import (
    TickingClock,
    complete,
    differences,
    exported,
    key,
    lose_database,
    opened,
    rebuilt,
    send,
    wrong_in,
)
from tests.kit.state_fixture import NEAR, answers, contents, index_lines, lying, name_of, open_copy, said_by
from tests.kit.two_tiers import AWAY, CORRECTED, MERGED, PART, TOO, slice_
from tests.kit.two_tiers import main as keep_past

FIXTURES = Path(__file__).parents[1] / "fixtures"
SCHEMAS = (17, 20)
"""Before rows of archived instances were folded, and since."""


@dataclass(frozen=True)
class Past:
    """A fixture, and what the version that made it answered."""

    folder: Path
    said: dict[str, Any]


@pytest.fixture(params=SCHEMAS)
def past(request: pytest.FixtureRequest) -> Past:
    folder = FIXTURES / f"two-tiers-{request.param}"
    return Past(folder=folder, said=said_by(folder))


@pytest.fixture
def state(past: Past, tmp_path: Path) -> Path:
    return open_copy(past.folder, tmp_path / "alpha")


@pytest.fixture
def node(state: Path, clock: TickingClock) -> Iterator[Node]:
    node = opened(state, clock)
    yield node
    node.close()


def differing(found: dict[str, Any], said: dict[str, Any]) -> list[str]:
    """Give what is not there, or otherwise than it was."""
    return sorted(name for name in found.keys() | said.keys() if found.get(name) != said.get(name))


def rows(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def wrong(node: Node) -> list[str]:
    return [finding.line for finding in verify(node)]


def let_go(node: Node, clock: TickingClock, study: int) -> None:
    expire_study(node, key(study), reason="age")
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)


def test_it_is_of_an_earlier_schema_and_has_studies_in_each_tier(past: Past, node: Node) -> None:
    assert f"PRAGMA user_version = {len(MIGRATIONS)};" not in (past.folder / "database.sql").read_text()
    assert node.database.read("PRAGMA user_version") == [{"user_version": len(MIGRATIONS)}]
    assert [lies_in_archive(node, key(study)) for study in (AWAY, TOO, PART, MERGED)] == [
        True,
        False,
        False,
        True,
    ]
    part = peek_archived(node.database, key(PART))
    assert part is not None
    assert part.online == IN_PART
    assert any(row.number is None for row in instances_of(node.database, key(AWAY)))


def test_it_answers_as_it_did(past: Past, node: Node) -> None:
    found = answers(node)
    assert {name: found[name] for name in found if found[name] != past.said[name]} == {}


def test_what_lies_in_the_archive_alone_is_read_there(past: Past, node: Node) -> None:
    assert differing(lying(node), past.said["lying"]) == []


def test_the_index_says_what_it_said(past: Past, node: Node) -> None:
    """A later version may know more of a row."""
    before = rows((past.folder / "export.jsonl").read_text().splitlines())
    columns = {row["table"]: row.keys() for row in before}
    after = [{name: row[name] for name in columns[row["table"]]} for row in rows(index_lines(node))]
    assert after == before


def test_nothing_is_wrong_with_it_and_all_its_records_are_in_signed_blocks(past: Past, node: Node) -> None:
    assert wrong(node) == []
    counted = counts(node)
    assert (counted[UNSEALED], counted["blocks"]) == (
        0,
        len(list((past.folder / "state" / "blocks").iterdir())),
    )


def test_each_instance_comes_byte_for_byte_as_it_was_stored_and_as_it_left(past: Past, node: Node) -> None:
    assert differing(contents(node), past.said["bytes"]) == []
    assert wrong(node) == []


def test_sealed_copies_alone_give_the_same_bytes(past: Past, state: Path, clock: TickingClock) -> None:
    shutil.rmtree(state / NEAR)
    node = opened(state, clock)
    assert differing(lying(node), past.said["lying"]) == []
    assert differing(contents(node), past.said["bytes"]) == []
    node.close()


def test_studies_go_on_between_the_tiers(past: Past, node: Node, clock: TickingClock) -> None:
    let_go(node, clock, TOO)
    for study in (AWAY, PART):
        bring(node, key(study), who="Dr. Li", why="asked")
    assert [lies_in_archive(node, key(study)) for study in (AWAY, TOO, PART)] == [False, True, False]
    assert answers(node) == {name: past.said[name] for name in answers(node)}
    assert differing(contents(node), past.said["bytes"]) == []
    for study in (AWAY, TOO, PART, MERGED):
        let_go(node, clock, study)
    assert differing(contents(node), past.said["bytes"]) == []
    assert wrong(node) == []


def test_a_study_that_lies_in_the_archive_alone_grows_and_is_archived_anew(
    past: Past, node: Node, clock: TickingClock
) -> None:
    send(node, clock, AWAY, slice_(AWAY, 9))
    complete(node, clock)
    for _ in range(2):  # it comes back first
        with suppress(Conflict):
            archive_study(node, origin="alpha", study_uid=f"2.25.{AWAY}")
    archived = peek_archived(node.database, key(AWAY))
    assert archived is not None
    assert archived.generation == 2
    let_go(node, clock, AWAY)
    found = contents(node)
    assert {name: found[name] for name in past.said["bytes"]} == past.said["bytes"]
    assert len(found) == len(past.said["bytes"]) + 1
    assert wrong(node) == []


def test_an_index_that_is_lost_is_written_again(past: Past, state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    before = exported(node)
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert (done.records.unreadable, done.packages.unreadable, done.studies.missing) == ([], [], {})
    node = opened(state, clock)
    assert differences(before, exported(node)) == []
    assert differing(contents(node), past.said["bytes"]) == []
    node.close()
    assert wrong_in(state, clock) == []


def test_what_this_version_leaves_can_be_kept_for_later_ones(
    past: Past, tmp_path: Path, clock: TickingClock
) -> None:
    keep_past([str(tmp_path / "kept")])
    said = said_by(tmp_path / "kept")
    node = opened(open_copy(tmp_path / "kept", tmp_path / "alpha"), clock)
    assert differing(lying(node), said["lying"]) == []
    assert differing(contents(node), said["bytes"]) == []
    assert said["bytes"] == past.said["bytes"]
    node.close()


def test_a_planted_altered_byte_of_a_pack_is_caught(past: Past, state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    (row,) = instances_of(node.database, key(CORRECTED))
    pack = node.packs.path(row.pack)
    pack.write_bytes(flipped(pack.read_bytes(), row.data_offset + row.data_bytes - 1))
    assert differing(contents(node), past.said["bytes"]) == [name_of(row)]
    node.close()


def test_a_planted_migration_that_forgets_an_instance_is_caught(
    past: Past, state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetting = ("DELETE FROM archived_series WHERE state = 'rejected'",)
    monkeypatch.setattr("node.database.sqlite.MIGRATIONS", (*MIGRATIONS, forgetting))
    node = opened(state, clock)
    assert [name.split()[0] for name in differing(lying(node), past.said["lying"])] == [f"2.25.{AWAY}.1.3"]
    assert answers(node)["instances"] != past.said["instances"]
    node.close()
