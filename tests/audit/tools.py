"""Auditors from PyPI, pinned and with their hashes, in a virtualenv that no other code shares."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("requirements.lock")
HOME = ROOT / ".groundcrew" / "audit"


@cache
def directory() -> Path:
    """The virtualenv's programs; made anew when the lock changes."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    place = HOME / f"venv-{digest}"
    done = place / "installed"
    if not done.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        _run(uv, "venv", "--quiet", "--clear", str(place))
        python = str(place / "bin" / "python")
        _run(uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", str(LOCK))
        done.touch()
    return place / "bin"


def run(program: str, *arguments: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    """Runs an auditor; what its exit status means is its own."""
    return subprocess.run(
        [str(directory() / program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
