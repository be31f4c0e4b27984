from __future__ import annotations

import pytest

from node.errors import Damaged
from node.keys.encoding import to_base64
from node.keys.signing import new_signing_key, sign, verify, verify_key_of

# RFC 8032 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_vector_of_rfc_8032_is_reproduced() -> None:
    assert verify_key_of(SEED) == to_base64(PUBLIC)
    assert sign(SEED, b"\x72") == SIGNATURE
    verify(to_base64(PUBLIC), b"\x72", SIGNATURE)
    verify(to_base64(PUBLIC), b"\x72", to_base64(SIGNATURE))


@pytest.mark.parametrize("at", [0, 31, 32, 63])
def test_a_flipped_bit_of_a_signature_is_caught(at: int) -> None:
    flipped = bytearray(SIGNATURE)
    flipped[at] ^= 1
    with pytest.raises(Damaged):
        verify(to_base64(PUBLIC), b"\x72", bytes(flipped))


def test_another_message_signer_or_shape_is_caught() -> None:
    public, signature = to_base64(PUBLIC), to_base64(SIGNATURE)
    stranger = verify_key_of(new_signing_key())
    for key, message, what in [
        (public, b"\x73", signature),
        (stranger, b"\x72", signature),
        (public, b"\x72", signature[:-4]),
        (public, b"\x72", "no base64!"),
        ("no base64!", b"\x72", signature),
        (to_base64(PUBLIC[:31]), b"\x72", signature),
    ]:
        with pytest.raises(Damaged):
            verify(key, message, what)


def test_a_second_form_of_a_signature_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(SIGNATURE[32:], "little") + order
    with pytest.raises(Damaged):
        verify(to_base64(PUBLIC), b"\x72", SIGNATURE[:32] + s.to_bytes(32, "little"))
