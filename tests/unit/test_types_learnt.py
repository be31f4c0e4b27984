"""Threads that meet a new type at the same time: msgspec before 0.23 ended the process then (SIGSEGV)."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading, types
import msgspec

HEAD = "from __future__ import annotations\\nimport msgspec\\nfrom dataclasses import dataclass\\n"
RAW = b'{"f19":[1],"s":{"f19":[1],"s":{"f3":[2],"s":{"f19":[1]}}}}'
FOUND = msgspec.json.decode(RAW)
WRONG = []


def new_type(number, kind):
    lines = [HEAD]
    for depth in range(12):
        lines.append(kind % depth)
        lines += [f"    f{n}: list[int] | None = None" for n in range(20)]
        lines.append(f"    s: S{depth - 1} | None = None" if depth else "    s: int = 0")
    module = types.ModuleType(f"of{number}{len(kind)}")
    sys.modules[module.__name__] = module
    exec("\\n".join(lines), module.__dict__)
    return module.S11


def meet(shape, together, how):
    together.wait()
    for _ in range(5):
        try:
            found = how(shape)
            assert found.s.s.f3 == [2]
        except Exception as error:
            WRONG.append(repr(error))


sys.setswitchinterval(1e-6)
WAYS = [lambda shape: msgspec.json.decode(RAW, type=shape), lambda shape: msgspec.convert(FOUND, shape)] * 2
for number in range(40):
    for kind in ("class S%d(msgspec.Struct, kw_only=True):", "@dataclass(kw_only=True)\\nclass S%d:"):
        shape, together = new_type(number, kind), threading.Barrier(len(WAYS))
        threads = [threading.Thread(target=meet, args=(shape, together, how)) for how in WAYS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
assert WRONG == [], WRONG[:3]
"""


def test_threads_that_meet_a_new_type_at_once_all_read_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
