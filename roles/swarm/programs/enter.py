"""Starts a command of the application with the variables that the swarm has given as files.

A variable that a secret sets is a file of its name; no value is part of the image or of what
`docker inspect` shows. Runs in the container, as the application's user.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLES = "/run/groundcrew/variables"


def variables(folder: str = VARIABLES) -> dict[str, str]:
    """The variables: name -> value, byte for byte."""
    if not Path(folder).is_dir():
        return {}
    return {
        item.name: item.read_bytes().decode("utf-8", "surrogateescape")
        for item in sorted(Path(folder).iterdir())
        if not item.name.startswith(".")
    }


def main() -> None:
    """Replaces this process by the command."""
    command = sys.argv[1:]
    os.umask(0o077)
    os.execvpe(command[0], command, {**os.environ, **variables()})  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
