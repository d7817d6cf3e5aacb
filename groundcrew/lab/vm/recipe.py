"""The image of a virtual machine (pure): like Debian's cloud images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from groundcrew.lab.recipe import Recipe
from groundcrew.lab.vm.qemu import ROOT_LABEL

PACKAGES = (
    "apparmor",
    "ca-certificates",
    "cloud-init",
    "dbus",
    "e2fsprogs",
    "iproute2",
    "libpam-systemd",
    "linux-image-cloud-amd64",
    "netplan.io",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
)
DISK_GIB = 8
FSTAB = f"LABEL={ROOT_LABEL} / ext4 defaults,errors=remount-ro 0 1"
# Otherwise cloud-init looks for every known cloud.
DATASOURCES = "datasource_list: [NoCloud, None]"


@dataclass(frozen=True)
class MachineRecipe:
    """The image of a virtual machine, for the suite of `base`."""

    base: Recipe

    @property
    def name(self) -> str:
        """Name of the image, with a hash of everything that the image is built from."""
        parts = [
            *self.mmdebstrap("context", "target"),
            *self.mke2fs("tree", "disk"),
            self.finish_script,
            *[f"{name}\0{text}" for name, text in sorted(self.base.certificates.items())],
        ]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return f"{self.base.suite}-{digest[:12]}"

    @property
    def finish_script(self) -> str:
        """Shell script that runs last, inside the new root file system."""
        return (
            "set -eu\n"
            "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*\n"
            f"cat >/etc/apt/sources.list.d/debian.sources <<'END'\n{self.base.debian_sources}END\n"
            f"echo '{FSTAB}' >/etc/fstab\n"
            f"echo '{DATASOURCES}' >/etc/cloud/cloud.cfg.d/99_lab.cfg\n"
            # netplan would enable it only from the second boot on.
            "systemctl --quiet enable systemd-networkd\n"
            "update-ca-certificates >/dev/null\n"
            # Every machine generates its own.
            "rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id\n"
            ": >/etc/machine-id\n"
        )

    def mmdebstrap(self, context: str, target: str) -> list[str]:
        """The command that builds the root file system as a directory."""
        return self.base.mmdebstrap(context, PACKAGES, target)

    def mke2fs(self, tree: str, disk: str) -> list[str]:
        """The command that turns the directory into a disk's file system."""
        make = ["mke2fs", "-q", "-t", "ext4", "-L", ROOT_LABEL]
        return [*make, "-d", tree, disk, f"{DISK_GIB}G"]
