"""Installation of Debian packages on the machine that runs the lab."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from groundcrew.lab.process import LabError, run, say

APT = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-y", "-qq"]


def is_debian(os_release: str) -> bool:
    """Tell whether the text of `/etc/os-release` describes Debian or a derivative."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    names = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    return "debian" in [name.strip("\"'") for name in names]


def can_install() -> bool:
    """Tell whether packages can be installed: on Debian, as root."""
    os_release = Path("/etc/os-release")
    return os.geteuid() == 0 and os_release.exists() and is_debian(os_release.read_text())


def install(packages: Sequence[str], why: str) -> None:
    """Install packages without their recommendations. Raises `LabError` if that fails."""
    if not can_install():
        raise LabError(f"{', '.join(packages)} is missing ({why}); install it and try again")
    say(f"installing {', '.join(packages)} ({why})")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run([*APT, "update"], timeout=600, env=env)
    run([*APT, "install", "--no-install-recommends", *packages], timeout=1200, env=env)
