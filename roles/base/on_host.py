"""What verify reads about the base. Runs on the host."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run
from groundcrew.remote.container import in_container

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.base.report import AppArmor, Upkeep

Data = dict[str, Any]


def upkeep(_: Data) -> Upkeep:
    """State of time synchronisation and of unattended upgrades."""
    # A container has the clock of its machine.
    clock = "" if in_container() else time_state()
    periodic = run("apt-config", "dump", "APT::Periodic::Unattended-Upgrade").stdout
    timer = run("systemctl", "is-enabled", "apt-daily-upgrade.timer").stdout
    return {
        "clock": dict(line.split("=", 1) for line in clock.splitlines() if "=" in line),
        "upgrade_days": (re.findall(r'"(.*)"', periodic) or [""])[0],
        "upgrade_timer": timer.strip(),
    }


def time_state() -> str:
    """Lines KEY=VALUE about time synchronisation."""
    # Two options: systemd in Debian 12 takes the comma as part of the property's name.
    return run("timedatectl", "show", "--property=NTP", "--property=NTPSynchronized").stdout


def hosts(_: Data) -> dict[str, str]:
    """Names in /etc/hosts, each with its first address."""
    addresses: dict[str, str] = {}
    for line in Path("/etc/hosts").read_text(encoding="utf-8", errors="replace").splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            addresses.setdefault(name, address)
    return addresses


def sysctl(request: Data) -> dict[str, str]:
    """Kernel parameters that exist and are writable, with their values."""
    values: dict[str, str] = {}
    for key in request["sysctl"]:
        path = Path("/proc/sys", *key.split("."))
        if os.access(path, os.W_OK):
            values[key] = " ".join(path.read_text(encoding="utf-8").split())
    return values


def apparmor(_: Data) -> AppArmor:
    """Whether the kernel has AppArmor, whether it is enabled, and how many profiles it enforces."""
    module = Path("/sys/module/apparmor/parameters/enabled")
    enabled = module.exists() and module.read_text().strip() == "Y"
    profiles = Path("/sys/kernel/security/apparmor/profiles")
    text = profiles.read_text() if enabled and profiles.exists() else ""
    return {
        "kernel": module.exists(),
        "enabled": enabled,
        "enforced": len(re.findall(r"\(enforce\)$", text, re.MULTILINE)),
    }
