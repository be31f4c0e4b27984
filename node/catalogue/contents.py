"""Contents read back from their packs to be compared, wherever those were merged to since the rows were read."""

from __future__ import annotations

from node.catalogue.arrivals import read_arrivals
from node.catalogue.fresh import read_fresh
from node.catalogue.identity import Patient
from node.catalogue.rulings import is_of_patient
from node.catalogue.search import InstanceRow
from node.dicom.normal import normal_digest
from node.errors import Damaged, InvalidRequest, NotFound
from node.node import Node


class StoredContents:
    """Reads a node's packs."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def normal(self, row: InstanceRow) -> str:
        return self.digest_without(row, frozenset(), patient=False)

    def digest_without(self, row: InstanceRow, tags: frozenset[int], *, patient: bool) -> str:
        try:
            data_set = read_fresh(self._node, row, lambda row: self._node.packs.read_data_set(row.location))
            return normal_digest(
                data_set,
                row.transfer_syntax,
                without=lambda tag: tag in tags or (patient and is_of_patient(tag)),
            )
        except (Damaged, NotFound, InvalidRequest):
            return f"unread:{row.digest}"  # equal to nothing: what cannot be compared is a conflict

    def patient(self, row: InstanceRow) -> Patient | None:
        packs = self._node.packs
        try:
            record = read_fresh(
                self._node, row, lambda row: next(iter(packs.marked(row.pack, row.offset)), None)
            )
        except (Damaged, NotFound):
            return None
        arrivals, _ = read_arrivals(packs, [record] if record else [], own=self._node.id)
        return arrivals[0].patient if arrivals else None
