"""What was made is kept up to a number of bytes, the latest used of it."""

from __future__ import annotations

from web.bounded import Bounded


def test_the_longest_unused_goes_first() -> None:
    kept: Bounded[bytes] = Bounded(most_bytes=100, size_of=len)
    made: list[str] = []

    def get(name: str, size: int = 40) -> bytes:
        def make() -> bytes:
            made.append(name)
            return bytes(size)

        return kept.get(name, make)

    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)
    assert made == ["a", "b", "c", "b"]
    assert kept.bytes == 80
    get("large", 60)
    get("large", 60)
    assert made[-2:] == ["large", "large"]
    assert kept.bytes == 80
