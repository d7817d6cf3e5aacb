"""Settings of static files."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from groundcrew.manifest.types import RelativePath
from groundcrew.model import Settings


def _compiles(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'"{text}" is no regular expression: {error}') from None
    return text


Pattern = Annotated[
    str, StringConstraints(pattern=r"^[\x20-\x7e]+$", max_length=200), AfterValidator(_compiles)
]
"""A regular expression that both nginx (PCRE) and Python accept."""


class Static(Settings):
    """Files of a release that nginx serves itself."""

    path: RelativePath
    """Directory in the release that holds the files; it comes from the source or from a build hook
    (`collectstatic`)."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/static/"
    """URL path at which the files are served."""

    immutable: tuple[Pattern, ...] = (r"\.[0-9a-f]{12}\.[A-Za-z0-9.]+$",)
    """Regular expressions for the paths of files whose names change with their content. Browsers
    keep these files for a year without asking, and other files for an hour. The default matches the
    names that Django's ManifestStaticFilesStorage gives (`page.55e7cbb9ba48.css`).
    Source: <https://docs.djangoproject.com/en/stable/ref/contrib/staticfiles/#manifeststaticfilesstorage>."""

    assets_grace: int = Field(604800, ge=0)
    """Seconds that the files of a replaced release stay reachable, for pages that are still open in
    browsers."""
