"""What the configuration says of an archive store, and whether it makes sense. Secrets are never in it."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from node.errors import InvalidRequest

_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*/)*")
_STORAGE_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}|")
_RESTORED_FIRST = frozenset(
    {"GLACIER", "DEEP_ARCHIVE", "ARCHIVE", "COLD_ARCHIVE", "DEEP_COLD_ARCHIVE", "COLD"}
)
"""Storage classes whose objects cannot be read until somebody had them restored. Source: documentation of Amazon S3
(Glacier Flexible Retrieval, Deep Archive), Alibaba OSS, Tencent COS and Huawei OBS."""
_MOST_SLOW_MINUTES = 7 * 24 * 60


class DescribedStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One archive store of a node."""

    name: str
    """Also the name of its credentials' file; it never changes."""
    kind: Literal["folder", "s3"]
    path: str = ""
    """Of a folder, absolute: a disk, a share, a tape library behind a file system."""
    endpoint: str = ""
    """Of an object store: ``https://host:port``."""
    bucket: str = ""
    prefix: str = ""
    """Before each name in the bucket; empty, or ends with a slash."""
    region: str = "us-east-1"
    storage_class: str = ""
    """What the server calls the medium of packages in a bucket, such as ``STANDARD_IA``; empty: its usual one. One that
    can be read at once: each package is read back when it was put."""
    leaves: bool = False
    """Packages leave the building there, and are encrypted."""
    slow_minutes: int = 0
    """How long the medium takes until a package can be read; 0: it can be read at once."""


def check_described(described: DescribedStore) -> None:
    """Refuse what parses but cannot work or is not safe.

    Raises
    ------
    InvalidRequest
        Names the field and what it must be.
    """
    if not _NAME.fullmatch(described.name):
        raise _refused(described, "name", "write 1 to 16 of a-z, 0-9 and '-', a letter first")
    if not 0 <= described.slow_minutes <= _MOST_SLOW_MINUTES:
        raise _refused(described, "slow_minutes", f"write 0 to {_MOST_SLOW_MINUTES}")
    if described.storage_class.upper() in _RESTORED_FIRST:
        raise _refused(
            described,
            "storage_class",
            "name one that can be read at once, such as STANDARD_IA: a package counts when it was read back",
        )
    if described.kind == "folder":
        if described.storage_class:
            raise _refused(described, "storage_class", "only a bucket has one, leave it out")
        if not Path(described.path).is_absolute():
            raise _refused(described, "path", "write where the folder is, from / on")
        return
    address = urlsplit(described.endpoint)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise _refused(described, "endpoint", "write https://host:port")
    if address.scheme == "http" and not _is_loopback(address.hostname):
        raise _refused(described, "endpoint", "use https: packages are not sent in the clear")
    if not _BUCKET.fullmatch(described.bucket):
        raise _refused(described, "bucket", "write a bucket's name, of a-z, 0-9, '.' and '-'")
    if not _STORAGE_CLASS.fullmatch(described.storage_class):
        raise _refused(described, "storage_class", "write it as the server does, such as STANDARD_IA")
    if not _PREFIX.fullmatch(described.prefix):
        raise _refused(described, "prefix", "leave it empty, or write names that each end with '/'")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(described: DescribedStore, field: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"Reading {field} of archive store {described.name!r} was refused: {remedy}.")
