"""Label matchers of Prometheus' query language. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def selector(values: Iterable[str], label: str = "instance") -> str:
    """A label matcher for these values. The expression is a string of the query language, which
    has escapes of its own."""
    pattern = "|".join(re.escape(value) for value in sorted(values))
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return f'{label}=~"{escaped}"'
