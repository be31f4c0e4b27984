"""Two processes, 32 experts, 1,000 cases: exactly one wins each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from federation.consult.answering import take_request
from federation.consult.forms import Consent, FormWords
from federation.consult.messages import CaseRequested
from federation.consult.pools import create_pool, set_memberships
from node.clock import SystemClock
from node.names import Cause, NodeId
from node.node import Node
from node.people.accounts import OPERATOR, create_account
from tests.kit.alliance_keys import CHEAP
from tests.kit.bare_node import bare_node

ROOT = Path(__file__).parents[2]
CASES, EXPERTS = 1000, 32

RACE = """
import json, sys, threading
from pathlib import Path
from federation.consult.commands import claim
from federation.consult.refusals import AlreadyClaimed
from node.clock import SystemClock
from node.database.port import Statement
from node.people.accounts import get_account
from tests.kit.bare_node import bare_node

folder, way, people, cases = json.loads(sys.argv[1])
node = bare_node(Path(folder), "centre", SystemClock())
won, refused = [], []

def claim_naively(node, person, case_id):
    row = node.database.read("SELECT state, claimed_name FROM consult_case WHERE case_id = ?", (case_id,))[0]
    if row["state"] != "offered":
        raise AlreadyClaimed(by=row["claimed_name"], until=0)
    change = "UPDATE consult_case SET state = 'claimed', claimed_name = ? WHERE case_id = ?"
    node.database.write([Statement(change, (person.name, case_id))], node.new_id())

act = claim if way == "claim" else claim_naively

def race(person_id, n):
    person = get_account(node.database, person_id).person
    first = len(cases) * n // len(people)
    for case_id in cases[first:] + cases[:first]:
        try:
            act(node, person, case_id)
            won.append((case_id, person.id))
        except AlreadyClaimed as error:
            refused.append((case_id, error.by))

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=race, args=(person, n)) for n, person in enumerate(people)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([won, refused]))
node.database.close()
"""


@contextmanager
def centre_with_cases(folder: Path, cases: int) -> Iterator[tuple[Node, list[str], list[str]]]:
    """Give a centre, the ids of its experts, and of cases offered to them by clinic alpha."""
    node = bare_node(folder, "centre", SystemClock())
    pool = create_pool(node, OPERATOR, slug="chest", name="Chest", specialty="chest")
    people = []
    for n in range(EXPERTS):
        made = create_account(
            node,
            OPERATOR,
            user=f"expert{n}",
            name=f"Expert {n}",
            roles=["expert"],
            password="long enough 123",
        )
        set_memberships(node, OPERATOR, person_id=made.person.id, pools=[pool.id])
        people.append(made.person.id)
    consent = Consent(who="patient", at="2026-03-02", how="written")
    words = FormWords(reason="r", aim="a", history="h", requesting_doctor="d", consent=consent)
    ids = [node.new_id() for _ in range(cases)]
    statements = [
        statement
        for case_id in ids
        for statement in take_request(
            node,
            CaseRequested(
                case_id=case_id,
                pool=pool.id,
                study_uid="2.25.1",
                kind="diagnosis",
                urgency="routine",
                specialty="chest",
                clinic_name="Alpha",
                words=words,
                requested_at=node.now(),
                requested_by="Wang",
                instances=6,
                incomplete=False,
            ),
            clinic=NodeId("alpha"),
            cause=Cause(case_id),
        )
    ]
    node.write(statements)
    try:
        yield node, people, ids
    finally:
        node.bell.close()
        node.database.close()


def race(
    folder: Path, people: list[str], ids: list[str], *, way: str
) -> tuple[list[list[str]], list[list[str]]]:
    """Let half the experts claim in one process and half in another; give who won and who was refused."""
    half = len(people) // 2
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, json.dumps([str(folder), way, group, ids])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for group in (people[:half], people[half:])
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    outcomes = [json.loads(one) for one in said]
    return [item for won, _ in outcomes for item in won], [
        item for _, refused in outcomes for item in refused
    ]


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.keys.passwords.COST", CHEAP)


def test_exactly_one_expert_wins_each_of_a_thousand_cases(tmp_path: Path) -> None:
    with centre_with_cases(tmp_path, CASES) as (node, people, ids):
        won, refused = race(tmp_path, people, ids, way="claim")
        assert Counter(case_id for case_id, _ in won) == Counter(ids)
        assert len(refused) == CASES * (EXPERTS - 1)
        by_process = Counter(people.index(person) < EXPERTS // 2 for _, person in won)
        assert min(by_process[True], by_process[False]) > CASES // 20, "the processes did not race"
        rows = node.database.read(
            "SELECT case_id, claimed_by, claimed_name, claim.person AS person, claim.epoch AS epoch FROM consult_case"
            " JOIN claim USING (case_id) WHERE state = 'claimed'"
        )
        holder = dict(won)
        assert {row["case_id"]: row["claimed_by"] for row in rows} == holder
        assert all(row["person"] == row["claimed_by"] and row["epoch"] == 1 for row in rows)
        named = {row["case_id"]: row["claimed_name"] for row in rows}
        assert all(by == named[case_id] for case_id, by in refused)
        (told,) = node.database.read("SELECT count(*) AS n, max(n) AS last FROM outbox WHERE peer = 'alpha'")
        assert (told["n"], told["last"]) == (2 * CASES, 2 * CASES)


def test_the_race_catches_a_planted_claim_that_reads_and_then_writes(tmp_path: Path) -> None:
    with centre_with_cases(tmp_path, 200) as (_, people, ids):
        won, _ = race(tmp_path, people, ids, way="naive")
        assert max(Counter(case_id for case_id, _ in won).values()) > 1
