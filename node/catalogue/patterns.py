"""Texts and person names in query keys, as GLOB patterns.

``*`` is any characters and ``?`` any one; nothing else in a key means anything.
Texts are compared with case and accents, as C.2.2.2.1 demands. Names are
compared by their keys (`node.catalogue.names`): without case, without the accents of
Latin, Greek and Cyrillic letters, composed or not; other scripts as written
(kana keep their sound marks).

A pattern that is longer than any text held here matches nothing and never
reaches the database, whose own limit would be an error. Pure: text in, SQL out.

Source: DICOM PS3.4 C.2.2.2.1, C.2.2.2.1.1, C.2.2.2.4.
"""

from __future__ import annotations

import re

from node.catalogue.names import fold, groups_of, length_gram, pattern_grams
from node.database.port import Value

Matched = tuple[str, tuple[Value, ...]]
NOTHING: Matched = ("1 = 0", ())
TEXT_LIMIT, NAME_LIMIT = 4096, 512
"""Longest text and name that a pattern can match, in characters."""
LONG = 24
"""From so many characters on a pattern asks for a text's length first; indexes know the texts that are as long."""
_WILD = re.compile(r"[*?]+")


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


def prefix_of(value: str) -> str:
    """Give what a text must begin with to be what a collapsed value asks for."""
    return re.split(r"[*?]", value, maxsplit=1)[0]


def is_any_name(value: str) -> bool:
    """Say whether a PN asks for nothing: no component is filled, or only with ``*``."""
    return all(group in ("", "*") for group in _groups(value))


def name_condition(column: str, value: str) -> Matched:
    """Give the condition that a column's name key is what a value asks for.

    A value with one component group is looked for in each group, and in groups
    that stand side by side; one with several asks each of its filled groups of
    the same group. Empty components at a group's end mean nothing.
    """
    groups = _groups(value)
    least = sum(len(group) - group.count("*") for group in groups)
    if least > NAME_LIMIT:
        return NOTHING
    return _at_least(column, least, _in_groups(column, groups))


def name_grams(value: str) -> tuple[str, ...]:
    """Give what a name has all of if it is what a value asks for; see `pattern_grams`."""
    groups = [group for group in _groups(value) if group not in ("", "*")]
    grams = pattern_grams("*".join(f"={group}=" for group in groups))
    lengths = tuple(length_gram(group) for group in groups if not group.strip("?*"))
    return lengths if lengths and grams == ("=",) else grams


def _at_least(column: str, characters: int, matched: Matched) -> Matched:
    """Spare the database a long pattern where the text is shorter: it may try every way of placing the stars."""
    if characters < LONG:
        return matched
    return f"length({column}) >= ? AND {matched[0]}", (characters, *matched[1])


def _in_groups(column: str, groups: list[str]) -> Matched:
    if len(groups) == 1:
        return f"{column} GLOB ?", (collapse(f"*={_name_pattern(groups[0], one='[^=]')}=*"),)
    asked = [
        (f"{part} GLOB ?", _name_pattern(group, one="?"))
        for part, group in zip(_parts(column), groups, strict=False)
        if group not in ("", "*")
    ]
    return " AND ".join(sql for sql, _ in asked), tuple(pattern for _, pattern in asked)


def _groups(value: str) -> list[str]:
    """Give the component groups that are asked for, folded; at least one."""
    return [collapse(group) for group in groups_of(fold(value.strip(" ")))] or [""]


def _parts(column: str) -> tuple[str, str, str]:
    """Give the three component groups of a column of name keys, as expressions."""
    first = f"substr({column}, 2)"
    second = f"substr({first}, instr({first}, '=') + 1)"
    third = f"substr({second}, instr({second}, '=') + 1)"
    return (
        f"substr({first}, 1, instr({first}, '=') - 1)",
        f"substr({second}, 1, instr({second}, '=') - 1)",
        f"substr({third}, 1, length({third}) - 1)",
    )


def _name_pattern(group: str, *, one: str) -> str:
    return group.replace("[", "[[]").replace("?", one)
