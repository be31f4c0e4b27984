"""A node whose packages lie sealed in a bucket alone: SeaweedFS on loopback, and what is read of it counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from node.archive.stores.described import DescribedStore
from node.archive.stores.encrypted import EncryptedStore
from node.archive.stores.s3 import S3Store
from node.clock import SystemClock
from node.keys.archive_keys import ArchiveKeys
from node.node import Node
from tests.kit.archive_stores import Far
from tests.kit.bare_node import SparingTier, bare_node
from tests.kit.seaweed import WRITER, Seaweed

BUCKET = "packages"


@contextmanager
def node_with_bucket(folder: Path) -> Iterator[tuple[Node, Far]]:
    """Give a node called alpha, and its bucket as the server sees it."""
    place = folder / "seaweed"
    place.mkdir(parents=True)
    with Seaweed(place) as server:
        server.make_bucket(BUCKET)
        described = DescribedStore(name="cloud", kind="s3", endpoint=server.endpoint, bucket=BUCKET)
        inner = S3Store(described, WRITER)
        inner.prepare()
        node, bucket = bare_node(folder, "alpha", SystemClock()), Far(inner)
        sealed = EncryptedStore(bucket, ArchiveKeys.open(folder / "keys", node.clock))
        tier = SparingTier(folder / "archive", [sealed], copies=1, yields=False)
        node = replace(node, archive=tier)
        try:
            yield node, bucket
        finally:
            node.close()
