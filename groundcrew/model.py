"""Base class of every settings model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from groundcrew.fields import described, members


class WrongValueError(ValueError):
    """What is wrong with one of several values that a validator looks at. `key` is the key to
    change, below the block or value that is validated: dotted, or its parts."""

    def __init__(self, key: str | Sequence[str], message: str) -> None:
        self.path = tuple(key.split(".") if isinstance(key, str) else key)
        self.message = message
        super().__init__(f"{'.'.join(self.path)}: {message}")


class Settings(BaseModel):
    """A block of settings: unknown keys are errors, values are immutable once loaded.

    The docstring under a field is its description in the settings reference, the JSON Schema and
    the error texts: what it is, its unit, and its source where it has one.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_not_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic accepts `true` as 1, but `workers: true` must not become one worker."""
        if isinstance(value, bool) and info.field_name:
            kinds = members(cls.model_fields[info.field_name].annotation)
            words = [repr(word) for kind in kinds if get_origin(kind) is Literal
                     for word in get_args(kind)]  # fmt: skip
            if {int, float} & set(kinds) and not {bool, str} & set(kinds):
                raise PydanticCustomError(
                    "number_type", "{expected}", {"expected": " or ".join(["a number", *words])}
                )
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Adds the descriptions of the fields."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for key, text in described(cls).items():
            if key in properties:
                properties[key].setdefault("description", text)
        return schema


def by_type(*kinds: str, expected: str) -> Discriminator:
    """Selects one of several models by its key `type`: its tag is `that is TYPE`, and that of null
    `that is taken out`. `expected` lists the types for people."""
    tags = {kind: f"that is {kind}" for kind in kinds}

    def tag(value: Any) -> str | None:
        if value is None:
            return "that is taken out"
        given = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return tags.get(given) if isinstance(given, str) else None

    return Discriminator(
        tag,
        custom_error_type="kind",
        custom_error_message="expected {expected}",
        custom_error_context={"key": "type", "expected": expected},
    )
