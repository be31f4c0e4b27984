"""Airways, pulmonary arteries and veins of the synthetic chest, as tubes.

The first generations stand in a table. Beyond them a tree grows to seeded
points that fill the lung, each joined to what is nearest, and a piece is as
wide as what it feeds demands. It keeps clear of the nodules, so that their size
stays the truth.

Source: Murray, PNAS 12 (1926) 207 (radius against flow).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from node.imaging.slice_canvas import Point, Tube

BLOOD_HU = 42.0
AIR_HU = -985.0
WALL_HU = -5.0
_TWIG_MM = 0.74
_MURRAY = 2.4
_TWIGS_PER_LUNG = 680
_KEEP_CLEAR_MM = 2.5

AIRWAYS: tuple[Tube, ...] = (
    Tube((2, 16, 330), (2, 20, 184), 8.8, 8.8, AIR_HU),
    Tube((0, 21, 186), (-34, 24, 160), 7.2, 6.6, AIR_HU),
    Tube((4, 21, 186), (42, 26, 152), 6.4, 5.8, AIR_HU),
    Tube((-34, 24, 160), (-47, 32, 122), 5.2, 4.2, AIR_HU),
    Tube((42, 26, 152), (57, 38, 114), 5.0, 4.0, AIR_HU),
    Tube((-32, 23, 162), (-56, 12, 186), 4.4, 3.2, AIR_HU),
    Tube((39, 25, 155), (59, 4, 180), 4.4, 3.2, AIR_HU),
)
"""Trachea, main bronchi, lower and upper lobe bronchi; radii are those of the lumen."""

ARTERIES: tuple[Tube, ...] = (
    Tube((10, -26, 148), (12, -8, 176), 14.5, 14, BLOOD_HU),
    Tube((12, -8, 172), (-40, 14, 166), 11.5, 9.5, BLOOD_HU),
    Tube((14, -6, 176), (46, 20, 174), 11, 9.5, BLOOD_HU),
    Tube((-42, 16, 164), (-56, 36, 126), 8, 5.5, BLOOD_HU),
    Tube((46, 22, 172), (66, 42, 120), 8, 5.5, BLOOD_HU),
    Tube((-42, 12, 168), (-62, 4, 192), 5.5, 4, BLOOD_HU),
    Tube((46, 16, 174), (62, -4, 190), 5.5, 4, BLOOD_HU),
)
"""Pulmonary trunk, its two arteries and their lobar branches."""

_LUNGS = ((-132.0, -4.0), (4.0, 132.0))
"""From which to which x the right and the left lung lie, in mm."""
_ARTERY_ROOTS: tuple[tuple[Point, ...], ...] = (
    ((-40, 14, 166), (-56, 36, 126), (-62, 4, 192)),
    ((46, 20, 174), (66, 42, 120), (62, -4, 190)),
)
_VEIN_ROOTS: tuple[tuple[Point, ...], ...] = (
    ((-34, 10, 138), (-44, 18, 116), (-46, -8, 150)),
    ((46, 12, 138), (54, 20, 112), (50, -12, 154)),
)

Vector = npt.NDArray[np.float64]
"""x, y, z in mm."""
Vectors = npt.NDArray[np.float64]
"""Many of them, one a row."""


@dataclass(slots=True)
class _Twig:
    """A point of the tree: where, from which other point, how far from the root, what it feeds."""

    at: Vector
    parent: int
    path_mm: float
    feeds: int = 0


def peripheral_trees(
    seed: int, *, lung_depth_mm: Callable[[Vectors], Vectors], clear_of: Sequence[tuple[Point, float]]
) -> tuple[Tube, ...]:
    """Grow the peripheral arteries and veins, and the thin bronchi beside the arteries.

    Parameters
    ----------
    lung_depth_mm
        How deep each point lies inside a lung; negative outside.
    clear_of
        Centres and radii of what no tube may touch.
    """
    draw = np.random.default_rng(seed)
    grown: list[Tube] = []
    for lung, arteries, veins in zip(_LUNGS, _ARTERY_ROOTS, _VEIN_ROOTS, strict=True):
        artery = _tree(draw, arteries, _targets(draw, lung, lung_depth_mm))
        grown += _tree(draw, veins, _targets(draw, lung, lung_depth_mm))
        for piece in artery:
            grown += [piece, *_bronchus_beside(piece)]
    return tuple(
        tube
        for tube in grown
        if all(_gap_mm(tube, centre) > radius + _KEEP_CLEAR_MM for centre, radius in clear_of)
    )


def _targets(
    draw: np.random.Generator, lung: tuple[float, float], depth_mm: Callable[[Vectors], Vectors]
) -> list[Vector]:
    """Draw points that fill a lung up to its rim."""
    points = draw.uniform((lung[0], -90, 0), (lung[1], 92, 290), (_TWIGS_PER_LUNG * 6, 3))
    return list(points[depth_mm(points) > 3][:_TWIGS_PER_LUNG])


def _tree(draw: np.random.Generator, roots: Sequence[Point], targets: list[Vector]) -> list[Tube]:
    """Join each point, the nearest to the roots first, to the tree where the way to it is short."""
    twigs = [_Twig(np.asarray(root, float), -1, 0.0) for root in roots]
    heart_side = np.asarray(roots[0], float)
    for target in sorted(targets, key=lambda point: float(np.linalg.norm(point - heart_side))):
        places = np.array([twig.at for twig in twigs])
        ways = np.linalg.norm(places - target, axis=1)
        nearest = int(np.argmin(ways + 0.35 * np.array([twig.path_mm for twig in twigs])))
        start, way = twigs[nearest], float(ways[nearest])
        if way > 14:  # bends once on its way
            middle = start.at + (target - start.at) * 0.5 + draw.normal(0, 0.06 * way, 3)
            twigs.append(_Twig(middle, nearest, start.path_mm + way / 2))
            nearest = len(twigs) - 1
        twigs.append(_Twig(target, nearest, start.path_mm + way))
    for twig in reversed(twigs):
        twig.feeds = max(twig.feeds, 1)
        if twig.parent >= 0:
            twigs[twig.parent].feeds += twig.feeds
    return [_piece(twigs[twig.parent], twig) for twig in twigs if twig.parent >= 0]


def _piece(start: _Twig, end: _Twig) -> Tube:
    width = min(_TWIG_MM * end.feeds ** (1 / _MURRAY), 5.0)
    return Tube(_point(start.at), _point(end.at), width * 1.06, width, BLOOD_HU)


def _point(vector: Vector) -> Point:
    x, y, z = (float(value) for value in vector)
    return (x, y, z)


def _bronchus_beside(vessel: Tube) -> tuple[Tube, ...]:
    """Give a wall and its lumen that follow an artery at touching distance, as bronchi do."""
    radius = vessel.end_radius_mm * 0.68
    if radius < 1.1:
        return ()
    away = vessel.end_radius_mm + radius + 0.5
    (x0, y0, z0), (x1, y1, z1) = vessel.start, vessel.end
    side = 1 if x0 < 0 else -1  # bronchi lie nearer the midline
    lumen = Tube((x0 + side * away, y0, z0), (x1 + side * away, y1, z1), radius, radius, AIR_HU)
    return lumen.widened(0.75, WALL_HU), lumen


def _gap_mm(tube: Tube, point: Point) -> float:
    """Give the distance from a tube's skin to a point."""
    start, end, target = (np.asarray(value, float) for value in (tube.start, tube.end, point))
    along = end - start
    t = float(np.clip(np.dot(target - start, along) / np.dot(along, along), 0, 1))
    return float(np.linalg.norm(start + t * along - target)) - tube.start_radius_mm
