"""Response headers in nginx's syntax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from groundcrew.headers import merge
from groundcrew.templates import render


def headers_file(
    defaults: Mapping[str, str],
    hidden: Iterable[str],
    overrides: Mapping[str, str | None] | None = None,
) -> str:
    """The file that sets `defaults` with `overrides` over them, and hides the application's own
    of the same names and those `hidden`."""
    headers = merge(defaults, overrides or {})
    hide = {name.lower(): name for name in [*headers, *hidden]}
    return render(
        "nginx/headers.conf.j2",
        headers={name: quote(value) for name, value in headers.items()},
        hidden=list(hide.values()),
    )


def quote(value: str) -> str:
    """`value` as one parameter of a directive."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
