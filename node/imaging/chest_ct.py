"""A synthetic chest in HU: what a plain CT of a healthy adult looks like, with three nodules of known truth.

Anatomy is drawn, not copied from anybody. Sizes are ordinary ones of an adult;
`NODULES` is exact and is what tests measure against.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from node.imaging.bronchi import AIRWAYS, ARTERIES, BLOOD_HU, WALL_HU, Vectors, peripheral_trees
from node.imaging.slice_canvas import Field, Point, SliceCanvas, Tube, as_field, superellipse

Height = float | Field
"""z in mm: of one slice, or of each point."""
FIELD_OF_VIEW_MM = 350.0
HEIGHT_MM = 294.0
"""From below the domes of the diaphragm to above the lung apices."""
_NOISE_HU = 16.0
_FAT_HU, _MUSCLE_HU, _LIVER_HU, _LUNG_HU = -102.0, 54.0, 60.0, -868.0
_SPONGY_HU, _CORTEX_HU = 190.0, 620.0
_SPINE = (0.0, 64.0)
_VERTEBRA_MM = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodule:
    """A ball of one value; ``centre`` in mm from the scanner's axis and the lowest slice's lower face."""

    name: str
    centre: Point
    diameter_mm: float
    hu: float


NODULES: tuple[Nodule, ...] = (
    Nodule(name="right upper lobe, solid", centre=(-82.0, -22.0, 214.0), diameter_mm=9.0, hu=45.0),
    Nodule(name="left lower lobe, solid", centre=(88.0, 46.0, 96.0), diameter_mm=14.0, hu=38.0),
    Nodule(name="right lower lobe, ground glass", centre=(-96.0, 24.0, 118.0), diameter_mm=11.0, hu=-560.0),
)

_AORTA = (
    Tube((-10, -16, 140), (-12, -10, 200), 16, 16, BLOOD_HU),
    Tube((-12, -10, 200), (0, 4, 216), 15.5, 14.5, BLOOD_HU),
    Tube((0, 4, 216), (22, 36, 212), 14.5, 13, BLOOD_HU),
    Tube((22, 36, 212), (24, 48, 190), 13, 12.5, BLOOD_HU),
    Tube((24, 48, 190), (14, 44, -20), 12.5, 11.5, BLOOD_HU),
)
_VEINS_AND_NECK = (
    Tube((-28, -4, 130), (-27, -8, 222), 9.5, 9, BLOOD_HU),
    Tube((-27, -8, 222), (-34, -10, 320), 8, 7, BLOOD_HU),
    Tube((-26, -12, 224), (30, -14, 246), 6.5, 6.5, BLOOD_HU),
    Tube((30, -14, 246), (44, -6, 320), 6.5, 6.5, BLOOD_HU),
    Tube((-6, -2, 218), (-22, 8, 320), 6, 5, BLOOD_HU),
    Tube((6, 8, 222), (18, 10, 320), 4.5, 4, BLOOD_HU),
    Tube((14, 22, 222), (32, 22, 320), 5, 4.5, BLOOD_HU),
    Tube((-34, 8, 60), (-30, 2, 96), 11, 12, BLOOD_HU),
    Tube((8, 36, 330), (10, 38, -20), 6.5, 6.5, 34),
)
_GROOVES = (
    Tube((-24, -44, 108), (-22, -12, 66), 3.6, 2.4, _FAT_HU + 40),
    Tube((28, 12, 112), (44, 2, 64), 3.2, 2.0, _FAT_HU + 40),
    Tube((30, -62, 112), (62, -56, 58), 3.0, 1.8, _FAT_HU + 40),
)
"""Fat around the coronary vessels."""
_CLAVICLES = (
    Tube((-20, -78, 258), (-88, -62, 282), 6, 5, _CORTEX_HU),
    Tube((20, -78, 258), (88, -62, 282), 6, 5, _CORTEX_HU),
)


class ChestAnatomy:
    """One synthetic patient; the seed draws the vessels and the noise."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def slice_hu(self, size: int, *, z: float, thickness_mm: float) -> Field:
        """Give one axial slice in HU, rows to the back, columns to the patient's left.

        ``z`` is the slice's middle in mm above the bottom of the scan.
        """
        canvas = SliceCanvas(size, pixel_mm=FIELD_OF_VIEW_MM / size, z=z)
        body, cavity = self._trunk(canvas)
        lung: Field = np.minimum(cavity, -_mediastinum(canvas.x, canvas.y, canvas.z)) - np.float32(1)
        self._paint_wall(canvas, body, cavity)
        self._paint_inside(canvas, cavity, lung)
        self._paint_bones(canvas, body, cavity)
        self._paint_lung_structures(canvas, thickness_mm)
        return self._scanned(canvas)

    @cached_property
    def _trees(self) -> tuple[Tube, ...]:
        return peripheral_trees(
            self._seed,
            lung_depth_mm=_depth_in_lung,
            clear_of=[(nodule.centre, nodule.diameter_mm / 2) for nodule in NODULES],
        )

    def _trunk(self, canvas: SliceCanvas) -> tuple[Field, Field]:
        """Give the signed distances to the skin and to the inner chest wall."""
        up = max(0.0, canvas.z / HEIGHT_MM - 0.62)
        body = superellipse(canvas.x, canvas.y - 3, radii_mm=(154 + 34 * up, 113 - 46 * up), power=2.35)
        return body, _cavity(canvas.x, canvas.y, canvas.z)

    def _paint_wall(self, canvas: SliceCanvas, body: Field, cavity: Field) -> None:
        """Paint skin, fat, two layers of muscle and the fat between, and the couch below."""
        angle = np.arctan2(canvas.x, canvas.y)
        couch = 1.6 - np.abs(np.hypot(canvas.x, canvas.y + 420) - 545)
        canvas.paint(canvas.inside(np.where(canvas.y > 0, couch, np.float32(-9))), -180)
        canvas.paint(canvas.inside(body), 12)
        canvas.paint(canvas.inside(body - 1.8), _FAT_HU)
        rim = 12 + 4 * np.cos(2 * angle) + 1.2 * np.sin(7 * angle + canvas.z / 31)
        canvas.paint(canvas.inside(body - rim), _MUSCLE_HU)
        share = body / np.maximum(body - cavity, 1)
        plane = share - 0.66 - 0.07 * np.sin(5 * angle + canvas.z / 40)
        half = np.where(np.abs(np.cos(angle)) < 0.93, np.float32(1.5), np.float32(0.6))
        between = canvas.inside(half - np.abs(plane) * np.maximum(body - cavity, 1))
        canvas.paint(between * canvas.inside(body - rim - 2) * canvas.inside(-cavity - 9), _FAT_HU + 14)

    def _paint_inside(self, canvas: SliceCanvas, cavity: Field, lung: Field) -> None:
        """Paint mediastinal fat, heart, great vessels, abdomen below the domes, and the lungs."""
        canvas.paint(canvas.inside(cavity - 1.5), _FAT_HU + 10)
        dome = _dome_height(canvas.x, canvas.y) - canvas.z
        below = canvas.inside(np.minimum(cavity - 1, dome))
        if below.any():
            self._paint_abdomen(canvas, below)
        heart = _heart(canvas.x, canvas.y, canvas.z)
        canvas.paint(canvas.inside(heart), _FAT_HU + 30)
        canvas.paint(canvas.inside(heart - 3.5), 46)
        canvas.paint(canvas.inside(heart - 16), 38)
        canvas.tubes(_GROOVES)
        canvas.tubes(_AORTA)
        canvas.tubes(_VEINS_AND_NECK)
        canvas.tubes(ARTERIES)
        posterior = _LUNG_HU + 0.32 * (canvas.y + 60)
        aired = canvas.inside(np.minimum(lung, -dome - 1))
        canvas.paint(aired, as_field(posterior))
        bow = 0.002 * (np.abs(canvas.x) - 62) ** 2
        fissure = np.abs(canvas.z - 128 + 1.05 * (canvas.y - 8) + bow)
        canvas.hu += aired * np.clip(1 - fissure / 2.2, 0, 1) * 70

    def _paint_abdomen(self, canvas: SliceCanvas, below: Field) -> None:
        """Paint liver on the right, stomach with its air and spleen on the left."""
        canvas.paint(below, _FAT_HU)
        right = canvas.inside(28 - canvas.x + 0.2 * canvas.y)
        canvas.paint(below * right, _LIVER_HU)
        spleen = superellipse(canvas.x - 92, canvas.y - 36, radii_mm=(32, 44), power=2.2)
        canvas.paint(below * canvas.inside(spleen - 0.02 * canvas.z), 50)
        stomach = superellipse(canvas.x - 68, canvas.y + 22, radii_mm=(40, 34), power=2.1)
        canvas.paint(below * canvas.inside(stomach), 44)
        level = np.where(canvas.y < -24, np.float32(-960), np.float32(16))
        canvas.paint(below * canvas.inside(stomach - 3), level)

    def _paint_bones(self, canvas: SliceCanvas, body: Field, cavity: Field) -> None:
        """Paint ribs, their cartilage, sternum, scapulae, clavicles and spine."""
        zone = np.nonzero((cavity > -11.5) & (cavity < -1.5) & (body > 5))
        depth, inner = cavity[zone], canvas.inside(body[zone] - 6)
        back = np.arctan2(np.abs(canvas.x[0, zone[1]]), canvas.y[zone[0], 0] - 4)  # 0 spine, pi sternum
        hu, bony = canvas.hu[zone], canvas.inside((2.15 - back) * 40)
        gristle = canvas.inside((2.82 - back) * 40) * (1 - bony)
        for rib in range(-1, 15):
            sinks = canvas.z - (26 + 25.5 * rib) + 46 * back
            q = np.hypot((depth + 6.4) / 4.2, sinks / 6.6)
            for edge, value, where in (
                (1, _CORTEX_HU, bony),
                (0.68, _SPONGY_HU + 30, bony),
                (0.95, 115, gristle),
            ):
                hu += canvas.inside((edge - q) * 4.2) * where * inner * (value - hu)
        canvas.hu[zone] = hu
        if canvas.z > 92:
            wide = 13 + 9 * min(1.0, max(0.0, (canvas.z - 210) / 40))
            front = -94 + max(0.0, canvas.z - 190) * 0.14
            canvas.disc(0, front, (wide, 6.0), _CORTEX_HU * 0.75)
            canvas.disc(0, front, (wide - 1.8, 4.2), 130)
        self._paint_shoulder(canvas)
        self._paint_spine(canvas)

    def _paint_shoulder(self, canvas: SliceCanvas) -> None:
        canvas.tubes(_CLAVICLES)
        for clavicle in _CLAVICLES:
            canvas.tube(clavicle.widened(-2.2, _SPONGY_HU))
        up = canvas.z - 165
        if up > 0:
            reach = min(1.0, up / 60)
            for side in (-1, 1):
                inner, outer = (side * (74 - 6 * reach), 93), (side * (92 + 34 * reach), 74 - 34 * reach)
                blade = Tube((*inner, canvas.z), (*outer, canvas.z), 2.0, 2.6 + 2.5 * reach, _CORTEX_HU * 0.8)
                canvas.tube(blade)

    def _paint_spine(self, canvas: SliceCanvas) -> None:
        """Paint a vertebra or a disc, the arch around the canal, and the processes."""
        x, y = _SPINE
        within = (canvas.z + 7) % _VERTEBRA_MM
        canvas.disc(x, y + 25, (31, 22), _MUSCLE_HU)
        if within < 4.5:
            canvas.disc(x, y, (18.5, 14.5), 88)
        else:
            edge = min(within - 4.5, _VERTEBRA_MM - within)
            canvas.disc(x, y, (18.5, 14.5), _CORTEX_HU)
            canvas.disc(x, y, (17.1, 13.1), _SPONGY_HU if edge > 1.6 else 330)
        if within > 9:
            canvas.disc(x, y + 23, (14, 13), _CORTEX_HU * 0.9)
            for side in (-1, 1):
                arm = Tube(
                    (side * 10, y + 22, canvas.z), (side * 36, y + 32, canvas.z), 5.0, 3.6, _CORTEX_HU * 0.8
                )
                if 11 < within < 19:
                    canvas.tube(arm)
                    canvas.tube(arm.widened(-1.7, _SPONGY_HU))
        spine = Tube((x, y + 31, canvas.z), (x, y + 44, canvas.z), 3.4, 2.6, _CORTEX_HU * 0.8)
        canvas.tube(spine)
        canvas.tube(spine.widened(-1.4, _SPONGY_HU))
        canvas.disc(x, y + 22, (9.6, 8.6), 14)
        canvas.disc(x, y + 22, (5.2, 4.2), 36)

    def _paint_lung_structures(self, canvas: SliceCanvas, thickness_mm: float) -> None:
        canvas.tubes(self._trees)
        canvas.tubes([airway.widened(1.2, WALL_HU + 30) for airway in AIRWAYS])
        canvas.tubes(AIRWAYS)
        for nodule in NODULES:
            canvas.ball(nodule.centre, nodule.diameter_mm / 2, nodule.hu, thickness_mm=thickness_mm)

    def _scanned(self, canvas: SliceCanvas) -> Field:
        """Add what a scanner does: a little blur, and noise with the grain of a soft kernel."""
        draw = np.random.default_rng((self._seed, round(canvas.z * 1000)))
        grain = _blurred(draw.standard_normal(canvas.hu.shape, np.float32)) * (_NOISE_HU * 2.1)
        return _blurred(canvas.hu) + grain


def _cavity(x: Field, y: Field, z: Height) -> Field:
    """Give the signed distance to the inner chest wall, which closes above the apices."""
    up = np.maximum(0.0, np.asarray(z) / HEIGHT_MM - 0.34) / 0.645
    narrow = (np.maximum(1 - up**2.6, 0.004) ** 0.5).astype(np.float32)
    inside = superellipse(x, y - 2 - 12 * (1 - narrow), radii_mm=(127 * narrow, 86 * narrow), power=2.25)
    return as_field(np.where(narrow < 0.12, np.float32(-40), inside))


def _heart(x: Field, y: Field, z: Height) -> Field:
    """Give the signed distance to a tilted ellipsoid that points to the left and front."""
    height = ((np.asarray(z) - 88) / 66).astype(np.float32)
    if (np.abs(height) >= 1).all():
        return np.full(np.broadcast(x, y).shape, -40, np.float32)
    shrink = np.maximum(1 - height**2, np.float32(0.0004)) ** np.float32(0.5)
    dx, dy = x - 18 + 8 * height, y + 25
    along, across = 0.86 * dx - 0.5 * dy, 0.5 * dx + 0.86 * dy
    across = across * (1 + 0.0035 * along)  # blunt at the atria, pointed at the apex
    inside = superellipse(along, across, radii_mm=(63 * shrink, 43 * shrink), power=2.1)
    return as_field(np.where(np.abs(height) >= 1, np.float32(-40), inside))


def _mediastinum(x: Field, y: Field, z: Height) -> Field:
    """Give the signed distance to what lies between the lungs."""
    level = np.clip((np.asarray(z) - 120) / 60, 0, 1).astype(np.float32)
    waist = 13 + 17 * np.exp(-(((y - 4) / 34) ** 2)) * level + 15 * np.exp(-(((y - 58) / 26) ** 2))
    strip = waist * np.clip((y + 92) / 30, 0.25, 1) - np.abs(x - 3)
    spine = superellipse(x - _SPINE[0], y - _SPINE[1], radii_mm=(27, 22), power=2)
    return as_field(np.maximum(np.maximum(strip, spine), _heart(x, y, z) + 1))


def _dome_height(x: Field, y: Field) -> Field:
    """Give the height (mm) of the diaphragm, the right dome higher than the left."""
    back = ((y + 4) / 84) ** 2 * np.where(y > -4, 1.0, 0.22)
    right = 66 - 52 * ((x + 66) / 78) ** 2 - 74 * back
    left = 52 - 46 * ((x - 68) / 78) ** 2 - 70 * back
    tendon = 46 - 20 * ((x - 4) / 60) ** 2 - 60 * back
    return as_field(np.maximum(np.maximum(right, left), tendon))


def _depth_in_lung(points: Vectors) -> Vectors:
    """Give how deep each point lies inside a lung; negative outside."""
    x, y, z = points.T.astype(np.float32)
    lung = np.minimum(_cavity(x, y, z), -_mediastinum(x, y, z))
    return np.asarray(np.minimum(lung, z - _dome_height(x, y)), np.float64)


def _blurred(field: Field) -> Field:
    """Blur with the binomial kernel 1 2 1 both ways."""
    rows = np.pad(field, ((1, 1), (0, 0)), mode="edge")
    down = (rows[:-2] + 2 * rows[1:-1] + rows[2:]) / 4
    columns = np.pad(down, ((0, 0), (1, 1)), mode="edge")
    return as_field((columns[:, :-2] + 2 * columns[:, 1:-1] + columns[:, 2:]) / 4)
