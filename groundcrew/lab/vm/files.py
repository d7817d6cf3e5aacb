"""Paths of virtual machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groundcrew.lab.checkout import PREFIX, STATE

VM = STATE / "vm"
IMAGES = VM / "images"
"""Shared by all labs of a checkout."""

MACHINES = VM / PREFIX


@dataclass(frozen=True)
class Files:
    """The files of one machine, in its own directory."""

    directory: Path

    @property
    def machine(self) -> Path:
        """Description of the machine, as JSON."""
        return self.directory / "machine.json"

    @property
    def disk(self) -> Path:
        """Overlay disk of the machine, on top of the suite's image."""
        return self.directory / "disk.qcow2"

    @property
    def seed(self) -> Path:
        """Directory that the machine sees as cloud-init's seed disk."""
        return self.directory / "seed"

    @property
    def console(self) -> Path:
        """Console output of the kernel and systemd since the last start."""
        return self.directory / "console.log"

    @property
    def report(self) -> Path:
        """Report of the first boot to the lab: the SSH host keys."""
        return self.directory / "report"

    @property
    def log(self) -> Path:
        """Output of QEMU."""
        return self.directory / "qemu.log"

    @property
    def pid(self) -> Path:
        """PID of QEMU."""
        return self.directory / "pid"


def files_of(name: str) -> Files:
    """Return the files of the machine `name` of this lab."""
    return Files(MACHINES / name)
