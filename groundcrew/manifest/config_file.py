"""Settings of configuration files that a release gets besides its source."""

from __future__ import annotations

from typing import Literal

from groundcrew.model import Settings


class ConfigFile(Settings):
    """A file that each release gets besides its source."""

    template: str
    """Jinja2 template on the operator's machine, relative to the project directory. It can use
    `env` and `secrets` (`secrets.API_KEY`), `name`, `app` (the manifest) and `paths` (`root`,
    `shared`, `home`, `static`)."""

    mode: Literal["0640", "0440"] = "0640"
    """File mode. The owner is root and the group is the application's, which can read the file but
    not change it."""
