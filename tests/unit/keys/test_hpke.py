"""HPKE against the vector of RFC 9180, by way of a second composition from other primitives."""

from __future__ import annotations

import hashlib
import hmac
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHAKE128, XOFHash

from node.errors import Damaged, InvalidRequest
from node.keys.encoding import from_base64, to_base64
from node.keys.hpke import hpke_key_id, hpke_public_of, new_hpke_key, open_hpke, seal_hpke

# RFC 9180 test vectors, mode 0, KEM 0x0020, KDF 0x0001, AEAD 0x0002. The last is the
# SHAKE128 digest of 1,000 ciphertexts of inputs drawn from SHAKE128, as Go's crypto/hpke accumulates them.
INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
IKM_E = bytes.fromhex("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9")
SK_R = bytes.fromhex("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d")
PK_R = bytes.fromhex("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c")
ENC = bytes.fromhex("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256")
ACCUMULATED = bytes.fromhex("1702e73e1e71705faa8241022af1deea")

KEM_SUITE = b"KEM" + struct.pack(">H", 0x20)
SUITE = b"HPKE" + struct.pack(">HHH", 0x20, 1, 2)
P = bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
LOW_ORDER = [bytes(32), b"\1" + bytes(31), P]


def extract(salt: bytes, label: bytes, ikm: bytes, suite: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(prk: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
    labelled = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info
    out = block = b""
    for n in range(1, 3):
        block = hmac.digest(prk, block + labelled + bytes((n,)), "sha256")
        out += block
    return out[:length]


class Reference:
    """The key schedule of base mode, composed from `cryptography` alone."""

    def __init__(self, shared: bytes, enc: bytes, recipient: bytes, info: bytes) -> None:
        prk = extract(b"", b"eae_prk", shared, KEM_SUITE)
        secret = expand(prk, b"shared_secret", enc + recipient, 32, KEM_SUITE)
        context = b"\0" + extract(b"", b"psk_id_hash", b"", SUITE) + extract(b"", b"info_hash", info, SUITE)
        main = extract(secret, b"secret", b"", SUITE)
        self.key = expand(main, b"key", context, 32, SUITE)
        self.nonce = expand(main, b"base_nonce", context, 12, SUITE)

    def seal(self, plaintext: bytes, aad: bytes, n: int = 0) -> bytes:
        nonce = int.from_bytes(self.nonce) ^ n
        return AESGCM(self.key).encrypt(nonce.to_bytes(12), plaintext, aad)

    def open(self, ciphertext: bytes, aad: bytes) -> bytes:
        return AESGCM(self.key).decrypt(self.nonce, ciphertext, aad)


def ephemeral_of(ikm: bytes) -> X25519PrivateKey:
    prk = extract(b"", b"dkp_prk", ikm, KEM_SUITE)
    return X25519PrivateKey.from_private_bytes(expand(prk, b"sk", b"", 32, KEM_SUITE))


def vector_sender() -> Reference:
    ephemeral = ephemeral_of(IKM_E)
    assert ephemeral.public_key().public_bytes_raw() == ENC
    return Reference(ephemeral.exchange(X25519PublicKey.from_public_bytes(PK_R)), ENC, PK_R, INFO)


def test_reference_composition_gives_the_vectors_ciphertexts() -> None:
    source = XOFHash(SHAKE128(digest_size=2**30))
    source.update(b"")
    sink = hashlib.shake_128()
    sender = vector_sender()
    for n in range(1000):
        aad = source.squeeze(source.squeeze(1)[0] or 0)
        plaintext = source.squeeze(source.squeeze(1)[0] or 0)
        sink.update(sender.seal(plaintext, aad, n))
    assert sink.digest(16) == ACCUMULATED


def test_ours_opens_what_the_vectors_sender_seals() -> None:
    assert from_base64(hpke_public_of(SK_R)) == PK_R
    sealed = vector_sender().seal(b"Beauty is truth, truth beauty", b"Count-0")
    assert (
        open_hpke(SK_R, ENC, ciphertext=sealed, info=INFO, aad=b"Count-0") == b"Beauty is truth, truth beauty"
    )


def test_reference_opens_what_ours_seals() -> None:
    enc, sealed = seal_hpke(to_base64(PK_R), b"a content key", info=INFO, aad=b"header")
    shared = X25519PrivateKey.from_private_bytes(SK_R).exchange(X25519PublicKey.from_public_bytes(enc))
    assert Reference(shared, enc, PK_R, INFO).open(sealed, b"header") == b"a content key"


def test_every_seal_draws_a_fresh_ephemeral_key() -> None:
    first, second = (seal_hpke(to_base64(PK_R), b"x", info=INFO) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_nothing_opens_when_any_part_is_another() -> None:
    private = new_hpke_key()
    enc, sealed = seal_hpke(hpke_public_of(private), b"a content key", info=b"meridian/1|a|b", aad=b"header")
    good = {"ciphertext": sealed, "info": b"meridian/1|a|b", "aad": b"header"}
    assert open_hpke(private, enc, **good) == b"a content key"
    faults = [
        (new_hpke_key(), enc, good),
        (private, enc[:-1] + bytes((enc[-1] ^ 1,)), good),
        (private, enc[:-1], good),
        (private, enc, {**good, "ciphertext": bytes((sealed[0] ^ 1,)) + sealed[1:]}),
        (private, enc, {**good, "ciphertext": sealed[:-1]}),
        (private, enc, {**good, "ciphertext": b""}),
        (private, enc, {**good, "info": b"meridian/1|b|a"}),
        (private, enc, {**good, "aad": b"Header"}),
    ]
    for key, encapsulated, rest in faults:
        with pytest.raises(Damaged):
            open_hpke(key, encapsulated, **rest)


@pytest.mark.parametrize("point", LOW_ORDER, ids=["0", "1", "p"])
def test_points_of_low_order_are_refused_on_both_sides(point: bytes) -> None:
    with pytest.raises(InvalidRequest):
        seal_hpke(to_base64(point), b"x", info=b"")
    with pytest.raises(Damaged):
        open_hpke(new_hpke_key(), point, ciphertext=bytes(48), info=b"")


def test_a_key_is_named_by_its_digest() -> None:
    assert hpke_key_id(to_base64(PK_R)) == hashlib.sha256(PK_R).hexdigest()[:16]
    with pytest.raises(InvalidRequest):
        hpke_key_id(to_base64(PK_R[:31]))
