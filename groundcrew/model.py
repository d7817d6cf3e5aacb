"""Base class of every settings model."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from groundcrew.fields import members


class Settings(BaseModel):
    """A block of settings: unknown keys are errors, values are immutable once loaded.

    The docstring under a field is its description in the settings reference, the JSON Schema and
    the error texts: what it is, its unit, and its source where it has one.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_not_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes `true` for 1: `workers: true` must not become one worker."""
        if isinstance(value, bool) and info.field_name:
            kinds = members(cls.model_fields[info.field_name].annotation)
            words = [repr(word) for kind in kinds if get_origin(kind) is Literal
                     for word in get_args(kind)]  # fmt: skip
            if {int, float} & set(kinds) and not {bool, str} & set(kinds):
                raise PydanticCustomError(
                    "number_type", "{expected}", {"expected": " or ".join(["a number", *words])}
                )
        return value
