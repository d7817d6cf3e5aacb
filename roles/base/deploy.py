"""Operations of the base role."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import deploy

from groundcrew.entries import Entry
from groundcrew.operations import apt, files, systemd
from groundcrew.roles.base import apt_files
from groundcrew.roles.base.files import entries
from groundcrew.roles.base.files import packages as own_packages
from groundcrew.roles.base.operations import system
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.services import Service


@deploy("base")
def apply(
    settings: BaseSettings,
    packages: Sequence[str] = (),
    first_files: Sequence[Entry] = (),
    files_of_others: Sequence[Entry] = (),
    services: Sequence[Service] = (),
    *,
    own: bool = True,
) -> None:
    """Installs all Debian packages of the host at once, then configures the system.

    `packages`, `files_of_others` and `services` come from roles that have no operations of their
    own, which saves round trips; `first_files` must be there before the packages. Without `own`,
    there is nothing else.
    """
    if first_files:
        files.manage(name="files before packages", entries=first_files)
    if not own:
        _of_others(settings, packages, files_of_others, services)
        return
    if apt_files.used(settings.apt_sources):
        # apt fetches from https only with the certificates of public authorities.
        apt.packages(
            name="certificate authorities",
            packages=["ca-certificates"],
            lock_timeout=settings.apt_lock_timeout,
        )
        files.manage(
            name="package sources",
            entries=apt_files.entries(settings.apt_sources),
            validate=apt_files.validator(settings.apt_sources),
        )
    apt.packages(
        name="Debian packages",
        packages=sorted({*own_packages(settings), *packages}),
        cache_time=settings.apt_cache_time,
        lock_timeout=settings.apt_lock_timeout,
        clean=settings.apt_clean,
        unwanted=[package for package, off in sorted(settings.packages_off.items()) if off],
    )
    files.manage(
        name="configuration files",
        entries=[*entries(settings), *files_of_others],
        # A time zone that does not exist leaves a dangling link.
        validate="test -e /etc/localtime || { echo 'no such time zone' >&2; exit 1; }",
    )
    system(name="system state", settings=settings, services=services)


def _of_others(
    settings: BaseSettings,
    packages: Sequence[str],
    files_of_others: Sequence[Entry],
    services: Sequence[Service],
) -> None:
    if packages:
        apt.packages(
            name="Debian packages",
            packages=sorted(packages),
            cache_time=settings.apt_cache_time,
            lock_timeout=settings.apt_lock_timeout,
        )
    if files_of_others:
        files.manage(name="configuration files", entries=files_of_others)
    for service in services:
        systemd.service(
            name=service.unit, unit=service.unit, restart_if_newer=service.files, settle=0
        )
