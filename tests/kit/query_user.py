"""A node that asks, fetches from and sends to a provider of `tests.kit.query_peers`, and the study that they pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.clock import SystemClock
from node.dimse.calling import Called
from node.dimse.remote_form import Remote, RemoteForm
from node.dimse.remotes import add_remote
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.bare_node import bare_node
from tests.kit.query_peers import HOST, slices
from tests.kit.receiving import admit_all, rule

STUDY = "2.25.7"
NAME = "Zhang^San=张^三"


def peer(port: int, *, aet: str = "QRSCP") -> Called:
    """Give whom the node calls there."""
    return Called(name="PACS", aet=aet, host=HOST, port=port, calling="ALPHA")


@contextmanager
def query_user(folder: Path) -> Iterator[Node]:
    """Open a node that takes instances from the provider."""
    node = bare_node(folder, "alpha", SystemClock())
    admit_all(node.state, rule("QRSCP", HOST))
    try:
        yield node
    finally:
        node.close()


def remote(node: Node, port: int, **words: str) -> Remote:
    """Let an administrator add the provider."""
    form = RemoteForm(name="PACS", aet="QRSCP", host=HOST, port=port, query=True, send=True, **words)
    return add_remote(node, OPERATOR, form)


def study_in_chinese() -> dict[str, bytes]:
    """Give the data sets of a CT of two series in GB18030, by SOP Instance UID."""
    return slices(6, series=2, patient_name=NAME, charset="GB18030", python_charset="gb18030", accession="A1")
