"""All shots side by side, small, for eyes: ``python -m tests.browser.contact_sheet`` after the browser tests."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw

SHOTS = Path(__file__).parent / "shots"
_ACROSS = {"1440": 4, "390": 8}
_SCALE = {"1440": 0.35, "390": 0.45}
_LABEL_PX = 18
_TALLEST_PX = 560


def lay_out(folder: Path = SHOTS) -> list[Path]:
    """Paste the shots ``PAGE-LANGUAGE-WIDTH.png`` of each language and width onto one sheet."""
    shots = sorted(sorted(folder.glob("*-*-*.png")), key=_kind)
    sheets = []
    for (language, width), group in groupby(shots, key=_kind):
        sheet = folder / f"sheet_{language}_{width}.png"
        _sheet(list(group), width).save(sheet)
        sheets.append(sheet)
    return sheets


def _kind(path: Path) -> tuple[str, str]:
    _, language, width = path.stem.rsplit("-", 2)
    return language, width


def _sheet(shots: list[Path], width: str) -> Image.Image:
    small = [_small(path, _SCALE[width]) for path in shots]
    wide = max(each.width for each in small) + 8
    high = max(each.height for each in small) + _LABEL_PX + 8
    across = _ACROSS[width]
    sheet = Image.new("RGB", (wide * across, high * -(-len(shots) // across)), "#888")
    draw = ImageDraw.Draw(sheet)
    for n, (path, each) in enumerate(zip(shots, small, strict=True)):
        x, y = wide * (n % across), high * (n // across)
        draw.text((x + 4, y + 3), path.stem, fill="white")
        sheet.paste(each, (x + 4, y + _LABEL_PX))
    return sheet


def _small(path: Path, scale: float) -> Image.Image:
    shot = Image.open(path).convert("RGB")
    small = shot.resize((round(shot.width * scale), round(shot.height * scale)), Image.Resampling.LANCZOS)
    return small.crop((0, 0, small.width, min(small.height, _TALLEST_PX)))


if __name__ == "__main__":
    print(*lay_out(), sep="\n")
