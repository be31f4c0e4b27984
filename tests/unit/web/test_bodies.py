"""Bodies that are not what they must be: each gets the words and the field."""

from __future__ import annotations

import msgspec
import pytest

from node.errors import FieldMissing
from web.bodies import decode_body
from web.errors import Malformed, to_http


class Inner(msgspec.Struct, rename="camel"):
    day_of: str


class Outer(msgspec.Struct, rename="camel"):
    user: str
    some_number: int = 0
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"{}", "user"),
        (b"", "user"),
        (b'{"user": 7}', "user"),
        (b'{"user": "a", "someNumber": "x"}', "someNumber"),
        (b'{"user": "a", "inner": {}}', "inner.dayOf"),
        (b'{"user": "a", "inner": {"dayOf": null}}', "inner.dayOf"),
    ],
)
def test_a_wrong_field_is_named_as_the_client_spells_it(raw: bytes, field: str) -> None:
    with pytest.raises(FieldMissing) as refused:
        decode_body(raw, Outer)
    answer = to_http(refused.value)
    assert (answer.status, answer.code, answer.details) == (422, "invalid", {"field": field})
    assert field in answer.message


@pytest.mark.parametrize(
    "raw", [b"{", b"user=a&password=b", b'{"user": "\xff"}', b'{"user": "a"} x', b"\x00"]
)
def test_what_is_not_json_is_a_400_in_words(raw: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        decode_body(raw, Outer)
    assert to_http(refused.value).status == 400
    assert "JSON" in refused.value.message


def test_a_list_in_place_of_an_object_is_refused() -> None:
    with pytest.raises(FieldMissing):
        decode_body(b"[1]", Outer)


def test_script_tags_are_text_like_any_other() -> None:
    assert decode_body(b'{"user": "<script>alert(1)</script>"}', Outer).user == "<script>alert(1)</script>"
