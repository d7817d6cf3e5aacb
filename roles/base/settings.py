"""Settings of the base role."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.roles.base.apt_sources import AptSource, SourceName
from groundcrew.roles.base.hardening import HardeningSettings, PackageName

SysctlKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+([./][A-Za-z0-9_-]+)+$")]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")]
SizeText = Annotated[str, StringConstraints(pattern=r"^[0-9]+[KMGT]?$")]
HostName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
    ),
]
IpAddress = Annotated[str, AfterValidator(lambda text: str(ip_address(text)))]

# Network keys: Linux Documentation/networking/ip-sysctl.rst; hardening keys: CIS Debian Linux
# Benchmark 3.3 and 1.5, the Kernel Self Protection Project's recommended settings.
SYSCTL: dict[str, str | int | None] = {
    "fs.protected_fifos": 2,
    "fs.protected_hardlinks": 1,
    "fs.protected_regular": 2,
    "fs.protected_symlinks": 1,
    "fs.suid_dumpable": 0,
    "dev.tty.ldisc_autoload": 0,
    "kernel.core_uses_pid": 1,
    "kernel.ctrl-alt-del": 0,
    "kernel.dmesg_restrict": 1,
    "kernel.kptr_restrict": 2,
    "kernel.perf_event_paranoid": 3,
    "kernel.sysrq": 0,
    "net.core.bpf_jit_harden": 2,
    "kernel.randomize_va_space": 2,
    "kernel.yama.ptrace_scope": 1,
    "net.core.somaxconn": 4096,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.conf.all.accept_source_route": 0,
    "net.ipv4.conf.all.log_martians": 1,
    "net.ipv4.conf.all.rp_filter": 1,
    "net.ipv4.conf.all.secure_redirects": 0,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.accept_redirects": 0,
    "net.ipv4.conf.default.accept_source_route": 0,
    "net.ipv4.conf.default.log_martians": 1,
    "net.ipv4.conf.default.rp_filter": 1,
    "net.ipv4.conf.default.secure_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
    "net.ipv4.icmp_echo_ignore_broadcasts": 1,
    "net.ipv4.icmp_ignore_bogus_error_responses": 1,
    "net.ipv4.tcp_max_syn_backlog": 4096,
    "net.ipv4.tcp_rfc1337": 1,
    "net.ipv4.tcp_syncookies": 1,
    "net.ipv6.conf.all.accept_redirects": 0,
    "net.ipv6.conf.all.accept_source_route": 0,
    "net.ipv6.conf.default.accept_redirects": 0,
    "net.ipv6.conf.default.accept_source_route": 0,
    "vm.swappiness": 10,
}


# CIS Debian Linux Benchmark 1.1.1 and 3.2, except modules that hosts commonly use: squashfs (snap),
# udf (cloud-init on Azure), vfat (UEFI), overlayfs (containers).
MODULES_OFF: dict[str, bool] = {
    "atm": True,
    "can": True,
    "cramfs": True,
    "dccp": True,
    "firewire-core": True,
    "firewire-ohci": True,
    "freevxfs": True,
    "hfs": True,
    "hfsplus": True,
    "jffs2": True,
    "rds": True,
    "sctp": True,
    "tipc": True,
    "usb-storage": True,
}
BANNER = (
    "Access to this system is restricted to authorized users.\n"
    "Connections are logged and monitored. Disconnect now if you are not authorized."
)


class BaseSettings(HardeningSettings, RoleSettings):
    """What every host has, whatever runs on it."""

    packages: tuple[PackageName, ...] = ()
    """Debian packages to install besides those that the roles need; `name=version` pins one."""

    apt_cache_time: int = Field(86400, ge=0)
    """Seconds for which the package lists count as fresh. They are fetched only if a package is
    missing, so that a run does not change a host that has all packages."""

    apt_clean: bool = True
    """Whether downloaded packages are removed from the host after they have been installed."""

    apt_lock_timeout: int = Field(300, ge=0)
    """Seconds to wait for apt's locks while another program, such as an unattended upgrade, holds
    them."""

    apt_sources: dict[SourceName, AptSource | None] = Field(default_factory=dict)
    """Package repositories besides Debian's, by a name of your choice, merged key by key; null
    removes one. Packages that were installed from it stay."""

    ca_certificates: tuple[str, ...] = ()
    """PEM files on the operator's machine, with one certificate authority each, that the host
    trusts besides Debian's. Hosts behind a proxy that intercepts TLS need them."""

    hostname: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")] | None = None
    """Host name without domain; null leaves the host's name alone."""

    hosts: dict[HostName, IpAddress | None] = Field(default_factory=dict)
    """Names that the host itself resolves: name -> address, as lines of /etc/hosts, for names that
    an application has hard-coded (`redis: 10.0.0.5`). Other lines are left alone; null removes a
    name. The lines are also in cloud-init's template, from which some images write that file anew
    at each boot."""

    timezone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]+$")] = "Etc/UTC"
    """Time zone, by its IANA name."""

    time_sync: bool = True
    """Whether systemd-timesyncd sets the clock. Not applicable in a container, which has its
    machine's clock."""

    ntp_servers: tuple[str, ...] = ()
    """NTP servers; empty: Debian's pool."""

    local_names: bool = False
    """Whether systemd-resolved, if the host has it, resolves names on the local network (LLMNR and
    multicast DNS). For that, it listens on public addresses."""

    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_@]+\.UTF-8(@[a-z]+)?$")] = "C.UTF-8"
    """Locale of the system. Any other than C.UTF-8 is generated, with the package locales."""

    unattended_upgrades: bool = True
    """Whether Debian's security updates are installed every day."""

    changed_conffiles: Literal["keep", "ask"] = "keep"
    """What apt does if a new version of a package changes a configuration file that has also been
    changed on the host. `keep` leaves the file and stores the package's version beside it
    (`FILE.dpkg-dist`). With `ask`, apt asks, and automatic security updates skip such packages."""

    unattended_reboot: Annotated[str, StringConstraints(pattern=r"^[0-2]\d:[0-5]\d$")] | None = None
    """Time of day (`04:30`) at which the host reboots by itself if an update needs it; null =
    never."""

    unattended_reboot_with_users: bool = True
    """Whether the host also reboots by itself while somebody is logged in."""

    swap_mib: int = Field(0, ge=0)
    """Size of the swap file /swapfile in MiB; 0 = none. Not applicable in a container."""

    sysctl: dict[SysctlKey, str | int | None] = SYSCTL
    """Kernel parameters, merged key by key; null removes one. Keys that the kernel does not have,
    or that a container may not write, are reported and left alone.
    Sources: <https://www.cisecurity.org/benchmark/debian_linux>,
    <https://docs.kernel.org/networking/ip-sysctl.html>."""

    modules_off: dict[ModuleName, bool] = MODULES_OFF
    """Kernel modules that cannot be loaded: module -> true; false removes one. Modules that are
    already loaded stay until the next boot.
    Source: <https://www.cisecurity.org/benchmark/debian_linux>."""

    banner: str | None = Field(BANNER, max_length=2000, pattern=r"^[^\\@]*$")
    """Text that consoles and SSH show before login (/etc/issue, /etc/issue.net); null leaves these
    files alone."""

    core_dumps: bool = False
    """Whether a program that crashes writes its memory, including secrets, to the disk."""

    umask: Annotated[str, StringConstraints(pattern=r"^0[0-7]{2}$")] | None = "027"
    """Mask for files that people other than root create in their login shells; the default keeps
    others from reading them. Commands of pyinfra and of services have masks of their own. null
    leaves it alone.
    Source: <https://www.cisecurity.org/benchmark/debian_linux>."""

    idle_logout: int = Field(0, ge=0)
    """Seconds after which an idle login shell ends (TMOUT); 0 = never."""

    nofile: int = Field(65536, ge=1024)
    """Largest number of open files of a login (soft and hard limit); services set their own
    LimitNOFILE."""

    journal_max: SizeText = "500M"
    """Disk space that the journal may use (SystemMaxUse), in bytes or with K, M, G or T."""

    journal_retention: Annotated[str, StringConstraints(pattern=r"^[0-9]+[a-z]*$")] = "3month"
    """Time for which journal entries are kept (MaxRetentionSec), such as `3month`."""

    @field_validator("ca_certificates")
    @classmethod
    def _certificates_are_readable(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            file = Path(path).expanduser()
            if not file.is_file():
                raise ValueError(f"no such file on this machine: {path}")
            if "-----BEGIN CERTIFICATE-----" not in file.read_text(errors="replace"):
                raise ValueError(f"not a certificate in PEM format: {path}")
        return paths

    def with_sysctl(self, parameters: Mapping[str, str]) -> BaseSettings:
        """These settings, with kernel parameters of other roles where they set none."""
        return self.model_copy(update={"sysctl": {**parameters, **self.sysctl}})

    def brings(self, host: HostView) -> Brings:
        """See `roles/base/brings.py`."""
        from groundcrew.roles.base.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
