"""Passwords, tokens, passphrase locks, derivation, base64 and fingerprints."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from node.errors import Damaged, InvalidRequest, Refused
from node.keys import locked, passwords
from node.keys.aead import decrypt, encrypt, new_key, new_nonce
from node.keys.derivation import Cost, derive_key, stretch
from node.keys.encoding import from_base64, to_base64
from node.keys.locked import lock, unlock
from node.keys.passwords import check_password, hash_password
from node.keys.tokens import new_token, token_digest
from node.keys.words import fingerprint_words

IN_SERVICE = (passwords.COST, locked.COST)
CHEAP = Cost(n=16, r=1, p=1)


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    monkeypatch.setattr(locked, "COST", CHEAP)


def test_scrypt_gives_the_vector_of_rfc_7914() -> None:
    derived = stretch("password", b"NaCl", cost=Cost(n=1024, r=8, p=16))
    assert derived.hex() == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"


def test_hkdf_is_that_of_rfc_5869_with_no_salt() -> None:
    secret = bytes(range(20))
    prk = hmac.digest(bytes(32), secret, "sha256")
    assert derive_key(secret, "a label") == hmac.digest(prk, b"a label\x01", "sha256")
    assert derive_key(secret, "a label") != derive_key(secret, "another")


def test_a_password_is_known_again_and_no_other_is() -> None:
    stored = hash_password("经络 Meridian 9")
    assert check_password("经络 Meridian 9", stored)
    for wrong in ("经络 meridian 9", "", "经络 Meridian 9 "):
        assert not check_password(wrong, stored)
    assert "Meridian" not in stored


def test_one_password_is_stored_differently_each_time() -> None:
    assert hash_password("same") != hash_password("same")


def test_composed_and_decomposed_letters_are_one_password() -> None:
    assert check_password("cafe\u0301", hash_password("caf\u00e9"))


def test_a_stored_hash_keeps_its_own_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = hash_password("old")
    monkeypatch.setattr(passwords, "COST", Cost(n=32, r=2, p=1))
    assert check_password("old", stored)
    assert stored.startswith("scrypt$16$1$1$")
    assert hash_password("new").startswith("scrypt$32$2$1$")


def test_an_unknown_account_costs_as_much_work_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, costs = hash_password("known"), []

    def counted(password: str, salt: bytes, *, cost: Cost) -> bytes:
        costs.append(cost)
        return stretch(password, salt, cost=cost)

    monkeypatch.setattr(passwords, "stretch", counted)
    assert not check_password("guess", stored)
    assert not check_password("guess", None)
    assert costs == [CHEAP, CHEAP]


@pytest.mark.parametrize(
    "stored",
    ["", "plain", "bcrypt$16$1$1$AAAA$AAAA", "scrypt$16$1$1$AAAA$AAAA", "scrypt$x$1$1$AAAA$AAAA",
     f"scrypt$1099511627776$8$1$AAAA${to_base64(bytes(32))}", f"scrypt$17$8$1$AAAA${to_base64(bytes(32))}"],
)  # fmt: skip
def test_an_unreadable_stored_hash_is_damage_not_a_wrong_password(stored: str) -> None:
    with pytest.raises(Damaged):
        check_password("x", stored)


def test_the_cost_in_service_is_not_cheap() -> None:
    assert [128 * cost.n * cost.r for cost in IN_SERVICE] == [32 << 20, 128 << 20]
    assert IN_SERVICE[0].p == 3


def test_a_token_is_found_by_its_digest_alone() -> None:
    token, digest = new_token()
    assert token_digest(token) == digest == hashlib.sha256(token.encode()).hexdigest()
    assert len(token) == 43
    assert new_token()[0] != token


def test_a_locked_key_opens_with_its_passphrase_and_purpose_only() -> None:
    text = lock(b"seed", "correct horse battery", purpose="root")
    assert unlock(text, "correct horse battery", purpose="root") == b"seed"
    with pytest.raises(Refused, match="passphrase"):
        unlock(text, "correct horse batterx", purpose="root")
    with pytest.raises(Damaged, match="not 'other'"):
        unlock(text, "correct horse battery", purpose="other")


@pytest.mark.parametrize("field", ["salt", "nonce", "content"])
def test_an_altered_locked_key_does_not_open(field: str) -> None:
    text = lock(b"seed", "correct horse battery", purpose="root")
    fields = json.loads(text)
    raw = bytearray(from_base64(fields[field]))
    raw[0] ^= 1
    with pytest.raises(Refused):
        unlock(json.dumps({**fields, field: to_base64(bytes(raw))}), "correct horse battery", purpose="root")
    with pytest.raises(Damaged):
        unlock(text[:-20], "correct horse battery", purpose="root")
    with pytest.raises(Damaged):
        unlock(json.dumps({**fields, "format": "meridian-locked/2"}), "correct horse battery", purpose="root")


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="12 characters"):
        lock(b"seed", "short", purpose="root")


def test_aead_opens_only_what_was_sealed() -> None:
    key, nonce = new_key(), new_nonce()
    sealed = encrypt(key, b"words", nonce=nonce, aad=b"header")
    assert decrypt(key, sealed, nonce=nonce, aad=b"header") == b"words"
    for bad_key, text, bad_nonce, aad in [
        (new_key(), sealed, nonce, b"header"),
        (key, sealed[:-1], nonce, b"header"),
        (key, bytes((sealed[0] ^ 1,)) + sealed[1:], nonce, b"header"),
        (key, b"", nonce, b"header"),
        (key, sealed, new_nonce(), b"header"),
        (key, sealed, b"", b"header"),
        (key, sealed, nonce, b"Header"),
        (b"short", sealed, nonce, b"header"),
    ]:
        with pytest.raises(Damaged):
            decrypt(bad_key, text, nonce=bad_nonce, aad=aad)


@pytest.mark.parametrize("text", ["AB==", "AA=", "AA", "A A=", "AA==\n", "_w==", "ÄA=="])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(InvalidRequest):
        from_base64(text)


def test_base64_of_another_size_is_refused() -> None:
    assert from_base64("AAE=", size_bytes=2) == b"\x00\x01"
    with pytest.raises(InvalidRequest, match="2 bytes, not 32"):
        from_base64("AAE=", size_bytes=32)


def test_a_fingerprint_is_six_groups_of_five_digits_and_stays_what_it_is() -> None:
    words = fingerprint_words(b"keys")
    assert words == "37772 71991 34515 76244 84271 31481"
    assert [len(group) for group in words.split()] == [5] * 6
    assert words.replace(" ", "").isdigit()
    assert fingerprint_words(b"keyt").split()[0] != words.split()[0]
