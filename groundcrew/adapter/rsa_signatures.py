"""Disables RSA signatures over SHA-1, which paramiko 4 creates and accepts (CVE-2026-44405).

Negotiating better algorithms is not enough: paramiko 4 verifies a signature with the algorithm that
the signature names, regardless of the negotiated one. paramiko 5, which pyinfra 3.10 does not
allow, no longer supports them.
"""

from __future__ import annotations

from paramiko import RSAKey

SHA1 = ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com")
"""Names of the algorithms. The first is also the name of RSA keys, which remain supported."""

DISABLED = {"keys": SHA1, "pubkeys": SHA1}
"""Argument `disabled_algorithms` of a connection, so that they are not offered."""


def install() -> None:
    """Removes the algorithms from every paramiko key of this process. RSA keys keep their name, so
    that hosts' keys in known_hosts are still found: otherwise a known host would be treated as
    new."""
    if SHA1[0] not in RSAKey.HASHES:
        return
    names = list(RSAKey.identifiers())
    setattr(RSAKey, "identifiers", classmethod(lambda _: list(names)))  # noqa: B010 - typed as fixed
    for name in SHA1:
        RSAKey.HASHES.pop(name, None)
