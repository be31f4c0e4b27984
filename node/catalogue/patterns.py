"""Texts and person names in query keys, as GLOB patterns.

``*`` is any characters and ``?`` any one; nothing else in a key means anything.
Texts are compared with case and accents, as C.2.2.2.1 demands. Names are
compared without case, and without the accents of Latin, Greek and Cyrillic
letters; other scripts as written (kana keep their sound marks). A name held
with combining characters instead of accented letters is compared as it is held.

A pattern that is longer than any text held here matches nothing and never
reaches the database, whose own limit would be an error. Pure: text in, SQL out.

Source: DICOM PS3.4 C.2.2.2.1, C.2.2.2.1.1, C.2.2.2.4.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from node.database.port import Value

Matched = tuple[str, tuple[Value, ...]]
NOTHING: Matched = ("1 = 0", ())
TEXT_LIMIT, NAME_LIMIT = 4096, 512
"""Longest text and name that a pattern can match, in characters."""
_LONG = 32
_WILD = re.compile(r"[*?]+")
_ACCENTED = (range(0xC0, 0x250), range(0x1EA0, 0x1F00), range(0x370, 0x500))


def is_wild(value: str) -> bool:
    """Say whether a value has wildcards."""
    return "*" in value or "?" in value


def collapse(value: str) -> str:
    """Write each run of wildcards as its ``?`` and then one ``*``: the same pattern, in the fewest characters."""
    return _WILD.sub(lambda run: "?" * run[0].count("?") + "*" * ("*" in run[0]), value)


def text_condition(column: str, value: str) -> Matched:
    """Give the condition that a column's text is what a collapsed value asks for, case and all."""
    least = len(value) - value.count("*")
    if least > TEXT_LIMIT:
        return NOTHING
    return _at_least(column, least, (f"{column} GLOB ?", (value.replace("[", "[[]"),)))


def is_any_name(value: str) -> bool:
    """Say whether a PN asks for nothing: no component is filled, or only with ``*``."""
    return all(group in ("", "*") for group in _groups(value))


def name_condition(column: str, value: str) -> Matched:
    """Give the condition that a column's PN is what a value asks for.

    A value with one component group is looked for in each group, and in groups
    that stand side by side; one with several asks each of its filled groups of
    the same group. Empty components at a group's end mean nothing.
    """
    groups = _groups(value)
    least = sum(len(group) - group.count("*") for group in groups)
    if least > NAME_LIMIT:
        return NOTHING
    return _at_least(column, least, _in_groups(column, groups))


def _at_least(column: str, characters: int, matched: Matched) -> Matched:
    """Spare the database a long pattern where the text is shorter: it may try every way of placing the stars."""
    if characters < _LONG:
        return matched
    return f"length({column}) >= ? AND {matched[0]}", (characters, *matched[1])


def _in_groups(column: str, groups: list[str]) -> Matched:
    if len(groups) == 1:
        pattern = collapse(f"*={_name_pattern(groups[0], one='[^=]')}=*")
        ragged = f"{column} GLOB '*[ ^]=*'"
        tidy = " || '=' || ".join(f"rtrim({group}, '^ ')" for group in _parts(column))
        held = f"CASE WHEN {ragged} THEN {tidy} ELSE {column} END"
        return f"'=' || rtrim({held}, '=^ ') || '=' GLOB ?", (pattern,)
    asked = [
        (f"rtrim({part}, '^ ') GLOB ?", _name_pattern(group, one="?"))
        for part, group in zip(_parts(column), groups, strict=False)
        if group not in ("", "*")
    ]
    return " AND ".join(sql for sql, _ in asked), tuple(pattern for _, pattern in asked)


def _groups(value: str) -> list[str]:
    """Give a PN's component groups, the empty ones at its end left out. Source: DICOM PS3.5 6.2.1."""
    groups = [collapse(group.strip(" ").rstrip("^ ")) for group in value.split("=", 2)]
    while len(groups) > 1 and not groups[-1]:
        groups.pop()
    return groups


def _parts(column: str) -> tuple[str, str, str]:
    """Give the three component groups of a column, as expressions."""
    rest = f"substr({column}, instr({column} || '=', '=') + 1)"
    return (
        f"substr({column}, 1, instr({column} || '=', '=') - 1)",
        f"substr({rest}, 1, instr({rest} || '=', '=') - 1)",
        f"substr({rest}, instr({rest} || '=', '=') + 1)",
    )


def _name_pattern(group: str, *, one: str) -> str:
    return "".join(
        "*" if letter == "*" else one if letter == "?" else _class(letter)
        for letter in unicodedata.normalize("NFC", group)
    )


@lru_cache(maxsize=4096)
def _class(letter: str) -> str:
    """Give what a letter of a name may be held as: itself, the other case, with and without accents."""
    base = _base(letter)
    alike = {letter, base, *_variants().get(base, ())}
    alike |= {
        other for known in (letter, base) for other in (known.lower(), known.upper()) if len(other) == 1
    }
    if len(alike) == 1:
        return "[[]" if letter == "[" else letter
    return f"[{''.join(_runs(sorted(alike)))}]"


def _runs(letters: list[str]) -> Iterator[str]:
    """Write letters that follow each other as ``first-last``, which keeps patterns short."""
    first = last = letters[0]
    for letter in [*letters[1:], ""]:
        if letter and ord(letter) == ord(last) + 1:
            last = letter
            continue
        yield first if first == last else f"{first}-{last}"
        first = last = letter


def _base(letter: str) -> str:
    """Give a letter without case, and without the accents that count as such."""
    if any(ord(letter) in block for block in _ACCENTED):
        apart = unicodedata.normalize("NFD", letter)
        if all(unicodedata.combining(mark) for mark in apart[1:]):
            letter = apart[0]
    folded = letter.casefold()
    return folded if len(folded) == 1 else letter


@lru_cache(maxsize=1)
def _variants() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for letter in (chr(code) for block in _ACCENTED for code in block):
        found.setdefault(_base(letter), set()).add(letter)
    return {base: frozenset(letters) for base, letters in found.items()}
