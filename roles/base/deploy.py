"""Operations of what every host has."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import deploy

from groundcrew.entries import Entry
from groundcrew.operations import apt, files
from groundcrew.services import Service
from roles.base.files import entries
from roles.base.files import packages as own_packages
from roles.base.operations import system
from roles.base.settings import BaseSettings


@deploy("Base")
def apply(
    settings: BaseSettings,
    packages: Sequence[str] = (),
    files_of_others: Sequence[Entry] = (),
    services: Sequence[Service] = (),
) -> None:
    """Installs all packages of the host at once, then brings the system itself in line.

    `packages`, `files_of_others` and `services` are those of other roles that have nothing else to
    do on a host: they cost no round trips here.
    """
    apt.packages(
        name="Debian packages",
        packages=sorted({*own_packages(settings), *packages}),
        cache_time=settings.apt_cache_time,
        lock_timeout=settings.apt_lock_timeout,
        clean=settings.apt_clean,
        unwanted=[package for package, off in sorted(settings.packages_off.items()) if off],
    )
    files.manage(
        name="System configuration files",
        entries=[*entries(settings), *files_of_others],
        # A time zone that does not exist leaves a link to nowhere.
        validate="test -e /etc/localtime || { echo 'no such time zone' >&2; exit 1; }",
    )
    system(name="System state", settings=settings, services=services)
