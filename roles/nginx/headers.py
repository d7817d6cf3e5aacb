"""Response headers in nginx's syntax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from groundcrew.headers import merge
from groundcrew.templates import render
from roles.nginx.header_sets import SiteHeaders

APPENDED = ("vary",)
"""Headers that may come several times: an application's own of these pass."""


def headers_file(
    site: SiteHeaders,
    hidden: Iterable[str],
    computed: Mapping[str, str] | None = None,
    last: Mapping[str, str | None] | None = None,
) -> str:
    """The file that sets the site's headers, then `computed`, then `last` over them, and hides the
    application's own of the same names and those `hidden`. The values of `computed` are nginx's
    variables or quoted already."""
    headers = {name: site.yielding.get(name) or quote(value) for name, value in site.values.items()}
    headers = merge(headers, computed or {})
    headers = merge(
        headers,
        {name: value if value is None else quote(value) for name, value in (last or {}).items()},
    )
    yielding = set(site.yielding.values())
    replaced = [name for name, value in headers.items() if value not in yielding]
    hide = {name.lower(): name for name in [*replaced, *hidden]}
    for name in APPENDED:
        hide.pop(name, None)
    return render("nginx/headers.conf.j2", headers=headers, hidden=list(hide.values()))


def quote(value: str) -> str:
    """`value` as one parameter of a directive."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
