"""The database is lost, and written again from what lies beside it: the same index down to each row.

What is not there any more, and what is said of it: `test_rebuild_blocks.py` and its neighbours. About half a minute.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.catalogue.correction_drafts import draft_rejection
from node.catalogue.corrections import make_correction
from node.catalogue.search import get_study
from node.clock import SECOND, SystemClock
from node.database.port import Statement
from node.database.salvage import OldDatabase
from node.errors import Conflict
from node.journal.blocks import read_block_file
from node.people.accounts import OPERATOR, create_account
from node.people.sessions import issue_bearer
from ops.alone import alone, running
from ops.cli import app
from ops.configuration import write_configuration
from ops.free_ports import free_ports
from ops.rebuild.tables import EXPORTED
from ops.running import start_node
from tests.kit.consulted import TABLES as OF_CONSULTS
from tests.kit.http import Visitor
from tests.kit.lost_index import (
    TickingClock,
    complete,
    content_of,
    differences,
    export_of,
    key,
    land,
    live,
    lose_database,
    opened,
    read_all,
    rebuilt,
    send,
    slice_,
    tables_in,
    until_of,
    wrong_in,
)
from tests.kit.merging import ingest
from tests.kit.people import TECHNICIAN
from tests.kit.planting import planted
from tests.kit.site import open_site

run = CliRunner()


def test_a_lost_index_is_written_again_row_for_row(state: Path, clock: TickingClock) -> None:
    before = export_of(state, clock)
    assert tables_in(before) == set(EXPORTED) - set(OF_CONSULTS)
    assert wrong_in(state, clock) == []
    lose_database(state)
    done = rebuilt(state, clock)
    after = export_of(state, clock)
    assert differences(before, after) == []
    assert before == after
    assert (done.journal.fault, done.doubt.marked) == ("", 0)
    assert (done.records.unreadable, done.packages.unreadable, done.studies.missing) == ([], [], {})
    assert wrong_in(state, clock) == []
    node = opened(state, clock)
    assert set(until_of(node).values()) == {None}
    assert all(digest == content[1] for content, digest in read_all(node).items())
    node.close()


def test_a_planted_rebuild_that_forgets_corrections_is_caught(
    state: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "rebuild-forgets-corrections")
    before = export_of(state, clock)
    lose_database(state)
    rebuilt(state, clock)
    changed = tables_in([line[2:] for line in differences(before, export_of(state, clock))])
    assert {"study", "overlay", "said"} <= changed


def test_queries_are_answered_as_before(state: Path, clock: TickingClock) -> None:
    def answers() -> list[Any]:
        node = opened(state, clock)
        try:
            with open_site(node) as site:
                visitor = Visitor(site.web, bearer=issue_bearer(node, OPERATOR, principal="exchange"))
                return [
                    json.loads(json.dumps(visitor.get(f"/dicomweb/{path}")).replace(site.web, ""))
                    for path in ("studies", "studies/2.25.1/series", "studies?PatientID=B-42")
                ]
        finally:
            node.close()

    before = answers()
    lose_database(state)
    rebuilt(state, clock)
    assert answers() == before
    assert len(before[0]) > 8


def test_a_rebuild_of_a_rebuild_is_the_same_again(state: Path, clock: TickingClock) -> None:
    lose_database(state)
    rebuilt(state, clock)
    once = export_of(state, clock)
    done = rebuilt(state, clock)  # of a database that can be read: what no block holds is in it
    assert done.journal.tail > 0
    assert export_of(state, clock) == once
    assert done.kept is not None
    assert done.kept.exists()


def test_what_the_journal_had_not_told_yet_is_told_and_verify_is_clean(state: Path) -> None:
    clock = TickingClock(read_block_file(sorted((state / "blocks").iterdir())[-1]).header.at)
    node = opened(state, clock)
    send(node, clock, 20, slice_(20, 1), slice_(20, 2))
    send(node, clock, 2, slice_(2, 9))
    land(node, clock, 21, slice_(21, 1))  # the index had not come to it
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    assert (done.studies.told, done.doubt.marked) == (4, 0)
    assert wrong_in(state, clock) == []
    node = opened(state, clock)
    ingest(node)
    assert node.packs.landing() == []
    complete(node, clock)
    assert {get_study(node.database, key(n)).state for n in (2, 20, 21)} == {"complete"}
    node.close()


def test_content_of_an_old_database_is_copied_and_a_doubted_catalogue_is_not(
    state: Path, clock: TickingClock
) -> None:
    node = opened(state, clock)
    create_account(node, OPERATOR, user="li", name="Li", roles=["technician"])
    make_correction(node, TECHNICIAN, draft_rejection(node, key(3)), reason="Blurred")  # in no block yet
    node.close()
    before, content = export_of(state, clock), content_of(state, clock)
    assert {"account", "audit"} <= content.keys()
    node = opened(state, clock)
    node.write(
        [
            Statement("UPDATE study SET conflict = 0, state = 'receiving'"),
            Statement("DELETE FROM online_instance WHERE study_uid = '2.25.1'"),
            Statement("DELETE FROM overlay"),
            Statement("DELETE FROM correction"),
        ]
    )
    node.close()
    done = rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []
    assert (done.doubt.marked, done.journal.tail > 0) == (0, True)
    assert content_of(state, clock) == content
    assert wrong_in(state, clock) == []
    assert done.kept is not None
    kept = OldDatabase(done.kept)
    assert kept.read("SELECT count(*) AS n FROM correction") == [{"n": 0}]
    kept.close()


def test_a_node_that_runs_is_not_rebuilt_and_one_that_is_rebuilt_does_not_start(
    state: Path, clock: TickingClock
) -> None:
    with running(state), running(state), pytest.raises(Conflict, match="Stop 'meridian serve'"):
        rebuilt(state, clock)
    with alone(state, act="Testing"):
        said = run.invoke(app, ["serve", str(state)])
    assert isinstance(said.exception, Conflict)
    assert "being rebuilt" in str(said.exception)


def test_the_command_says_what_came_of_it_and_what_was_lost(state: Path) -> None:
    lose_database(state)
    said = run.invoke(app, ["rebuild", str(state)])
    assert said.exit_code == 0, said.output
    for words in (
        "Content: none. Accounts",
        "blocks; the last,",
        "Packages: 2",
        "Studies: 12",
        "meridian verify",
    ):
        assert words in said.output
    lines = run.invoke(app, ["export-index", str(state)]).output.splitlines()
    assert tables_in(lines) >= {"study", "instance", "journal"}
    assert run.invoke(app, ["verify", str(state)]).exit_code == 0


def test_a_node_is_stopped_rebuilt_and_serves_again(tmp_path: Path) -> None:
    dicom, web = free_ports(2)
    clock = TickingClock(SystemClock().now() - 3600 * SECOND)
    write_configuration(
        tmp_path / "alpha", id="alpha", name="Alpha", reserve_mb=1, dicom_port=dicom, web_port=web
    )
    state = tmp_path / "alpha"
    node = opened(state, clock)
    live(node, clock)
    token = issue_bearer(node, OPERATOR, principal="exchange")
    node.close()
    command = [sys.executable, "-m", "ops.cli", "rebuild", str(state)]
    serving = start_node(state)
    try:
        serving.wait_until_ready()
        listed = Visitor(serving.web, bearer=token).get("/dicomweb/studies")
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    finally:
        serving.stop()
    assert refused.returncode == 1
    assert "Stop 'meridian serve'" in refused.stderr
    lose_database(state)
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stderr
    node = opened(state, clock)
    token = issue_bearer(node, OPERATOR, principal="exchange")
    node.close()
    serving = start_node(state)
    try:
        serving.wait_until_ready()
        again = Visitor(serving.web, bearer=token).get("/dicomweb/studies")
        assert "First start: make the administrator's account" in serving.log.read_text()
    finally:
        serving.stop()
    assert again == listed
    assert len(listed) > 8
