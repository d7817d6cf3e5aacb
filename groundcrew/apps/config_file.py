"""Configuration files of an application, besides its source."""

from __future__ import annotations

from typing import Literal

from groundcrew.model import Settings


class ConfigFile(Settings):
    """A file that each release gets besides its source."""

    template: str
    """Jinja2 template on the operator's machine, relative to the project directory. It knows `env`
    and `secrets` by the variables' names, `name`, `app` (the manifest) and `paths` (`root`,
    `shared`, `home`, `static`)."""

    mode: Literal["0640", "0440"] = "0640"
    """File mode; owner is root, the group is the application's: it can read and not change it."""
