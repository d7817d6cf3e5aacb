"""RSA signatures over SHA-1, which paramiko 4 makes and accepts (CVE-2026-44405): here it does not.

Agreeing on better ones is not enough: paramiko 4 verifies a signature by the algorithm that the
signature itself names, whatever was agreed on. paramiko 5, which pyinfra 3.10 does not allow, has
none of it any more.
"""

from __future__ import annotations

from paramiko import RSAKey

SHA1 = ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com")
"""Their names; the first is also that of the keys, which stay as they are."""

DISABLED = {"keys": SHA1, "pubkeys": SHA1}
"""Argument `disabled_algorithms` of a connection: they are not offered."""


def install() -> None:
    """Takes them from every paramiko key of this process."""
    for name in SHA1:
        RSAKey.HASHES.pop(name, None)
