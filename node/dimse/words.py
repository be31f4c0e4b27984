"""Why something was refused, in the words that a person reads and in those that a DIMSE answer holds."""

from __future__ import annotations

from node.errors import GridError

COMMENT_CHARACTERS = 64


def words_of(error: GridError) -> str:
    """Give what a person should read: the part behind "... was refused:"."""
    message = error.message
    _, refused, rest = message.partition(" was refused: ")
    return rest if refused else message


def comment_of(why: GridError | str) -> str:
    """Fit words into Error Comment: the default repertoire, no backslash, 64 characters.

    Source: DICOM PS3.7 C.4 (0000,0902), PS3.5 table 6.2-1 (LO).
    """
    words = why if isinstance(why, str) else words_of(why)
    plain = "".join(ch if ch.isascii() and ch.isprintable() and ch != "\\" else " " for ch in words)
    return plain[:COMMENT_CHARACTERS].strip()
