"""Auditors from PyPI, pinned and with their hashes, in a virtualenv that no other code shares."""

from __future__ import annotations

import subprocess
from pathlib import Path

from groundcrew.tool import programs

LOCK = Path(__file__).with_name("requirements.lock")
APT_INSTALL = (
    "DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y "
    "--no-install-recommends"
)
"""On a host; waits for whoever else installs something."""


def run(program: str, *arguments: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    """Runs an auditor; what its exit status means is its own."""
    return subprocess.run(
        [str(programs(LOCK) / program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
