"""Strings planted where a person's data goes, and the search for them in bytes that somebody else holds.

Each is looked for as ASCII, as UTF-16LE (how Python keeps a text that holds any
Chinese) and as base64 wherever it may begin. Canaries are ASCII and used nowhere else.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

BLOCK_BYTES, WINDOW_BYTES, OVERLAP_BYTES = 4 << 10, 16 << 20, 1 << 10
_ZEROS = bytes(BLOCK_BYTES)
Needles = Mapping[str, tuple[bytes, ...]]
"""The forms of each canary, by its name."""


def new_canary(name: str) -> str:
    """Give a word that occurs nowhere by chance: upper-case letters and digits, fit for any DICOM text."""
    return f"{name.upper()}{secrets.token_hex(6).upper()}"


def forms(canary: str | bytes) -> tuple[bytes, ...]:
    """Give how a canary may lie in memory or on disk."""
    plain = canary.encode("ascii") if isinstance(canary, str) else canary
    wide = (canary.encode("utf-16-le"),) if isinstance(canary, str) else ()
    return (plain, *wide, *(_base64(plain, before) for before in range(3)))


def _base64(plain: bytes, before: int) -> bytes:
    """Give the base64 letters that depend on these bytes alone when so many others stand before them."""
    whole = (before + len(plain)) // 3 * 3
    text = base64.b64encode((bytes(before) + plain)[:whole])
    return text[4 if before else 0 :]


def found_in(content: bytes, needles: Needles) -> set[str]:
    """Give the names of the canaries that occur in some form."""
    return {name for name, some in needles.items() if any(one in content for one in some)}


def found_in_files(paths: Iterable[Path], needles: Needles) -> dict[str, list[Path]]:
    """Give, per canary found, the files that hold it; 30 forms take 2 s for 100 MB."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        left = dict(needles)
        with suppress(FileNotFoundError):  # a running node takes away what is done with
            for window in _windows(path):
                for name in found_in(window, left):
                    found.setdefault(name, []).append(path)
                    del left[name]
    return found


def _windows(path: Path) -> Iterator[bytes]:
    """Give what a file holds in windows that overlap, so that nothing is missed at a border.

    Long runs of zeros are left out: most of a core is stacks and arenas that were never touched.
    """
    with path.open("rb") as file:
        window = bytearray()
        while block := file.read(BLOCK_BYTES):
            if block != _ZEROS:
                window += block
            elif window:
                yield bytes(window)
                window.clear()
            if len(window) >= WINDOW_BYTES:
                yield bytes(window)
                del window[:-OVERLAP_BYTES]
        yield bytes(window)


def files_below(folder: Path) -> list[Path]:
    """Give every regular file below a folder, sockets left out."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
