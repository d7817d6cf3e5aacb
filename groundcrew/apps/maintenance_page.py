"""What an application's maintenance mode consists of on a host, besides nginx's configuration."""

from __future__ import annotations

from pathlib import Path

from groundcrew.apps.maintenance import Maintenance
from groundcrew.apps.paths import AppPaths
from groundcrew.entries import Directory, Entry, File
from groundcrew.templates import render


def page(settings: Maintenance, project: Path) -> bytes:
    """The page that visitors get. Raises OSError where the operator's own cannot be read."""
    if settings.page:
        return (project / Path(settings.page).expanduser()).read_bytes()
    return render("maintenance/page.html.j2", retry_after=settings.retry_after).encode()


def entries(paths: AppPaths, content: bytes) -> list[Entry]:
    """The page, where nginx may read it."""
    return [Directory(paths.maintenance), File(paths.maintenance_page, content)]
