"""Settings of package repositories besides Debian's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from groundcrew.model import Settings, WrongValueError
from groundcrew.project import ROOT as PROJECT

SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]
Suite = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/~+-]+$")]
Component = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]+$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.*?-]*$")]

ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
PUBLIC_KEY_TAGS = (0x98, 0x99, 0xC6)
"""First bytes of an OpenPGP public key that is not armored."""


class AptSource(Settings):
    """A package repository besides Debian's. It provides the packages of `packages` and no others,
    so that it cannot replace Debian's own."""

    url: Url
    """Address of the repository, or of your mirror of it, for example
    `https://repo.mongodb.org/apt/debian`."""

    suite: Suite
    """Suite (`bookworm/mongodb-org/8.0`). One that ends in `/` is a flat repository, which has no
    `components`."""

    components: tuple[Component, ...] = ()
    """Components of the suite (`[main]`)."""

    key: str
    """Path of the repository's OpenPGP public key on the operator's machine, armored or not,
    relative to the project directory. apt accepts this key for this repository only."""

    packages: tuple[Pattern, ...] = Field(min_length=1)
    """Packages that the repository may provide, with `*` and `?` (`[mongodb-*, mongosh]`). They are
    installed only if something asks for them, such as `base.packages`.
    Syntax: <https://manpages.debian.org/bookworm/apt/apt_preferences.5.en.html>."""

    @field_validator("packages")
    @classmethod
    def _not_everything(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not re.search(r"[a-z0-9]{2}", pattern):
                raise ValueError(f"{pattern} names too many packages: name those that you need")
        return patterns

    @field_validator("key")
    @classmethod
    def _is_a_public_key(cls, path: str) -> str:
        read_key(path)
        return path

    @model_validator(mode="after")
    def _has_components(self) -> Self:
        flat = self.suite.endswith("/")
        if flat and self.components:
            raise WrongValueError("components", f"{self.suite} is a flat repository: it has none")
        if not flat and not self.components:
            raise WrongValueError("components", f"{self.suite} needs at least one, such as main")
        return self


def read_key(path: str) -> tuple[bytes, bool]:
    """The content of a public key, and whether it is armored. Raises ValueError."""
    file = PROJECT / Path(path).expanduser()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read on this machine: {error.strerror}") from None
    if b"PRIVATE KEY" in content:
        raise ValueError(f"{path} is a private key: it must not leave its owner")
    if ARMOR.encode() in content:
        return content, True
    if content[:1] and content[0] in PUBLIC_KEY_TAGS:
        return content, False
    raise ValueError(f"{path} is not an OpenPGP public key")


def may_provide(sources: Mapping[str, AptSource | None], package: str) -> bool:
    """Whether a repository may provide a package."""
    patterns = [item for source in sources.values() if source for item in source.packages]
    return any(fnmatchcase(package, pattern) for pattern in patterns)
