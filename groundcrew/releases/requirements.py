"""The requirements of a release: the application's own and those of its server."""

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
    """Requirements that uv exports from `uv.lock` on the host, so that the operator's machine needs
    no uv. The lock itself is part of the source."""

    folder: str
    """Directory of the lock in the source."""

    extras: tuple[str, ...]
    """Optional dependencies to include."""

    server: str
    """The server's requirements, combined with the export on the host."""

    wanted: tuple[str, ...]
    """The server's packages that are required directly."""


@dataclass(frozen=True)
class Requirements:
    """Text of a requirements file; `hashed` when every requirement in it carries a hash."""

    text: str
    hashed: bool
    export: Export | None = None
    """Replaces the text if the requirements are exported on the host."""

    install: str | None = None
    """Directory in the source with a package that is installed too."""

    @property
    def open_ended(self) -> bool:
        """Whether versions or hashes are not pinned, so that a build resolves them."""
        return not self.hashed and self.export is None


def decode(data: bytes) -> str:
    """The text of a requirements file, even if an editor wrote it in UTF-16 or with CRLF.

    Raises UnicodeDecodeError if it is not text.
    """
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    return data.decode(encoding).replace("\r\n", "\n")


def combine(own: str, server: str, *, wanted: Collection[str], folder: str = "") -> Requirements:
    """See `groundcrew.remote.requirements.combine`."""
    return Requirements(*requirements.combine(own, server, wanted=wanted, folder=folder))
