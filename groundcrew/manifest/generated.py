"""Secrets that a host generates: the token that stands for a value, and where the host stores
it."""

from __future__ import annotations

import hashlib
import string

from groundcrew.entries import Generated
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.secret import Generate

_ALPHABETS = {
    # No characters that file formats or shells would need to quote.
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
}


def token(app: str, key: str, generate: Generate) -> str:
    """The token that stands for the value. It depends on `version`, so that a new version is a new
    release."""
    text = f"{app}\0{key}\0{generate.version}"
    return f"generated{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def values(paths: AppPaths, app: AppSettings) -> tuple[Generated, ...]:
    """All generated secrets of an application."""
    return tuple(
        Generated(
            token=token(paths.name, key, source.generate),
            store=f"{paths.secrets}/{key}.{source.generate.version}",
            length=source.generate.length,
            alphabet=_ALPHABETS[source.generate.characters],
        )
        for key, source in sorted(app.secrets.items())
        if source.generate
    )
