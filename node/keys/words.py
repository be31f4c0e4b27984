"""Fingerprints that two people compare by telephone: six groups of five digits.

Digits, not words: read aloud alike in Chinese and in English, and typed on any keyboard.
Thirty digits are 99 bits; the digest is stretched, so that whoever looks for two
keys of one fingerprint pays 5,200 times for each try.

Source: the safety numbers of Signal (30 digits a party, 5,200 rounds of SHA-512).
"""

from __future__ import annotations

import hashlib

ROUNDS = 5200
GROUPS = 6
GROUP_BYTES = 5


def fingerprint_words(content: bytes) -> str:
    """Give the fingerprint of bytes, as ``08463 51920 77315 20984 66102 39457``."""
    seed = state = hashlib.sha512(content).digest()
    for _ in range(ROUNDS):
        state = hashlib.sha512(state + seed).digest()
    groups = (state[at : at + GROUP_BYTES] for at in range(0, GROUPS * GROUP_BYTES, GROUP_BYTES))
    return " ".join(f"{int.from_bytes(group) % 100_000:05d}" for group in groups)
