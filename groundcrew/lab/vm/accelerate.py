"""Detects KVM by booting a kernel: the device file alone proves nothing."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from groundcrew.lab.process import say
from groundcrew.lab.vm.files import VM
from groundcrew.lab.vm.qemu import Acceleration, Image, trial_command

DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TRIAL_SECONDS = 20
PANIC = "Kernel panic"
"""Message of a kernel that finds no disk."""


def acceleration(image: Image) -> Acceleration:
    """Return the acceleration for virtual machines. It is tested with this image, once per boot of
    this machine."""
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    noted = VM / f"kvm-{BOOT_ID.read_text().strip()}"
    if not noted.exists():
        noted.write_text("yes" if boots(image, "kvm") else "no")
    if noted.read_text() == "yes":
        return "kvm"
    say("KVM does not boot here: the machine's processor is emulated, which takes minutes")
    return "tcg"


def boots(image: Image, how: Acceleration, seconds: float = TRIAL_SECONDS) -> bool:
    """Tell whether a kernel boots far enough to miss its disk, within `seconds`."""
    with tempfile.TemporaryDirectory(prefix="groundcrew-kvm-") as name:
        console = Path(name) / "console"
        try:
            subprocess.run(
                trial_command(image.kernel, how, console),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError):
            return False
        return console.exists() and PANIC in console.read_text(errors="replace")
