"""Text to bytes: what of Specific Character Set this node writes.

Reading is `charset`'s. Only sets that a hospital's devices ask for can be written; a text that one cannot hold
is told, never written with gaps.

Source: DICOM PS3.3 C.12.1.1.2, PS3.5 6.1.2.5 (code extensions).
"""

from __future__ import annotations

import re

CHARSETS = ("", "GB18030", "GBK", "ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 58")
"""What texts can be written in; empty: left as they are."""

_CODECS = {
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO_IR 100": "latin-1",
    "ISO_IR 192": "utf-8",
    "ISO 2022 IR 58": "gb2312",
}
_TO_58 = b"\x1b$)A"
_RUNS = re.compile(r"[\\^=\t\r\n\f]+|[^\\^=\t\r\n\f]+")
"""Delimiters, after which the first character set is in force again, and what stands between them."""


def label_of(charset: str) -> str:
    r"""Give the value of (0008,0005); code extensions stand behind an empty first term."""
    return "\\" + charset if charset.startswith("ISO 2022") else charset


def text_in(text: str, charset: str) -> bytes | None:
    """Give a text's bytes without padding; None when the set does not hold all of it."""
    if text.isascii():
        return text.encode("ascii")
    try:
        if charset != "ISO 2022 IR 58":
            return text.encode(_CODECS[charset])
        return b"".join(_run_in_58(run) for run in _RUNS.findall(text))
    except UnicodeEncodeError:
        return None


def _run_in_58(run: str) -> bytes:
    """Say before each run that its high bytes are GB 2312. Source: PS3.5 6.1.2.5.3, K.2."""
    return run.encode("ascii") if run.isascii() else _TO_58 + run.encode("gb2312")
