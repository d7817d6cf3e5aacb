"""Types for HTTP response headers in settings, and how two sets of headers are merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#%&'*+.^_`|~-]+$")]
"""A header's name: a token of RFC 9110, without `$`."""


def _configurable(value: str) -> str:
    """Returns `value` if nginx can be configured to send it literally. Raises ValueError."""
    if not value.isprintable() or not value.isascii():
        raise ValueError("must be one line of printable ASCII characters")
    if "$" in value:
        raise ValueError("must not contain '$': nginx would read a variable and cannot escape it")
    return value


HeaderValue = Annotated[str, AfterValidator(_configurable)]
"""A header's value that nginx can send literally."""

HeaderSet = Literal["baseline", "strict"]
"""The name of a set of response headers."""

ReportUri = Annotated[
    str, StringConstraints(pattern=r"^(https?://|/)[\x21\x23\x25-\x2b\x2d-\x3a\x3c-\x7e]*$")
]
"""The URL or path that browsers send reports to."""


def merge(defaults: Mapping[str, str], overrides: Mapping[str, str | None]) -> dict[str, str]:
    """`defaults` merged with `overrides`. Names are case-insensitive; None removes a header."""
    merged = {name.lower(): (name, value) for name, value in defaults.items()}
    for name, value in overrides.items():
        merged.pop(name.lower(), None)
        if value is not None:
            merged[name.lower()] = (name, value)
    return dict(merged.values())
