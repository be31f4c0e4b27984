"""Base64 as this project writes it: one text for the same bytes, and nothing else is read."""

from __future__ import annotations

import base64
import binascii

from node.errors import InvalidRequest


def to_base64(content: bytes) -> str:
    """Write bytes in the standard alphabet, with padding.

    Source: RFC 4648 4.
    """
    return base64.b64encode(content).decode("ascii")


def from_base64(text: str, *, size_bytes: int | None = None) -> bytes:
    """Read what `to_base64` writes; a second spelling of the same bytes is refused.

    Raises
    ------
    InvalidRequest
        The text is not base64, not the one spelling, or not of the size asked for.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"Reading base64 was refused ({error}): copy the text again, whole.") from error
    if to_base64(content) != text:
        raise InvalidRequest("Reading base64 was refused: it is not in its one spelling. Copy it again.")
    if size_bytes is not None and len(content) != size_bytes:
        raise InvalidRequest(
            f"Reading base64 was refused: it holds {len(content)} bytes, not {size_bytes}. Copy it again."
        )
    return content
