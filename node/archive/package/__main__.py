"""A package on the command line, without a node, a database or a key.

    python -m node.archive.package FILE list
    python -m node.archive.package FILE verify
    python -m node.archive.package FILE restore FOLDER
    python -m node.archive.package FILE extract NUMBER TARGET

`restore` writes the original files, `extract` a member: a DICOM file that any viewer opens.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from node.archive.package.manifest import member_name
from node.archive.package.reading import Package
from node.archive.package.source import FileSource
from node.errors import GridError


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    if len(arguments) < 2 or arguments[1] not in _COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        package = Package(FileSource(Path(arguments[0])))
        return _COMMANDS[arguments[1]](package, arguments[2:])
    except GridError as error:
        print(error.message, file=sys.stderr)
        return 1
    except (IndexError, ValueError, OSError) as error:
        print(
            f"Reading {arguments[0]} failed ({error}). See 'python -m node.archive.package'.", file=sys.stderr
        )
        return 2


def _list(package: Package, rest: list[str]) -> int:
    manifest = package.manifest
    print(
        f"study {manifest.study_uid} of {manifest.origin}, generation {manifest.generation}: {package.count} instances"
    )
    for number, series, each in manifest.numbered():
        how = each.syntax or f"as received: {each.kept}"
        print(
            f"{number:6d}  {each.sop_uid}  {series.transfer_syntax}  {each.data_bytes:>12}  {each.state:<11}  {how}"
        )
    return 0


def _verify(package: Package, rest: list[str]) -> int:
    bad = 0
    for number in range(1, package.count + 1):
        try:
            for _ in package.original(number):
                pass
        except GridError as error:
            bad += 1
            print(f"{member_name(number)}: {error.message}")
    package.check_originals()
    package.arrivals()
    print(f"{package.count - bad} of {package.count} instances are what was archived")
    return 1 if bad else 0


def _restore(package: Package, rest: list[str]) -> int:
    folder = Path(rest[0])
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, package.count + 1):
        _write(folder / member_name(number), package.original(number))
    print(f"{package.count} files in {folder}")
    return 0


def _extract(package: Package, rest: list[str]) -> int:
    _write(Path(rest[1]), package.member(int(rest[0])))
    return 0


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
    beside.rename(path)


_COMMANDS: dict[str, Callable[[Package, list[str]], int]] = {
    "list": _list,
    "verify": _verify,
    "restore": _restore,
    "extract": _extract,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
