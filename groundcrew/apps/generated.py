"""Secrets that a host makes up: what stands for them here, and where they are kept there."""

from __future__ import annotations

import hashlib
import string

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.apps.secret import Generate
from groundcrew.entries import Generated

_ALPHABETS = {
    # Nothing that any file format or shell would want to have quoted.
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
}


def token(app: str, key: str, generate: Generate) -> str:
    """The text that stands for the value. Another version is another one, and a new release."""
    text = f"{app}\0{key}\0{generate.version}"
    return f"generated{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def values(paths: AppPaths, app: AppSettings) -> tuple[Generated, ...]:
    """All of an application."""
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
