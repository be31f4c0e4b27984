"""One digest for all ways of writing the same data set.

Explicit or implicit VR, order of bytes, deflate, lengths said or delimited,
order of elements, group lengths, padding, and the character set of equal text
make no difference; any other bit does. Pixel data is compared as it stands: an
image compressed in another way is another content.

In doubt (private elements, text that its character set cannot read) bytes are
compared, so that two contents are never taken for one.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from node.dicom.charset import Charset
from node.dicom.header import scan
from node.dicom.tree import Branch, Elements, Leaf, dictionary_vr, read_tree
from node.dicom.values import SPECIFIC_CHARACTER_SET, TEXT_VRS, charset_in, little_endian
from node.names import Digest

_NOT_CONTENT = (SPECIFIC_CHARACTER_SET, 0xFFFCFFFC)
_CODES = frozenset(["AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"])


def normal_digest(
    data_set: bytes | memoryview,
    transfer_syntax: str,
    *,
    without: Callable[[int], bool] = lambda tag: False,
) -> Digest:
    """Digest what a data set says, not how it is written.

    Parameters
    ----------
    without
        Says which top-level tags make no difference.

    Raises
    ------
    InvalidRequest
        It cannot be read whole.

    Source: DICOM PS3.5 6.2, 7.1, 7.5.
    """
    tree = read_tree(scan(data_set, transfer_syntax))
    digest = _Digest(transfer_syntax)
    digest.add(tuple(element for element in tree if not without(element.tag)), charset_in(tree))
    return digest.value()


class _Digest:
    """Feeds a tree to SHA-256, each part under its tag, kind and length, so that no two trees feed alike."""

    def __init__(self, transfer_syntax: str) -> None:
        self._hash = hashlib.sha256(b"meridian-normal/1")
        self._transfer_syntax = transfer_syntax.encode()

    def value(self) -> Digest:
        return Digest(self._hash.hexdigest())

    def add(self, elements: Elements, charset: Charset) -> None:
        kept = [e for e in elements if e.tag & 0xFFFF and e.tag not in _NOT_CONTENT]
        self._mark(0, b"n", len(kept))
        for element in sorted(kept, key=lambda e: e.tag):
            if isinstance(element, Branch):
                self._mark(element.tag, b"s", len(element.items))
                for item in element.items:
                    self.add(item, charset_in(item, charset))
            else:
                self._leaf(element, charset)

    def _leaf(self, leaf: Leaf, charset: Charset) -> None:
        if leaf.fragments is not None:
            # How fragments are compressed is only in the transfer syntax.
            self._part(leaf.tag, b"t", self._transfer_syntax)
            for fragment in leaf.fragments:
                self._part(leaf.tag, b"f", fragment)
            return
        vr = dictionary_vr(leaf.tag)
        if vr in TEXT_VRS and (text := charset.exact(bytes(leaf.value))) is not None:
            self._part(leaf.tag, b"u", text.rstrip(" \0").encode())
        elif vr in _CODES or vr in TEXT_VRS:
            self._part(leaf.tag, b"c", bytes(leaf.value).rstrip(b" \0"))
        else:
            self._part(leaf.tag, b"b", little_endian(leaf))

    def _part(self, tag: int, kind: bytes, content: bytes | memoryview) -> None:
        self._mark(tag, kind, len(content))
        self._hash.update(content)

    def _mark(self, tag: int, kind: bytes, count: int) -> None:
        self._hash.update(struct.pack(">LsQ", tag, kind, count))
