from __future__ import annotations

from threading import Barrier, Thread

from node.dimse.at_once import AtOnce
from node.dimse.rules import Admitted


def limited(at_once: int) -> Admitted:
    return Admitted(rule="CT*", version=1, issuer="", trust_issuer=False, department="", at_once=at_once)


def test_a_device_has_no_more_associations_than_its_rule_says() -> None:
    count, two = AtOnce(), limited(2)
    assert [count.enter(two, calling="CT1", address="10.0.0.7") for _ in range(3)] == [True, True, False]
    assert count.enter(two, calling="CT2", address="10.0.0.7"), "another device of the rule counts apart"
    assert count.enter(two, calling="CT1", address="10.0.0.8")
    count.leave(two, calling="CT1", address="10.0.0.7")
    assert count.enter(two, calling="CT1", address="10.0.0.7")


def test_without_a_limit_only_the_places_of_the_node_count() -> None:
    count = AtOnce()
    assert all(count.enter(limited(0), calling="CT1", address="10.0.0.7") for _ in range(100))


def test_many_at_the_same_time_are_counted_right() -> None:
    count, begin, let_in = AtOnce(), Barrier(16), []

    def try_one() -> None:
        begin.wait()
        let_in.append(count.enter(limited(5), calling="CT1", address="10.0.0.7"))

    threads = [Thread(target=try_one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert let_in.count(True) == 5
