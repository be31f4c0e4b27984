"""The first rule that fits counts; rules that cannot be followed are refused in words."""

from __future__ import annotations

import pytest

from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.rules import DEFAULT, Limits, Rule, Rules, check_rules, decode_rules, encode_rules
from node.errors import InvalidRequest
from tests.kit.copies import MB, NOW, rules, study


def fitting(given: Rules, **changes: object) -> str:
    return given.rule_for(study(**changes)).name


def test_the_first_rule_that_fits_counts() -> None:
    heads, ct = Rule(name="heads", departments=("neurology",)), Rule(name="CT", modalities=("CT", "PT"))
    given = rules(heads, ct, Rule(name="rest"))
    assert fitting(given, department="neurology") == "heads"
    assert fitting(given) == "CT"
    assert fitting(given, modalities=("SR", "PT")) == "CT"
    assert fitting(given, modalities=("MR",)) == "rest"
    assert fitting(rules(ct, heads, Rule(name="rest")), department="neurology") == "CT"
    assert fitting(rules(heads)) == DEFAULT.name


def test_a_rule_is_narrowed_by_size() -> None:
    given = rules(Rule(name="large", at_least_bytes=MB), Rule(name="small", less_than_bytes=MB))
    assert (fitting(given, bytes=MB), fitting(given, bytes=MB - 1)) == ("large", "small")


def test_a_rule_is_narrowed_by_the_age_at_arrival_and_so_stays_the_study_s() -> None:
    given = rules(Rule(name="old", older_than_months=24), Rule(name="new", younger_than_months=24))
    assert fitting(given, study_date="20200101") == "old"
    assert fitting(given, study_date="20240605") == "old"
    assert fitting(given, study_date="20240606") == "new"
    assert fitting(given, study_date="20990101") == "new"
    assert fitting(given, study_date="20200101", first_at=NOW - 2200 * DAY) == "new"
    assert fitting(given, study_date="") == DEFAULT.name
    assert fitting(given, study_date="around 1999") == DEFAULT.name


def test_rules_come_back_as_they_were_written() -> None:
    given = Rules(
        rules=(Rule(name="影像科 CT", modalities=("CT",), retention="30y", deletes=True), Rule(name="rest")),
        limits=Limits(online_bytes=10**12, reserve_bytes=10**10),
        version=7,
    )
    assert decode_rules(encode_rules(given)) == given
    assert decode_rules(encode_rules(given).encode()) == given
    assert decode_rules("{}") == Rules()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (rules(Rule(name=" ")), "names no rule"),
        (rules(Rule(name="default")), "names no rule"),
        (rules(Rule(name="a", modalities=("CT",)), Rule(name="a")), "two of them"),
        (rules(Rule(name="all"), Rule(name="CT", modalities=("CT",))), "stands behind 'all'"),
        (rules(Rule(name="a", copies=0)), "copies of rule 'a' is 0. Choose 1 to 9."),
        (rules(Rule(name="a", archive_after_hours=-1)), "archive_after_hours of rule 'a'"),
        (rules(Rule(name="a", expire_after_months=0)), "expire_after_months of rule 'a'"),
        (rules(Rule(name="a", older_than_months=24, younger_than_months=12)), "there are none"),
        (rules(Rule(name="a", at_least_bytes=-1)), "there are none"),
        (rules(Rule(name="a", less_than_bytes=0)), "there are none"),
        (rules(Rule(name="a", retention="5y")), "at least '15y'"),
        (rules(Rule(name="a", retention="for ever")), "'legal hold'"),
        (rules(online_bytes=100, reserve_bytes=100), "reserve_bytes of the node is 100"),
        (rules(pressure_percent=101), "pressure_percent"),
        (rules(pressure_percent=50, relieved_percent=60), "relieved_percent"),
        (rules(floor_hours=0), "floor_hours"),
        (rules(outpatient_years=3), "outpatient_years of the node is 3. Choose 15 to 999."),
        (rules(inpatient_years=15, outpatient_years=16), "inpatient_years"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(given: Rules, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_rules(given)
    assert str(refused.value).startswith("Changing the rules for copies was refused: ")
    assert words in str(refused.value)
    with pytest.raises(InvalidRequest):
        decode_rules(encode_rules(given))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"rules": [{}]}',
        '{"rules": [{"name": "a", "profile": "tiny"}]}',
        '{"rules": [{"name": "a", "expire_after_month": 1}]}',
        '{"format": 2}',
        b"\xff",
    ],
)
def test_what_is_malformed_or_of_another_format_is_refused(content: str | bytes) -> None:
    with pytest.raises(InvalidRequest, match="Changing the rules for copies was refused"):
        decode_rules(content)
