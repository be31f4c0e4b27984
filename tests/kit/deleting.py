"""Two administrators who delete the archived study of `tests.kit.archived_study`, and all bytes of a state folder searched.

``python -m tests.kit.deleting FOLDER delete|erase ...`` takes these steps over node ``alpha`` in a folder, as a process that
can be killed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from node.archive.deletion.deleting import approve_deletion, ask_deletion
from node.archive.deletion.deletions import Deletion, deletions_of, get_deletion
from node.archive.deletion.erasing import erase_study
from node.catalogue.repointing import RETIRED_FOR
from node.clock import SystemClock
from node.database.port import Statement
from node.names import StudyKey
from node.node import Node
from node.people.accounts import Person
from node.people.roles import ADMINISTRATOR
from tests.kit.bare_node import bare_node
from tests.kit.canaries import forms
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY

WANG = Person(id="person-wang", user="wang", name="王主任", roles=frozenset({ADMINISTRATOR}))
LIN = Person(id="person-lin", user="lin", name="林工", roles=frozenset({ADMINISTRATOR}))
WHY = "误传入的检查"


def ask(node: Node, key: StudyKey = KEY, *, by: Person = WANG, code: str = "mistaken") -> Deletion:
    """Ask for the study to be deleted."""
    return ask_deletion(node, by, key, code=code, words=WHY)


def approve(node: Node, asked: Deletion, *, by: Person = LIN) -> Deletion:
    """Approve it, as another."""
    return approve_deletion(node, by, asked.id, instances=asked.instances)


def delete(node: Node, key: StudyKey = KEY) -> Deletion:
    """Ask and approve."""
    return approve(node, ask(node, key))


def erase(node: Node, deletion: Deletion) -> Deletion:
    """Take one turn of what is left."""
    erase_study(node, deletion.id)
    return get_deletion(node.database, deletion.id)


def erase_all(node: Node, deletion: Deletion, clock: FrozenClock) -> Deletion:
    """Take turns until the packs are due, and all is gone."""
    for _ in range(4):
        found = erase(node, deletion)
        if found.state == "done":
            return found
        clock.advance(RETIRED_FOR + 1)
    return erase(node, deletion)


def packages_of(folder: Path) -> list[Path]:
    """Give the packages that lie in the stores of `tests.kit.bare_node.two_stores`."""
    return [path for path in (folder / "archive").glob("store-*/??/*") if path.is_file()]


def found_in(folder: Path, words: Iterable[str]) -> list[str]:
    """Search every byte below a folder for words: as UTF-8, UTF-16 and GB18030, and each as base64 wherever it may begin."""
    needles = {(word, name): needle for word in words for name, needle in _spelt(word)}
    return sorted(
        f"{path.relative_to(folder)}: {word} as {name}"
        for path in folder.rglob("*")
        if path.is_file()
        for content in [path.read_bytes()]
        for (word, name), needle in needles.items()
        if needle in content
    )


def _spelt(word: str) -> Iterator[tuple[str, bytes]]:
    for charset in ("utf-8", "utf-16-le", "gb18030"):
        raw = word.encode(charset)
        for name, form in zip(("itself", "base64", "base64 at 1", "base64 at 2"), forms(raw), strict=True):
            if len(form) > 3:
                yield f"{charset}, {name}", form


def main(arguments: Sequence[str]) -> None:
    node = bare_node(Path(arguments[0]), "alpha", SystemClock())
    for act in arguments[1:]:
        match act:
            case "delete":
                delete(node)
            case "erase":
                node.write([Statement("UPDATE retired_pack SET due = 0")])
                erase(node, deletions_of(node.database, KEY)[0])
            case _:
                raise AssertionError(act)
    node.close()


if __name__ == "__main__":
    main(sys.argv[1:])
