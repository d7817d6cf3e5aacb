"""The machine that runs everything: the operator's side and the lab hosts."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """The properties that a reader needs to compare results."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpus": os.cpu_count(),
        "processor": _processor(),
        "memory_mib": memory,
        "system": f"Linux {platform.release()}",
        "python": platform.python_version(),
        "pyinfra": version("pyinfra"),
        "paramiko": version("paramiko"),
    }


def busy(seconds: float = 2.0) -> float:
    """Share of all processors that is in use, from 0 to 1, measured for `seconds`."""
    before = _jiffies()
    time.sleep(seconds)
    idle, total = (now - then for now, then in zip(_jiffies(), before, strict=True))
    return round(1 - idle / total, 2)


def _jiffies() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
