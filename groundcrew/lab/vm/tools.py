"""Programs that virtual machines need on the machine that runs them."""

from __future__ import annotations

import platform
import shutil

from groundcrew.lab import debian, ssh
from groundcrew.lab.engine import SYSTEM_PATH
from groundcrew.lab.process import LabError
from groundcrew.lab.vm.qemu import PROGRAM

PACKAGES = {
    PROGRAM: ("qemu-system-x86",),
    "qemu-img": ("qemu-utils",),
    "mmdebstrap": ("mmdebstrap", "debian-archive-keyring"),
    "mke2fs": ("e2fsprogs",),
}


def ensure() -> None:
    """Install missing programs. Raises `LabError` if that is not possible."""
    if platform.machine() != "x86_64":
        raise LabError(f"virtual machines of the lab are x86-64, this is {platform.machine()}")
    missing = [
        package
        for program, packages in PACKAGES.items()
        if shutil.which(program, path=SYSTEM_PATH) is None
        for package in packages
    ]
    if missing:
        debian.install(missing, "the lab's virtual machines need it")
    ssh.ensure_client()
