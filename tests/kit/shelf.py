"""A node with a few studies of two hospitals on its shelf, and a receiver that answers about them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from node.catalogue.written import write_study
from node.clock import SystemClock
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote
from node.dimse.rules import EVERY_ORIGIN, FILE, Rule, Rules, write_rules
from node.dimse.server import Receiver
from node.names import NodeId, StudyUID
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.catalogued import study
from tests.kit.instances import make_ct
from tests.kit.receiving import config_for, receiving
from tests.kit.receiving import rule as any_rule
from tests.kit.registering import facts, receive

SLICES = 3


class Person:
    """Who adds a remote AE in tests."""

    id = "person-1"


@contextmanager
def shelf(folder: Path, *, reads: str = EVERY_ORIGIN) -> Iterator[tuple[Node, Receiver]]:
    """Give a node of three own studies and one of the hospital beta, and its receiver."""
    node = bare_node(folder, "alpha", SystemClock())
    put_study(node, "2.25.1", patient_id="A-17", patient_name="Zhang^San", study_date="20260302")
    put_study(node, "2.25.2", patient_id="A-18", patient_name="Wang^Xiaoming=王^小明", study_date="20260401")
    put_study(node, "2.25.3", patient_id="A-17", patient_name="Zhang^San", study_date="20260505")
    put_study(node, "2.25.9", patient_id="A-17", patient_name="Li^Si", study_date="20260606", origin="beta")
    publish(node, any_rule(), reads=reads)
    try:
        with receiving(node.state, config=config_for(), packs=node.packs, catalogue=lambda: node) as receiver:
            yield node, receiver
    finally:
        node.close()


def publish(node: Node, rule: Rule, *, reads: str) -> None:
    """Let everybody in whom a rule is for, and read so much."""
    rules = Rules(called=("ALPHA",), rules=(replace(rule, reads=reads),), origins={"BETA": "beta"})
    write_rules(node.state / "landing" / FILE, rules)


def put_study(
    node: Node,
    uid: str,
    *,
    patient_id: str,
    patient_name: str,
    study_date: str,
    origin: str = "alpha",
    issuer: str = "HIS",
) -> None:
    """Receive a study of a few slices."""
    door = "dicom" if origin == node.id else "peer"
    given = facts(node, study_uid=uid, origin=NodeId(origin), door=door, issuer=issuer)
    slices = [
        make_ct(
            study_uid=uid,
            series_uid=f"{uid}.1",
            sop_uid=f"{uid}.1.{n}",
            number=n,
            patient_id=patient_id,
            patient_name=patient_name,
            study_date=study_date,
            accession=f"ACC{uid[-1]}",
            charset="ISO_IR 192",
            python_charset="utf-8",
        )
        for n in range(1, SLICES + 1)
    ]
    assert StudyUID(uid) == given.study_uid
    receive(node, *slices, given=given)


def put_rows(node: Node, count: int) -> None:
    """Put so many studies into the catalogue that nothing else is held of."""
    rows = [
        study(study_uid=StudyUID(f"2.25.500.{n}"), patient_name=f"Row^{n}", first_at=n) for n in range(count)
    ]
    node.write([statement for row in rows for statement in write_study(row, before=None)])


def add_destination(node: Node, aet: str, port: int, *, send: bool = True, charset: str = "") -> None:
    """Let instances be sent to an AE on this machine."""
    form = RemoteForm(
        name=aet, aet=aet, host="127.0.0.1", port=port, send=send, query=not send, charset=charset
    )
    add_remote(node, Person(), form)


def dcmtk(*command: str, cwd: Path, fails: bool = False) -> str:
    """Run one of dcmtk's programs; give what it printed."""
    done = subprocess.run(
        command, check=False, cwd=cwd, capture_output=True, text=True, timeout=60, errors="replace"
    )
    assert (done.returncode != 0) == fails, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr
