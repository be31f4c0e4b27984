"""Whatever people, clocks and a bad postman do: the rows of cases and reports are what their events say, at either end.

The rows are taken away and written again from the journal; nothing may differ but how long a claim was renewed. About half a minute.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from federation.consult.clocks import lapse_claims, pass_deadlines
from federation.consult.commands import (
    cancel_consult,
    claim,
    decline,
    mark_read,
    release,
    renew,
    request_consult,
)
from federation.consult.following import follow_journal
from federation.consult.resuming import resume_cases
from federation.consult.writing import sign
from node.clock import MINUTE
from node.database.port import Row, Statement
from node.errors import GridError
from node.events import StudyChanged
from node.names import Cause, Subject
from node.node import Node
from node.people.accounts import Person
from ops.rebuild.cases import write_cases
from ops.rebuild.deleted import Deleted
from tests.kit.alliance_keys import CHEAP
from tests.kit.consult import STUDY, Letter, Pair, open_pair
from tests.kit.consulted import TABLES

MOVES = 90
WORDS = {"findings": "右肺上叶见结节。", "impression": "建议随访。"}


class Walk:
    """One random walk of a pair."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.random = random.Random(seed)
        self.sent: list[Letter] = []
        self.cases: list[str] = []
        self.images = 6

    def go(self) -> None:
        for _ in range(MOVES):
            move = self.random.choice(self._moves())
            with suppress(GridError):  # refused: nothing has happened
                move()
            self.pair.clock.advance(self.random.choice((1, MINUTE, 25 * MINUTE)))

    def _moves(self) -> list[Callable[[], object]]:
        pair, case_id = self.pair, self.random.choice(self.cases[-2:] or ["none"])
        expert = self.random.choice((pair.li, pair.zhao))
        return [
            self._ask,
            *[self._post] * 4,
            self._again,
            *[lambda: claim(pair.centre, expert, case_id)] * 3,
            lambda: renew(pair.centre, expert, case_id),
            lambda: mark_read(pair.centre, expert, case_id),
            lambda: release(pair.centre, expert, case_id, reason=self.random.choice(("", "换班"))),
            *[lambda: self._sign(expert, case_id)] * 3,
            lambda: cancel_consult(pair.alpha, pair.wang, case_id, reason="已转院"),
            lambda: lapse_claims(pair.centre),
            lambda: pass_deadlines(pair.centre),
            self._image,
            self._resume,
            *(
                [lambda: decline(pair.centre, expert, case_id, reason="影像质量不足")]
                if len(self.cases) > 1
                else []
            ),
        ]

    def _sign(self, expert: Person, case_id: str) -> None:
        with suppress(GridError):  # somebody holds it: she, or another
            claim(self.pair.centre, expert, case_id)
        sign(self.pair.centre, expert, case_id, version=0, **WORDS)

    def _ask(self) -> None:
        kind = self.random.choice(("diagnosis", "consultation"))
        self.cases.append(request_consult(self.pair.alpha, self.pair.wang, form=self.pair.form(kind=kind)))

    def _post(self) -> None:
        """Let what waits arrive, some of it in another order."""
        letters = [
            *self.pair.post(self.pair.alpha, self.pair.centre),
            *self.pair.post(self.pair.centre, self.pair.alpha),
        ]
        if self.random.random() < 0.5:
            self.random.shuffle(letters)
        self.sent += letters
        for letter in letters:
            with suppress(GridError):
                self.pair.deliver(letter)

    def _again(self) -> None:
        if self.sent:
            self.pair.deliver(self.random.choice(self.sent))

    def _image(self) -> None:
        """Let one more image come, of which the journal tells."""
        alpha, subject = self.pair.alpha, Subject(f"study/alpha/{STUDY}")
        self.images += 1
        event = StudyChanged(instances=1, bytes=1, door="dicom", device="CT", total=self.images)
        version = alpha.journal.version(subject)
        alpha.write(alpha.journal.append(subject, [event], after=version, cause=Cause("c")))
        follow_journal(alpha, 0)

    def _resume(self) -> None:
        if self.random.random() < 0.3:
            for node in (self.pair.centre, self.pair.alpha):
                for statements in resume_cases(node, until=node.now()):
                    node.write(statements)


def rows_of(node: Node) -> dict[str, list[Row]]:
    found = {}
    for table in TABLES:
        rows = node.database.read(f"SELECT * FROM {table}")
        kept = [
            {name: value for name, value in row.items() if (table, name) != ("claim", "until")}
            for row in rows
        ]
        found[table] = sorted(kept, key=str)
    return found


def written_again(node: Node) -> dict[str, list[Row]]:
    node.write([Statement(f"DELETE FROM {table}") for table in TABLES])
    done = write_cases(node, Deleted(node), None, lambda what, done, total: None)
    assert done.lacking == {}
    return rows_of(node)


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_what_their_events_say(tmp_path: Path, seed: int) -> None:
    with patch("node.keys.passwords.COST", CHEAP), open_pair(tmp_path) as pair:
        Walk(pair, seed).go()
        for node in (pair.alpha, pair.centre):
            before = rows_of(node)
            assert written_again(node) == before
            assert before["consult_case"]


def test_a_planted_row_that_no_event_tells_of_is_caught(tmp_path: Path) -> None:
    with patch("node.keys.passwords.COST", CHEAP), open_pair(tmp_path) as pair:
        Walk(pair, 1).go()
        pair.alpha.write([Statement("UPDATE consult_case SET requested_by = 'somebody else'")])
        before = rows_of(pair.alpha)
        assert written_again(pair.alpha) != before
