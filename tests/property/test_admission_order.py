"""Whatever rules there are and whoever calls: what is decided is what the documented order says, read out plainly."""

from __future__ import annotations

import ipaddress
import os
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.dimse.rules import Admitted, Refusal, Rule, Rules, admit
from tests.kit.planting import planted
from tests.kit.receiving import rule

TITLES = ("CT1", "CT10", "MR1")
CALLED = ("ALPHA", "RESEARCH")
DIGESTS = ("a" * 64, "b" * 64)
CALLERS = (
    "10.0.0.1", "10.0.0.17", "10.0.1.1", "10.200.0.1", "100.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8:1::1",
)  # fmt: skip
ADDRESSES = (
    "*", "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/24", "10.0.0.1", "10.0.0.17", "::/0", "2001:db8::/32",
    "2001:db8::/48", "2001:db8::1",
)  # fmt: skip

keys = st.tuples(
    st.sampled_from(("*", *TITLES)),
    st.sampled_from(ADDRESSES),
    st.sampled_from(("*", "some", *DIGESTS)),
    st.sampled_from(("*", *CALLED)),
)
rule_sets = st.dictionaries(keys, st.booleans(), max_size=14).map(
    lambda found: tuple(
        rule(calling, address, certificate=certificate, called=called, admitted=admitted)
        for (calling, address, certificate, called), admitted in found.items()
    )
)
callers = st.fixed_dictionaries(
    {
        "calling": st.sampled_from((*TITLES, "US9")),
        "called": st.sampled_from((*CALLED, "BETA")),
        "address": st.sampled_from(CALLERS),
        "certificate": st.sampled_from(("", *DIGESTS, "c" * 64)),
    }
)


def reference(
    rules: tuple[Rule, ...], *, calling: str, called: str, address: str, certificate: str
) -> Rule | None:
    """Look for a rule at each step of the order, most exact first: bits of addresses are compared one by one."""
    caller = ipaddress.ip_address(address)
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
        caller = caller.ipv4_mapped
    bits = f"{int(caller):0{caller.max_prefixlen}b}"
    by_key = {(one.calling, one.address, one.certificate, one.called): one for one in rules}

    def holding(length: int) -> list[str]:
        found = []
        for text in ADDRESSES[1:]:
            net, _, prefix = text.partition("/")
            start = ipaddress.ip_address(net)
            wide = int(prefix) if prefix else start.max_prefixlen
            if start.version == caller.version and wide == length:
                begins = f"{int(start):0{start.max_prefixlen}b}"[:wide]
                found += [text] if bits.startswith(begins) else []
        return found

    addresses = [text for length in range(128, -1, -1) for text in holding(length)] + ["*"]
    certificates = ([certificate, "some"] if certificate else []) + ["*"]
    for key in product((calling, "*"), addresses, certificates, (called, "*")):
        if key in by_key:
            return by_key[key]
    return None


def differs(rules: tuple[Rule, ...], caller: dict[str, str]) -> bool:
    decided = admit(Rules(called=CALLED, rules=rules), **caller)
    right = reference(rules, **caller)
    if right is None:
        return not (isinstance(decided, Refusal) and decided.why in ("unknown", "called"))
    ours = caller["called"] in CALLED
    let_in = isinstance(decided, Admitted)
    return decided.rule != right.name or let_in != (right.admitted and ours)


@settings(max_examples=3000 if os.environ.get("MERIDIAN_LONG") else 150, deadline=None)
@given(rules=rule_sets, caller=callers)
def test_the_decision_is_the_one_of_the_documented_order(
    rules: tuple[Rule, ...], caller: dict[str, str]
) -> None:
    assert not differs(rules, caller)
    assert not differs(rules[::-1], caller), "the order in the file says nothing"


@pytest.mark.parametrize("fault", ["blocked-rule-ignored", "rule-prefix-as-text"])
def test_a_planted_fault_of_a_decision_differs_from_the_order(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    singles = [rule("*", address, admitted=admitted) for address in ADDRESSES for admitted in (True, False)]
    asked = [
        {"calling": "CT1", "called": "ALPHA", "address": address, "certificate": ""} for address in CALLERS
    ]
    assert not any(differs((one,), caller) for one in singles for caller in asked)
    planted(monkeypatch, fault)
    assert any(differs((one,), caller) for one in singles for caller in asked)
