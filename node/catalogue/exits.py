"""The one home of what leaves: an instance's data set, file and header as they are corrected.

Every way out of this node goes through here: DICOMweb, C-GET and C-MOVE, delivery. The bytes
come as pieces, most of them regions of the pack, so an instance is never whole in memory.
"""

from __future__ import annotations

from node.catalogue.search import InstanceRow
from node.catalogue.stored import stored_beginning, stored_region, stored_whole
from node.dicom.header import Header
from node.dicom.part10 import PREAMBLE
from node.node import Node
from node.store.regions import Piece


def data_set_pieces(node: Node, row: InstanceRow) -> list[Piece]:
    """Give an instance's data set, in the transfer syntax of its row."""
    return [stored_region(node, row)]


def file_pieces(node: Node, row: InstanceRow) -> list[Piece]:
    """Give an instance as a DICOM file: preamble, file meta as stored, data set.

    Source: DICOM PS3.10 7.1.
    """
    return [PREAMBLE, stored_region(node, row, offset=-row.meta_bytes)]


def read_beginning(node: Node, row: InstanceRow) -> Header:
    """Index the beginning of a data set, or all of it when it is short."""
    return stored_beginning(node, row)


def read_whole(node: Node, row: InstanceRow) -> Header:
    """Index a whole data set."""
    return stored_whole(node, row)
