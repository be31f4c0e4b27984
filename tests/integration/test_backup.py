"""Backups taken while everything goes on, killed half-way, over a bucket, by command; restored, and held against what was answered.

About a minute. The drill opens 300 instances, 10,000 with ``MERIDIAN_LONG=1``.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.archive.archiving import archive_study
from node.archive.stores.credentials import keep_credentials
from node.catalogue.moving import RETIRED_FOR, retire_packs
from node.clock import SystemClock
from node.database.port import Statement
from node.errors import Unavailable
from node.names import Cause
from node.node import Node
from node.watch.backups import last_backup, last_drill
from ops.backup.checking import check_backup
from ops.backup.drill import Drilled, drill, remember
from ops.backup.making import back_up
from ops.backup.opening import CREDENTIALS, open_place
from ops.backup.pruning import prune
from ops.backup.restoring import restore
from ops.cli import app
from ops.compose import compose_node
from ops.free_ports import free_ports
from ops.verify import verify
from tests.kit.alliance_keys import PASSPHRASE
from tests.kit.archived_study import expire_study, hold_study, lies_in_archive
from tests.kit.backing import Backed, arrive, read_everything, wrong_in
from tests.kit.clock import FrozenClock
from tests.kit.instances import CT_IMAGE, file_meta, make_ct
from tests.kit.merging import KEY, ingest, packs_meant
from tests.kit.outage import Outages
from tests.kit.planting import planted
from tests.kit.promises import Device, broken
from tests.kit.receiving import admit_all
from tests.kit.registering import facts
from tests.kit.seaweed import WRITER, Seaweed

ROOT = Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("MERIDIAN_LONG"))
DRILLED = 10_000 if LONG else 300
DEVICES = 2
run = CliRunner()


@pytest.fixture
def backed(tmp_path: Path) -> Backed:
    return Backed.begin(tmp_path)


@pytest.mark.timeout(120)
def test_a_backup_in_full_ingest_has_each_row_s_bytes_and_all_that_was_answered_before(
    backed: Backed,
) -> None:
    admit_all(backed.state)
    outages = Outages()
    try:
        outages.start_index(backed.state, backed.folder / "notes")
        port = outages.start_receiver(backed.state)
        devices = [Device(port, f"2.25.7{k}", sizes=(200, 2_000, 40_000)) for k in range(DEVICES)]
        for device in devices:
            device.start()
        assert all(device.begun.wait(30) for device in devices)
        for n in range(3):
            answered = [uid for device in devices for uid in list(device.acknowledged)]
            node = backed.open()
            made = backed.make(node)
            node.close()
            meanwhile = sum(len(device.acknowledged) for device in devices) - len(answered)
            assert meanwhile > 0, "nothing came while it was made"
            state = backed.restore(f"restored-{n}", backup=made.name).state
            assert wrong_in(state) == []
            found = broken(state, answered, {})
            assert not found, vars(found)
            print(f"{len(answered)} answered before, {meanwhile} meanwhile, {made.put_bytes} bytes put")
    finally:
        outages.close()


def killed_at(backed: Backed, failpoint: str, *verb: str) -> int:
    """Let the command make a backup, or do something else, to be killed at a point; give how it ended."""
    command = [
        sys.executable,
        "-m",
        "ops.cli",
        "backup",
        *verb,
        str(backed.state),
        "--to",
        str(backed.folder / "backups"),
    ]
    environment = {**os.environ, "MERIDIAN_FAILPOINTS": failpoint}
    return subprocess.run(
        command, env=environment, cwd=ROOT, timeout=120, check=False, capture_output=True
    ).returncode


@pytest.mark.parametrize(
    "failpoint", ["backup-packs-taken", "backup-object-put", "backup-unnamed", "backup-named"]
)
def test_kill_9_half_way_leaves_the_earlier_one_and_the_next_goes_on(backed: Backed, failpoint: str) -> None:
    node = backed.open()
    arrive(node, 1, 1)
    first = backed.make(node)
    for study in range(2, 5):
        arrive(node, study, 1, size=512)
    before = read_everything(node)
    node.close()
    assert killed_at(backed, failpoint) == -9
    place = backed.place()
    newest = place.backup()
    assert (newest.name == first.name) == (failpoint != "backup-named")
    assert list(check_backup(place, newest)) == []
    assert wrong_in(backed.restore("earlier", backup=first.name).state) == []
    made = backed.make()
    if failpoint in ("backup-unnamed", "backup-named"):
        assert made.put_bytes < 512 * 512 * 2, "what the killed one had put is not put again"
    state = backed.restore().state
    assert wrong_in(state) == []
    there = compose_node(state)
    assert read_everything(there) == before
    there.close()


def test_kill_9_amid_removing_leaves_those_that_stay_whole_and_the_next_goes_on(backed: Backed) -> None:
    node = backed.open()
    for study in range(1, 51):
        arrive(node, study, 1)
        newest = backed.make(node)
    node.close()
    place = backed.place()
    assert killed_at(backed, "backup-pruned", "prune") == -9
    assert len(place.backups()) == 48
    there = len(backed.objects())
    pruned = prune(backed.state, place, keep=1, daily=0)
    assert (pruned.backups, pruned.kept) == (47, 1)
    assert len(backed.objects()) < there / 2
    assert place.backup().name == newest.name
    assert wrong_in(backed.restore().state) == []


def test_a_place_that_is_really_full_says_so(backed: Backed) -> None:
    node = backed.open()
    arrive(node, 1, *range(1, 9), size=512)
    node.close()
    place = backed.folder / "backups"
    script = 'mount -t tmpfs -o size=3m none "$0" && exec "$@"'
    command = [sys.executable, "-m", "ops.cli", "backup", str(backed.state), "--to", str(place)]
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    ended = subprocess.run(
        ["unshare", "--mount", *own, "sh", "-ec", script, str(place), *command],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "it is full. Free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list((backed.state / "backup" / "work").iterdir()) == []


def test_packages_of_the_embedded_store_come_back_and_are_drilled(backed: Backed) -> None:
    clock = FrozenClock()
    node = backed.open(clock=clock)
    hold_study(node)
    archive_study(node, origin=KEY.origin, study_uid=KEY.study_uid)
    expire_study(node, KEY, reason="age")
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)
    assert lies_in_archive(node)
    backed.make(node)
    node.close()
    state = backed.restore().state
    assert wrong_in_archive(state) == []
    drilled = drill_(backed)
    assert (drilled.studies, drilled.instances, drilled.differences) == (1, 6, ())


def wrong_in_archive(state: Path) -> list[str]:
    node = compose_node(state)
    try:
        return [finding.line for finding in verify(node)]
    finally:
        node.close()


def drill_(backed: Backed, *, studies: int = 20) -> Drilled:
    return drill(
        backed.place(),
        key=backed.key(),
        at=SystemClock().now(),
        studies=studies,
        folder=backed.folder,
        chance=random.Random(3),
    )


def fill_up(node: Node, instances: int) -> int:
    """Let as many small instances come, a hundred a study; give how many studies."""
    for study in range(1, instances // 100 + 1):
        writer = node.packs.open_writer(study_uid=f"2.25.{study}", cause=Cause("c"))
        for n in range(1, 101):
            uid = f"2.25.{study}.1.{n}"
            writer.append(
                facts(node, study_uid=f"2.25.{study}", cause=Cause("c")),
                sop_class=CT_IMAGE,
                sop_uid=uid,
                file_meta=file_meta(sop_uid=uid),
                data_set=make_ct(study_uid=f"2.25.{study}", sop_uid=uid, number=n),
            )
        writer.close()
    ingest(node)
    return instances // 100


@pytest.mark.timeout(1800 if LONG else 300)
def test_a_drill_opens_studies_and_finds_no_difference(backed: Backed) -> None:
    node = backed.open()
    studies = fill_up(node, DRILLED)
    made = backed.make(node)
    drilled = drill_(backed, studies=studies)
    assert (drilled.studies, drilled.instances, drilled.differences) == (studies, DRILLED, ())
    assert list(backed.folder.glob("meridian-drill-*")) == [], "nothing of it stays"
    assert last_drill(node.database) is None
    remembered = last_backup(node.database)
    assert remembered is not None
    assert (remembered.backup, remembered.at) == (made.name, made.manifest.at)
    node.write([remember(drilled)])
    last = last_drill(node.database)
    assert last is not None
    assert (last.backup, last.instances, last.differences) == (made.name, DRILLED, 0)
    node.close()
    print(f"drill of {DRILLED} instances in {studies} studies: {drilled.seconds:.1f} s, 0 differences")


def spoil(node: Node) -> None:
    """Alter a byte of a record, and what a row means, before the backup: restoring cannot know."""
    first, second = sorted(packs_meant(node))
    path = node.packs.path(first)
    raw = path.read_bytes()
    at = len(raw) // 2
    path.write_bytes(raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])
    node.write([Statement("UPDATE online_instance SET digest = ? WHERE pack = ?", ("0" * 64, second))])


def test_a_drill_finds_what_was_damaged_before_the_backup(backed: Backed) -> None:
    assert len(_differences_of_spoiled(backed)) == 2


def test_a_planted_drill_that_compares_nothing_is_caught(
    backed: Backed, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "drill-compares-nothing")
    assert len(_differences_of_spoiled(backed)) < 2


def _differences_of_spoiled(backed: Backed) -> list[str]:
    node = backed.open()
    arrive(node, 1, 1, size=64)
    arrive(node, 2, 1)
    spoil(node)
    backed.make(node)
    node.close()
    return [one for one in drill_(backed).differences if "instance" in one]


def test_a_drill_of_a_damaged_backup_says_so(backed: Backed) -> None:
    backed.make()
    for path in (backed.folder / "backups" / "objects").glob("*/*"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    drilled = drill_(backed)
    assert len(drilled.differences) == 1
    assert "altered" in drilled.differences[0]


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        server.make_bucket("backups")
        yield server


def test_a_bucket_holds_backups_as_a_folder_does(backed: Backed, seaweed: Seaweed) -> None:
    where = f"s3+{seaweed.endpoint}/backups/hospital/alpha"
    keys = backed.state / "keys"
    keep_credentials(keys, CREDENTIALS, WRITER)
    with (
        pytest.raises(Unavailable, match="no such store"),
        closing(open_place(where, keys_folder=keys)) as none,
    ):
        none.backups()
    node = backed.open()
    with closing(open_place(where, begin=True, keys_folder=keys)) as place:
        arrive(node, 1, 1, 2)
        first = back_up(node, place)
        arrive(node, 2, 1)
        second = back_up(node, place)
        before = read_everything(node)
        assert second.manifest.parent == first.name
        assert [one.name for one in place.backups()] == [second.name, first.name]
        assert list(check_backup(place, place.backup())) == []
        state = restore(place, backed.folder / "restored", key=backed.key()).state
    node.close()
    assert wrong_in(state) == []
    there = compose_node(state)
    assert read_everything(there) == before
    there.close()


def meridian(*words: object, typed: str = "", code: int = 0) -> str:
    outcome = run.invoke(app, [str(word) for word in words], input=typed, catch_exceptions=False)
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def test_an_administrator_draws_a_key_backs_up_checks_restores_and_drills(tmp_path: Path) -> None:
    state, drawer, backups = tmp_path / "alpha", tmp_path / "drawer", tmp_path / "backups"
    backups.mkdir()
    dicom, web = free_ports(2)
    meridian("init", state, "--id", "alpha", "--name", "A", "--dicom-port", dicom, "--web-port", web)
    drawn = meridian("backup", "key", state, "--out", drawer, typed=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert "without both no backup is ever read" in drawn
    assert "were new" in meridian("backup", state, "--to", backups)
    again = meridian("backup", "make", state, "--to", backups)
    assert re.search(r"of which 0\.[0-3] MB were new", again), (
        "more than the row that remembers the first one"
    )
    assert len(meridian("backup", "list", backups).splitlines()) == 2
    assert "nothing wrong" in meridian("backup", "check", backups, "--key", drawer)
    assert "give --key to be sure" in meridian("backup", "check", backups)
    typed = f"{PASSPHRASE}\n"
    assert "ever tried out" in meridian("backup", "last", state, code=1)
    assert "0 differences" in meridian("drill", backups, "--key", drawer, "--state", state, typed=typed)
    assert "0 differences" in meridian("backup", "last", state)
    restored = tmp_path / "restored"
    said = meridian("restore", backups, restored, "--key", drawer, typed=typed)
    assert "since then is lost" in said
    assert "no findings" in meridian("verify", restored)
    wrong = run.invoke(
        app,
        ["restore", str(backups), str(tmp_path / "never"), "--key", str(drawer)],
        input="another long passphrase\n",
    )
    assert "wrong passphrase" in str(wrong.exception)
    assert not (tmp_path / "never").exists()
