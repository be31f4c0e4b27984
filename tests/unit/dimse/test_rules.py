from __future__ import annotations

from pathlib import Path

import pytest

from node.dimse.classes import Classes
from node.dimse.rules import Admitted, Refusal, Rule, Rules, RulesFile, Why, admit, takes, write_rules
from node.errors import Unavailable
from tests.kit.planting import planted
from tests.kit.receiving import rule

FIXTURES = Path(__file__).parents[2] / "fixtures"
SHOWN, OTHER = "a" * 64, "b" * 64


def decide(
    *rules: Rule,
    calling: str = "CT1",
    called: str = "ALPHA",
    address: str = "10.0.0.7",
    certificate: str = "",
    titles: tuple[str, ...] = ("ALPHA",),
) -> object:
    given = Rules(called=titles, rules=rules)
    return admit(given, calling=calling, called=called, address=address, certificate=certificate)


def name_of(decision: object) -> str:
    assert isinstance(decision, Admitted | Refusal)
    return decision.rule


def test_an_unknown_device_is_refused_and_told_where_it_is_admitted() -> None:
    refused = decide(rule("CT2"))
    assert isinstance(refused, Refusal)
    assert (refused.why, refused.why.diagnostic) == (Why.UNKNOWN, 3)
    assert refused.words == "CT1 at 10.0.0.7 is not known here. Admit or block it under Devices."


def test_an_admitted_device_brings_what_its_rule_knows() -> None:
    assert decide(rule("CT1", "10.0.0.7")) == Admitted(
        rule="CT1@10.0.0.7", version=3, issuer="HIS", trust_issuer=False, department="radiology"
    )


def test_a_device_at_another_address_is_unknown() -> None:
    assert isinstance(decide(rule("CT1", "10.0.0.8")), Refusal)


def test_a_called_title_that_is_not_ours_is_refused_with_the_right_one() -> None:
    refused = decide(rule("CT1"), called="BETA")
    assert isinstance(refused, Refusal)
    assert (refused.why, refused.why.diagnostic) == (Why.CALLED, 7)
    assert "Set ALPHA at the device" in refused.words


@pytest.mark.parametrize(
    ("rules", "rule_name"),
    [
        ([rule("*", "*", admitted=False), rule("CT1", "*")], "CT1@*"),
        ([rule("CT1", "*", admitted=False), rule("CT1", "10.0.0.7")], "CT1@10.0.0.7"),
        ([rule("*", "10.0.0.7", admitted=False), rule("CT1", "*")], "CT1@*"),
        ([rule("*", "*", admitted=False), rule("*", "10.0.0.7")], "*@10.0.0.7"),
    ],
)
def test_the_most_exact_rule_counts_whichever_way_it_decides(rules: list[Rule], rule_name: str) -> None:
    admitted = decide(*rules)
    assert isinstance(admitted, Admitted)
    assert admitted.rule == rule_name
    flipped = [rule(one.calling, one.address, admitted=not one.admitted) for one in rules]
    refused = decide(*flipped)
    assert isinstance(refused, Refusal)
    assert (refused.why, refused.rule) == (Why.BLOCKED, rule_name)


def test_a_longer_prefix_counts_before_a_shorter_one_and_an_address_before_both() -> None:
    wide, narrow, exact = rule("*", "10.0.0.0/8"), rule("*", "10.0.0.0/24"), rule("*", "10.0.0.7")
    everywhere, anywhere = rule("*", "0.0.0.0/0"), rule("*", "*")
    rules = [anywhere, everywhere, wide, narrow, exact]
    while len(rules) > 1:
        assert name_of(decide(*rules)) == rules[-1].name
        assert name_of(decide(*reversed(rules))) == rules[-1].name
        rules.pop()


def test_a_certificate_is_more_exact_than_any_and_any_than_none() -> None:
    none, some, this = rule(), rule(certificate="some"), rule(certificate=SHOWN)
    assert name_of(decide(none, some, this, certificate=SHOWN)) == this.name
    assert name_of(decide(none, some, this, certificate=OTHER)) == some.name
    assert name_of(decide(none, some, this)) == none.name
    assert isinstance(decide(some, this), Refusal), "without a certificate neither fits"
    assert isinstance(decide(this, certificate=OTHER), Refusal)


def test_a_rule_may_be_for_one_called_title_only() -> None:
    titles = ("ALPHA", "RESEARCH")
    general, research = rule("CT1"), rule("CT1", admitted=False, called="RESEARCH")
    assert name_of(decide(general, research, titles=titles)) == "CT1@*"
    blocked = decide(general, research, titles=titles, called="RESEARCH")
    assert isinstance(blocked, Refusal)
    assert (blocked.why, blocked.rule) == (Why.BLOCKED, "CT1@* >RESEARCH")
    only = rule("CT1", called="RESEARCH")
    other = decide(only, titles=titles, called="BETA")
    assert isinstance(other, Refusal)
    assert other.why is Why.CALLED
    assert "Set ALPHA or RESEARCH at the device" in other.words
    unknown = decide(only, titles=titles)
    assert isinstance(unknown, Refusal)
    assert unknown.why is Why.UNKNOWN


def test_a_name_says_all_that_a_rule_asks_for() -> None:
    assert rule("CT1", "10.0.0.0/8").name == "CT1@10.0.0.0/8"
    assert rule("CT1", certificate="some", called="ALPHA").name == "CT1@* #some >ALPHA"


def test_an_admitted_device_takes_along_its_classes_and_its_limit() -> None:
    admitted = decide(rule(classes=Classes(names=("CT",), others=False), at_once=2))
    assert isinstance(admitted, Admitted)
    assert admitted.at_once == 2
    assert takes(admitted, "1.2.840.10008.5.1.4.1.1.2") is None
    refused = takes(admitted, "1.2.840.10008.5.1.4.1.1.4")
    assert refused is not None
    assert (refused.why, refused.rule) == (Why.SOP_CLASS, "*@*")
    assert refused.words.startswith("rule *@* does not take SOP class 1.2.840.10008.5.1.4.1.1.4. Change")


def test_a_planted_blocked_rule_that_is_ignored_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(decide(rule(admitted=False)), Refusal)
    planted(monkeypatch, "blocked-rule-ignored")
    assert isinstance(decide(rule(admitted=False)), Admitted)


def test_rules_of_the_format_before_this_one_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes((FIXTURES / "admission-1" / "rules.json").read_bytes())
    rules = RulesFile(path).current()
    assert [one.name for one in rules.rules] == ["*@10.0.0.9", "CT1@*", "MR1@10.0.0.7"]
    admitted = admit(rules, calling="MR1", called="ALPHA", address="10.0.0.7")
    assert isinstance(admitted, Admitted)
    assert (admitted.version, admitted.issuer, admitted.department) == (2, "HIS", "MR")
    assert takes(admitted, "1.2.3") is None
    assert isinstance(admit(rules, calling="X", called="ALPHA", address="10.0.0.9"), Refusal)


def test_a_file_of_a_later_format_leaves_the_rules_before_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rules.json"
    file, rules = RulesFile(path), Rules(called=("ALPHA",), rules=(rule("CT1"),))
    write_rules(path, rules)
    assert file.current() == rules
    path.write_text('{"called":["ALPHA"],"format":4,"rules":[]}')
    assert file.current() == rules
    assert "format 4" in caplog.text


def test_without_a_file_nobody_is_let_in(tmp_path: Path) -> None:
    assert RulesFile(tmp_path / "rules.json").current() == Rules()


def test_a_new_file_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    file = RulesFile(path)
    for n in range(3):
        rules = Rules(called=("ALPHA",), rules=(rule(f"CT{n}"),))
        write_rules(path, rules)
        assert file.current() == rules
    path.unlink()
    assert file.current() == Rules()


def test_a_broken_file_leaves_the_rules_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rules.json"
    file = RulesFile(path)
    rules = Rules(called=("ALPHA",), rules=(rule("CT1"),))
    write_rules(path, rules)
    assert file.current() == rules
    path.write_text("{")
    assert file.current() == rules
    assert "the rules before it stay" in caplog.text


def test_a_file_that_cannot_be_read_calls_nobody_unknown(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text("{")
    with pytest.raises(Unavailable, match="cannot be read"):
        RulesFile(path).current()
