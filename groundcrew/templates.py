"""Renders the Jinja2 files under `templates/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "data" / "templates"


@cache
def environment() -> Environment:
    """The Jinja2 environment: undefined names are errors, nothing is HTML-escaped."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - the results are configuration files, not HTML
    )


def render(template: str, /, **context: Any) -> str:
    """Renders `templates/TEMPLATE` with `context`. Raises UndefinedError if a name is missing."""
    return environment().get_template(template).render(**context)
