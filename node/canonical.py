"""Canonical JSON: one text for one value, so that a digest or a signature means something.

UTF-8, sorted keys, no spaces, non-ASCII unescaped, no floats with two spellings.
"""

from __future__ import annotations

import hashlib
import json

from node.names import Digest

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def canonical_json(value: object) -> str:
    """Write builtins as canonical JSON text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(content: bytes | str) -> Digest:
    """SHA-256 of bytes, or of a text's UTF-8."""
    raw = content.encode() if isinstance(content, str) else content
    return Digest(hashlib.sha256(raw).hexdigest())
