"""Freed memory is kept for the next request: counted by page faults, each of which is a trip into the kernel."""

from __future__ import annotations

import subprocess
import sys

_REQUESTS = """
import resource, sys, threading
from node.allocator import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
def serve():
    return [bytes(bytearray(size << 10)) for size in (500, 600, 700, 800, 900)]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=lambda: [len(serve()) for _ in range(100)])
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults())
"""


def _faults(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", _REQUESTS, how], capture_output=True, text=True, check=True)
    return int(ran.stdout)


def test_a_request_reuses_what_the_one_before_it_gave_back() -> None:
    assert _faults("kept") * 10 < _faults("given back")
