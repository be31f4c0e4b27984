from __future__ import annotations

from pathlib import Path

import pytest

from node.clock import SECOND
from node.database.port import Statement, integer, text
from node.dimse.admission import admit_device
from node.dimse.devices import list_devices
from node.dimse.refusals import FILE, REWRITE_BYTES, Line, RefusalLog, read_lines, take_away
from node.dimse.registration import CURSOR, register_refusals
from node.errors import Conflict
from node.journal.cursors import advance, position
from node.node import Node
from tests.kit.clock import FrozenClock
from tests.kit.malformed import HOSTILE_TITLES


@pytest.fixture
def log(node: Node, clock: FrozenClock) -> RefusalLog:
    return RefusalLog(node.state / "landing" / FILE, clock)


def refused(n: int, words: str = "it has no Study Instance UID.") -> Line:
    return Line(
        kind="instance",
        at=n,
        calling="CT1",
        called="ALPHA",
        address="10.0.0.7",
        rule="CT1@*",
        words=words,
        sop_uid=f"2.25.{n}",
        status=0xC000,
    )


def unknown(log: RefusalLog, calling: str = "CT1") -> None:
    log.association("unknown", calling=calling, called="ALPHA", address="10.0.0.7", words="not known here.")


def path_of(node: Node) -> Path:
    return node.state / "landing" / FILE


def problems(node: Node) -> list[tuple[str, str]]:
    rows = node.database.read("SELECT kind, detail FROM problem ORDER BY detail")
    return [(text(row, "kind"), text(row, "detail")) for row in rows]


def test_lines_are_read_from_where_the_reader_stands(node: Node, log: RefusalLog) -> None:
    for n in range(5):
        log.write(refused(n))
    lines, after = read_lines(path_of(node), 0, limit=2)
    assert [line.sop_uid for line in lines] == ["2.25.0", "2.25.1"]
    lines, end = read_lines(path_of(node), after)
    assert [line.sop_uid for line in lines] == ["2.25.2", "2.25.3", "2.25.4"]
    assert read_lines(path_of(node), end) == ([], end)


def test_a_torn_line_is_stepped_over(node: Node, log: RefusalLog) -> None:
    log.write(refused(1))
    path = path_of(node)
    path.write_bytes(path.read_bytes()[:-20])
    assert read_lines(path, 0) == ([], 0)
    log.write(refused(2))
    assert [line.sop_uid for line in read_lines(path, 0)[0]] == ["2.25.2"]


def test_a_disk_that_takes_no_line_keeps_nobody_out(node: Node, log: RefusalLog) -> None:
    path_of(node).mkdir(parents=True)
    unknown(log)
    log.write(refused(1))
    path_of(node).rmdir()
    log.write(refused(2))
    assert [line.sop_uid for line in read_lines(path_of(node), 0)[0]] == ["2.25.2"]


def test_a_device_that_tries_every_second_is_counted_not_repeated(
    node: Node, log: RefusalLog, clock: FrozenClock
) -> None:
    for _ in range(25):
        unknown(log)
        clock.advance(SECOND)
    unknown(log, "MR1")
    lines, _ = read_lines(path_of(node), 0)
    assert [(line.calling, line.times) for line in lines] == [
        ("CT1", 1),
        ("CT1", 10),
        ("CT1", 10),
        ("MR1", 1),
    ]


def test_what_was_registered_is_taken_away_when_it_has_grown(node: Node, log: RefusalLog) -> None:
    path = path_of(node)
    log.write(refused(1))
    _, after = read_lines(path, 0)
    take_away(path, after)
    assert path.stat().st_size > 100  # still small: left alone
    while path.stat().st_size < REWRITE_BYTES:
        log.write(refused(2, "x" * 100_000))
    _, after = read_lines(path, 0, limit=1000)
    take_away(path, after - 1)
    assert path.stat().st_size >= REWRITE_BYTES  # not all of it was registered
    take_away(path, after)
    assert path.stat().st_size < 100
    log.write(refused(3))
    lines, _ = read_lines(path, after)
    assert [line.sop_uid for line in lines] == ["2.25.3"]


def test_a_file_that_somebody_removed_is_read_from_its_start(node: Node, log: RefusalLog) -> None:
    for n in range(5):
        log.write(refused(n))
    _, after = read_lines(path_of(node), 0)
    path_of(node).unlink()
    log.write(refused(9))
    assert [line.sop_uid for line in read_lines(path_of(node), after)[0]] == ["2.25.9"]


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert read_lines(tmp_path / FILE, 7) == ([], 7)
    take_away(tmp_path / FILE, 7)


def test_failed_handshake_is_shown_and_makes_no_device(node: Node, log: RefusalLog) -> None:
    log.association("handshake", calling="", called="", address="10.0.0.9", words="TLS with 10.0.0.9 failed.")
    register_refusals(node)
    assert list_devices(node.database) == []
    assert problems(node) == [("tls-refused", "A connection was refused: TLS with 10.0.0.9 failed.")]


def test_an_unknown_device_is_shown_and_counted(node: Node, log: RefusalLog, clock: FrozenClock) -> None:
    unknown(log)
    clock.advance(20 * SECOND)
    unknown(log)
    assert register_refusals(node)
    assert not register_refusals(node)
    (device,) = list_devices(node.database)
    assert (device.calling, device.address, device.called) == ("CT1", "10.0.0.7", "ALPHA")
    assert (device.rule, device.refusals) == ("unknown", 2)
    assert device.last_at - device.first_at == 20 * SECOND
    assert problems(node) == [("device-refused", "An association was refused: not known here.")]


@pytest.mark.parametrize("title", [*HOSTILE_TITLES, "\udcff".encode("utf-8", "surrogatepass")], ids=repr)
def test_a_stranger_s_title_stops_nothing_and_admits_nobody_else(
    node: Node, log: RefusalLog, title: bytes
) -> None:
    text_ = title.decode("latin-1") if title[:1] != b"\xed" else title.decode("utf-8", "surrogatepass")
    log.association("unknown", calling=text_, called=text_, address="10.0.0.7", words="not known here.")
    unknown(log, "CT1")
    assert register_refusals(node)
    assert not register_refusals(node)
    devices = list_devices(node.database)
    assert len(devices) == 2
    assert all(device.calling != "*" for device in devices)


def test_a_device_seen_keeps_the_rule_that_let_it_in(node: Node, log: RefusalLog, clock: FrozenClock) -> None:
    admit_device(node, "person-1", calling="CT1", address="*")
    clock.advance(SECOND)
    log.association("seen", calling="CT1", called="ALPHA", address="10.0.0.7", rule="CT1@*")
    register_refusals(node)
    (device,) = list_devices(node.database)
    assert (device.address, device.rule, device.refusals) == ("*", "admitted", 0)
    assert device.last_at == clock.now()
    assert problems(node) == []


def test_each_refused_instance_is_shown_once_until_it_was_seen(node: Node, log: RefusalLog) -> None:
    for n in (1, 1, 2):
        log.write(refused(n))
    register_refusals(node)
    log.write(refused(1))
    register_refusals(node)
    words = "was refused (0xC000): it has no Study Instance UID."
    assert problems(node) == [
        ("instance-refused", f"Storing instance 2.25.1 {words}"),
        ("instance-refused", f"Storing instance 2.25.2 {words}"),
    ]
    node.write([Statement("UPDATE problem SET seen_at = 1")])
    log.write(refused(1))
    register_refusals(node)
    assert len(problems(node)) == 3


def test_lines_are_registered_once_by_two_readers(node: Node, log: RefusalLog) -> None:
    log.write(refused(1))
    _, after = read_lines(path_of(node), 0)
    register_refusals(node)
    with pytest.raises(Conflict):
        node.write([advance(CURSOR, before=0, after=after)])
    assert position(node.database, CURSOR) == after
    (row,) = node.database.read("SELECT refusals FROM device")
    assert integer(row, "refusals") == 1
