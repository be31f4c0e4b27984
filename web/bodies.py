"""Read a JSON body as the Struct its route takes, and say in words what is wrong with it."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from node.errors import FieldMissing
from web.errors import Malformed

B = TypeVar("B")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]+)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def decode_body(raw: bytes, shape: type[B]) -> B:
    """Give the body as a value.

    Raises
    ------
    Malformed
        Not JSON, or not UTF-8.
    FieldMissing
        A field is missing or of another kind; names it.
    """
    try:
        return msgspec.json.decode(raw or b"{}", type=shape)
    except msgspec.ValidationError as error:
        words = str(error)
        place = _PATH.search(words)
        outer = place["path"] if place else ""
        inner = _MISSING.search(words) or _UNKNOWN.search(words)
        name = ".".join(part for part in (outer, inner["field"] if inner else "") if part)
        reason = _PATH.sub("", words)
        raise FieldMissing(
            f"Reading {name or 'the body'} was refused: {reason}. Correct it.", name=name
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("Reading the body was refused: it is not JSON in UTF-8. Send it again.") from error
