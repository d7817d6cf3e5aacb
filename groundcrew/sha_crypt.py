"""SHA-512 crypt, the `$6$` of crypt(3), a password hash that nginx on Debian supports.

Python's own crypt module was removed in 3.13. Specification: Ulrich Drepper, "Unix crypt using
SHA-256 and SHA-512". 5000 rounds are its default and take about 2 ms for each request that nginx
checks.
"""

from __future__ import annotations

import hashlib
from functools import cache

ROUNDS = 5000
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = [((i * 22) % 63, (i * 22 + 21) % 63, (i * 22 + 42) % 63) for i in range(21)]


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha512(b"".join(parts)).digest()


def _stretch(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encode(digest: bytes) -> str:
    text = ""
    for order in _ORDER:
        value = int.from_bytes(bytes(digest[index] for index in order), "big")
        text += "".join(_ALPHABET[value >> shift & 63] for shift in (0, 6, 12, 18))
    return text + _ALPHABET[digest[63] & 63] + _ALPHABET[digest[63] >> 6]


@cache
def sha512_crypt(password: str, salt: str) -> str:
    """The hash of a password with a salt (at most 16 characters of `./0-9A-Za-z`)."""
    key, grain = password.encode(), salt.encode()[:16]
    inner = _digest(key, grain, key)
    mixed = key + grain + _stretch(inner, len(key))
    length = len(key)
    while length:
        mixed += inner if length & 1 else key
        length >>= 1
    result = _digest(mixed)
    key_part = _stretch(_digest(key * len(key)), len(key))
    salt_part = _stretch(_digest(grain * (16 + result[0])), len(grain))
    for turn in range(ROUNDS):
        parts = [key_part if turn & 1 else result]
        if turn % 3:
            parts.append(salt_part)
        if turn % 7:
            parts.append(key_part)
        parts.append(result if turn & 1 else key_part)
        result = _digest(*parts)
    return f"$6${salt[:16]}${_encode(result)}"
