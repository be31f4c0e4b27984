"""One axial slice on which anatomy is painted: shapes in mm, values in HU, soft edges.

Coordinates are the patient's: x to the patient's left, y to the back, z to the
head, so an image row runs along x and a column along y as a supine scan has it.

Source: DICOM PS3.3 C.7.6.2.1.1 (patient-based coordinate system).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Point = tuple[float, float, float]
"""x, y, z in mm."""


@dataclass(frozen=True, slots=True)
class Tube:
    """A straight piece of vessel, airway or bone between two points, tapering, of one value."""

    start: Point
    end: Point
    start_radius_mm: float
    end_radius_mm: float
    hu: float

    def widened(self, by_mm: float, hu: float) -> Tube:
        """Give the same course with a wall around it."""
        return replace(
            self,
            start_radius_mm=self.start_radius_mm + by_mm,
            end_radius_mm=self.end_radius_mm + by_mm,
            hu=hu,
        )


class SliceCanvas:
    """A square slice at height ``z`` mm, centred on the scanner's axis, filled with air."""

    def __init__(self, size: int, *, pixel_mm: float, z: float) -> None:
        along = ((np.arange(size) - (size - 1) / 2) * pixel_mm).astype(np.float32)
        self.pixel_mm = pixel_mm
        self.z = z
        self.x: Field = along[np.newaxis, :]
        self.y: Field = along[:, np.newaxis]
        self.hu: Field = np.full((size, size), -1000, np.float32)
        self._first = float(along[0])

    def inside(self, distance: Field) -> Field:
        """Give how much of each pixel lies inside, from the signed distance in mm (positive inside)."""
        return as_field(np.clip(distance / self.pixel_mm + 0.5, 0, 1))

    def paint(self, cover: Field, hu: float | Field) -> None:
        """Lay a value over what is there, as far as the cover (0 to 1) says."""
        self.hu += cover * (hu - self.hu)

    def disc(self, x: float, y: float, radii_mm: tuple[float, float], hu: float) -> None:
        """Paint an ellipse with its axes along x and y."""
        rx, ry = radii_mm
        rows, columns = self._window((x - rx, x + rx), (y - ry, y + ry))
        q = np.hypot((self.x[:, columns] - x) / rx, (self.y[rows] - y) / ry)
        self._paint_window(rows, columns, (1 - q) * min(rx, ry), hu)

    def tube(self, tube: Tube) -> None:
        """Paint where a tube with round ends meets this slice."""
        widest = max(tube.start_radius_mm, tube.end_radius_mm)
        low, high = sorted((tube.start[2], tube.end[2]))
        if not low - widest < self.z < high + widest:
            return
        (x0, y0, z0), (x1, y1, z1) = tube.start, tube.end
        rows, columns = self._window(
            (min(x0, x1) - widest, max(x0, x1) + widest), (min(y0, y1) - widest, max(y0, y1) + widest)
        )
        dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
        px, py, pz = self.x[:, columns] - x0, self.y[rows] - y0, self.z - z0
        length2 = dx * dx + dy * dy + dz * dz
        t = np.clip((px * dx + py * dy + pz * dz) / length2, 0, 1)
        away = np.sqrt((px - t * dx) ** 2 + (py - t * dy) ** 2 + (pz - t * dz) ** 2)
        radius = tube.start_radius_mm + t * (tube.end_radius_mm - tube.start_radius_mm)
        self._paint_window(rows, columns, as_field(radius - away), tube.hu)

    def tubes(self, tubes: Sequence[Tube]) -> None:
        """Paint many, in order."""
        for tube in tubes:
            self.tube(tube)

    def ball(self, centre: Point, radius_mm: float, hu: float, *, thickness_mm: float) -> None:
        """Paint a ball averaged over the slice's thickness, so that its volume over all slices is right."""
        x, y, z = centre
        if abs(self.z - z) >= radius_mm + thickness_mm / 2:
            return
        reach = radius_mm + self.pixel_mm
        rows, columns = self._window((x - reach, x + reach), (y - reach, y + reach))
        flat = (self.x[:, columns] - x) ** 2 + (self.y[rows] - y) ** 2
        heights = self.z - z + (np.arange(5) - 2) / 5 * thickness_mm
        covers = [self.inside(radius_mm - np.sqrt(flat + height**2)) for height in heights]
        self._lay(rows, columns, np.mean(covers, axis=0, dtype=np.float32), hu)

    def _window(self, xs: tuple[float, float], ys: tuple[float, float]) -> tuple[slice, slice]:
        """Give the rows and columns that hold a box, with a pixel to spare."""

        def between(low: float, high: float) -> slice:
            first = int((low - self._first) / self.pixel_mm) - 1
            last = int((high - self._first) / self.pixel_mm) + 3
            return slice(max(first, 0), max(last, 0))

        return between(*ys), between(*xs)

    def _paint_window(self, rows: slice, columns: slice, distance: Field, hu: float) -> None:
        self._lay(rows, columns, self.inside(distance), hu)

    def _lay(self, rows: slice, columns: slice, cover: Field, hu: float) -> None:
        part = self.hu[rows, columns]
        part += cover * (hu - part)


def superellipse(x: Field, y: Field, *, radii_mm: tuple[float | Field, float | Field], power: float) -> Field:
    """Give the signed distance (mm, along the radius, positive inside) to a rounded box around the origin."""
    rx, ry = radii_mm
    level = ((np.abs(x) / rx) ** power + (np.abs(y) / ry) ** power) ** (1 / power)
    level = np.maximum(level, 1e-3)
    return as_field(np.minimum(np.hypot(x, y) * (1 / level - 1), np.minimum(rx, ry)))


def as_field(values: npt.ArrayLike) -> Field:
    """Keep to 32 bits: twice as fast, and finer than any scanner."""
    return np.asarray(values, np.float32)
