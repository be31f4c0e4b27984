"""The online tier made smaller when it is too large, some studies at a time, in the order of their last use.

What goes is `pressure`'s to choose; that it may, the batch itself says (`expiring`), so a hold that comes meanwhile
counts. What stays is counted by its reason, and when nothing more may go, the administrator is told what bars it.
"""

from __future__ import annotations

from node.archive.deciding import expire_decided, time_to_decide
from node.archive.lifecycle.decisions import Expire
from node.archive.lifecycle.facts import StudyFacts, Tier
from node.archive.lifecycle.fullness import (
    Pressure,
    bars,
    in_words,
    least_recently_used,
    noted,
    online_bytes,
    over,
    peek_pressure,
    wanted_bytes,
)
from node.archive.lifecycle.known import read_facts
from node.archive.lifecycle.pressure import relieve
from node.archive.lifecycle.rules import Rules
from node.archive.lifecycle.ruling import effective_rules
from node.archive.shown import is_shown
from node.clock import MINUTE, Micros
from node.names import Cause, StudyKey
from node.node import Node

EVERY: Micros = MINUTE
LATER: Micros = 5 * MINUTE
"""When all has gone that may: what bars the rest passes slowly."""
LOOKED_AT = 200
"""Candidates a step; reading what is known of one takes about 0.1 ms."""
LET_GO = 20
"""Studies a step."""
FAILED = "failed"
"""In place of a reason: letting it go was tried, and its page says why that did not work."""
_SUBJECT = "online-tier"


class Relieving:
    """A round through the candidates; what it knows may be lost, then it begins anew."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._next_at: Micros = 0
        self._left: list[StudyKey] | None = None
        """Candidates of this round, the next one last; None between rounds."""
        self._barred: dict[str, tuple[int, int]] = {}
        self._online = 0
        """When the round began; counting it costs a walk over all studies."""
        self._freed = 0

    def step(self) -> bool:
        """Let some studies go if the tier is too large; say whether there is more to do at once."""
        node, now = self._node, self._node.now()
        if self._left is None and now < self._next_at <= now + LATER:
            return False
        rules = effective_rules(node)
        if self._left is None:
            self._online, self._freed = online_bytes(node.database), 0
        wanted = wanted_bytes(node, rules.limits, online=self._online - self._freed)
        if not wanted:
            self._end(over_at=now)
            return False
        if self._left is None:
            self._left, self._barred = least_recently_used(node.database)[::-1], {}
        self._relieve(rules, wanted)
        if self._left:
            return True
        online = online_bytes(node.database)
        short = wanted_bytes(node, rules.limits, online=online)
        self._say(online=online, short=short)
        self._end(again=LATER if short else EVERY)
        return False

    def _relieve(self, rules: Rules, wanted: int) -> None:
        """Look at the next candidates, and let those go that may until enough has."""
        left, facts = self._left or [], list[StudyFacts]()
        looked_at = left[: -LOOKED_AT - 1 : -1]
        del left[-LOOKED_AT:]
        for key in looked_at:
            if (one := read_facts(self._node, key)) is not None and one.tier is not Tier.ARCHIVED:
                facts.append(one)
        relief = relieve(facts, rules, now=time_to_decide(self._node), wanted_bytes=wanted)
        for study, decision in relief.expire[:LET_GO]:
            self._let_go(study, decision)
        tried = {study.key for study, _ in relief.expire[:LET_GO]}
        if len(relief.expire) > LET_GO or not relief.short_bytes:
            left += [study.key for study in reversed(facts) if study.key not in tried]
            return
        for barred in relief.barred:
            self._count(barred.why, barred.studies, barred.bytes)

    def _let_go(self, study: StudyFacts, decision: Expire) -> None:
        if expire_decided(self._node, study.key, decision):
            self._freed += study.bytes
        else:
            self._count(FAILED, 1, study.bytes)

    def _count(self, why: str, studies: int, size: int) -> None:
        before, held = self._barred.get(why, (0, 0))
        self._barred[why] = (before + studies, held + size)

    def _say(self, *, online: int, short: int) -> None:
        """Keep what came of the round, and show the administrator what bars it."""
        node, barred = self._node, bars(self._barred)
        found = Pressure(
            at=node.now(),
            online_bytes=online,
            wanted_bytes=short + self._freed,
            freed_bytes=self._freed,
            short_bytes=short,
            barred=barred,
        )
        statements = [noted(found)]
        if short and not is_shown(node.database, "online-tier-full", _SUBJECT):
            detail = (
                f"Making room online stayed {short / 1e9:.1f} GB short: nothing more may go"
                f" ({in_words(barred) or 'nothing lies online'}). Look at what bars it on the storage page: end holds,"
                " put stores right, or give the online tier more room."
            )
            statements += node.problem(
                "online-tier-full", about=_SUBJECT, detail=detail, cause=Cause(node.new_id())
            )
        node.write(statements)

    def _end(self, *, over_at: Micros | None = None, again: Micros = EVERY) -> None:
        """End the round; when there is room, say since when."""
        node = self._node
        if over_at is not None:
            if self._left is not None and self._freed:
                self._say(online=online_bytes(node.database), short=0)
            before = peek_pressure(node.database)
            if before is not None and before.ended_at is None:
                node.write([over(over_at)])
        self._left, self._next_at = None, node.now() + again
