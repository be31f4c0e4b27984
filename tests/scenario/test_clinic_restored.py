"""A clinic is restored from a backup made before its last three consults: it begins a new life, and its next consult arrives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from federation.consult.commands import request_consult
from federation.consult.pools import create_pool
from federation.exchange import start_clean
from federation.policy import change_policy
from node.keys.backup_key import draw_backup_key, open_backup_key
from node.names import NodeId
from node.node import Node
from node.people.accounts import OPERATOR, Person
from ops.backup.making import back_up
from ops.backup.opening import open_folder_place
from ops.backup.restoring import Restored, restore
from ops.configuration import write_configuration
from ops.verify import verify
from tests.kit.alliance import Alliance
from tests.kit.alliance_keys import CHEAP, PASSPHRASE
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.consult import make_form
from tests.kit.site import add_quickly
from tests.kit.travelling import complete, problems, receive_ct

CENTRE = NodeId("centre")


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    with patch("node.keys.passwords.COST", CHEAP):
        alliance = Alliance.found(tmp_path, FrozenClock())
    yield alliance
    alliance.close()


def ask(alliance: Alliance, technician: Person, pool: str, study: int) -> str:
    """Let a study come and be asked about; give the case."""
    alpha = alliance["alpha"].node
    key = receive_ct(alpha, study_uid=f"2.25.{study}", slices=2)
    alliance.deliver_all()
    complete(alpha, key)
    case_id = request_consult(alpha, technician, form=make_form(pool=pool, study_uid=key.study_uid))
    alliance.deliver_all()
    return case_id


def cases_at(node: Node) -> set[str]:
    return {str(row["case_id"]) for row in node.database.read("SELECT case_id FROM consult_case")}


def back_up_clinic(alliance: Alliance) -> None:
    """Make a backup of the clinic."""
    alpha, folder = alliance["alpha"].node, alliance.folder
    write_configuration(alpha.state, id="alpha", name="Alpha", reserve_mb=1)
    (folder / "backups").mkdir()
    with patch("node.keys.locked.COST", CHEAP):
        draw_backup_key(alpha.keys, alpha.state / "keys", drawer=folder / "drawer", passphrase=PASSPHRASE)
    back_up(alpha, open_folder_place(folder / "backups", begin=True))


def lose_and_restore_clinic(alliance: Alliance) -> Restored:
    """Let the clinic's machine burn, restore its backup, and start it."""
    folder = alliance.folder
    alliance.members.pop(NodeId("alpha")).node.close()
    shutil.rmtree(folder / "alpha")
    place = open_folder_place(folder / "backups")
    restored = restore(place, folder / "alpha", key=open_backup_key(folder / "drawer", PASSPHRASE))
    node = bare_node(folder, "alpha", alliance.clock)
    start_clean(node)
    alliance.join(node)
    return restored


def test_its_next_consult_arrives_and_what_it_had_sent_before_stays(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    change_policy(alpha, CENTRE, grant="everything", by="test")
    pool = create_pool(centre, OPERATOR, slug="chest", name="胸部影像组", specialty="胸部").id
    technician = add_quickly(alpha, "wang", "technician")
    alliance.deliver_all()
    before = ask(alliance, technician, pool, 1)
    back_up_clinic(alliance)
    lost = {ask(alliance, technician, pool, study) for study in (2, 3, 4)}
    assert cases_at(centre) == {before, *lost}
    incarnation = alpha.keys.incarnation

    restored = lose_and_restore_clinic(alliance)
    alpha = alliance["alpha"].node
    assert alpha.keys.incarnation == restored.incarnation > incarnation
    assert problems(alpha).count("node-restored") == 1
    assert cases_at(alpha) == {before}
    assert list(verify(alpha)) == []

    alliance.deliver_all()
    next_ = ask(alliance, technician, pool, 5)
    assert next_ in cases_at(centre)
    assert {before, *lost} <= cases_at(centre)
    held = "SELECT sop_uid, digest FROM instance WHERE study_uid = '2.25.5' ORDER BY sop_uid"
    assert centre.database.read(held) == alpha.database.read(held)
    assert len(alpha.database.read(held)) == 2
    sent = alpha.database.read(
        "SELECT inc, state FROM outbox WHERE peer = ? AND inc = ?", (CENTRE, restored.incarnation)
    )
    assert sent
    assert {row["state"] for row in sent} == {"received"}
    assert not {"envelope-forked", "envelope-chain-broken", "envelope-replayed"} & {*problems(centre)}
