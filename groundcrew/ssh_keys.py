"""Checks whether a server accepts public SSH keys. Pure functions."""

from __future__ import annotations

import base64
import binascii
import struct


def weakness(line: str, rsa_size: int) -> str | None:
    """Why a server that requires RSA keys of `rsa_size` bits refuses this line of authorized_keys.

    None if it does not, or if the line cannot be parsed.
    """
    fields = line.split()
    kind = fields[0] if fields else ""
    if kind == "ssh-dss":
        return "is a DSA key, which sshd does not take"
    if kind != "ssh-rsa" or len(fields) < 2:
        return None
    bits = rsa_bits(fields[1])
    if bits is None or bits >= rsa_size:
        return None
    return f"is RSA with {bits} bits; ssh.required_rsa_size is {rsa_size}"


def rsa_bits(blob: str) -> int | None:
    """The length of an RSA key in bits (RFC 4253, section 6.6); None if it cannot be parsed."""
    try:
        rest = base64.b64decode(blob, validate=True)
        parts = []
        for _ in range(3):
            (length,) = struct.unpack(">I", rest[:4])
            parts.append(rest[4 : 4 + length])
            rest = rest[4 + length :]
    except (binascii.Error, struct.error):
        return None
    return int.from_bytes(parts[2], "big").bit_length()
