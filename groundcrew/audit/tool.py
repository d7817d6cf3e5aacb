"""Programs from PyPI, pinned and with their hashes, in virtualenvs that no other code shares."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / ".groundcrew" / "audit"


@cache
def programs(lock: Path, home: Path = HOME) -> Path:
    """Directory of the programs that a lock installs; made anew when the lock changes.

    Raises CalledProcessError where they cannot be installed.
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
