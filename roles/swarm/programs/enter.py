"""Starts a command of the application with the variables that the swarm has given as files.

A variable that a secret sets is a file of its name; no value is part of the image or of what
`docker inspect` shows. Runs in the container, as the application's user.
"""

from __future__ import annotations

import os
import sys

VARIABLES = "/run/groundcrew/variables"


def variables(folder: str = VARIABLES) -> dict[str, str]:
    """The variables: name -> value, byte for byte."""
    values = {}
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if not name.startswith("."):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                    values[name] = file.read()
    return values


def main() -> None:
    """Replaces this process by the command."""
    command = sys.argv[1:]
    os.umask(0o077)
    os.execvpe(command[0], command, {**os.environ, **variables()})


if __name__ == "__main__":
    main()
