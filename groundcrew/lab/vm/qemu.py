"""Command lines of QEMU (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groundcrew.lab.vm.files import Files
from groundcrew.lab.vm.model import LOOPBACK, Machine
from groundcrew.lab.vm.seed import LABEL

PROGRAM = "qemu-system-x86_64"
CPUS = 2
MEMORY_MIB = 2048
ROOT_LABEL = "root"

Acceleration = Literal["kvm", "tcg"]
ACCELERATION: dict[Acceleration, list[str]] = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", "max"],
}
PLAIN = ["-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none"]
CONSOLE = "console=ttyS0,115200"


@dataclass(frozen=True)
class Image:
    """The bare Debian that a suite's machines start from."""

    directory: Path

    @property
    def disk(self) -> Path:
        """The root file system; it is never written to."""
        return self.directory / "root.img"

    @property
    def kernel(self) -> Path:
        """The kernel, which QEMU boots directly: there is no boot loader."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initial RAM disk, which mounts the root file system."""
        return self.directory / "initrd.img"


def overlay_command(image: Image, files: Files) -> list[str]:
    """The command that creates a machine's overlay disk."""
    make = ["qemu-img", "create", "-q", "-f", "qcow2"]
    return [*make, "-b", str(image.disk), "-F", "raw", str(files.disk)]


def machine_command(
    machine: Machine, files: Files, image: Image, acceleration: Acceleration
) -> list[str]:
    """The command that runs a machine."""
    forwarded = [(machine.ssh_port, 22), (machine.http_port, 80), (machine.https_port, 443)]
    network = ["user", "id=net", "ipv6=off"]
    network += [f"hostfwd=tcp:{LOOPBACK}:{outside}-:{inside}" for outside, inside in forwarded]
    return [
        PROGRAM,
        *PLAIN,
        "-name",
        machine.name,
        *ACCELERATION[acceleration],
        "-smp",
        str(CPUS),
        "-m",
        str(MEMORY_MIB),
        "-kernel",
        str(image.kernel),
        "-initrd",
        str(image.initrd),
        "-append",
        f"root=LABEL={ROOT_LABEL} ro {CONSOLE}",
        "-drive",
        f"file={_value(files.disk)},format=qcow2,if=virtio",
        "-drive",
        # Read-only: the machine sees the directory as a small disk.
        f"driver=vvfat,dir={_value(files.seed)},label={LABEL},if=virtio,read-only=on",
        "-netdev",
        ",".join(network),
        "-device",
        "virtio-net-pci,netdev=net,romfile=",
        "-device",
        "virtio-rng-pci",
        "-serial",
        f"file:{files.console}",
        "-serial",
        f"file:{files.report}",
    ]


def trial_command(kernel: Path, acceleration: Acceleration, console: Path) -> list[str]:
    """The command of a machine without a disk: if acceleration works, its kernel panics and QEMU
    exits."""
    return [
        PROGRAM,
        *PLAIN,
        *ACCELERATION[acceleration],
        "-smp",
        str(CPUS),
        "-m",
        "256",
        "-kernel",
        str(kernel),
        "-append",
        f"{CONSOLE} panic=-1",
        "-serial",
        f"file:{console}",
        "-no-reboot",
    ]


def _value(path: Path) -> str:
    """A path as an option's value: commas, which separate parts, are doubled."""
    return str(path).replace(",", ",,")
