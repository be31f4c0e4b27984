"""Contents read back from their packs to be compared, wherever those were merged to since the rows were read."""

from __future__ import annotations

from node.catalogue.arrivals import Arrival, read_arrivals
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
            return normal_digest(
                self.data_set(row),
                row.transfer_syntax,
                without=lambda tag: tag in tags or (patient and is_of_patient(tag)),
            )
        except (Damaged, NotFound, InvalidRequest):
            return f"unread:{row.digest}"  # equal to nothing: what cannot be compared is a conflict

    def patient(self, row: InstanceRow) -> Patient | None:
        try:
            arrival = self.arrival(row)
        except (Damaged, NotFound, InvalidRequest):
            return None
        return None if arrival is None else arrival.patient

    def data_set(self, row: InstanceRow) -> bytes:
        """Give a content as it was received; raises as whoever reads it."""
        return read_fresh(self._node, row, lambda row: self._node.packs.read_data_set(row.location))

    def arrival(self, row: InstanceRow) -> Arrival | None:
        """Give a content as it arrived; None when it cannot be read so."""
        packs = self._node.packs
        record = read_fresh(self._node, row, lambda row: next(iter(packs.marked(row.pack, row.offset)), None))
        arrivals, _ = read_arrivals(packs, [record] if record else [], own=self._node.id)
        return arrivals[0] if arrivals else None
