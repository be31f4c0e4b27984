"""The order of system calls behind a promise: record, sync, mark, answer; read from what strace wrote."""

from __future__ import annotations

import re
from pathlib import Path

CALLS = "trace=pwritev,pwritev2,fdatasync,fsync,sendto"
RECORD, SYNC, MARK, FOLDER, LANDING, ANSWER = "record", "sync", "mark", "folder", "landing", "answer"
PROMISE = (RECORD, SYNC, MARK)
_WHAT = [
    (RECORD, re.compile(r'pwritev2?\(\d+<[^>]*\.pack>, \[\{iov_base="MERIDREC')),
    (MARK, re.compile(r'pwritev2?\(\d+<[^>]*\.pack>, \[\{iov_base="MRDN.*iov_len=8\}')),
    (SYNC, re.compile(r"fdatasync\(\d+<[^>]*\.pack>")),
    (LANDING, re.compile(r"fsync\(\d+<[^>]*/packs/landing>")),
    (FOLDER, re.compile(r"fsync\(\d+<[^>]*/packs>")),
]
DIMSE, HTTP = r'sendto\(\d+<[^>]*>, "\\4\\0', r'sendto\(\d+<[^>]*>, "HTTP/1\.1 20'
"""How an answer begins that says something is stored."""


def calls(log: Path, answer: str = DIMSE) -> list[str]:
    """Give what was done, in order: an answer when it was begun, anything else when it was finished."""
    known = [*_WHAT, (ANSWER, re.compile(answer))]
    done: list[str] = []
    begun: dict[str, str] = {}
    for line in log.read_text(errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        if "resumed>" in call:
            what = begun.pop(thread, "")
        else:
            what = next((name for name, pattern in known if pattern.search(call)), "")
            if what != ANSWER and "<unfinished" in call:
                begun[thread] = what
                continue
        if what:
            done.append(what)
    return done


def faults(done: list[str], promise: tuple[str, ...] = PROMISE) -> list[str]:
    """Say what each answer lacked when it left."""
    found: list[str] = []
    before: list[str] = []
    for n, what in enumerate(done):
        if what != ANSWER:
            before.append(what)
            continue
        steps = tuple(step for step in before if step in PROMISE)
        if steps != promise:
            found.append(f"answer {n} left after {steps}")
        before = []
    first = done[: done.index(SYNC)] if SYNC in done else done
    found += [
        f"the first record came before {what} was synced" for what in (FOLDER, LANDING) if what not in first
    ]
    return found
