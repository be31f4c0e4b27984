"""The parts of a multipart answer."""

from __future__ import annotations

import email


def parts_of(headers: dict[str, str], body: bytes) -> list[tuple[str, bytes]]:
    """Give media type and content of each."""
    message = email.message_from_bytes(
        b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body
    )
    return [(part["Content-Type"], part.get_payload(decode=True)) for part in message.get_payload()]  # type: ignore[union-attr, misc]
