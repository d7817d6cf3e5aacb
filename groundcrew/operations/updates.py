"""Fetches a report of a host's Debian packages to the operator's machine; never a change."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import FunctionCommand, operation

from groundcrew import json_file
from groundcrew.facts.updates import Updates
from groundcrew.operations.guard import refuse

END = ".debian.json"


@operation()
def fetch(directory: str) -> Generator[FunctionCommand, None, None]:
    """Writes the report of the host as HOST.debian.json; does nothing while pyinfra detects
    changes. Fails if apt fails.

    + directory: directory on the operator's machine
    """
    if not host.state.is_executing:
        return
    updates = host.get_fact(Updates)
    if updates is None:
        yield refuse("apt does not tell which updates there are (see above)")
        return
    path = Path(directory).expanduser() / f"{host.name}{END}"
    try:
        json_file.replace(str(path), updates)
    except OSError as error:
        yield refuse(f"{path} cannot be written: {error}")
