"""Members that are compressed already, put into a ZIP: local headers, content, and the directory at the end.

Python's `zipfile` reads what this writes; it cannot itself take content that is compressed already.

Source: ZIP APPNOTE 6.3.10, 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (ends), 4.5.3 (ZIP64).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_LOCAL = struct.Struct("<4s5HLLLHH")
_LISTED = struct.Struct("<4s6HLLLHHHHHLL")
_END64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4sHHHHLLH")
_NEEDED, _NEEDED64 = 20, 45
_FULL, _FULL16 = 0xFFFFFFFF, 0xFFFF
_DATE = 0x21
"""1 January 1980: a package says in its manifest when it was made."""
_EXTRA64 = 1
HEAD_BYTES = 30
"""Of a local header, without its name and extra field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A member as the directory has it."""

    name: str
    method: int
    crc: int
    size: int
    """As unzipped."""
    stored: int
    """In the file."""
    at: int
    """Of its local header."""


def local_header(name: str, *, method: int, crc: int, size: int, stored: int) -> bytes:
    """Give what stands before a member's content."""
    raw, extra = name.encode("ascii"), b""
    if max(size, stored) >= _FULL:
        extra = struct.pack("<HHQQ", _EXTRA64, 16, size, stored)
        size = stored = _FULL
    needed = _NEEDED64 if extra else _NEEDED
    head = _LOCAL.pack(b"PK\3\4", needed, 0, method, 0, _DATE, crc, stored, size, len(raw), len(extra))
    return head + raw + extra


def directory(members: list[Listed], at: int) -> bytes:
    """Give the directory of all members and the end of the file; it begins at ``at``."""
    listed = b"".join(map(_entry, members))
    count, size = len(members), len(listed)
    ends = b""
    if count >= _FULL16 or at >= _FULL or size >= _FULL:
        ends = _END64.pack(b"PK\6\6", 44, _NEEDED64, _NEEDED64, 0, 0, count, count, size, at)
        ends += _LOCATOR.pack(b"PK\6\7", 0, at + size, 1)
        count, size, at = min(count, _FULL16), min(size, _FULL), min(at, _FULL)
    return listed + ends + _END.pack(b"PK\5\6", 0, 0, count, count, size, at, 0)


def _entry(member: Listed) -> bytes:
    name, long = member.name.encode("ascii"), []
    fields = []
    for field in (member.size, member.stored, member.at):
        if field >= _FULL:
            long.append(field)
        fields.append(min(field, _FULL))
    extra = struct.pack(f"<HH{len(long)}Q", _EXTRA64, 8 * len(long), *long) if long else b""
    size, stored, at = fields
    needed = _NEEDED64 if extra else _NEEDED
    return (
        _LISTED.pack(
            b"PK\1\2", needed, needed, 0, member.method, 0, _DATE, member.crc, stored, size,
            len(name), len(extra), 0, 0, 0, 0, at,
        )
        + name
        + extra
    )  # fmt: skip
