"""Runs playbooks that need no host, once and before any connection is made; then the run ends.

pyinfra would connect to every host, run the file once for each, and ask for a key press even if
there is nothing to do.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from pyinfra_cli.util import exec_file

from groundcrew.settings.selection import parameters


def run(playbooks: Collection[Path]) -> None:
    """If all files of the run are among `playbooks`, runs them and ends the run with exit code
    0."""
    files = [Path(name) for name in parameters().get("operations") or ()]
    if files and all(file.resolve() in playbooks for file in files):
        for file in files:
            exec_file(str(file))
        sys.exit(0)
