"""Frames that cannot be decoded, at each way out: what fails first fails alone, what fails later breaks off.

Nobody ever gets an instance with other bytes than its own.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.events import Event

from node.clock import SystemClock
from node.dicom.header import scan
from node.dicom.part10 import read_part10
from node.dimse.calling import Called
from node.dimse.outgoing import outgoing_file
from node.dimse.server import Receiver
from node.dimse.store_scu import NOT_WRITTEN, Sent, store
from node.errors import GridError
from node.node import Node
from node.store.regions import Made
from tests.integration.test_query_retrieve import STUDY_GET, identifier
from tests.integration.test_web_dicomweb import get
from tests.kit.bare_node import bare_node
from tests.kit.compressed import SYNTAXES, encoded, ramp, with_frames
from tests.kit.holding import hold
from tests.kit.instances import CT_IMAGE, EXPLICIT, IMPLICIT, part10
from tests.kit.shelf import add_destination, dcmtk, shelf
from tests.kit.site import open_site

HOST, STUDY = "127.0.0.1", "2.25.70"
LOSSLESS = SYNTAXES["jpeg-ls"]
BROKEN = b"\xff\xd8" + bytes(40)
FRAMES = 3


def instance(number: int, *streams: bytes) -> bytes:
    return with_frames(
        *streams, study_uid=STUDY, series_uid=f"{STUDY}.1", sop_uid=f"{STUDY}.1.{number}", number=number
    )


def three(spoiled: int) -> list[bytes]:
    """Give three instances; in the one in the middle this frame cannot be decoded."""
    whole = [encoded("jpeg-ls", n) for n in range(FRAMES)]
    broken = [BROKEN if n == spoiled else whole[n] for n in range(FRAMES)]
    return [instance(1, *whole), instance(2, *broken), instance(3, *whole)]


def numbers_of(taken: list[Any]) -> list[int]:
    """Give the numbers of instances that came, which must be the pictures that they were."""
    for each in taken:
        assert np.array_equal(each.pixel_array, [ramp(n) for n in range(FRAMES)])
    return [int(each.InstanceNumber) for each in taken]


class Pacs:
    """A storage SCP that takes one native syntax, and counts associations and how they ended."""

    def __init__(self, syntax: str) -> None:
        self.taken: list[Any] = []
        self.accepted, self.aborted = 0, 0
        entity = AE(ae_title="PACS")
        entity.add_supported_context(CT_IMAGE, syntax)
        self._server = entity.start_server((HOST, 0), block=False, evt_handlers=[
            (evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accept), (evt.EVT_ABORTED, self._abort),
        ])  # fmt: skip
        self.port = int(self._server.socket.getsockname()[1])

    def _store(self, event: Event) -> int:
        self.taken.append(taken_of(event))
        return 0

    def _accept(self, _: Event) -> None:
        self.accepted += 1

    def _abort(self, _: Event) -> None:
        self.aborted += 1

    def close(self) -> None:
        self._server.shutdown()


def taken_of(event: Event) -> Any:
    syntax = str(event.context.transfer_syntax)
    raw = event.request.DataSet.getvalue()
    return dcmread(BytesIO(part10(raw, transfer_syntax=syntax)))


@pytest.fixture(params=[EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
def pacs(request: pytest.FixtureRequest) -> Iterator[Pacs]:
    opened = Pacs(request.param)
    yield opened
    opened.close()


def send(pacs: Pacs, data_sets: list[bytes], folder: Path) -> list[Sent]:
    files = [
        part10(each, sop_uid=scan(each, LOSSLESS).text(0x00080018), transfer_syntax=LOSSLESS)
        for each in data_sets
    ]
    sent: list[Sent] = []
    store(
        Called(name="PACS", aet="PACS", host=HOST, port=pacs.port, calling="ALPHA"),
        [outgoing_file(file) for file in files],
        directory=folder,
        told=lambda one: sent.append(one) is None,
    )
    return sent


def test_a_first_frame_that_fails_leaves_the_association_standing(pacs: Pacs, tmp_path: Path) -> None:
    sent = send(pacs, three(0), tmp_path)
    assert [one.status for one in sent] == [0, NOT_WRITTEN, 0]
    assert "Decoding a frame was refused" in sent[1].words
    assert numbers_of(pacs.taken) == [1, 3]
    assert (pacs.accepted, pacs.aborted) == (1, 0)


def test_a_later_frame_that_fails_breaks_off_and_the_others_go_in_another_association(
    pacs: Pacs, tmp_path: Path
) -> None:
    sent = send(pacs, three(2), tmp_path)
    assert [(one.sop_uid, one.status) for one in sent] == [
        (f"{STUDY}.1.1", 0),
        (f"{STUDY}.1.2", NOT_WRITTEN),
        (f"{STUDY}.1.3", 0),
    ]
    assert "failed on the way" in sent[1].words
    assert numbers_of(pacs.taken) == [1, 3]
    assert pacs.accepted == 2


def test_planted_zeros_in_place_of_a_frame_are_caught(
    pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give = Made.give

    def filled(piece: Made) -> bytes:
        try:
            return give(piece)
        except GridError:
            return bytes(piece.length)

    monkeypatch.setattr(Made, "give", filled)
    send(pacs, three(2), tmp_path)
    with pytest.raises(AssertionError):
        numbers_of(pacs.taken)


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[tuple[Node, Receiver]]:
    with shelf(tmp_path) as both:
        yield both


def retrieved(receiver: Receiver, syntax: str) -> tuple[list[Any], list[Any], bool]:
    """Fetch the study by C-GET: answers, what came, and whether the association still stood."""
    taken: list[Any] = []

    def on_store(event: Event) -> int:
        taken.append(taken_of(event))
        return 0

    entity = AE(ae_title="WS")
    entity.requested_contexts = [build_context(STUDY_GET), build_context(CT_IMAGE, syntax)]
    association = entity.associate(
        HOST, receiver.port, ae_title="ALPHA",
        ext_neg=[build_role(CT_IMAGE, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )  # fmt: skip
    answers = list(association.send_c_get(identifier("STUDY", StudyInstanceUID=STUDY), STUDY_GET))
    association.release()
    return answers, taken, bool(association.is_released)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
def test_who_fetches_gets_what_can_be_decoded(shelved: tuple[Node, Receiver], syntax: str) -> None:
    node, receiver = shelved
    hold(node, three(0), transfer_syntax=LOSSLESS)
    answers, taken, stood = retrieved(receiver, syntax)
    status, failed = answers[-1]
    assert (status.Status, status.NumberOfCompletedSuboperations) == (0xB000, 2)
    assert failed.FailedSOPInstanceUIDList == f"{STUDY}.1.2"
    assert numbers_of(taken) == [1, 3]
    assert stood


def test_who_fetches_is_hung_up_on_in_the_middle_of_one_that_breaks_off(
    shelved: tuple[Node, Receiver],
) -> None:
    node, receiver = shelved
    hold(node, three(1), transfer_syntax=LOSSLESS)
    _, taken, stood = retrieved(receiver, EXPLICIT)
    assert numbers_of(taken) == [1]
    assert not stood


@pytest.mark.peer
@pytest.mark.parametrize(("spoiled", "came"), [(0, [1, 3]), (2, [1])])
def test_a_destination_gets_none_that_is_not_whole(
    shelved: tuple[Node, Receiver], tmp_path: Path, pacs: Pacs, spoiled: int, came: list[int]
) -> None:
    node, receiver = shelved
    hold(node, three(spoiled), transfer_syntax=LOSSLESS)
    add_destination(node, "PACS", pacs.port)
    words = dcmtk(
        "movescu", "-d", "-S", "-aec", "ALPHA", "-aem", "PACS", "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={STUDY}", HOST, str(receiver.port), cwd=tmp_path, fails=True,
    )  # fmt: skip
    assert numbers_of(pacs.taken) == came
    assert f"Failed Suboperations          : {3 - len(came)}" in words


def test_an_answer_over_http_breaks_off(tmp_path: Path) -> None:
    node = bare_node(tmp_path, "alpha", SystemClock())
    hold(node, three(2), transfer_syntax=LOSSLESS)
    alone = f"application/dicom; transfer-syntax={EXPLICIT}"
    parts = f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
    path = f"/dicomweb/studies/{STUDY}"
    with open_site(node) as site:
        reader = site.program()
        for number in (1, 3):
            _, _, body = get(reader, f"{path}/series/{STUDY}.1/instances/{STUDY}.1.{number}", Accept=alone)
            assert numbers_of([dcmread(BytesIO(body))]) == [number]
            assert read_part10(body).transfer_syntax == EXPLICIT
        for address, accept in ((f"{path}/series/{STUDY}.1/instances/{STUDY}.1.2", alone), (path, parts)):
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                get(reader, address, Accept=accept)
        assert json.loads(get(reader, f"{path}/metadata")[2])
