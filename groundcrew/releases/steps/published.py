"""What the programs that publish files for nginx are told."""

from __future__ import annotations

from typing import Any

from groundcrew.releases.target import Target

FRONTEND_GZIP = 1000
"""Size in bytes from which text files of a front end are compressed; smaller ones fit into one
packet anyway."""


def static_payload(target: Target, release: str, previous: str | None) -> dict[str, Any] | None:
    """Payload of `groundcrew/remote/publish_static.py`; None if nginx serves no static files."""
    static = target.app.static
    if static is None:
        return None
    return {
        "root": f"{target.paths.release(release)}/app",
        "source": f"{target.paths.release(release)}/app/{static.path}",
        "target": target.paths.static,
        "release": release,
        "previous": previous,
        "grace": static.assets_grace,
    }


def frontend_payload(target: Target, release: str) -> dict[str, Any] | None:
    """Payload of `groundcrew/remote/publish_frontend.py`; None without a front end."""
    app, frontend = target.app, target.app.frontend
    if frontend is None:
        return None
    return {
        "root": f"{target.paths.release(release)}/app",
        "source": f"{target.paths.release(release)}/app/{frontend.built}",
        "target": target.paths.frontend,
        "url": app.root + frontend.url,
        "assets": [app.root + url for url in frontend.asset_urls],
        "index": frontend.spa,
        "gzip": FRONTEND_GZIP if frontend.precompress else None,
        "release": release,
        "grace": frontend.assets_grace,
    }


def publications(
    target: Target, release: str, previous: str | None
) -> list[tuple[str, dict[str, Any]]]:
    """The programs that publish a release's files for nginx, each with its payload."""
    programs = [
        ("publish_static", static_payload(target, release, previous)),
        ("publish_frontend", frontend_payload(target, release)),
    ]
    return [(program, payload) for program, payload in programs if payload]
