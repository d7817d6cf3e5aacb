"""The base image of a container (pure): a bare Debian like a cloud image."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SUITES = ("bookworm", "trixie")
MIRROR = "http://deb.debian.org"

# What Debian's cloud images have and a run over SSH needs. Roles install everything else.
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
)

HOST_KEYS_UNIT = """\
[Unit]
Description=Make this host's SSH keys at its first boot
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service ssh.socket

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
"""

# Docker mounts /proc/sys read-only. Only /proc/sys/net belongs to the container; the rest is the
# machine's and stays read-only, as in systemd-nspawn.
SYSCTL_UNIT = """\
[Unit]
Description=Make this host's own network settings writable
DefaultDependencies=no
Before=systemd-sysctl.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount --bind /proc/sys/net /proc/sys/net
ExecStart=/bin/mount -o remount,rw,bind /proc/sys/net

[Install]
WantedBy=sysinit.target
"""

# On real machines systemd makes mounts shared, so that services with their own mount namespace see
# file systems that are mounted later.
SHARED_UNIT = """\
[Unit]
Description=Let services see file systems that are mounted later
DefaultDependencies=no
Before=local-fs-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount --make-rshared /

[Install]
WantedBy=local-fs-pre.target sysinit.target
"""

UNITS = {
    "lab-shared.service": SHARED_UNIT,
    "lab-host-keys.service": HOST_KEYS_UNIT,
    "lab-sysctl.service": SYSCTL_UNIT,
}

# Dockerfile instructions, which `docker import --change` accepts as well.
IMAGE_SETTINGS = ('CMD ["/sbin/init"]', "ENV container=docker")


@dataclass(frozen=True)
class Recipe:
    """The image of one suite. `certificates` are the machine's own CA certificates by file name."""

    suite: str
    certificates: Mapping[str, str]

    @property
    def tag(self) -> str:
        """Tag of the image, with a hash of everything that the image is built from."""
        parts = [
            self.suite,
            *PACKAGES,
            *IMAGE_SETTINGS,
            self.finish_script,
            *[f"{name}\0{text}" for name, text in sorted(self.certificates.items())],
        ]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return f"groundcrew-lab:{self.suite}-{digest[:12]}"

    @property
    def sources(self) -> tuple[str, ...]:
        """apt sources as one-line entries: the suite, its updates and its security updates."""
        return (
            f"deb {MIRROR}/debian {self.suite} main",
            f"deb {MIRROR}/debian {self.suite}-updates main",
            f"deb {MIRROR}/debian-security {self.suite}-security main",
        )

    @property
    def debian_sources(self) -> str:
        """The same sources in the format of `debian.sources` in Debian's images."""
        signed = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        return (
            f"Types: deb\nURIs: {MIRROR}/debian\nSuites: {self.suite} {self.suite}-updates\n"
            f"Components: main\n{signed}\n"
            f"Types: deb\nURIs: {MIRROR}/debian-security\nSuites: {self.suite}-security\n"
            f"Components: main\n{signed}"
        )

    @property
    def finish_script(self) -> str:
        """Shell script that runs last, inside the new root file system."""
        units = "".join(
            f"cat >/etc/systemd/system/{name} <<'END'\n{text}END\n" for name, text in UNITS.items()
        )
        return (
            "set -eu\n"
            "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*\n"
            # Debian's Docker images keep services from starting and apt from caching packages.
            "rm -f /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/docker-*\n"
            f"cat >/etc/apt/sources.list.d/debian.sources <<'END'\n{self.debian_sources}END\n"
            f"{units}"
            f"systemctl --quiet enable {' '.join(UNITS)}\n"
            "update-ca-certificates >/dev/null\n"
            # Every host generates its own.
            "rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id\n"
            ": >/etc/machine-id\n"
        )

    @property
    def dockerfile(self) -> str:
        """The Dockerfile, used if a registry has Debian's image."""
        settings = "\n".join(IMAGE_SETTINGS)
        return (
            f"FROM debian:{self.suite}-slim\n"
            "RUN export DEBIAN_FRONTEND=noninteractive && apt-get -qq update && "
            "apt-get -qq -y upgrade && "
            f"apt-get -qq -y install --no-install-recommends {' '.join(PACKAGES)} && "
            "apt-get clean\n"
            "COPY certificates/ /usr/local/share/ca-certificates/\n"
            "COPY finish.sh /finish.sh\n"
            "RUN sh /finish.sh && rm /finish.sh\n"
            f"{settings}\n"
        )

    def mmdebstrap(
        self, directory: str, packages: Sequence[str] = PACKAGES, target: str = "-"
    ) -> list[str]:
        """The command that builds the root file system: a tar file on standard output, or a
        directory if `target` is one.

        `directory` contains `certificates/` and `finish.sh`.
        """
        return [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(packages)}",
            # Debian's slim images leave these out too; it halves the build time.
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            f'--customize-hook=cp -r "{directory}/certificates/." '
            '"$1/usr/local/share/ca-certificates/"',
            f'--customize-hook=chroot "$1" sh <"{directory}/finish.sh"',
            self.suite,
            target,
            *self.sources,
        ]
