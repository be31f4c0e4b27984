"""Store, release, find, over and over: is everything found, and how soon after its answer.

Each round is an association of its own with one instance of a new study, then a query by QIDO-RS. In every tenth the
query does not wait for the release: what is printed is the time from the answer to the first query that finds it.
``FINDABLE_ROUNDS`` sets how many; 10,000 otherwise.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from tests.kit.finding import Round, clinic

ROUNDS = int(os.environ.get("FINDABLE_ROUNDS", "10000"))
EVERY = 10
LOOK_S = 0.005


def main() -> None:
    misses, soon, waited = 0, [], []
    with tempfile.TemporaryDirectory() as folder, clinic(Path(folder)) as alliance:
        reader = alliance.reader("alpha")
        began = time.monotonic()
        for number in range(1, ROUNDS + 1):
            round_ = Round(alliance, reader, number)
            answered = round_.store()
            if number % EVERY == 0:
                while not round_.found():
                    time.sleep(LOOK_S)
                soon.append(1000 * (time.monotonic() - answered))
            waited.append(1000 * round_.release())
            misses += not round_.found()
            if number % 1000 == 0:
                print(f"{number} of {ROUNDS}, {misses} missed", flush=True)
        rate = ROUNDS / (time.monotonic() - began)
    print(f"{'':<28}{'median':>8}{'p99':>8}{'max':>8}")
    for title, values in (("answer to findable, ms", soon), ("release to its answer, ms", waited)):
        print(f"{title:<28}{statistics.median(values):8.1f}{p99(values):8.1f}{max(values):8.1f}")
    print(f"findable: rounds={ROUNDS} misses={misses} p99_ms={p99(soon):.0f} rounds_per_s={rate:.1f}")


def p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]
