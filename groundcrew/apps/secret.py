"""Where a secret comes from."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from groundcrew.model import Settings

KINDS = ("env", "file", "command", "generate")
"""The keys of which a source has exactly one."""


class Generate(Settings):
    """A value that a host makes up by itself, once, and that never leaves it: it is kept in
    /srv/NAME/secrets, which only root can read, over all releases."""

    length: int = Field(32, ge=16, le=4096)
    """Characters of a new value."""

    characters: Literal["alphanumeric", "hex"] = "alphanumeric"
    """What a new value consists of."""

    version: int = Field(1, ge=1)
    """A higher number replaces the value, with a new release."""

    per_host: bool = False
    """Must be true where several hosts have the application: each has a value of its own then."""


class SecretSource(Settings):
    """Where a secret's value comes from: exactly one of `env`, `file` and `command`, read on the
    operator's machine, or `generate`."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [kind]} for kind in KINDS]},
    )

    env: str | None = None
    """Name of an environment variable of the pyinfra process."""

    file: str | None = None
    """Path of a file, relative to the project directory; one trailing newline is dropped."""

    command: str | None = None
    """A shell command whose output is the value; one trailing newline is dropped."""

    generate: Generate | None = None
    """Made up on the host; `generate: {}` is enough."""

    allow_weak: bool = False
    """Take a well-known default such as `changeme` too."""

    @property
    def kinds(self) -> list[str]:
        """Which of them are given."""
        return [kind for kind in KINDS if getattr(self, kind) is not None]
