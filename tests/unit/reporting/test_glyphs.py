from __future__ import annotations

import itertools

import pytest

from node.reporting.glyphs import MISSING, Printable, font_folder, has_glyph, read_cmap


@pytest.mark.parametrize("character", "张龘①㎜≥±℃éα〓 \u3000")
def test_characters_of_reports_have_a_glyph(character):
    assert has_glyph(character)


@pytest.mark.parametrize("character", ["😀", "한", "\ue000", "\U00020bb7"])
def test_character_outside_the_fonts_has_none(character):
    assert not has_glyph(character)


def test_missing_character_is_marked_and_named():
    show = Printable()
    assert show.line("患者𠮷田😀") == f"患者{MISSING}田{MISSING}"
    assert "U+1F600、U+20BB7" in show.note()


def test_text_that_would_turn_its_direction_is_marked():
    show = Printable()
    assert show.line("左\u202e侧") == f"左{MISSING}侧"
    assert "U+202E" in show.note()


def test_invisible_characters_leave_no_trace():
    show = Printable()
    assert show.line("\ufeff无\u200b异常") == "无异常"
    assert show.note() == ""


def test_lines_are_kept_and_outer_empty_ones_are_not():
    assert Printable().lines("\n\na\r\n\nb  \n") == ["a", "", "b"]


def test_cmap_ranges_are_sorted_and_apart():
    ranges = read_cmap(next(font_folder().glob("*Sans*.otf")).read_bytes())
    assert all(low <= high for low, high in ranges)
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(ranges))
    assert sum(high - low + 1 for low, high in ranges) > 20_000
