"""Response headers in nginx's syntax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from groundcrew.headers import merge
from groundcrew.roles.nginx.header_sets import SiteHeaders
from groundcrew.templates import render

APPENDED = ("vary",)
"""Headers that may occur several times: the application's own are not hidden."""


def headers_file(
    site: SiteHeaders,
    hidden: Iterable[str],
    computed: Mapping[str, str] | None = None,
    last: Mapping[str, str | None] | None = None,
) -> str:
    """The headers file: the site's headers, overridden by `computed`, then by `last`. Hides the
    application's headers of the same names and those in `hidden`. Values of `computed` are nginx
    variables or already quoted."""
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
    """`value` as a quoted parameter of a directive."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
