from __future__ import annotations

from pathlib import Path

import pytest

from node.dimse.rules import Admitted, Refusal, Rule, Rules, RulesFile, Why, admit, write_rules
from node.errors import Unavailable
from tests.kit.receiving import rule


def decide(*rules: Rule, calling: str = "CT1", called: str = "ALPHA", address: str = "10.0.0.7") -> object:
    return admit(Rules(called=("ALPHA",), rules=rules), calling=calling, called=called, address=address)


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
