"""Removes what others have made, however deep it is: Python's own way recurses, and gives up.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import os
import subprocess


def discard(*paths: object) -> None:
    """Removes files, links and trees, where they are there; no link is followed, and no other file
    system is entered. What cannot be removed is said on standard error, and stays."""
    there = [str(path) for path in paths if os.path.lexists(str(path))]
    if there:
        subprocess.run(["rm", "-rf", "--one-file-system", "--", *there], check=False)
