"""A clinic and a centre with consults in every state, told and sealed; the database of either may be lost and written again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from federation.consult.commands import cancel_consult, claim, decline, release, request_consult
from federation.consult.pools import create_pool
from federation.consult.writing import sign
from federation.exchange import start_clean
from federation.membership import adopt
from node.canonical import canonical_json
from node.database.port import Statement
from node.dimse.remote_form import Remote, RemoteForm
from node.dimse.remotes import add_remote
from node.journal.records import record_digest
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR, Person
from node.reporting.delivery import deliver
from node.reporting.document import make_documents
from ops.configuration import write_configuration
from ops.rebuild.exporting import export_index
from ops.rebuild.rebuilding import Rebuilt, rebuild
from tests.kit.alliance import Alliance, Member
from tests.kit.alliance_keys import CHEAP
from tests.kit.bare_node import bare_node
from tests.kit.blocks import few_a_block, seal_all
from tests.kit.clock import FrozenClock
from tests.kit.consult import make_form
from tests.kit.lost_index import lose_database
from tests.kit.site import add_quickly
from tests.kit.travelling import complete, receive_ct

WORDS = {"findings": "右肺上叶见结节，直径约 8 mm。", "impression": "右肺上叶结节，建议随访。"}
POOL = "centre/chest"
SIGNED, DECLINED, CANCELLED, OPEN, CLAIMED, LATE, OWN = range(1, 8)
TABLES = ("consult_case", "case_fact", "claim", "referral", "hold", "access", "report", "delivery")


LACKED = {
    "consult-requested/2": "requested_by clinic_name due",
    "cancel-asked/2": "name",
    "case-answered/2": "due reason claimed_by claimed_name claimed_at overdue facts",
    "report-returned/2": "head",
    "report-signed/2": "head",
    "documents-made/2": "to",
}
"""What version 1 of an event did not say."""


class TickingFrozenClock(FrozenClock):
    """Moved by tests as the frozen one, and never the same twice, as a real one."""

    def now(self) -> int:
        self._now += 1
        return self._now


@dataclass
class Consulted:
    """An alliance with a past."""

    alliance: Alliance
    wang: Person
    li: Person
    cases: dict[int, str] = field(default_factory=dict)

    @property
    def alpha(self) -> Node:
        return self.alliance["alpha"].node

    @property
    def centre(self) -> Node:
        return self.alliance["centre"].node

    def state(self, name: str) -> Path:
        return self.alliance.folder / name

    def ask(self, study: int) -> str:
        """Let a study come to the clinic and be asked about; give the case."""
        key = receive_ct(self.alpha, study_uid=f"2.25.{study}", slices=2)
        self.alliance.deliver_all()
        complete(self.alpha, key)
        return self.ask_pool(self.alpha, self.wang, study, POOL)

    def ask_pool(self, node: Node, person: Person, study: int, pool: str) -> str:
        form = make_form(pool=pool, origin=node.id, study_uid=f"2.25.{study}")
        case_id = self.cases[study] = request_consult(node, person, form=form)
        self.alliance.deliver_all()
        return case_id

    def sign(self, case_id: str, **words: str) -> str:
        """Let the expert claim and sign a case; give the report."""
        claim(self.centre, self.li, case_id)
        return sign(self.centre, self.li, case_id, version=0, **(WORDS | words))

    def seal(self) -> None:
        for member in self.alliance:
            with few_a_block(8):
                seal_all(member.node)

    def lose(self, name: str) -> Rebuilt:
        """Take a node's database away, write it again from what lies beside it, and start the node in the alliance."""
        self.stop(name)
        lose_database(self.state(name))
        return self.rebuild(name)

    def stop(self, name: str) -> None:
        self.alliance.members.pop(NodeId(name)).node.close()

    def rebuild(self, name: str) -> Rebuilt:
        done = rebuild(self.state(name), clock=self.alliance.clock)
        self.start(name)
        return done

    def start(self, name: str) -> Member:
        node = bare_node(self.alliance.folder, name, self.alliance.clock)
        start_clean(node)
        return self.alliance.join(node)

    def copied(self, folder: Path) -> Consulted:
        """Give the same past in another folder, opened; this one is closed."""
        shutil.copytree(self.alliance.folder, folder, symlinks=True, dirs_exist_ok=True)
        clock = TickingFrozenClock(self.alliance.clock.now())
        alliance = Alliance(
            folder=folder, clock=clock, root=self.alliance.root, statements=[*self.alliance.statements]
        )
        copy = replace(self, alliance=alliance, cases=dict(self.cases))
        for name in ("alpha", "centre"):
            copy.start(name)
        return copy

    def come_back(self, name: str) -> None:
        """Let a node without accounts, pools and peers have them again, as its administrator does."""
        node = self.alliance[name].node
        node.write(adopt(node, self.alliance.statements))
        if name == "centre":
            create_pool(node, OPERATOR, slug="chest", name="胸部影像组", specialty="胸部")
            self.li = add_quickly(node, "li", "expert", pools=(POOL,))
        else:
            self.wang = add_quickly(node, "wang", "technician")
        self.alliance.deliver_all()


def live(folder: Path, *, earlier: bool = False) -> Consulted:
    """Let consults be asked for and end in every way; nothing of them waits in any outbox.

    Parameters
    ----------
    earlier
        Whether the version before wrote the events.
    """
    with patch("node.keys.passwords.COST", CHEAP):
        alliance = Alliance.found(folder, TickingFrozenClock())
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    for node in (alpha, centre):
        write_configuration(node.state, id=node.id, name=f"{node.id} hospital", reserve_mb=1)
    create_pool(centre, OPERATOR, slug="chest", name="胸部影像组", specialty="胸部")
    for name in ("北院PACS", "南院PACS"):
        form = RemoteForm(name=name, aet=f"PACS{ord(name[0])}", host="pacs.example", port=11112, reports=True)
        add_remote(alpha, OPERATOR, form)
    li = add_quickly(centre, "li", "expert", pools=(POOL,))
    told = Consulted(alliance, add_quickly(alpha, "wang", "technician"), li)
    alliance.deliver_all()
    for study in (SIGNED, DECLINED, CANCELLED, OPEN, CLAIMED, LATE):
        told.ask(study)
    _end(told)
    _ask_at_home(told)
    alliance.deliver_all()
    if earlier:
        for member in alliance:
            write_as_before(member.node)
    told.seal()
    return told


def _end(told: Consulted) -> None:
    report_id = told.sign(told.cases[SIGNED])
    decline(told.centre, told.li, told.cases[DECLINED], reason="影像质量不足")
    cancel_consult(told.alpha, told.wang, told.cases[CANCELLED], reason="已转院")
    claim(told.centre, told.li, told.cases[CLAIMED])
    release(told.centre, told.li, told.cases[CLAIMED], reason="换班")
    claim(told.centre, told.li, told.cases[CLAIMED])
    cancel_consult(told.alpha, told.wang, told.cases[LATE], reason="患者离院")
    late = told.sign(told.cases[LATE])  # before the cancel has come
    told.alliance.deliver_all()
    for one in (report_id, late):
        make_documents(told.alpha, one)
    rows = told.alpha.database.read(
        "SELECT delivery.id FROM delivery JOIN remote ON remote.id = destination WHERE remote.name LIKE '北%' ORDER BY 1"
    )
    for row in rows:
        deliver(told.alpha, str(row["id"]), taken)
    told.alliance.deliver_all()


def _ask_at_home(told: Consulted) -> None:
    """Let the centre ask its own pool about a study of its own."""
    receive_ct(told.centre, study_uid=f"2.25.{OWN}", slices=1)
    told.alliance.deliver_all()
    complete(told.centre, StudyKey(origin=told.centre.id, study_uid=StudyUID(f"2.25.{OWN}")))
    chen = add_quickly(told.centre, "chen", "technician")
    make_documents(told.centre, told.sign(told.ask_pool(told.centre, chen, OWN, POOL)))


def write_as_before(node: Node) -> None:
    """Make events of the journal what version 1 of them said; nothing of it is sealed yet."""
    for record in node.journal.since(0, limit=100_000):
        lacked = LACKED.get(record.type)
        if lacked is not None:
            body = {
                name: value for name, value in json.loads(record.body).items() if name not in lacked.split()
            }
            before = replace(record, type=f"{record.type[:-1]}1", body=canonical_json(body))
            digest = record_digest(
                at=before.at, origin=before.origin, type_=before.type, subject=before.subject,
                version=before.version, cause=before.cause, body=before.body,
            )  # fmt: skip
            sql = "UPDATE journal SET type = ?, body = ?, digest = ? WHERE seq = ?"
            node.write([Statement(sql, (before.type, before.body, digest, before.seq))])


def taken(node: Node, destination: Remote, sr: bytes) -> None:
    """Be a PACS that has it."""


def lines(node: Node) -> list[str]:
    """Give what the index says of consults and reports."""
    return [line for line in export_index(node) if json.loads(line)["table"] in TABLES]


def shown(node: Node) -> list[str]:
    """Give the same without the numbers of open cases, and what a rebuild has noted of them."""
    open_ = {
        str(row["case_id"])
        for row in node.database.read(
            "SELECT case_id FROM consult_case WHERE state IN ('requested', 'offered', 'claimed')"
        )
    }
    kept = []
    for line in lines(node):
        row = json.loads(line)
        if row["table"] == "consult_case" and row["case_id"] in open_:
            row.pop("version")
        if row.get("type") != "case-resumed/1":
            kept.append(json.dumps(row, sort_keys=True, ensure_ascii=False))
    return kept
