"""Files of a release that nginx serves."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from groundcrew.apps.types import RelativePath
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
"""A regular expression, as nginx (PCRE) and Python both read it."""


class Static(Settings):
    """Files of a release that nginx serves itself."""

    path: RelativePath
    """Directory in the release, from the source or made by a build hook (`collectstatic`)."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/static/"
    """Where they are served."""

    immutable: tuple[Pattern, ...] = (r"\.[0-9a-f]{12}\.[A-Za-z0-9.]+$",)
    """Regular expressions for paths of files whose names change with their content: browsers keep
    them for a year without asking, others for an hour. Default: the names that Django's
    ManifestStaticFilesStorage gives (`page.55e7cbb9ba48.css`)."""

    assets_grace: int = Field(604800, ge=0)
    """Seconds that the files of a replaced release stay reachable, for pages that browsers have
    open."""
