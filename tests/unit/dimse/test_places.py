from __future__ import annotations

from node.dimse.places import HALF_OPEN, HALF_OPEN_PER_ADDRESS, Places


def test_associations_are_limited_and_places_come_back() -> None:
    places = Places(2)
    for _ in range(3):
        assert places.connect("a")
    assert [places.associate("a") for _ in range(3)] == [True, True, False]
    places.leave("a", associated=True)
    assert places.associate("a")


def test_one_address_cannot_take_all_waiting_places() -> None:
    places = Places(1)
    assert [places.connect("a") for _ in range(HALF_OPEN_PER_ADDRESS + 1)][-2:] == [True, False]
    assert places.connect("b")
    places.leave("a", associated=False)
    assert places.connect("a")


def test_all_addresses_together_are_limited() -> None:
    places = Places(1)
    assert all(places.connect(f"a{n}") for n in range(HALF_OPEN))
    assert not places.connect("b")


def test_those_who_wait_keep_no_admitted_device_out() -> None:
    places = Places(1)
    for n in range(HALF_OPEN - 1):
        places.connect(f"a{n}")
    assert places.connect("ct")
    assert places.associate("ct")
