"""Instances of a peer on their way into packs: what it vouches for is looked through all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation import fetching
from federation.fetching import OfferedRow
from federation.parts import VERSION, Manifest, Member, seal_part
from node.errors import Damaged, GridError, InvalidRequest
from node.names import Cause, NodeId, StudyUID
from node.node import Node
from tests.kit.instances import CT_IMAGE, EXPLICIT, file_meta, make_ct
from tests.kit.packs import STUDY, make_facts, open_packs, open_writer

BETA = NodeId("beta")
UID = "2.25.1.1.1"


@pytest.fixture(params=["whole", "by chunks"])
def whole_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set is handed to the pack at once, or written while it is opened."""
    if request.param == "by chunks":
        monkeypatch.setattr(fetching, "WHOLE_BYTES", 0)


def received(node: Node, folder: Path, data_set: bytes, *, sop_uid: str = UID) -> list[bytes]:
    """Let a peer offer one data set as ``sop_uid``; give what is in the packs then."""
    facts = make_facts()
    folder.mkdir(exist_ok=True)
    peer = open_packs(folder / "peer")
    writer = open_writer(peer)
    stored = writer.append(
        facts, sop_class=CT_IMAGE, sop_uid=sop_uid, file_meta=file_meta(sop_uid=sop_uid), data_set=data_set
    )
    member = Member(
        sop_class=CT_IMAGE,
        sop_uid=sop_uid,
        digest=stored.digest,
        transfer_syntax=EXPLICIT,
        meta_bytes=stored.location.meta_bytes,
        data_bytes=stored.location.data_bytes,
        received_at=1,
        calling="CT1",
        called="BETA",
        issuer="his",
        trust_issuer=False,
        department="CT",
    )
    manifest = Manifest(v=VERSION, origin=BETA, study_uid=StudyUID(STUDY), k=1, members=(member,))
    part = seal_part(peer, manifest, [stored.location], directory=folder)
    row = OfferedRow(
        peer=BETA,
        origin=BETA,
        study_uid=StudyUID(STUDY),
        k=1,
        blob=part.file.digest,
        blob_key=part.file.key,
        bytes=part.file.path.stat().st_size,
        instances=1,
        manifest_digest=part.manifest_digest,
        cause=Cause("cause"),
    )
    fetching._store(node, row, part.file.path)
    return kept(node)


def kept(node: Node) -> list[bytes]:
    packs = node.packs
    return [
        packs.read_data_set(record.location) for name in packs.names() for record in packs.marked(name, 0)
    ]


@pytest.mark.usefixtures("whole_bytes")
def test_what_a_peer_sends_is_stored_byte_for_byte(node: Node, tmp_path: Path) -> None:
    data_set = make_ct(sop_uid=UID)
    assert received(node, tmp_path, data_set) == [data_set]


@pytest.mark.usefixtures("whole_bytes")
@pytest.mark.parametrize(
    ("data_set", "refusal"),
    [
        (make_ct(sop_uid=UID)[:-1], InvalidRequest),
        (make_ct(sop_uid="2.25.9"), Damaged),
        (make_ct(sop_uid=UID, study_uid="2.25.9"), Damaged),
        (b"no data set at all", InvalidRequest),
    ],
    ids=["cut off", "another instance", "another study", "nonsense"],
)
def test_what_cannot_be_read_or_is_another_is_not_stored(
    node: Node, tmp_path: Path, data_set: bytes, refusal: type[GridError]
) -> None:
    with pytest.raises(refusal):
        received(node, tmp_path, data_set)
    assert kept(node) == []
    assert received(node, tmp_path / "again", make_ct(sop_uid=UID)) == [make_ct(sop_uid=UID)]
