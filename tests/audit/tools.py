"""Auditors from PyPI, pinned and with their hashes, in a virtualenv that no other code shares."""

from __future__ import annotations

import subprocess
from pathlib import Path

from groundcrew.audit.tool import programs

LOCK = Path(__file__).with_name("requirements.lock")


def run(program: str, *arguments: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    """Runs an auditor; what its exit status means is its own."""
    return subprocess.run(
        [str(programs(LOCK) / program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
