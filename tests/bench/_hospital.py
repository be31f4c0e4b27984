"""A hospital of ten years in a minute: every study's copies live by the product's decisions, and a judge looks on.

Everything happens at its time, from one heap. For three days the node's clock is a year behind; for
ten the second store is away. Each expiry is held against what is true by `_hospital_judge`.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from itertools import count

from node.archive.lifecycle.decider import decide
from node.archive.lifecycle.decisions import Archive, Expire, Keep, MayBeDeleted, Why
from node.archive.lifecycle.facts import (
    CopyState,
    Hold,
    Kind,
    State,
    StoredCopy,
    Tier,
    steady,
)
from node.archive.lifecycle.pressure import relieve, to_free
from node.archive.lifecycle.rules import Limits, Rule, Rules, check_rules
from node.clock import MINUTE, Micros
from tests.bench._hospital_judge import COPIES, MONTHS, OLD_MONTHS, faults
from tests.bench._hospital_load import BEGINS, DAY, DAYS, HOUR, MEAN_BYTES, Load
from tests.bench._hospital_study import PACKAGED, STORES, Study

ENDS = BEGINS + DAYS * DAY
BEHIND = (BEGINS + 1500 * DAY, BEGINS + 1503 * DAY, 365 * DAY)
"""From when to when the node's clock is wrong, and by how much."""
AWAY = (BEGINS + 800 * DAY, BEGINS + 810 * DAY)
"""When the second store cannot be reached."""
ONLINE_SHARE = 0.075
"""The online tier's limit, of all that ever comes."""
CODING_SHARE = 1 / 900
"""What the archive can code in a day, of all that ever comes."""
GROWN = 3
"""One part in so many comes later."""


def hospital_rules(studies: int) -> Rules:
    """Give the rules that the hospital lives by."""
    limit = round(ONLINE_SHARE * studies * MEAN_BYTES)
    return check_rules(
        Rules(
            rules=(
                Rule(name="old", older_than_months=OLD_MONTHS, expire_after_months=MONTHS["old"]),
                Rule(name="MG", modalities=("MG",), expire_after_months=MONTHS["MG"]),
                Rule(name="rest", expire_after_months=MONTHS["rest"], copies=COPIES),
            ),
            limits=Limits(online_bytes=limit, reserve_bytes=limit // 20),
        )
    )


class Hospital:
    """All studies, the two tiers, and what happens next."""

    def __init__(self, studies: int, *, seed: int = 1) -> None:
        self.rules = hospital_rules(studies)
        self.load = Load(studies, seed)
        self.studies: list[Study] = []
        self.true = BEGINS
        self.online_bytes = self.archive_bytes = self.most_online_bytes = 0
        self.counted: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._rate = CODING_SHARE * studies * MEAN_BYTES / DAY
        self._newest = self._newest_true = 0
        self._soon: list[tuple[Micros, int, str, Study | None]] = []
        self._order = count()
        self._by_use: list[tuple[Micros, int]] = []
        self._lanes: tuple[deque[Study], deque[Study]] = (deque(), deque())
        self._coding = False

    @property
    def now(self) -> Micros:
        """The time to decide by and to write down: the node's clock, which may be wrong, made steady."""
        since, until, behind = BEHIND
        clock = self.true - behind if since <= self.true < until else self.true
        self._newest = steady(clock, newest=self._newest, since=self.true - self._newest_true)
        self._newest_true = self.true
        return self._newest

    @property
    def waiting(self) -> int:
        """How many studies wait to be coded."""
        return sum(map(len, self._lanes))

    def days(self) -> Iterator[int]:
        """Let the years pass; give each day when it is over."""
        for day in range(DAYS):
            for coming in self.load.day(day):
                study = Study(len(self.studies), coming, coming.bytes, 0, 0, 0)
                self.studies.append(study)
                self._later(coming.at, "arrives", study)
            ends = BEGINS + (day + 1) * DAY
            while self._soon and self._soon[0][0] < ends:
                self.true, _, what, whose = heapq.heappop(self._soon)
                getattr(self, f"_{what}")(whose)
            self.true = ends
            yield day

    def unreasoned(self) -> int:
        """Count the studies that nothing is said of, or about which something was to be done and was not."""
        return sum(self._is_forgotten(study) for study in self.studies if study.first_at)

    def _arrives(self, study: Study) -> None:
        coming, at = study.coming, self.true
        study.first_at = study.last_at = self.now
        study.used = at
        self.counted["arrived"] += 1
        self._grow(study, study.bytes)
        self._later(at + 10 * MINUTE, "completes", study)
        for read in coming.reads:
            self._later(at + read, "is_read", study)
        if coming.reported:
            self._later(at + coming.reported, "is_reported", study)
        if coming.hold is not None:
            self._later(at + coming.hold[0], "is_held", study)
        for after, what in ((coming.grows, "grows"), (coming.rejected, "is_rejected")):
            if after is not None:
                self._later(at + after, what, study)
        if coming.damaged is not None:
            self._later(at + coming.damaged[0], "is_damaged", study)
        if coming.looks_back and study.number:
            self._later(at + HOUR, "is_read", self.studies[self.load.earlier(study.number)])

    def _completes(self, study: Study) -> None:
        study.state = State.COMPLETE
        self._look(study)

    def _is_read(self, study: Study) -> None:
        if not study.first_at:
            return  # it has not come yet
        study.used, study.read_at = self.true, self.now
        if study.tier is Tier.ARCHIVED:
            self._recall(study)

    def _is_reported(self, study: Study) -> None:
        study.used, study.reported_at = self.true, self.now

    def _is_held(self, study: Study) -> None:
        assert study.coming.hold is not None
        _, lasts, kind, known = study.coming.hold
        until = self.now + lasts if known else None
        study.holds.append(Hold(reason="teaching", who="person/7", until=until, kind=Kind(kind)))
        if study.tier is Tier.ARCHIVED and kind == "online":
            self._recall(study)
        if not known:
            self._later(self.true + lasts, "is_let_go", study)

    def _is_let_go(self, study: Study) -> None:
        study.holds.clear()
        self._look(study)

    def _grows(self, study: Study) -> None:
        """More instances come; whatever is not online is brought back, to be packaged with them."""
        more = max(1, study.bytes // GROWN)
        brought = more + (study.bytes if study.tier is Tier.ARCHIVED else 0)
        if study.tier is not Tier.ONLINE:
            self.archive_bytes -= round(
                PACKAGED * study.bytes
            )  # its package is that of an earlier generation
            self.archive_bytes += round(PACKAGED * (study.bytes + more))
            study.tier = Tier.BOTH
        study.bytes += more
        study.state, study.packaged, study.last_at, study.used = State.RECEIVING, False, self.now, self.true
        study.copies.clear()
        self.counted["grew"] += 1
        self._grow(study, brought)
        self._later(self.true + 10 * MINUTE, "completes", study)

    def _is_rejected(self, study: Study) -> None:
        study.rejected = True
        self._look(study)
        self._later(self.true + 60 * DAY, "is_restored", study)

    def _is_restored(self, study: Study) -> None:
        study.rejected = False
        self._look(study)

    def _is_damaged(self, study: Study) -> None:
        """A copy is found to be bad, or both while the study is online too."""
        assert study.coming.damaged is not None
        both = study.coming.damaged[1] and study.tier is Tier.BOTH
        stores = STORES if both else (STORES[study.number % 2],)
        sound = [copy for copy in study.copies if copy.state is CopyState.VERIFIED]
        if len(sound) < 2 or study.in_lane:
            return
        bad = [StoredCopy(store=store, state=CopyState.DAMAGED) for store in stores]
        study.copies = bad + [copy for copy in sound if copy.store not in stores]
        self.counted["damaged"] += 1
        self._look(study)

    def _look(self, study: Study) -> None:
        now = self.now
        study.decision = decision = decide(study.facts(), self.rules, now=now)
        match decision:
            case Archive():
                self._enter_lane(study, decision)
            case Expire():
                self._expire(study, decision)
            case Keep(next_at=int(at)) if at < ENDS:
                wait = at - now if at - now > HOUR or now == self.true else HOUR
                self._later(self.true + wait, "look", study)
            case Keep():
                pass
            case MayBeDeleted():
                self.wrong.append(f"study {study.number} might be deleted within ten years")

    def _enter_lane(self, study: Study, decision: Archive) -> None:
        if study.in_lane:
            return
        study.in_lane = True
        self._lanes[decision.reason.code is Why.BACKFILLED].append(study)
        if not self._coding:
            self._code_next()

    def _code_next(self) -> None:
        lane = next((lane for lane in self._lanes if lane), None)
        self._coding = lane is not None
        if lane is not None:
            study = lane.popleft()
            self._later(self.true + round(study.bytes / self._rate), "is_coded", study)

    def _is_coded(self, study: Study) -> None:
        """Its package is written; if more came meanwhile, it is one of too few and is made again."""
        if study.state is State.COMPLETE and not study.rejected:
            if study.tier is Tier.ONLINE:
                study.tier = Tier.BOTH
                self.archive_bytes += round(PACKAGED * study.bytes)
            study.packaged = True
            study.copies = [StoredCopy(store=STORES[0], state=CopyState.WRITTEN)] * 2
            self._later(self.true + 30 * MINUTE, "is_verified", study)
        else:
            study.in_lane = False
        self._code_next()

    def _is_verified(self, study: Study) -> None:
        """First the cellar's copy, of which a retry left two rows; then the tower's, when that can be reached."""
        if not study.packaged:
            study.in_lane = False
            if study.state is State.COMPLETE:
                self._look(study)
            return
        if study.copies[0].state is CopyState.WRITTEN:
            study.copies = [StoredCopy(store=STORES[0], state=CopyState.VERIFIED)] * 2
            reached = AWAY[1] if AWAY[0] <= self.true < AWAY[1] else self.true
            self._later(reached + 5 * HOUR, "is_verified", study)
        else:
            study.copies.append(StoredCopy(store=STORES[1], state=CopyState.VERIFIED))
            study.in_lane = False
            self.counted["archived"] += 1
        if not study.in_lane or study.decision is None or isinstance(study.decision, Archive):
            self._look(study)

    def _expire(self, study: Study, decision: Expire) -> None:
        self._judge(study, decision)
        study.tier = Tier.ARCHIVED
        self.online_bytes -= study.bytes
        self.counted[decision.reason.code.value] += 1
        self._look(study)

    def _recall(self, study: Study) -> None:
        """Bring it back, if there is room; else it is read from its package."""
        limits = self.rules.limits
        self._relieve(study.bytes)
        if self.online_bytes + study.bytes > limits.online_bytes - limits.reserve_bytes:
            self.counted["read from its package"] += 1
            return
        study.tier = Tier.BOTH
        self.counted["recalled"] += 1
        self._grow(study, study.bytes)
        self._look(study)

    def _grow(self, study: Study, more: int) -> None:
        self.online_bytes += more
        self.most_online_bytes = max(self.most_online_bytes, self.online_bytes)
        if self.online_bytes > self.rules.limits.online_bytes:
            self.wrong.append(f"the online tier is above its limit on day {(self.true - BEGINS) // DAY}")
        if not study.listed:
            study.listed = True
            heapq.heappush(self._by_use, (study.last_used, study.number))
        self._relieve(0)

    def _relieve(self, more: int) -> None:
        """Let the least recently used go until the pressure is off; look at a few, and at more when these are barred."""
        wanted = to_free(self.rules.limits, self.online_bytes + more)
        if not wanted:
            return
        looked_at: list[Study] = []
        size = 2 * wanted
        while True:
            looked_at += self._least_used(size)
            by_uid = {f"2.25.{study.number + 1}": study for study in looked_at}
            relief = relieve(
                (study.facts() for study in looked_at), self.rules, now=self.now, wanted_bytes=wanted
            )
            if not relief.short_bytes or not self._by_use:
                break
            size *= 2
        for facts, decision in relief.expire:
            self._expire(by_uid[facts.study_uid], decision)
        for study in looked_at:
            study.listed = study.tier is not Tier.ARCHIVED
            if study.listed:
                heapq.heappush(self._by_use, (study.last_used, study.number))
        self.counted["short"] += relief.short_bytes > 0

    def _least_used(self, size: int) -> list[Study]:
        found: list[Study] = []
        while self._by_use and size > 0:
            used, number = heapq.heappop(self._by_use)
            study = self.studies[number]
            if study.tier is Tier.ARCHIVED:
                study.listed = False
            elif study.last_used != used:
                heapq.heappush(self._by_use, (study.last_used, number))
            else:
                found.append(study)
                size -= study.bytes
        return found

    def _judge(self, study: Study, decision: Expire) -> None:
        found = faults(study, decision, rules=self.rules, at=self.true, online_bytes=self.online_bytes)
        self.wrong += [f"study {study.number} {words}" for words in found]
        self.counted["early"] += bool(found)

    def _is_forgotten(self, study: Study) -> bool:
        match study.decision:
            case None:
                return study.state is State.COMPLETE
            case Keep(next_at=int(at)):
                return at < self.now - 2 * HOUR
            case Archive():
                return not study.in_lane
            case Expire():
                return study.tier is not Tier.ARCHIVED
        return False

    def _later(self, at: Micros, what: str, study: Study) -> None:
        if at < ENDS:
            heapq.heappush(self._soon, (at, next(self._order), what, study))
