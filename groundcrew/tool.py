"""Programs from PyPI, pinned by hash, each in a virtualenv of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

from groundcrew.project import ROOT

HOME = ROOT / ".groundcrew" / "programs"


@cache
def programs(lock: Path, home: Path = HOME) -> Path:
    """Directory of the programs that a lock file installs. It is rebuilt when the lock file
    changes.

    Raises CalledProcessError if the installation fails.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    place = home / f"venv-{digest}"
    done = place / "installed"
    if not done.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", str(place)], check=True)
        install = [uv, "pip", "install", "-q", "--python", str(place / "bin" / "python")]
        subprocess.run([*install, "--require-hashes", "-r", str(lock)], check=True)
        done.touch()
    return place / "bin"
