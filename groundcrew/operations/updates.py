"""Bringing what a host knows of Debian's packages to the operator's machine: no change."""

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
    """Writes the report of the host as HOST.debian.json; nothing while changes are being detected.
    Fails where apt gives no answer.

    + directory: directory on the operator's machine
    """
    if not host.state.is_executing:
        return
    found = host.get_fact(Updates)
    if found is None:
        yield refuse("apt does not tell which updates there are (see above)")
        return
    path = Path(directory).expanduser() / f"{host.name}{END}"
    try:
        json_file.replace(str(path), found)
    except OSError as error:
        yield refuse(f"{path} cannot be written: {error}")
