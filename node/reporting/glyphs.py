"""Which characters the printed report can show, read from the fonts themselves.

A character without a glyph would stop the PDF (PDF/A allows none) or vanish, and
a character that turns the direction of text would make it read otherwise than it
was written. Both become 〓, the printers' mark for a missing sort, and the
document says below which ones they were.

Source: OpenType `cmap`, formats 4 and 12; Unicode UAX #9 (directional controls).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from pathlib import Path

MISSING = "〓"
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_TURNING = frozenset(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]))

Ranges = tuple[tuple[int, int], ...]


class Printable:
    """Makes texts printable, and remembers what it had to leave out."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    def line(self, words: str) -> str:
        """Give one line with every character shown or marked as missing."""
        return "".join(map(self._shown, words.expandtabs(4).translate(_INVISIBLE)))

    def lines(self, words: str) -> list[str]:
        """Give a text's lines, outer empty ones left out."""
        return [self.line(one.rstrip()) for one in words.strip().splitlines()]

    def note(self) -> str:
        """Say which characters were left out; empty when none was."""
        codes = "、".join(f"U+{ord(character):04X}" for character in sorted(self.missing))
        return f"打印字库未收的字符以“{MISSING}”代替：{codes}。原文见电子报告。" if codes else ""

    def _shown(self, character: str) -> str:
        if character not in _TURNING and has_glyph(character):
            return character
        self.missing.add(character)
        return MISSING


def font_folder() -> Path:
    """Give the folder of the Chinese fonts that are shipped; the machine's own are never used."""
    from pylopdf_fonts_zh_cn import sans_path

    return Path(sans_path()).parent


def has_glyph(character: str) -> bool:
    """Say whether one of the fonts can show a character."""
    code = ord(character)
    return any(_within(ranges, code) for ranges in _coverage())


@cache
def _coverage() -> tuple[Ranges, ...]:
    return tuple(read_cmap(path.read_bytes()) for path in sorted(font_folder().glob("*.otf")))


def _within(ranges: Ranges, code: int) -> bool:
    at = bisect_right(ranges, (code, 0x110000)) - 1
    return at >= 0 and ranges[at][0] <= code <= ranges[at][1]


def read_cmap(font: bytes) -> Ranges:
    """Give the code points a font has glyphs for, as sorted ranges."""
    (tables,) = struct.unpack_from(">H", font, 4)
    records = (struct.unpack_from(">4sLLL", font, 12 + 16 * n) for n in range(tables))
    start = next(offset for tag, _, offset, _ in records if tag == b"cmap")
    (count,) = struct.unpack_from(">H", font, start + 2)
    subtables = {struct.unpack_from(">L", font, start + 8 + 8 * n)[0] for n in range(count)}
    ranges = [found for offset in subtables for found in _read_subtable(font, start + offset)]
    return tuple(_joined(sorted(ranges)))


def _read_subtable(font: bytes, at: int) -> Iterable[tuple[int, int]]:
    (form,) = struct.unpack_from(">H", font, at)
    if form == 12:
        (groups,) = struct.unpack_from(">L", font, at + 12)
        for n in range(groups):
            first, last, _glyph = struct.unpack_from(">LLL", font, at + 16 + 12 * n)
            yield first, last
    elif form == 4:
        (twice,) = struct.unpack_from(">H", font, at + 6)
        lasts = struct.unpack_from(f">{twice // 2}H", font, at + 14)
        firsts = struct.unpack_from(f">{twice // 2}H", font, at + 16 + twice)
        yield from ((first, last) for first, last in zip(firsts, lasts, strict=True) if first != 0xFFFF)


def _joined(ranges: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Merge ranges that touch, so that a code point lies in one."""
    first, last = ranges[0]
    for low, high in ranges[1:]:
        if low > last + 1:
            yield first, last
            first = low
        last = max(last, high)
    yield first, last
