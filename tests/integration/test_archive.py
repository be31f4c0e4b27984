"""A study in the archive alone, asked for at every way out of a node: each gives what it gave while it was online."""

from __future__ import annotations

from collections.abc import Iterator

import imagecodecs
import pytest
from pydicom import Dataset
from pynetdicom import AE

from node.archive.archived import is_archived
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.recall.recalling import bring, recall_study
from node.archive.recall.tickets import open_tickets
from node.archive.scrub.damage import look_at
from node.archive.scrub.healing import heal_study
from node.catalogue.moving import retire_packs
from node.catalogue.search import instances_of
from node.clock import SystemClock
from node.database.port import Statement
from node.imaging.lossless import JPEG_LS
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.directory import is_damaged
from ops.verify import CHECKS, verify_part
from tests.kit.bare_node import bare_node
from tests.kit.exits import EXITS, FRAME, PLACE, Doors, Exit, open_doors
from tests.kit.holding import hold
from tests.kit.instances import IMPLICIT, make_ct
from tests.kit.merging import complete
from tests.kit.site import add_quickly, open_site

STUDY = "2.25.1"
JSON = "application/dicom+json"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))
FROM_ROWS = frozenset({"page", "list", "delivery", "C-FIND"})
"""Exits that give what stands in rows, and bring nothing back for it."""
MAY_BE_KEPT = ("QIDO-RS", "instances of", "series of", "ETag", "picture", "metadata")
"""... those that may have what they gave before in memory, and those that read the package where it lies."""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("archive")
    node = bare_node(folder, "alpha", SystemClock())
    hold(node, [_ct(1)])
    hold(node, [_ct(2, transfer_syntax=IMPLICIT)], transfer_syntax=IMPLICIT)
    complete(node, KEY)
    for pack in node.packs.landing():
        node.packs.landed(pack)
    with open_site(node) as site:
        person = site.signed_in(add_quickly(node, "chen", "technician"))
        with open_doors(site, person, folder, STUDY) as opened:
            yield opened
    node.close()


def _ct(n: int, **changes: str) -> bytes:
    return make_ct(
        study_uid=STUDY,
        series_uid=f"{STUDY}.1",
        sop_uid=f"{STUDY}.1.{n}",
        number=n,
        rows=160,
        columns=160,
        change={0x00280004: ("CS", "MONOCHROME2")},
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("way", EXITS, ids=[one.name for one in EXITS])
def test_every_exit_gives_what_it_gave_while_the_study_was_online(doors: Doors, way: Exit) -> None:
    online = way.ask(doors)
    leave_to_archive(doors.site.node)
    assert way.ask(doors) == online
    brought = not any(_in_archive(doors.site.node))
    assert brought or way.name in FROM_ROWS or way.name.startswith(MAY_BE_KEPT)
    assert [finding for name in CHECKS for finding in verify_part(doors.site.node, name)] == []


@pytest.mark.parametrize("way", EXITS, ids=[one.name for one in EXITS])
def test_every_exit_gives_what_it_gave_when_all_records_are_known_to_be_damaged(
    doors: Doors, way: Exit
) -> None:
    node = doors.site.node
    bring(node, KEY, who="", why="test")
    heal_study(node, KEY)
    online = way.ask(doors)
    archive_study(node, origin=KEY.origin, study_uid=KEY.study_uid)
    spoil_everything(node)
    assert way.ask(doors) == online
    healed = not any(is_damaged(row.pack) for row in instances_of(node.database, KEY, chosen_only=False))
    assert healed or way.name in FROM_ROWS or way.name.startswith(MAY_BE_KEPT)


def test_metadata_and_frames_are_given_from_the_package_and_nothing_is_brought(doors: Doors) -> None:
    node = doors.site.node
    (_, online), (_, frame) = (
        doors.raw(f"{PLACE}/metadata", JSON),
        doors.raw(FRAME, "application/octet-stream"),
    )
    leave_to_archive(node)
    headers, body = doors.raw(f"{PLACE}/metadata", JSON)
    assert body == online
    headers, coded = doors.raw(FRAME, "image/jls")
    assert headers["content-type"] == f"image/jls; transfer-syntax={JPEG_LS}"
    assert imagecodecs.jpegls_decode(coded).astype("<u2").tobytes() == frame
    assert all(_in_archive(node))
    headers, body = doors.raw(FRAME, "application/octet-stream")  # takes no other syntax than native
    assert body == frame
    assert not any(_in_archive(node))


def test_a_device_that_moves_what_takes_too_long_is_told_so_and_gets_it_later(doors: Doors) -> None:
    node = doors.site.node
    leave_to_archive(node)
    node.archive.note_late(KEY.subject, now=node.now())
    status, comment = move(doors)
    assert status == 0xA702
    assert comment.startswith("Reading the study was put off for ")
    (ticket,) = open_tickets(node.database)
    assert (ticket.state, ticket.why) == ("waiting", "read")
    recall_study(node, origin=KEY.origin, study_uid=KEY.study_uid, ticket=ticket.id)
    assert move(doors) == (0, "")


def move(doors: Doors) -> tuple[int, str]:
    """Move the study to the PACS; give how that ended, and what was said of it."""
    ae = AE(ae_title="WS")
    ae.add_requested_context(STUDY_MOVE)
    association = ae.associate("127.0.0.1", doors.port, ae_title="ALPHA")
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", STUDY
    *_, (last, _) = association.send_c_move(wanted, "PACS", STUDY_MOVE)
    association.release()
    return int(last.Status), str(last.get("ErrorComment", ""))


def test_what_an_expired_study_leaves_on_the_disk_is_its_package_alone(doors: Doors) -> None:
    node = doors.site.node
    leave_to_archive(node)
    assert all(_in_archive(node))
    packs = {row.pack for row in instances_of(node.database, KEY, chosen_only=False)}
    assert not any(node.packs.path(pack).exists() for pack in packs)
    assert len(list((node.state / "archive").glob("store-0/??/*"))) == 1
    assert list((node.state / "archive" / "work").iterdir()) == []


def spoil_everything(node: Node) -> None:
    """Spoil each record of the study, and find it out."""
    rows = instances_of(node.database, KEY, chosen_only=False)
    for pack in {row.pack for row in rows}:
        raw = bytearray(node.packs.path(pack).read_bytes())
        for row in rows:
            if row.pack == pack:
                raw[row.data_offset + row.data_bytes // 2] ^= 1
        node.packs.path(pack).write_bytes(raw)
        assert look_at(node, pack)
    assert all(is_damaged(row.pack) for row in instances_of(node.database, KEY, chosen_only=False))


def leave_to_archive(node: Node) -> None:
    """Archive the study, let its online copy go, and the packs with it at once."""
    archive_study(node, origin=KEY.origin, study_uid=KEY.study_uid)
    expire_study(node, KEY, reason="age")
    node.write([Statement("UPDATE retired_pack SET due = 0")])
    retire_packs(node)
    assert all(_in_archive(node))


def _in_archive(node: Node) -> list[bool]:
    return [is_archived(row.pack) for row in instances_of(node.database, KEY, chosen_only=False)]
