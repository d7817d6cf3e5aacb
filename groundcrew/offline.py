"""Playbooks that need no host: run once, before any connection is made; then the run is over.

pyinfra would connect to every host, run the file once for each, and ask for a key press even
where there is nothing to do.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from pyinfra_cli.util import exec_file

from groundcrew.settings.selection import parameters


def run(playbooks: Collection[Path]) -> None:
    """End the run here, with exit code 0, if all of its files are among `playbooks`."""
    files = [Path(name) for name in parameters().get("operations") or ()]
    if files and all(file.resolve() in playbooks for file in files):
        for file in files:
            exec_file(str(file))
        sys.exit(0)
