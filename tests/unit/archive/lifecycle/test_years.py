"""Ten years of a small hospital: nothing goes early, nothing stays without a reason, and the judge would notice."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench._hospital_judge import due
from tests.bench._hospital_load import Load, spread
from tests.bench.years import check, simulate, table, write
from tests.kit.planting import planted

STUDIES = 2000


def test_ten_years_pass_as_the_rules_say(tmp_path: Path) -> None:
    outcome = simulate(STUDIES)
    check(outcome)
    assert outcome.counted["arrived"] == STUDIES
    assert len(table(outcome).splitlines()) == 11
    write(outcome, tmp_path)
    assert len((tmp_path / "tiers.csv").read_text().splitlines()) == len(outcome.days) + 1
    lines = ElementTree.parse(tmp_path / "tiers.svg").findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3


def test_the_same_seed_gives_the_same_years() -> None:
    one, other, another = (simulate(300, seed=seed).days[-1] for seed in (5, 5, 6))
    assert one == other
    assert one != another


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("hold-ignored", "is held"),
        ("expire-before-verify", "has too few sound copies"),
        ("copies-of-one-store", "has too few sound copies"),
    ],
)
def test_a_planted_fault_is_seen_within_ten_years(
    fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, fault)
    outcome = simulate(STUDIES)
    assert outcome.counted["early"] > 0
    assert {wrong.split(" ", 2)[2] for wrong in outcome.wrong} == {words}
    with pytest.raises(AssertionError):
        check(outcome)


def test_planted_belief_in_a_clock_that_was_set_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench._hospital.steady", lambda clock, **_: clock)
    outcome = simulate(STUDIES)
    assert "has not had its time" in {wrong.split(" ", 2)[2] for wrong in outcome.wrong}


def test_all_studies_come() -> None:
    assert sum(spread(1234, [0.3, 0.0, 2.5, 1.0])) == 1234
    assert spread(10, [0.0, 1.0]) == [0, 10]
    load = Load(500, 1)
    assert sum(len(load.day(day)) for day in range(3652)) == 500


def test_the_judge_has_a_calendar_of_its_own() -> None:
    assert due(0, 6) == 181 * 86_400 * 1_000_000
