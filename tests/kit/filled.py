"""Two nodes in whose folders something of every kind lies, as a walk leaves it and as mail under way looks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from federation.consult.commands import claim, request_consult
from federation.consult.pools import create_pool, set_memberships
from federation.consult.writing import sign
from federation.inbox import take
from federation.policy import change_policy
from federation.transport.port import Delivery
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.catalogue.moving import retire_packs
from node.database.port import Statement, text
from node.journal.cursors import position
from node.keys.encoding import from_base64
from node.names import NodeId
from node.node import Node
from node.people.accounts import OPERATOR
from node.reporting.document import make_documents
from node.store.packs import index_cursor
from tests.kit.alliance import Alliance
from tests.kit.alliance_keys import CHEAP
from tests.kit.bare_node import bare_node
from tests.kit.blocks import few_a_block, seal_all
from tests.kit.clock import FrozenClock
from tests.kit.consult import make_form
from tests.kit.holding import hold
from tests.kit.instances import make_ct
from tests.kit.site import add_quickly
from tests.kit.travelling import complete, receive_ct

STUDY, WAITING, ARCHIVED = "2.25.41", ("2.25.42", "2.25.43"), "2.25.44"
"""The study that was read, those whose parts and announcements cannot leave, and one that lies in the archive alone."""
CENTRE = NodeId("centre")
RECORDS = 4
"""In a block."""


@dataclass(frozen=True)
class Filled:
    """The folder of both nodes' folders; nothing is open."""

    folder: Path
    report_id: str

    def open(self, name: str) -> Node:
        return bare_node(self.folder, name, FrozenClock())

    def copied(self, folder: Path) -> Filled:
        """Give the same in another folder, to be damaged."""
        for name in ("alpha", "centre"):
            shutil.copytree(self.folder / name, folder / name)
        return Filled(folder, self.report_id)


def fill(folder: Path) -> Filled:
    """Let a study be read and its report come home; then cut the link, with a study, mail and a pool's news on it."""
    with patch("node.keys.passwords.COST", CHEAP):
        alliance = Alliance.found(folder, FrozenClock())
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    change_policy(alpha, CENTRE, grant="everything", by="test")
    pool = create_pool(centre, OPERATOR, slug="chest", name="胸部影像组", specialty="胸部")
    expert = add_quickly(centre, "li", "expert")
    technician = add_quickly(alpha, "wang", "technician")
    set_memberships(centre, OPERATOR, person_id=expert.id, pools=[pool.id])
    key = receive_ct(alpha, study_uid=STUDY, slices=3)
    alliance.deliver_all()
    complete(alpha, key)
    alliance.deliver_all()
    case_id = request_consult(alpha, technician, form=make_form(pool=pool.id, study_uid=STUDY))
    alliance.deliver_all()
    claim(centre, expert, case_id)
    report_id = sign(centre, expert, case_id, version=0, findings="两肺清晰。", impression="未见异常。")
    alliance.deliver_all()
    make_documents(alpha, report_id)
    alliance.deliver_all()
    for node in (alpha, centre):
        complete(node, key)
    alliance.deliver_all()
    for node in (alpha, centre):
        _seal(node)
        _finish_landing(node)
    _leave_under_way(alliance)
    _leave_to_archive(alpha)
    alliance.close()
    return Filled(folder, report_id)


def _seal(node: Node) -> None:
    """Seal all that has happened, and leave what comes after it unsealed."""
    with few_a_block(RECORDS):
        assert seal_all(node) >= 3


def _finish_landing(node: Node) -> None:
    """Let go of packs that are wholly indexed, as the ingest does."""
    for pack in node.packs.landing():
        if node.packs.is_finished(pack, position(node.database, index_cursor(pack))):
            node.packs.landed(pack)


def _leave_to_archive(node: Node) -> None:
    slices = [make_ct(study_uid=ARCHIVED, sop_uid=f"{ARCHIVED}.1.{n}", number=n) for n in (1, 2)]
    key = hold(node, slices)
    complete(node, key)
    _finish_landing(node)
    archive_study(node, origin=key.origin, study_uid=key.study_uid)
    expire_study(node, key, reason="due")
    node.write([Statement("UPDATE retired_pack SET due = 0")])
    retire_packs(node)


def _leave_under_way(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    alliance.faults.cut.add(alpha.id)
    for study_uid in WAITING:
        receive_ct(alpha, study_uid=study_uid, slices=2)
    alliance.deliver_all()
    create_pool(centre, OPERATOR, slug="head", name="神经影像组", specialty="神经")
    alliance.deliver_all()
    sealed = alpha.database.read("SELECT envelope FROM outbox WHERE state = 'sealed' ORDER BY n")
    ahead = from_base64(text(sealed[-1], "envelope"))
    for envelope in (ahead, b"no envelope"):
        delivery = Delivery(arrival=0, sender=alpha.id, envelope=envelope)
        take(centre, alliance["centre"].rosters(), delivery)
