"""A series of a study that lies sealed in a bucket alone, fetched by devices and programs: no more is read than it needs.

SeaweedFS; three series of 16 MB of noise. Half a minute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.events import Event

from node.archive.archived import is_archived, peek_archived
from node.archive.archiving import archive_study
from node.archive.copies import open_package
from node.archive.expiring import expire_study
from node.archive.package.manifest import MANIFEST
from node.archive.recall.tickets import open_tickets, tickets_of
from node.catalogue.moving import retire_packs
from node.catalogue.search import instances_of
from node.database.port import Statement
from node.dicom.part10 import read_part10
from node.dimse.remotes import peek_remote
from node.dimse.rules import EVERY_ORIGIN
from node.names import SeriesUID, StudyKey
from node.node import Node
from node.people.accounts import OPERATOR
from node.transfers.sending import send_study
from node.transfers.transfers import ask_send
from tests.kit.archive_stores import Far
from tests.kit.bucket import node_with_bucket
from tests.kit.holding import hold
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.merging import complete
from tests.kit.parts import parts_of
from tests.kit.planting import planted
from tests.kit.receiving import config_for, receiving
from tests.kit.receiving import rule as any_rule
from tests.kit.shelf import add_destination, publish
from tests.kit.site import Site, open_site
from tests.kit.storescp import StoreScp, storescp

STUDY = "2.25.1"
SERIES = f"{STUDY}.2"
COUNT, SIDE = 10, 1024
STUDY_GET, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
FILES = 'multipart/related; type="application/dicom"'


@dataclass(frozen=True, kw_only=True)
class Away:
    """A node with a study that lies in a bucket alone, and those who may ask for it."""

    node: Node
    key: StudyKey
    bucket: Far
    site: Site
    port: int
    pacs: StoreScp

    def series_online(self) -> set[str]:
        rows = instances_of(self.node.database, self.key, chosen_only=False)
        return {row.series_uid for row in rows if not is_archived(row.pack)}

    def most_bytes(self) -> float:
        """Give what a recall of the series may read: a third more than its members, and the manifest."""
        archived = peek_archived(self.node.database, self.key)
        assert archived is not None
        rows = instances_of(self.node.database, self.key, SeriesUID(SERIES))
        with open_package(self.node, archived.digest) as package:
            places = [package.extent(row.offset) for row in rows]
            told = package.stored_bytes(MANIFEST)
        return 1.3 * sum(end - begin for begin, end in places) + told


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    folder = tmp_path_factory.mktemp("ranges")
    with node_with_bucket(folder) as (node, bucket):
        key = hold(node, [_noise(series, n) for series in (1, 2, 3) for n in range(1, COUNT + 1)])
        complete(node, key)
        for pack in node.packs.landing():
            node.packs.landed(pack)
        publish(node, any_rule(), reads=EVERY_ORIGIN)
        with (
            open_site(node) as site,
            receiving(node.state, config=config_for(), packs=node.packs, catalogue=lambda: node) as receiver,
            storescp(folder / "pacs") as pacs,
        ):
            add_destination(node, "PACS", pacs.port)
            yield Away(node=node, key=key, bucket=bucket, site=site, port=receiver.port, pacs=pacs)


def _noise(series: int, number: int) -> bytes:
    random = np.random.default_rng(1000 * series + number)
    return make_ct(
        study_uid=STUDY,
        series_uid=f"{STUDY}.{series}",
        sop_uid=f"{STUDY}.{series}.{number}",
        number=number,
        rows=SIDE,
        columns=SIDE,
        pixels=random.integers(0, 1 << 12, SIDE * SIDE, dtype="<u2").tobytes(),
        change={0x00280004: ("CS", "MONOCHROME2")},
    )


def leave(away: Away) -> None:
    """Let the study lie in the bucket alone, and nothing be known of how it was asked for before."""
    node, key = away.node, away.key
    archive_study(node, origin=key.origin, study_uid=key.study_uid)
    if away.series_online():
        expire_study(node, key, reason="due")
    node.write([Statement("UPDATE retired_pack SET due = 0"), Statement("DELETE FROM recall")])
    retire_packs(node)
    assert not away.series_online()
    away.bucket.forget()


Ask = Callable[[Away], dict[str, str]]
"""Fetches the series, or an instance of it; gives the digest of each data set that came."""


def get_series(away: Away) -> dict[str, str]:
    return _get(away, level="SERIES")


def get_instance(away: Away) -> dict[str, str]:
    return _get(away, level="IMAGE", SOPInstanceUID=f"{SERIES}.3")


def _get(away: Away, *, level: str, **more: str) -> dict[str, str]:
    got: dict[str, str] = {}

    def on_store(event: Event) -> int:
        raw = event.request.DataSet.getvalue()
        got[str(event.request.AffectedSOPInstanceUID)] = hashlib.sha256(raw).hexdigest()
        return 0

    ae = AE(ae_title="WS")
    ae.add_requested_context(STUDY_GET)
    ae.add_requested_context(CT_IMAGE, EXPLICIT)
    association = ae.associate(
        "127.0.0.1", away.port, ae_title="ALPHA",
        ext_neg=[build_role(CT_IMAGE, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )  # fmt: skip
    *_, (last, _) = association.send_c_get(_wanted(level, **more), STUDY_GET)
    association.release()
    assert last.Status == 0
    return got


def send_series(away: Away) -> dict[str, str]:
    remote = peek_remote(away.node.database, "PACS")
    assert remote is not None
    asked = ask_send(away.node, OPERATOR, away.key, remote.id, series_uids=[SERIES], name="WS")
    send_study(away.node, asked.id)
    return _kept(away)


def move_series(away: Away) -> dict[str, str]:
    ae = AE(ae_title="WS")
    ae.add_requested_context(STUDY_MOVE)
    association = ae.associate("127.0.0.1", away.port, ae_title="ALPHA")
    *_, (last, _) = association.send_c_move(_wanted("SERIES"), "PACS", STUDY_MOVE)
    association.release()
    assert last.Status == 0
    return _kept(away)


def _kept(away: Away) -> dict[str, str]:
    """Give what the PACS has kept, and take it away there."""
    files = [read_part10(path.read_bytes()) for path in away.pacs.received()]
    for path in away.pacs.received():
        path.unlink()
    return {str(one.sop_uid): hashlib.sha256(one.data_set).hexdigest() for one in files}


def _wanted(level: str, **more: str) -> Dataset:
    wanted = Dataset()
    for name, value in {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, **more}.items():
        setattr(wanted, name, value)
    wanted.QueryRetrieveLevel = level
    return wanted


def wado_series(away: Away) -> dict[str, str]:
    reader = away.site.program()
    reader.headers["Accept"] = f"{FILES}; transfer-syntax=*"
    status, headers, body = reader.raw("GET", f"/dicomweb/studies/{STUDY}/series/{SERIES}")
    assert status == 200
    files = [read_part10(part) for _, part in parts_of(headers, body)]
    return {str(one.sop_uid): hashlib.sha256(one.data_set).hexdigest() for one in files}


WAYS = [get_series, get_instance, move_series, send_series, wado_series]


def originals(away: Away, ask: Ask) -> dict[str, str]:
    rows = instances_of(away.node.database, away.key, SeriesUID(SERIES))
    whole = {str(row.sop_uid): str(row.digest) for row in rows}
    return {f"{SERIES}.3": whole[f"{SERIES}.3"]} if ask is get_instance else whole


@pytest.mark.parametrize("ask", WAYS)
def test_a_series_comes_alone_by_its_ranges_and_as_it_was_received(away: Away, ask: Ask) -> None:
    leave(away)
    most = away.most_bytes()
    away.bucket.forget()
    assert ask(away) == originals(away, ask)
    assert (away.series_online(), away.bucket.whole) == ({SERIES}, 0)
    assert 0 < away.bucket.read_bytes <= most
    (ticket,) = tickets_of(away.node.database, away.key)
    assert (ticket.series_uid, ticket.instances, ticket.state) == (SERIES, COUNT, "done")
    assert ticket.who == ("reader" if ask is wado_series else "WS")
    assert open_tickets(away.node.database) == []  # the rest was not asked for


@pytest.mark.parametrize("ask", WAYS)
def test_a_planted_series_that_brings_its_study_is_caught(
    away: Away, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(away)
    planted(monkeypatch, "series-brings-study")
    assert ask(away) == originals(away, ask)
    assert away.series_online() != {SERIES} or open_tickets(away.node.database)


def test_a_planted_habit_of_fetching_all_for_a_series_is_caught(
    away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(away)
    most = away.most_bytes()
    away.bucket.forget()
    planted(monkeypatch, "always-whole")
    assert get_series(away) == originals(away, get_series)
    assert away.bucket.read_bytes > 2 * most
