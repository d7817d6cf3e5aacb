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
    """Takes them from every paramiko key of this process. RSA keys are still known by their name,
    those of hosts in known_hosts too: one that is not known there would be taken for a new host."""
    if SHA1[0] not in RSAKey.HASHES:
        return
    names = list(RSAKey.identifiers())
    setattr(RSAKey, "identifiers", classmethod(lambda _: list(names)))  # noqa: B010 - typed as fixed
    for name in SHA1:
        RSAKey.HASHES.pop(name, None)
