"""A bucket as a store: SeaweedFS asked by those who may not, or not there; servers that answer otherwise than they do."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import obstore
import pytest
from obstore.store import S3Store as Bucket

from node.archive.stores.credentials import Credentials, keep_credentials, read_credentials
from node.archive.stores.described import DescribedStore
from node.archive.stores.opening import open_store, prepare_store
from node.archive.stores.port import ArchiveStore, Stored
from node.archive.stores.s3 import S3Store
from node.errors import Conflict, Damaged, InvalidRequest, NotFound, Refused, Unavailable
from ops.free_ports import free_ports
from tests.kit.archive_stores import content_of, digest_of, file_with
from tests.kit.clock import FrozenClock
from tests.kit.planting import planted
from tests.kit.seaweed import READER, WRITER, Seaweed
from tests.kit.strange_s3 import strange_s3

BUCKET = "packages"


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    keep_credentials(tmp_path / "keys", "cloud", WRITER)
    return tmp_path / "keys"


@pytest.fixture
def described(seaweed: Seaweed) -> DescribedStore:
    return DescribedStore(
        name="cloud", kind="s3", endpoint=seaweed.endpoint, bucket=BUCKET, prefix=f"{uuid4().hex}/"
    )


@pytest.fixture
def store(described: DescribedStore, keys: Path) -> Iterator[ArchiveStore]:
    prepare_store(described, keys)
    with closing(open_store(described, keys, FrozenClock())) as found:
        yield found


def with_credentials(described: DescribedStore, credentials: Credentials) -> S3Store:
    return S3Store(described, credentials, request_s=5)


def calls(store: ArchiveStore, stored: Stored, given: tuple[str, Path]) -> list[Callable[[], object]]:
    """Give every call that a store may be asked for."""
    return [
        lambda: store.put(*given),  # type: ignore[arg-type]
        lambda: store.open(stored),
        lambda: list(store.read_back(stored)),
        lambda: store.remove(stored.stored_name),
        lambda: list(store.names()),
    ]


def all_unavailable(store: ArchiveStore, stored: Stored, disk: Path, *, match: str) -> None:
    for call in calls(store, stored, file_with(disk, b"more")):
        with pytest.raises(Unavailable, match=match) as refused:
            call()
        assert "http" not in str(refused.value)


def test_a_server_that_is_away_is_unavailable_whatever_is_asked(
    store: ArchiveStore, described: DescribedStore, tmp_path: Path
) -> None:
    stored = store.put(*file_with(tmp_path, b"x"))
    (port,) = free_ports(1)
    away = DescribedStore(name="cloud", kind="s3", endpoint=f"http://127.0.0.1:{port}", bucket=BUCKET)
    all_unavailable(with_credentials(away, WRITER), stored, tmp_path, match="does not answer in time")
    assert b"".join(store.read_back(stored)) == b"x"


@pytest.mark.parametrize(
    "wrong",
    [{"bucket": "nobody-s"}, {"prefix": "elsewhere/"}, {"name": "attic"}],
    ids=["bucket", "prefix", "name"],
)
def test_a_bucket_that_is_not_the_store_says_nothing_about_what_it_holds(
    store: ArchiveStore, described: DescribedStore, tmp_path: Path, wrong: dict[str, str]
) -> None:
    stored = store.put(*file_with(tmp_path, b"x"))
    said = {"name": "cloud", "endpoint": described.endpoint, "bucket": BUCKET, "prefix": described.prefix}
    other = with_credentials(DescribedStore(kind="s3", **{**said, **wrong}), WRITER)
    if wrong == {"name": "attic"}:
        with pytest.raises(Unavailable, match="is store 'cloud' there"):
            other.put(*file_with(tmp_path, b"more"))
        with pytest.raises(Conflict, match="Use another prefix"):
            other.prepare()
        return
    all_unavailable(other, stored, tmp_path, match="bucket")
    with pytest.raises(Unavailable):
        other.open(Stored(package=digest_of(b"n"), stored_name=digest_of(b"n"), size_bytes=1))


def test_wrong_credentials_are_unavailable(
    store: ArchiveStore, described: DescribedStore, tmp_path: Path
) -> None:
    stored = store.put(*file_with(tmp_path, b"x"))
    stranger = Credentials(access_key_id=WRITER.access_key_id, secret_access_key="another")
    all_unavailable(with_credentials(described, stranger), stored, tmp_path, match="credentials are wrong")


def test_who_may_only_read_reads_and_puts_nothing(
    store: ArchiveStore, described: DescribedStore, tmp_path: Path
) -> None:
    content = content_of(9 << 20)
    stored = store.put(*file_with(tmp_path, content))
    reader = with_credentials(described, READER)
    for size in (10, 9 << 20):
        with pytest.raises(Unavailable, match="may only read"):
            reader.put(*file_with(tmp_path, content_of(size, "more")))
    with pytest.raises(Unavailable, match="may only read"):
        reader.remove(stored.stored_name)
    assert list(reader.names()) == [stored.stored_name]
    assert b"".join(reader.read_back(stored)) == content


def test_strange_objects_beside_packages_are_not_packages(
    store: ArchiveStore, described: DescribedStore, keys: Path, tmp_path: Path
) -> None:
    below = DescribedStore(
        name="cloud",
        kind="s3",
        endpoint=described.endpoint,
        bucket=BUCKET,
        prefix=f"{described.prefix}below/",
    )
    prepare_store(below, keys)
    with closing(open_store(below, keys, FrozenClock())) as other:
        other.put(*file_with(tmp_path, b"below"))
    stored = store.put(*file_with(tmp_path, b"x"))
    assert list(store.names()) == [stored.stored_name]


def strange(endpoint: str) -> S3Store:
    described = DescribedStore(name="cloud", kind="s3", endpoint=endpoint, bucket=BUCKET)
    return S3Store(described, WRITER, request_s=0.5)


@pytest.mark.parametrize(
    ("habit", "said"),
    [
        ("short", r"it says that 99 of 100 bytes are there"),
        ("full", r"it is full"),
        ("failing", r"does not answer in time, or with an error"),
        ("silent", r"does not answer in time, or with an error"),
    ],
)
def test_what_a_strange_server_did_not_keep_is_not_put(tmp_path: Path, habit: str, said: str) -> None:
    with strange_s3("cloud", habit) as endpoint, pytest.raises(Unavailable, match=said):
        strange(endpoint).put(*file_with(tmp_path, content_of(100)))


def test_a_planted_size_that_is_not_asked_for_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "sent-size-unchecked")
    with strange_s3("cloud", "short") as endpoint:
        assert strange(endpoint).put(*file_with(tmp_path, content_of(100)))


def test_an_object_that_ends_before_its_size_is_damage(tmp_path: Path) -> None:
    stored = Stored(package=digest_of(b"x"), stored_name=digest_of(b"x"), size_bytes=100)
    with strange_s3("cloud", "cut") as endpoint:
        file = strange(endpoint).open(stored)
        assert file.size == 100
        with pytest.raises(Damaged, match="ends too early"):
            file.read_at(0, 100)


def test_an_object_that_was_moved_to_a_cold_class_says_what_to_do(tmp_path: Path) -> None:
    stored = Stored(package=digest_of(b"x"), stored_name=digest_of(b"x"), size_bytes=100)
    with strange_s3("cloud", "cold") as endpoint:
        file = strange(endpoint).open(stored)
        with pytest.raises(Unavailable, match="Have the provider restore it"):
            file.read_at(0, 100)


def test_a_class_that_the_server_does_not_know_is_named(tmp_path: Path) -> None:
    with strange_s3("cloud", "unclassed") as endpoint:
        described = DescribedStore(
            name="cloud", kind="s3", endpoint=endpoint, bucket=BUCKET, storage_class="TEPID"
        )
        store = S3Store(described, WRITER, request_s=5)
        with pytest.raises(Unavailable, match="has no such storage class"):
            store.put(*file_with(tmp_path, content_of(100)))


@pytest.mark.parametrize("size", [100, 9 << 20])
def test_packages_are_put_in_the_storage_class_that_is_configured(
    described: DescribedStore, keys: Path, tmp_path: Path, size: int
) -> None:
    classed = msgspec.structs.replace(described, storage_class="STANDARD_IA")
    prepare_store(classed, keys)
    stored = with_credentials(classed, WRITER).put(*file_with(tmp_path, content_of(size)))
    assert storage_class_of(classed, stored) == "STANDARD_IA"
    plain = with_credentials(described, WRITER).put(*file_with(tmp_path, content_of(size, "plain")))
    assert storage_class_of(described, plain) in ("", "STANDARD")


def storage_class_of(described: DescribedStore, stored: Stored) -> str:
    """Ask the server itself."""
    bucket = Bucket(
        described.bucket,
        prefix=described.prefix,
        endpoint=described.endpoint,
        region=described.region,
        access_key_id=WRITER.access_key_id,
        secret_access_key=WRITER.secret_access_key,
        client_options={"allow_http": True},
    )
    address = obstore.sign(bucket, "HEAD", stored.stored_name, timedelta(minutes=1))
    with urllib.request.urlopen(urllib.request.Request(address, method="HEAD")) as answer:
        return str(answer.headers.get("x-amz-storage-class", ""))


def test_credentials_are_for_the_owner_alone(keys: Path, described: DescribedStore) -> None:
    path = keys / "stores" / "cloud.json"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert read_credentials(keys, "cloud") == WRITER
    with closing(open_store(described, keys, FrozenClock())) as store:
        shown = repr(WRITER) + repr(store) + repr(vars(store)) + repr(described)
    assert WRITER.secret_access_key not in shown
    path.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        open_store(described, keys, FrozenClock())
    path.chmod(0o600)
    path.write_text("{}")
    with pytest.raises(Damaged, match="Write it again"):
        open_store(described, keys, FrozenClock())
    path.unlink()
    with pytest.raises(NotFound, match="Write it, with mode 0600"):
        open_store(described, keys, FrozenClock())


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("endpoint", {"endpoint": "http://store.example:9000"}),
        ("endpoint", {"endpoint": "store.example"}),
        ("bucket", {"bucket": "A"}),
        ("prefix", {"prefix": "../x/"}),
        ("prefix", {"prefix": "clinic"}),
        ("storage_class", {"storage_class": "a b"}),
        ("storage_class", {"storage_class": "DEEP_ARCHIVE"}),
    ],
)
def test_what_cannot_work_of_a_bucket_is_refused(keys: Path, field: str, change: dict[str, str]) -> None:
    given = {"endpoint": "https://store.example", "bucket": "packages", **change}
    with pytest.raises(InvalidRequest, match=f"Reading {field} of archive store"):
        open_store(DescribedStore(name="cloud", kind="s3", **given), keys, FrozenClock())


def test_keys_in_the_environment_are_not_used(
    store: ArchiveStore, described: DescribedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "somebody-else-s")
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_SKIP_SIGNATURE": "true"}.items():
        monkeypatch.setenv(name, value)
    stored = with_credentials(described, WRITER).put(*file_with(tmp_path, b"x"))
    assert list(store.names()) == [stored.stored_name]
