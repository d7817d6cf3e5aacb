"""The lab's SSH key, generated when needed, and its own known_hosts file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundcrew.lab.checkout import NAME, SHORT_HASH, STATE, lock, state_directory

PRIVATE_KEY = STATE / "id_ed25519"
PUBLIC_KEY = STATE / "id_ed25519.pub"
KNOWN_HOSTS = STATE / (f"known_hosts.{SHORT_HASH}" if NAME else "known_hosts")


def ensure() -> str:
    """Return the public key as a line for `authorized_keys`. Generate the key pair if there is
    none."""
    with lock("keys"):
        if not (PRIVATE_KEY.exists() and PUBLIC_KEY.exists()):
            state_directory()
            private, public = generate()
            _write(PRIVATE_KEY, private, 0o600)
            _write(PUBLIC_KEY, f"{public} groundcrew-lab\n", 0o644)
        return PUBLIC_KEY.read_text().strip()


def generate() -> tuple[str, str]:
    """Return a new Ed25519 key pair: the private key in OpenSSH's format and the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


def merge_known_hosts(text: str, names: Iterable[str], host_keys: Iterable[str]) -> str:
    """Return the known_hosts `text` with one host's lines replaced (pure).

    `names` are the host's name and addresses; lines with any of them are removed. `host_keys` are
    its public keys as in `/etc/ssh/ssh_host_*_key.pub`; without any, the host is only removed.
    """
    stale = set(names)
    kept = [
        line
        for line in text.splitlines()
        if line.strip() and not stale & set(line.split()[0].split(","))
    ]
    patterns = ",".join(sorted(stale))
    added = [f"{patterns} {' '.join(key.split()[:2])}" for key in host_keys if key.strip()]
    return "".join(f"{line}\n" for line in [*kept, *added])


def trust(names: Iterable[str], host_keys: Iterable[str]) -> None:
    """Make known_hosts contain exactly these keys for the host with these names."""
    with lock("keys"):
        before = KNOWN_HOSTS.read_text() if KNOWN_HOSTS.exists() else ""
        _write(KNOWN_HOSTS, merge_known_hosts(before, names, host_keys), 0o600)


def _write(path: Path, text: str, mode: int) -> None:
    """Write a new file beside the target and rename it: readers never see a partial file, and a key
    is never readable by others."""
    staged = path.with_name(f"{path.name}.new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as handle:
        handle.write(text)
    staged.replace(path)
