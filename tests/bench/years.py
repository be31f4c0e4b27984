"""Ten years of a hospital in a minute or two: 200,000 studies, and what the rules for copies make of them.

Studies come by modality and weekday and grow in number, are reported, read less and less, looked up again, held and let go; a
few grow after they were archived, or have a copy that is found to be bad; old ones are brought in during the first
year. No pixel is moved: sizes are. Each decision is the product's, each expiry is held against
what is true (`_hospital_judge`). For three days of the fifth year the clock is a year behind.

``YEARS_STUDIES`` sets how many; a CSV and a plot of the tiers go to ``YEARS_FOLDER``.
"""

from __future__ import annotations

import csv
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.bench._hospital import Hospital
from tests.bench._hospital_load import DAYS, START
from tests.bench._plot import Line, plot

STUDIES = int(os.environ.get("YEARS_STUDIES", "200000"))
COLUMNS = ("arrived", "archived", "due", "pressure", "recalled", "read from its package")
GB, TB = 1e9, 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How it stood at the end of a day."""

    date: str
    online_bytes: int
    archive_bytes: int
    waiting: int
    counted: Counter[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What ten years came to."""

    days: list[Day]
    limit_bytes: int
    most_online_bytes: int
    counted: Counter[str]
    unreasoned: int
    wrong: list[str]


def main() -> None:
    began = time.monotonic()
    outcome = simulate(STUDIES)
    folder = Path(os.environ.get("YEARS_FOLDER") or tempfile.mkdtemp(prefix="years-"))
    write(outcome, folder)
    print(table(outcome))
    print(f"{time.monotonic() - began:.0f} s; tiers.csv and tiers.svg are in {folder}")
    for words in outcome.wrong[:10]:
        print(words)
    share = outcome.most_online_bytes / outcome.limit_bytes
    print(
        f"years: studies={outcome.counted['arrived']} online_max_share={share:.3f} early={outcome.counted['early']}"
        f" unreasoned={outcome.unreasoned} pressure_expiries={outcome.counted['pressure']}"
    )
    check(outcome)


def simulate(studies: int, *, seed: int = 1) -> Outcome:
    """Let ten years pass."""
    hospital, days, unreasoned = Hospital(studies, seed=seed), [], 0
    for day in hospital.days():
        days.append(
            Day(
                date=(START + timedelta(day)).strftime("%Y-%m-%d"),
                online_bytes=hospital.online_bytes,
                archive_bytes=hospital.archive_bytes,
                waiting=hospital.waiting,
                counted=hospital.counted.copy(),
            )
        )
        if day % 91 == 0 or day == DAYS - 1:
            unreasoned += hospital.unreasoned()
    return Outcome(
        days=days,
        limit_bytes=hospital.rules.limits.online_bytes,
        most_online_bytes=hospital.most_online_bytes,
        counted=hospital.counted,
        unreasoned=unreasoned,
        wrong=hospital.wrong,
    )


def check(outcome: Outcome) -> None:
    """Fail when anything happened that must not, or when nothing was put to the test."""
    assert outcome.wrong == [], outcome.wrong[:10]
    assert outcome.counted["early"] == 0
    assert outcome.most_online_bytes <= outcome.limit_bytes
    assert outcome.unreasoned == 0
    for needed in (*COLUMNS[:-1], "grew", "damaged"):
        assert outcome.counted[needed] > 0, f"nothing was {needed}: this shows too little"


def table(outcome: Outcome) -> str:
    """Give a line a year."""
    lines = [f"{'':<6}{'online, % of limit':>20}{'archive':>10}{'waiting':>9}"]
    lines[0] += "".join(
        f"{'expired: ' * (name in ('due', 'pressure')) + name:>{width(name)}}" for name in COLUMNS
    )
    before: Counter[str] = Counter()
    for year in sorted({day.date[:4] for day in outcome.days}):
        days = [day for day in outcome.days if day.date.startswith(year)]
        shares = [100 * day.online_bytes / outcome.limit_bytes for day in days]
        last = days[-1]
        counts = "".join(f"{last.counted[name] - before[name]:{width(name)}}" for name in COLUMNS)
        span = f"{min(shares):.0f} to {max(shares):.0f}"
        most = max(day.waiting for day in days)
        lines.append(f"{year:<6}{span:>20}{last.archive_bytes / TB:7.2f} TB{most:9}{counts}")
        before = last.counted
    return "\n".join(lines)


def width(name: str) -> int:
    return len(name) + (12 if name in ("due", "pressure") else 3)


def write(outcome: Outcome, folder: Path) -> None:
    """Write each day as a line of a CSV, and the tiers as a plot."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "tiers.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["date", "online_bytes", "archive_bytes", "limit_bytes", "waiting", *COLUMNS])
        for day in outcome.days:
            counts = [day.counted[name] for name in COLUMNS]
            rows.writerow(
                [day.date, day.online_bytes, day.archive_bytes, outcome.limit_bytes, day.waiting, *counts]
            )
    lines = [
        Line(name="archive", colour="#2a6", values=[day.archive_bytes / TB for day in outcome.days]),
        Line(name="online", colour="#25c", values=[day.online_bytes / TB for day in outcome.days]),
        Line(
            name="limit of online",
            colour="#c33",
            values=[outcome.limit_bytes / TB] * len(outcome.days),
            dashed=True,
        ),
    ]
    ticks = [(n, day.date[:4]) for n, day in enumerate(outcome.days) if day.date.endswith("01-01")]
    (folder / "tiers.svg").write_text(
        plot("Two tiers over ten years", "TB", lines, ticks=ticks), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
