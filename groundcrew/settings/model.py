"""Base class of every settings model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


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
