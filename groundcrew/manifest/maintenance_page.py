"""The page of maintenance mode, and where it is stored."""

from __future__ import annotations

from pathlib import Path

from groundcrew.entries import Directory, Entry, File
from groundcrew.manifest.maintenance import Maintenance
from groundcrew.manifest.paths import AppPaths
from groundcrew.templates import render


def page(settings: Maintenance, project: Path) -> bytes:
    """The maintenance page. Raises OSError if the operator's file cannot be read."""
    if settings.page:
        return (project / Path(settings.page).expanduser()).read_bytes()
    return render("maintenance/page.html.j2", retry_after=settings.retry_after).encode()


def entries(paths: AppPaths, content: bytes) -> list[Entry]:
    """The page in a directory that nginx may read."""
    return [Directory(paths.maintenance), File(paths.maintenance_page, content)]
