from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from node.clock import SECOND
from node.errors import Damaged, InvalidRequest, NotFound, Refused
from node.keys.hpke import seal_hpke
from node.keys.keyfile import NAME
from node.keys.public import PublicKeys, check_public_keys
from node.keys.signing import verify
from node.keys.store import KeyStore
from node.names import NodeId
from tests.kit.clock import FrozenClock
from tests.kit.planting import planted

ALPHA = NodeId("alpha")


@pytest.fixture
def keys(tmp_path: Path, clock: FrozenClock) -> KeyStore:
    return KeyStore.open(tmp_path / "keys", ALPHA, clock)


def reopened(tmp_path: Path, clock: FrozenClock) -> KeyStore:
    return KeyStore.open(tmp_path / "keys", ALPHA, clock)


def test_keys_drawn_at_the_first_start_are_the_same_at_the_next(
    tmp_path: Path, clock: FrozenClock, keys: KeyStore
) -> None:
    again = reopened(tmp_path, clock)
    assert again.public_keys == keys.public_keys
    assert again.incarnation == keys.incarnation
    assert again.tls_key == keys.tls_key
    check_public_keys(keys.public_keys)


def test_folder_and_file_are_for_the_owner_alone(tmp_path: Path, keys: KeyStore) -> None:
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [NAME]
    assert (tmp_path / "keys" / NAME).stat().st_mode & 0o777 == 0o600


def test_a_wide_umask_does_not_open_the_file(tmp_path: Path, clock: FrozenClock) -> None:
    before = os.umask(0)
    try:
        KeyStore.open(tmp_path / "keys", ALPHA, clock)
    finally:
        os.umask(before)
    assert (tmp_path / "keys" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_keys_that_others_may_touch_are_not_opened(
    tmp_path: Path, clock: FrozenClock, keys: KeyStore, mode: int
) -> None:
    (tmp_path / "keys" / NAME).chmod(mode)
    with pytest.raises(Refused, match="chmod 600"):
        reopened(tmp_path, clock)


def test_a_folder_that_others_may_enter_is_refused_before_keys_are_drawn(
    tmp_path: Path, clock: FrozenClock
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    with pytest.raises(Refused, match="chmod 700"):
        KeyStore.open(folder, ALPHA, clock)
    assert list(folder.iterdir()) == []


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path, clock: FrozenClock, keys: KeyStore) -> None:
    path = tmp_path / "keys" / NAME
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        reopened(tmp_path, clock)


def test_keys_of_another_node_are_refused(tmp_path: Path, clock: FrozenClock, keys: KeyStore) -> None:
    with pytest.raises(Refused, match="alpha"):
        KeyStore.open(tmp_path / "keys", NodeId("beta"), clock)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format":"meridian-keys/9"}', b"\xff\xfe"])
def test_a_damaged_file_is_never_replaced_by_new_keys(
    tmp_path: Path, clock: FrozenClock, keys: KeyStore, content: bytes
) -> None:
    (tmp_path / "keys" / NAME).write_bytes(content)
    with pytest.raises(Damaged):
        reopened(tmp_path, clock)
    assert (tmp_path / "keys" / NAME).read_bytes() == content


def test_a_signature_verifies_under_the_published_key(keys: KeyStore) -> None:
    verify(keys.verify_key, b"meridian-test/1 words", keys.sign(b"meridian-test/1 words"))


def test_what_was_sealed_before_a_rotation_still_opens(keys: KeyStore, clock: FrozenClock) -> None:
    old = keys.hpke_public
    enc, sealed = seal_hpke(old.key, b"waiting", info=b"i")
    clock.advance(SECOND)
    new = keys.rotate_hpke()
    assert new != old
    assert keys.hpke_public == new
    assert keys.public_keys.hpke == (new,)
    assert keys.open_hpke(old.key_id, enc, ciphertext=sealed, info=b"i") == b"waiting"


def test_a_forgotten_key_opens_nothing_and_the_current_one_stays(keys: KeyStore, clock: FrozenClock) -> None:
    old = keys.hpke_public
    enc, sealed = seal_hpke(old.key, b"waiting", info=b"i")
    clock.advance(10 * SECOND)
    replaced_at = clock.now()
    new = keys.rotate_hpke()
    assert keys.forget_hpke(superseded_before=replaced_at) == 0
    assert keys.forget_hpke(superseded_before=replaced_at + 1) == 1
    assert keys.forget_hpke(superseded_before=replaced_at + 100 * SECOND) == 0
    with pytest.raises(NotFound):
        keys.open_hpke(old.key_id, enc, ciphertext=sealed, info=b"i")
    assert keys.hpke_public == new


def test_a_rotation_by_one_process_is_seen_by_the_other(
    tmp_path: Path, clock: FrozenClock, keys: KeyStore
) -> None:
    other = reopened(tmp_path, clock)
    new = other.rotate_hpke()
    enc, sealed = seal_hpke(new.key, b"x", info=b"i")
    assert keys.hpke_public == new
    assert keys.open_hpke(new.key_id, enc, ciphertext=sealed, info=b"i") == b"x"
    other.rotate_tls()
    assert keys.tls_certificate == other.tls_certificate
    assert keys.tls_key == other.tls_key


def test_changes_made_at_once_are_all_kept(tmp_path: Path, clock: FrozenClock, keys: KeyStore) -> None:
    stores = [reopened(tmp_path, clock) for _ in range(4)]
    threads = [threading.Thread(target=store.rotate_hpke) for store in stores for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((tmp_path / "keys" / NAME).read_bytes())["hpke"]) == 21


def test_a_new_incarnation_is_greater_than_all_before_even_when_the_clock_went_back(
    keys: KeyStore, clock: FrozenClock
) -> None:
    seen = [keys.incarnation]
    for step in (SECOND, 0, -3600 * SECOND):
        clock.advance(step)
        seen.append(keys.new_incarnation())
    assert seen == sorted(set(seen))
    ahead = "0199ffff-ffff-7fff-bfff-ffffffffffff"
    assert ahead < keys.incarnation or keys.new_incarnation(after=ahead) > ahead


@pytest.mark.parametrize(
    "claim", ["ffffffff-ffff-7fff-bfff-ffffffffffff", "zzz", "0199ffff-ffff-4fff-bfff-ffffffffffff"]
)
def test_a_peers_absurd_claim_does_not_move_the_incarnation(keys: KeyStore, claim: str) -> None:
    before = keys.incarnation
    with pytest.raises(InvalidRequest):
        keys.new_incarnation(after=claim)
    assert keys.incarnation == before


def test_private_halves_show_nowhere(tmp_path: Path, keys: KeyStore) -> None:
    stored = json.loads((tmp_path / "keys" / NAME).read_bytes())
    secrets = [stored["signing"], stored["tls_key"], *(pair["private"] for pair in stored["hpke"])]
    shown = repr(keys) + repr(keys.public()) + repr(vars(keys))
    assert [secret for secret in secrets if secret in shown or repr(secret)[1:-1] in shown] == []


def test_what_is_published_reads_back_as_public_keys(keys: KeyStore) -> None:
    public = keys.public()
    assert set(public) == {"verify_key", "hpke", "tls_certificate"}
    assert isinstance(keys.public_keys, PublicKeys)
    assert keys.public_keys.fingerprint == keys.public_keys.fingerprint


def test_published_keys_that_cannot_be_used_are_refused(keys: KeyStore) -> None:
    good = keys.public_keys
    misnamed = replace(good.hpke[0], key_id="0" * 16)
    for wrong in (
        replace(good, hpke=()),
        replace(good, hpke=(good.hpke[0], misnamed)),
        replace(good, hpke=(replace(good.hpke[0], key="AAAA"),)),
        replace(good, verify_key="AAAA"),
        replace(good, tls_certificate=good.tls_certificate * 2),
    ):
        with pytest.raises(InvalidRequest):
            check_public_keys(wrong)


def order_of_calls(monkeypatch: pytest.MonkeyPatch, keys: KeyStore) -> list[str]:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        calls.append(
            "sync folder" if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir() else "sync file"
        )
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    keys.rotate_hpke()
    return calls


SYNCED = ["sync file", "rename", "sync folder"]


def test_a_new_key_is_on_disk_before_it_is_published(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of_calls(monkeypatch, keys) == SYNCED


def test_a_planted_missing_sync_of_keys_is_caught(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, "no-key-sync")
    assert order_of_calls(monkeypatch, keys) != SYNCED
