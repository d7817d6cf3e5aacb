"""The requirements of a release: the application's own, and what its server needs."""

from __future__ import annotations

import codecs
from collections.abc import Collection
from dataclasses import dataclass

from groundcrew.remote import requirements

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Export:
    """Requirements that uv exports from `uv.lock` on the host: the operator's machine needs no uv.
    The lock itself is part of the source."""

    folder: str
    """Directory of the lock in the source."""

    extras: tuple[str, ...]
    """Optional dependencies that belong to it."""

    server: str
    """What the server needs, combined with the export there."""

    wanted: tuple[str, ...]
    """Packages of it that are wanted themselves."""


@dataclass(frozen=True)
class Requirements:
    """Text of a requirements file; `hashed` when every requirement in it carries a hash."""

    text: str
    hashed: bool
    export: Export | None = None
    """Instead of the text, where the host has to find it out."""

    install: str | None = None
    """Directory in the source that is a package, to be installed too."""

    @property
    def open_ended(self) -> bool:
        """Whether they leave versions or hashes open, which a build then resolves."""
        return not self.hashed and self.export is None


def decode(data: bytes) -> str:
    """The text of a requirements file, also when an editor wrote it in UTF-16 or with CRLF.

    Raises UnicodeDecodeError where it is no text.
    """
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    return data.decode(encoding).replace("\r\n", "\n")


def combine(own: str, server: str, *, wanted: Collection[str], folder: str = "") -> Requirements:
    """See `groundcrew.remote.requirements.combine`."""
    return Requirements(*requirements.combine(own, server, wanted=wanted, folder=folder))
