"""Settings of where a secret comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from groundcrew.model import Settings

GENERATE = "generate"
OF_APPLICATIONS = (GENERATE, "as_file")
"""Keys that only the secrets of applications can have."""

KINDS = ("env", "file", "command", "stored", GENERATE)
"""The keys of a source, of which exactly one must be set."""


class Generate(Settings):
    """A value that the host makes up once and that never leaves it. It is kept over all releases in
    /srv/NAME/secrets, which only root can read."""

    length: int = Field(32, ge=16, le=4096)
    """Number of characters of a new value."""

    characters: Literal["alphanumeric", "hex"] = "alphanumeric"
    """Characters that a new value consists of."""

    version: int = Field(1, ge=1)
    """Version of the value; a higher number makes up a new value, with a new release."""

    per_host: bool = False
    """Whether each host has its own value; must be true if several hosts run the application."""


class SecretSource(Settings):
    """Where the value of a secret comes from: exactly one of `env`, `file`, `command` and
    `stored`, read on the operator's machine, or `generate`, made up on the host."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [kind]} for kind in KINDS],
            "examples": [
                {"env": "SHOP_API_KEY"},
                {"file": "secrets/api-key"},
                {"command": "pass show shop/api-key"},
                {"stored": "shop.API_KEY"},
                {"generate": {"length": 64}},
            ],
        },
    )

    env: str | None = None
    """Name of an environment variable of the pyinfra process."""

    file: str | None = None
    """Path of a file on the operator's machine, relative to the project directory; one trailing
    newline is dropped."""

    command: str | None = None
    """Shell command on the operator's machine whose output is the value; one trailing newline is
    dropped."""

    stored: str | None = Field(None, min_length=1)
    """Name of a secret in the project's encrypted file, or in what `secrets.command` prints."""

    generate: Generate | None = None
    """The host makes up the value; `generate: {}` is enough."""

    as_file: bool = False
    """Whether the application gets the value in a file instead of a variable. The variable
    `NAME_FILE` has its path, below $CREDENTIALS_DIRECTORY. systemd makes the file for each process
    of the application that it starts, in memory; no other user but root can read it, and child
    processes that other programs start do not inherit it with the environment. Source:
    <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Credentials>."""

    allow_weak: bool = False
    """Whether a well-known default such as `changeme` is accepted."""

    @property
    def kinds(self) -> list[str]:
        """The keys that are set."""
        return [kind for kind in KINDS if getattr(self, kind) is not None]


class _OfTheOperator:
    """Removes what only the secrets of applications can have from the JSON Schema and the
    reference. Loading refuses it with a reason."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = {**handler.resolve_ref_schema(handler(core_schema))}
        properties = schema["properties"].items()
        schema["properties"] = {
            key: value for key, value in properties if key not in OF_APPLICATIONS
        }
        schema["oneOf"] = [item for item in schema["oneOf"] if item["required"] != [GENERATE]]
        schema["examples"] = [item for item in schema["examples"] if GENERATE not in item]
        # The field's own description says what the secret is for.
        del schema["description"]
        return schema


OperatorSecret = Annotated[SecretSource, _OfTheOperator()]
"""A secret whose value comes from the operator's machine."""
