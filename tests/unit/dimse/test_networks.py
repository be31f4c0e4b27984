from __future__ import annotations

import pytest

from node.dimse.networks import covers, exactness, normal_address
from tests.kit.planting import planted


@pytest.mark.parametrize(
    ("wanted", "address", "covered"),
    [
        ("*", "anything", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.17", False),
        ("10.0.0.0/8", "10.200.3.4", True),
        ("10.0.0.0/8", "100.0.0.1", False),
        ("10.0.0.0/9", "10.200.3.4", False),
        ("0.0.0.0/0", "203.0.113.9", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "10.0.0.1", False),
        ("2001:db8::/32", "2001:db8:0:0::7", True),
        ("2001:db8::/32", "2001:db9::7", False),
        ("2001:db8::7", "2001:0DB8:0000::0007", True),
        ("10.0.0.0/24", "::ffff:10.0.0.7", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("10.0.0.0/8", "", False),
        ("10.0.0.0/8", "localhost", False),
        ("nonsense", "10.0.0.1", False),
    ],
)
def test_a_network_holds_addresses_as_numbers(wanted: str, address: str, covered: bool) -> None:
    assert covers(wanted, address) is covered


def test_exactness_is_the_prefix_and_any_is_least() -> None:
    ordered = ["*", "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.7"]
    assert sorted(ordered, key=exactness) == ordered
    assert exactness("2001:db8::1") == 128


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("*", "*"),
        ("10.0.0.7/32", "10.0.0.7"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("10.1.0.0/255.255.0.0", "10.1.0.0/16"),
    ],
)
def test_an_address_has_one_way_of_writing(written: str, kept: str) -> None:
    assert normal_address(written) == kept


def test_bits_of_a_host_in_a_network_are_refused_with_the_network_meant() -> None:
    with pytest.raises(ValueError, match=r"write 10\.1\.0\.0/16 for all of it"):
        normal_address("10.1.2.3/16")


@pytest.mark.parametrize("text", ["", "ct.example", "10.0.0.0/33", "10.0.0", "fe80::1%eth0"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normal_address(text)


def test_a_planted_network_compared_as_text_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    near = ("10.0.0.1", "10.0.0.17"), ("10.0.0.0/8", "100.0.0.1"), ("10.0.0.0/8", "10.200.3.4")
    right = [covers(*pair) for pair in near]
    planted(monkeypatch, "rule-prefix-as-text")
    assert [covers(*pair) for pair in near] != right
