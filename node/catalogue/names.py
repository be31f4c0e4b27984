"""How a person name is held to be found: folded, and cut into pairs of letters.

The *key* of a name is its component groups without case, without the accents of
Latin, Greek and Cyrillic letters and composed where it came decomposed, each
between two ``=``. Whatever a query asks of a name, it asks of its key; the written name
is what is shown.

Grams are the pairs of neighbouring letters in a key, the last one of a group with the ``=`` behind it; each group
whole, between its two ``=``; and how many letters it has, behind two ``=``. So what a group begins with is a range of
whole groups, what holds a single letter is a range of pairs, and groups of so many letters are found whichever they
are. A word of two Chinese characters is one pair, which an index of three letters could not find. Grams only narrow:
the pattern itself decides. Pure.

Source: DICOM PS3.5 6.2.1 (component groups), PS3.4 C.2.2.2.1.1; Unicode UAX 15.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ACCENTED = (range(0xC0, 0x250), range(0x1EA0, 0x1F00), range(0x370, 0x500))
_BEGINNING = re.compile("(?=(=[^=]+=?))")
_LONGEST = 999
_LENGTH = "=="
"""No group begins so, and no name holds an empty one."""
AT_LEAST = "==="
"""Stands before a number of letters that a group has or goes beyond."""
_MOST_GRAMS = 12
"""Of one pattern: the rarest of so many is rare enough."""


def fold(text: str) -> str:
    """Give a text without what two writers of a name may do differently; as many letters as it has when composed."""
    if text.isascii():
        return text.lower()
    return "".join(map(_base, unicodedata.normalize("NFC", text)))


def groups_of(name: str) -> list[str]:
    """Give a PN's component groups, the empty components and groups at their ends left out."""
    groups = [group.rstrip("^ ") for group in name.split("=", 2)]
    while groups and not groups[-1]:
        groups.pop()
    return groups


@lru_cache(maxsize=512)
def name_key(written: str) -> str:
    """Give what a name is found by: ``=wang^xiaodong=王^小东=``; the empty text for no name."""
    groups = groups_of(fold(written))
    return f"={'='.join(groups)}=" if groups else ""


def grams_of(key: str) -> list[str]:
    """Give the groups of a name's key, how long each is, and its pairs of letters; each once."""
    groups = {group for group in key.split("=") if group}
    pairs = {key[at : at + 2] for at in range(len(key) - 1) if key[at] != "="}
    return sorted(pairs | {f"={group}=" for group in groups} | {_length(len(group)) for group in groups})


def pattern_grams(pattern: str) -> tuple[str, ...]:
    """Give what a name must hold that a folded pattern fits: beginnings of groups, then pairs.

    Where there are none, single letters; or nothing. The single letter ``=`` is in every name: less than all
    studies, more than is worth knowing beforehand.
    """
    runs = [run for run in re.split(r"[*?]+", pattern) if run]
    beginnings = dict.fromkeys(found for run in runs for found in _BEGINNING.findall(run))
    pairs = dict.fromkeys(run[at : at + 2] for run in runs for at in range(len(run) - 1) if run[at] != "=")
    letters = dict.fromkeys(run for run in runs if len(run) == 1 and run != "=")
    return tuple(beginnings | pairs or letters or dict.fromkeys(run[0] for run in runs))[:_MOST_GRAMS]


def length_gram(wild: str) -> str:
    """Give what stands for a group of nothing but wildcards: how many letters it has, or at least has."""
    return _length(wild.count("?"), mark=AT_LEAST if "*" in wild else _LENGTH)


def lengths_from(gram: str) -> tuple[str, str]:
    """Give the first length that an `AT_LEAST` means, and what stands behind all lengths."""
    return gram.replace(AT_LEAST, _LENGTH), f"{_LENGTH}:"


def is_beginning(gram: str) -> bool:
    """Say whether one of `pattern_grams` is what a group begins with, or how long it is."""
    return len(gram) > 1 and gram[0] == "="


def _length(letters: int, *, mark: str = _LENGTH) -> str:
    """Write a number of letters so that a larger one stands behind it."""
    return f"{mark}{min(letters, _LONGEST):03d}"


@lru_cache(maxsize=8192)
def _base(letter: str) -> str:
    """Give a letter without case, and without the accents that count as such."""
    if any(ord(letter) in block for block in _ACCENTED):
        apart = unicodedata.normalize("NFD", letter)
        if all(unicodedata.combining(mark) for mark in apart[1:]):
            letter = apart[0]
    return next((same for same in (letter.casefold(), letter.lower()) if len(same) == 1), letter)
