"""Fuzz one target for some seconds: ``python -m tests.fuzz scan 60 [FOLDER]``; without a name, list the targets.

Guided by coverage where atheris is there (libFuzzer; Linux), else by chance alone. FOLDER keeps what widened the
coverage, for the next night, and what was found, as ``found-*``. The exit code is 77 when something was found.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

FOUND = 77
MOST_BYTES = 4096
FOLLOWED = ["node.dicom", "node.dimse"]


def main(arguments: list[str]) -> int:
    with _followed():
        from tests.fuzz.targets import TARGETS, Target
    if not arguments:
        print(*TARGETS, sep="\n")
        return 0
    target: Target = TARGETS[arguments[0]]
    with _folder(arguments[2:]) as folder:
        for n, seed in enumerate(target.seeds()):
            (folder / f"seed-{n:03}").write_bytes(seed)
        if (atheris := _atheris()) is None:
            return _by_chance(target, float(arguments[1]), folder)
        options = [
            f"-max_total_time={arguments[1]}",
            f"-max_len={MOST_BYTES}",
            f"-artifact_prefix={folder}/found-",
            "-timeout=60",
            "-rss_limit_mb=1024",
        ]
        atheris.Setup([sys.argv[0], *options, str(folder)], target.run)
        atheris.Fuzz()  # does not return
    return 0


@contextmanager
def _followed() -> Iterator[None]:
    """Have lines counted in modules that are imported meanwhile."""
    if (atheris := _atheris()) is None:
        yield
        return
    with atheris.instrument_imports(include=FOLLOWED):
        yield


def _atheris() -> ModuleType | None:
    if find_spec("atheris") is None:
        return None
    import atheris

    return atheris  # type: ignore[no-any-return]


@contextmanager
def _folder(named: list[str]) -> Iterator[Path]:
    if named:
        Path(named[0]).mkdir(parents=True, exist_ok=True)
        yield Path(named[0])
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _by_chance(target: object, seconds: float, folder: Path) -> int:
    """Change seeds at random places until the time is over."""
    chance, runs = random.Random(1), 0
    seeds = [path.read_bytes() for path in sorted(folder.iterdir())]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        changed = bytearray(chance.choice(seeds))
        for _ in range(chance.choice([1, 1, 2, 4])):
            at, size = chance.randrange(len(changed) + 1), chance.randrange(1, 13)
            other = chance.choice(seeds)
            begin = chance.randrange(len(other) + 1)
            piece = chance.choice(
                [
                    chance.randbytes(size),
                    other[begin : begin + 4 * size],
                    bytes(changed[at : at + 2 * size]) * 2,
                    b"\xff\xff\xff\xff",
                    b"",
                ]
            )
            changed[at : at + (size if chance.random() < 0.6 else 0)] = piece
        runs += 1
        try:
            target.run(bytes(changed[:MOST_BYTES]))  # type: ignore[attr-defined]
        except Exception:
            (folder / "found-by-chance").write_bytes(changed)
            print(traceback.format_exc(), changed[:MOST_BYTES].hex(), sep="\n", file=sys.stderr)
            return FOUND
    print(f"Done {runs} runs in {seconds:g} second(s), by chance alone", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
