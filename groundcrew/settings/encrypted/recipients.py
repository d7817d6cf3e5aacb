"""Who can decrypt the file: a list of public keys beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyrage import RecipientError, ssh, x25519

from groundcrew.settings.encrypted.errors import EncryptedFileError

Recipient = Any
"""A public key of pyrage, which has no types: of age, or of SSH."""


def file_of(secrets: Path) -> Path:
    """The list of an encrypted file: secrets.age.recipients of secrets.age.yml."""
    return secrets.with_suffix(".recipients")


def read(secrets: Path) -> list[str]:
    """The public keys, one a line; the rest of a line after `#` is a comment. Raises
    EncryptedFileError."""
    file = file_of(secrets)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise EncryptedFileError(
            f"there is no {file.name}: `groundcrew secrets init` makes a key and this list"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise EncryptedFileError(f"{file} cannot be read: {error}") from None
    keys = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            # Without the comment of an SSH key.
            key = " ".join(text.split()[:2])
            try:
                parse(key)
            except RecipientError:
                raise EncryptedFileError(
                    f"{file.name}, line {number}: no public key of age (age1...) or SSH "
                    "(ssh-ed25519 ..., ssh-rsa ...)"
                ) from None
            keys.append(key)
    if not keys:
        raise EncryptedFileError(f"{file.name} lists no public key")
    return list(dict.fromkeys(keys))


def parse(key: str) -> Recipient:
    """A public key. Raises RecipientError."""
    if key.startswith("ssh-"):
        return ssh.Recipient.from_str(key)
    return x25519.Recipient.from_str(key)


def add(secrets: Path, key: str, who: str) -> bool:
    """Adds a public key to the list unless it is there; returns whether it was added. Raises
    EncryptedFileError and OSError."""
    file = file_of(secrets)
    if file.exists() and key in read(secrets):
        return False
    before = file.read_text(encoding="utf-8") if file.exists() else HEADER
    ending = "" if before.endswith("\n") else "\n"
    file.write_text(f"{before}{ending}{key}  # {who}\n", encoding="utf-8")
    return True


HEADER = """\
# Who can decrypt the file of secrets beside this one: public keys of age or SSH, one a line.
# After a change: groundcrew secrets rekey
"""
