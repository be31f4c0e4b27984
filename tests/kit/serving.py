"""A node's web address in a process of its own: to be traced, to be given planted faults, to be seen to live."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from node.people.accounts import OPERATOR
from node.people.sessions import issue_bearer
from tests.kit.http import Visitor
from tests.kit.site import open_site
from tests.kit.stow import impatient_node


class ServingProcess:
    """``python -m tests.kit.serving STATE``, until `stop`."""

    def __init__(
        self, state: Path, *, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.kit.serving", str(state)],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        assert len(said) == 3, "the server did not start"
        self.pid = int(said[0])
        self.visitor = Visitor(said[1], bearer=said[2])

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Let it end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> ServingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def main(state: Path) -> None:
    node = impatient_node(state.parent, state.name)
    with open_site(node) as site:
        token = issue_bearer(node, OPERATOR, principal="exchange")
        print(os.getpid(), site.web, token, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
