"""What a program sends by STOW-RS, written by hand, so that a test can also send what no program should."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace as with_fields

from node.config import DicomSection
from node.dicom.part10 import read_part10
from node.node import Node
from node.store.facts import MarkedRecord
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.http import Visitor

BOUNDARY = "----meridian-7d1f"
Part = tuple[str, bytes]
"""Headers as they are written, and the body."""


def impatient_node(folder: Path, name: str = "alpha") -> Node:
    """Give a node whose answers hardly wait for an index that nobody drives here."""
    node = bare_node(folder, name, FrozenClock())
    config = with_fields(node.config, dicom=DicomSection(release_barrier_s=0.02))
    return Node(**{field: getattr(node, field) for field in Node.__slots__} | {"config": config})


def files(*parts: bytes) -> bytes:
    """Give a multipart body of DICOM files."""
    return body(*(("Content-Type: application/dicom", part) for part in parts))


def body(*parts: Part, end: bool = True) -> bytes:
    """Give a multipart body; ``end`` False leaves its last boundary out."""
    framed = b"".join(
        b"\r\n--" + BOUNDARY.encode() + b"\r\n" + headers.encode() + b"\r\n\r\n" + content
        for headers, content in parts
    )
    return framed + (b"\r\n--" + BOUNDARY.encode() + b"--\r\n" if end else b"")


def described(instances: object, *bulk: Part) -> bytes:
    """Give a body of DICOM JSON and bulk data."""
    metadata = ("Content-Type: application/dicom+json", json.dumps(instances).encode())
    return body(metadata, *bulk)


@dataclass(frozen=True)
class Sent:
    """The answer to a STOW-RS request."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def module(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def stored(self) -> list[str]:
        """The SOP Instance UIDs of what is stored."""
        return [item["00081155"]["Value"][0] for item in self._items("00081199")]

    @property
    def failed(self) -> dict[str, int]:
        """The reason by SOP Instance UID."""
        return {
            item["00081155"]["Value"][0]: item["00081197"]["Value"][0] for item in self._items("00081198")
        }

    @property
    def nameless(self) -> list[int]:
        """The reasons of those that say no UID."""
        return [item["00081197"]["Value"][0] for item in self._items("0008119A")]

    def _items(self, tag: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.module.get(tag, {}).get("Value", [])
        return items


def send(
    visitor: Visitor,
    content: bytes,
    *,
    path: str = "/dicomweb/studies",
    media: str = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"',
    **headers: str,
) -> Sent:
    """Send a body and read the answer."""
    asking = Visitor(
        visitor.web,
        bearer=visitor.bearer,
        cookie=visitor.cookie,
        csrf=visitor.csrf,
        headers={"Content-Type": media, "Accept": "application/dicom+json", **headers},
    )
    return Sent(*asking.raw("POST", path, content))


def send_raw(web: str, *pieces: bytes, wait_s: float = 5.0) -> bytes:
    """Write bytes to the server as they are, then end the sending; give what came back."""
    address = urlsplit(web)
    with socket.create_connection((address.hostname, address.port), timeout=wait_s) as peer:
        for piece in pieces:
            peer.sendall(piece)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := peer.recv(1 << 16):
                answer += piece
        except (TimeoutError, ConnectionError):
            return answer
        return answer


def records(node: Node) -> list[MarkedRecord]:
    """Give all records that count, in all packs."""
    return [record for pack in node.packs.names() for record in node.packs.marked(pack, 0)]


def data_sets(node: Node) -> list[bytes]:
    """Give the data sets of all records, as stored."""
    return [node.packs.read_data_set(record.location) for record in records(node)]


def stored_files(node: Node) -> Sequence[bytes]:
    """Give the data sets once more, through the files that are made of them."""
    return [bytes(read_part10(node.packs.read_file(record.location)).data_set) for record in records(node)]
