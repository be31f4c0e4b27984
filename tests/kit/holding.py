"""Studies as a node holds them: through packs and registration, as every door does it."""

from __future__ import annotations

from collections.abc import Sequence

from node.catalogue.registration import register
from node.dicom.header import identify, scan
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.facts import AssociationFacts
from tests.kit.instances import EXPLICIT, file_meta, make_ct


def hold(
    node: Node,
    data_sets: Sequence[bytes],
    *,
    origin: str = "",
    transfer_syntax: str = EXPLICIT,
    calling: str = "CT1",
    received_at: int | None = None,
) -> StudyKey:
    """Store and register data sets of one study as one association brought them; gives the study."""
    found = [identify(scan(data_set, transfer_syntax)) for data_set in data_sets]
    key = StudyKey(origin=NodeId(origin or node.id), study_uid=StudyUID(found[0].study_uid))
    facts = AssociationFacts(
        calling=calling,
        called=node.config.aet,
        address="10.0.0.7",
        certificate="",
        rule=f"{calling}@*",
        rule_version=1,
        issuer="his",
        trust_issuer=False,
        department="CT",
        transfer_syntax=transfer_syntax,
        received_at=node.now() if received_at is None else received_at,
        origin=key.origin,
        study_uid=key.study_uid,
        door="dicom" if key.origin == node.id else "peer",
        cause=Cause(node.new_id()),
    )
    writer = node.packs.open_writer(study_uid=key.study_uid, cause=facts.cause)
    stored = []
    for data_set, uids in zip(data_sets, found, strict=True):
        meta = file_meta(sop_uid=uids.sop_uid, sop_class=uids.sop_class, transfer_syntax=transfer_syntax)
        stored.append(
            writer.append(
                facts, sop_class=uids.sop_class, sop_uid=uids.sop_uid, file_meta=meta, data_set=data_set
            )
        )
    writer.close()
    pack = stored[0].location.pack
    register(node, list(node.packs.marked(pack, 0)), cursors=[])
    return key


def hold_ct(
    node: Node, *, study_uid: str, slices: int = 2, origin: str = "", name: str = "Zhang^San"
) -> StudyKey:
    """Hold a small CT study of a person of this name."""
    data_sets = [
        make_ct(
            study_uid=study_uid,
            series_uid=f"{study_uid}.1",
            sop_uid=f"{study_uid}.1.{number}",
            number=number,
            patient_name=name,
            charset="ISO_IR 192",
            python_charset="utf-8",
        )
        for number in range(1, slices + 1)
    ]
    return hold(node, data_sets, origin=origin)
