"""Removes trees made by others at any depth; shutil.rmtree recurses and fails on deep ones.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import os
import subprocess


def discard(*paths: object) -> None:
    """Removes files, links and trees if they exist. No link is followed, and no other file system
    is entered. What cannot be removed stays, with an error on stderr."""
    there = [str(path) for path in paths if os.path.lexists(str(path))]
    if there:
        subprocess.run(["rm", "-rf", "--one-file-system", "--", *there], check=False)
