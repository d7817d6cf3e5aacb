"""Where a secret comes from."""

from __future__ import annotations

from pydantic import ConfigDict

from groundcrew.model import Settings


class SecretSource(Settings):
    """Where a secret's value comes from, read on the operator's machine: exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    env: str | None = None
    """Name of an environment variable of the pyinfra process."""

    file: str | None = None
    """Path of a file, relative to the project directory; one trailing newline is dropped."""

    command: str | None = None
    """A shell command whose output is the value; one trailing newline is dropped."""
