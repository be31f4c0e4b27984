"""A store that is a bucket, of any server that speaks S3.

A file is the object ``PREFIX`` + name. It is sent in parts, which become an object all at once or not at all, and its size is
asked for before it counts. As in a folder a marker says that this is the store: a bucket that is not there answers
as if packages were gone. Each request has a deadline; what takes longer is `Unavailable`.

Source: Amazon S3 API; obstore, whose exceptions end here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as Bucket

from node.archive.package.source import FileSource, cut_off
from node.archive.stores.credentials import Credentials
from node.archive.stores.described import DescribedStore
from node.archive.stores.port import MARKER, Stored
from node.errors import Conflict, Damaged, NotFound, Unavailable
from node.failpoints import planted
from node.names import Digest

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import S3Credential

REQUEST_S = 60.0
"""What one request may take, of at most `_PIECE_BYTES`."""
_CONNECT_S = 10.0
_PIECE_BYTES = 8 << 20
_MOST_PARTS = 9_000
"""Fewer than the 10,000 that S3 allows."""
_PARTS_AT_ONCE = 4
_LISTED_AT_ONCE = 1_000
_NAME = re.compile(r"[0-9a-f]{64}")
_FULL = re.compile(r"507 Insufficient|StorageFull|QuotaExceeded|InsufficientStorage", re.IGNORECASE)


class S3Store:
    """Packages in a bucket."""

    def __init__(
        self, described: DescribedStore, credentials: Credentials, *, request_s: float = REQUEST_S
    ) -> None:
        self._name = described.name
        self._where = f"bucket {described.bucket!r}"
        self._attributes: Attributes | None = (
            {"Storage-Class": described.storage_class} if described.storage_class else None
        )
        self._bucket = Bucket(
            described.bucket,
            prefix=described.prefix or None,
            endpoint=described.endpoint,
            region=described.region,
            virtual_hosted_style_request=False,
            skip_signature=False,
            credential_provider=_Provider(credentials),
            client_options={
                "allow_http": urlsplit(described.endpoint).scheme == "http",
                "connect_timeout": timedelta(seconds=min(request_s, _CONNECT_S)),
                "timeout": timedelta(seconds=request_s),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=request_s)},
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_slow(self) -> bool:
        return False

    def prepare(self) -> None:
        """Make the place in the bucket this store's, once; the same again changes nothing.

        Raises
        ------
        Conflict
            It is another store's.
        Unavailable
            The bucket is not there, may only be read, or does not answer.
        """
        with self._as_unavailable("Preparing"):
            found = self._marked()
            if found is None:
                obstore.put(self._bucket, MARKER, f"{self._name}\n".encode())
            elif found != self._name:
                raise Conflict(
                    f"Preparing {self._label} was refused: {self._where} is store {found!r} there. Use another prefix."
                )

    def put(self, package: Digest, file: Path) -> Stored:
        digest, size = _digest_of(file)
        if digest != package and not planted("put-unchecked"):
            raise Damaged(
                f"Storing a package in {self._label} failed: {file.name} is not what its name says. Make it again."
            )
        with self._as_unavailable("Storing a package in"):
            self._check_marker("Storing a package in")
            obstore.put(
                self._bucket,
                package,
                file,
                attributes=self._attributes,
                chunk_size=max(_PIECE_BYTES, -(-size // _MOST_PARTS)),
                max_concurrency=_PARTS_AT_ONCE,
            )
            there = obstore.head(self._bucket, package)["size"]
        if there != size and not planted("sent-size-unchecked"):
            raise Unavailable(
                f"Storing a package in {self._label} failed: it says that {there} of {size} bytes are there. Try again."
            )
        return Stored(package=package, stored_name=package, size_bytes=size)

    def open(self, stored: Stored) -> S3File:
        with self._as_unavailable("Opening a package in"):
            try:
                size = obstore.head(self._bucket, stored.stored_name)["size"]
            except FileNotFoundError as error:
                self._check_marker("Opening a package in")  # without its bucket, all is not found
                raise self._not_found() from error
        return S3File(self, stored.stored_name, size)

    def near(self, stored: Stored) -> Path | None:
        return None

    def read_back(self, stored: Stored) -> Iterator[bytes]:
        file = self.open(stored)
        for at in range(0, file.size, _PIECE_BYTES):
            yield file.read_at(at, min(_PIECE_BYTES, file.size - at))

    def read_range(self, stored_name: Digest, offset: int, length: int) -> bytes:
        """Give a range of an object, shorter only where it ends."""
        with self._as_unavailable("Reading a package in"):
            try:
                return bytes(obstore.get_range(self._bucket, stored_name, start=offset, length=length))
            except FileNotFoundError as error:
                self._check_marker("Reading a package in")
                raise self._not_found() from error

    def remove(self, stored_name: Digest) -> None:
        with self._as_unavailable("Removing a package from"):
            self._check_marker("Removing a package from")
            obstore.delete(self._bucket, stored_name)

    def names(self, *, after: str = "") -> Iterator[Digest]:
        with self._as_unavailable("Listing"):
            self._check_marker("Listing")
            for listed in obstore.list(self._bucket, offset=after or None, chunk_size=_LISTED_AT_ONCE):
                yield from (Digest(one["path"]) for one in listed if _NAME.fullmatch(one["path"]))

    def listed(self) -> Iterator[Stored]:
        with self._as_unavailable("Listing"):
            self._check_marker("Listing")
            for listed in obstore.list(self._bucket, chunk_size=_LISTED_AT_ONCE):
                for one in listed:
                    if _NAME.fullmatch(one["path"]):
                        name = Digest(one["path"])
                        yield Stored(package=name, stored_name=name, size_bytes=one["size"])

    def room(self) -> int | None:
        """Nobody knows: S3 has no word for it."""
        return None

    def close(self) -> None:
        """Nothing is held; idle connections lapse."""

    def _marked(self) -> str | None:
        try:
            content = bytes(obstore.get(self._bucket, MARKER).bytes())
        except FileNotFoundError:
            return None
        return content.decode("utf-8", "replace").strip()

    def _check_marker(self, attempt: str) -> None:
        if planted("store-marker-ignored"):
            return
        found = self._marked()
        if found is None:
            raise Unavailable(
                f"{attempt} {self._label} failed: {self._where} is not there, or has no such store. See to the bucket,"
                " try again."
            )
        if found != self._name:
            raise Unavailable(
                f"{attempt} {self._label} failed: {self._where} is store {found!r} there. Correct the prefix, try again."
            )

    def _not_found(self) -> NotFound:
        return NotFound(f"Opening a package in {self._label} failed: it is not there. Use its other copy.")

    @property
    def _label(self) -> str:
        return f"archive store {self._name!r}"

    @contextmanager
    def _as_unavailable(self, attempt: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise Unavailable(f"{attempt} {self._label} failed: {_remedy(error)}.") from error


class S3File:
    """A package in a bucket."""

    def __init__(self, store: S3Store, stored_name: Digest, size: int) -> None:
        self._store = store
        self._stored_name = stored_name
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        if offset + length > self.size:
            raise cut_off()
        parts = []
        for at in range(offset, offset + length, _PIECE_BYTES):
            count = min(_PIECE_BYTES, offset + length - at)
            parts.append(self._store.read_range(self._stored_name, at, count))
            if len(parts[-1]) != count:
                raise cut_off()
        return b"".join(parts)

    def close(self) -> None:
        """Nothing is held."""


class _Provider:
    """Gives credentials to obstore; where there is one, it looks for none in the process's environment."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self) -> S3Credential:
        return {
            "access_key_id": self._credentials.access_key_id,
            "secret_access_key": self._credentials.secret_access_key,
            "token": self._credentials.session_token or None,
            "expires_at": None,
        }


def _digest_of(file: Path) -> tuple[Digest, int]:
    hash_ = hashlib.sha256()
    with closing(FileSource(file)) as source:
        for at in range(0, source.size, _PIECE_BYTES):
            hash_.update(source.read_at(at, min(_PIECE_BYTES, source.size - at)))
        return Digest(hash_.hexdigest()), source.size


def _remedy(error: Exception) -> str:
    """Say what to do, without the library's words: they quote addresses."""
    if "InvalidObjectState" in str(error):
        return (
            "it was moved to a storage class that must be restored first. Have the provider restore it, and take that"
            " rule of the bucket away"
        )
    if "InvalidStorageClass" in str(error):
        return "the server has no such storage class. Correct storage_class, try again"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "AccessDenied" in str(error):
        return "its credentials are wrong, or may only read. See to the store's credentials, try again"
    if _FULL.search(str(error)):
        return "it is full. Free some space or add a store, try again"
    if isinstance(error, FileNotFoundError):
        return "its bucket is not there. See to the bucket, try again"
    return "it does not answer in time, or with an error. See to the line and the server, try again"
