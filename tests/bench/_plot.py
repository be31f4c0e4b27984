"""A line plot as an SVG: axes with round figures, one line a series, names beside their ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 420, 70, 150, 40, 40
MOST_POINTS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series: one value for each place on the x axis."""

    name: str
    colour: str
    values: Sequence[float]
    dashed: bool = False


def plot(title: str, unit: str, lines: Sequence[Line], *, ticks: Sequence[tuple[int, str]]) -> str:
    """Draw lines of equal length; ``ticks`` names places on the x axis."""
    places = max(len(line.values) for line in lines)
    highest = max(max(line.values) for line in lines) * 1.05 or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif"'
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for value in _round_figures(highest):
        y = _y(value, highest)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g} {escape(unit)}</text>'
        )
    for place, name in ticks:
        x = _x(place, places)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#eee"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(name)}</text>'
        )
    parts += [_drawn(line, places, highest) for line in lines]
    parts += _named(lines, highest)
    return "\n".join([*parts, "</svg>", ""])


def _drawn(line: Line, places: int, highest: float) -> str:
    step = max(1, len(line.values) // MOST_POINTS)
    chosen = [*range(0, len(line.values), step), len(line.values) - 1]
    points = " ".join(f"{_x(n, places):.1f},{_y(line.values[n], highest):.1f}" for n in chosen)
    dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
    return f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="1.5"{dashes}/>'


def _named(lines: Sequence[Line], highest: float) -> list[str]:
    """Write each name beside its line's end, none over another."""
    names, lowest = [], 0.0
    for line in sorted(lines, key=lambda line: -line.values[-1]):
        lowest = max(_y(line.values[-1], highest) + 4, lowest + 14)
        names.append(
            f'<text x="{WIDTH - RIGHT + 8}" y="{lowest:.1f}" fill="{line.colour}">{escape(line.name)}</text>'
        )
    return names


def _x(place: float, places: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * place / max(1, places - 1)


def _y(value: float, highest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / highest


def _round_figures(highest: float) -> list[float]:
    power = 10 ** math.floor(math.log10(highest))
    step = next(power * part for part in (0.2, 0.5, 1, 2) if highest / (power * part) <= 8)
    return [round(step * n, 6) for n in range(int(highest / step) + 1)]
