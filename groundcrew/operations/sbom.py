"""Fetches bills of materials to the operator's machine, which never counts as a change."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation

from groundcrew import json_file
from groundcrew.facts.sbom import Sboms
from groundcrew.operations.guard import refuse
from groundcrew.remote.sbom import SBOM


@operation()
def fetch(
    apps: Sequence[str], release: str | None, directory: str
) -> Generator[FunctionCommand, None, None]:
    """Writes the CycloneDX document of each application's release; does nothing while pyinfra
    detects changes. Fails if a release has none, after writing those that exist.

    + apps: names of the applications
    + release: the release, None for the live one
    + directory: directory on the operator's machine
    """
    if not host.state.is_executing:
        return
    sboms = host.get_fact(Sboms, apps=apps, release=release)
    for app in (app for app in apps if sboms[app]):
        path = Path(directory).expanduser() / f"{app}.{host.name}.cdx.json"
        try:
            json_file.replace(str(path), sboms[app])
        except OSError as error:
            yield refuse(f"{path} cannot be written: {error}")
            return
        logger.info(f"[{host.name}] {path}")
    missing = [app for app in apps if not sboms[app]]
    if missing:
        wanted = f"release {release}" if release else "the live release"
        yield refuse(f"{', '.join(missing)}: {wanted} has no {SBOM}; a new release has")
