"""The private keys of this machine that decrypt the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrage import IdentityError, ssh, x25519

from groundcrew.settings.encrypted.errors import EncryptedFileError

TEXT = "GROUNDCREW_AGE_KEY"
"""Variable with a key itself, for machines without a file, such as those of CI."""

PATH = "GROUNDCREW_AGE_KEY_FILE"
"""Variable with the path of a key."""

SSH_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_rsa")
MARK = "AGE-SECRET-KEY-"

Identity = Any
"""A private key of pyrage, which has no types: of age, or of SSH."""


@dataclass(frozen=True)
class Keys:
    """The keys of this machine."""

    identities: tuple[Identity, ...]
    unusable: tuple[str, ...]
    """Why others are not used."""


def default_file() -> Path:
    """The file with the operator's age key, in the user's configuration directory."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "groundcrew" / "age.key"


def keys() -> Keys:
    """The key of GROUNDCREW_AGE_KEY or of the file of GROUNDCREW_AGE_KEY_FILE, if one is set; else
    that of the default file and the user's SSH keys. Raises EncryptedFileError if a key that is
    named cannot be used."""
    if text := os.environ.get(TEXT):
        return Keys(tuple(_read(text.encode(), TEXT)), ())
    if path := os.environ.get(PATH):
        file = Path(path).expanduser()
        return Keys(tuple(_read(_content(file), str(file))), ())
    identities: list[Identity] = []
    unusable = []
    for file in (default_file(), *(Path(name).expanduser() for name in SSH_KEYS)):
        if not file.exists():
            continue
        try:
            identities += _read(_content(file), str(file))
        except EncryptedFileError as error:
            unusable.append(str(error))
    return Keys(tuple(identities), tuple(unusable))


def public_key() -> str | None:
    """The public key of the operator's age key; None if there is no such key. Raises
    EncryptedFileError."""
    if not (os.environ.get(TEXT) or os.environ.get(PATH) or default_file().exists()):
        return None
    for identity in keys().identities:
        if isinstance(identity, x25519.Identity):
            return str(identity.to_public())
    return None


def make() -> str:
    """Makes a key in the default file, which nobody else can read; returns its public key. Raises
    OSError."""
    identity = x25519.Identity.generate()
    file = default_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(f"# public key: {identity.to_public()}\n{identity}\n")
    return str(identity.to_public())


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise EncryptedFileError(f"{file} cannot be read: {error.strerror}") from None


def _read(content: bytes, place: str) -> Iterator[Identity]:
    """The keys in a file: an SSH key, or lines as of age-keygen."""
    if b"PRIVATE KEY-----" in content:
        try:
            yield ssh.Identity.from_buffer(content)
        except IdentityError as error:
            reason = "has a passphrase" if "decrypted first" in str(error) else "cannot be used"
            raise EncryptedFileError(f"the SSH key {place} {reason}") from None
        return
    lines = [line.strip() for line in content.decode(errors="replace").splitlines()]
    given = [line for line in lines if line.startswith(MARK)]
    if not given:
        raise EncryptedFileError(f"{place} has neither an age key ({MARK}...) nor an SSH key")
    for line in given:
        try:
            yield x25519.Identity.from_str(line)
        except IdentityError:
            raise EncryptedFileError(f"{place}: a line is no valid age key") from None
