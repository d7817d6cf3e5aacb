"""Settings of how hard a host makes it for those who got in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.model import Settings

PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+([=/][^\s]+)?$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
LoginKey = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]+$")]
LoginValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/:._-]+( [A-Za-z0-9/:._-]+)*$")]

# CIS Debian Linux Benchmark 2.1 and 2.2: services and clients of another time.
PACKAGES_OFF: dict[str, bool] = dict.fromkeys(
    (
        "avahi-daemon",
        "cups",
        "cups-daemon",
        "inetutils-inetd",
        "inetutils-talk",
        "inetutils-talkd",
        "inetutils-telnetd",
        "nis",
        "openbsd-inetd",
        "prelink",
        "rpcbind",
        "rsh-client",
        "rsh-redone-client",
        "rsh-redone-server",
        "rsh-server",
        "talk",
        "talkd",
        "telnetd",
        "telnetd-ssl",
        "tftpd",
        "tftpd-hpa",
        "xinetd",
        "ypbind-mt",
        "ypserv",
    ),
    True,
)


class HardeningSettings(Settings):
    """The part of `base` that hardens."""

    hardening: Literal["baseline", "strict"] = "baseline"
    """How far the host is hardened. `baseline`: all that surprises nobody. `strict`: also what
    people who work on the host notice and what takes time to install; it only stands for other
    defaults of other settings, each of which can still be set (docs/hardening.md)."""

    security_packages: dict[PackageName, bool] = Field(default_factory=dict)
    """Debian packages that check or record, merged key by key: package -> true; false leaves one
    out, but does not remove it. Those that are known are set up too: aide (it tells the journal
    every day what changed in /etc, /usr, /boot and /root), debsums (weekly), needrestart (it only
    lists), apt-listchanges (it does not ask). strict: aide, apt-listchanges, cron, debsums,
    libpam-tmpdir, needrestart."""

    packages_off: dict[PackageName, bool] = PACKAGES_OFF
    """Debian packages that the host must not have, merged key by key: package -> true; false allows
    one. What another package needs is left, and named. strict: clients of Telnet and FTP too."""

    apparmor: bool = True
    """Whether AppArmor's profiles are loaded, where the kernel has it. Not applicable in a
    container."""

    tmp_mount: Literal["leave", "tmpfs", "noexec"] = "leave"
    """What /tmp is from the next boot on: `tmpfs`, in memory, half of it at most, with no set-uid
    programs and no devices, as Debian 13 has it; `noexec`: no programs either, which some
    installers need. `leave`: as it is. Units have a /tmp of their own (PrivateTmp). Not applicable
    in a container."""

    auditd: bool = False
    """Whether the kernel's audit trail is written (auditd, 40 MiB at most): logins, sudo, changes
    of accounts, of the clock and of what starts at boot. Not applicable in a container: the
    machine's kernel is not its own. strict: true."""

    cron_users: tuple[UserName, ...] | None = None
    """The only users that may have jobs of cron and at (cron.allow, at.allow); cron's directories
    are then root's alone. null leaves both alone. strict: root."""

    login_defs: dict[LoginKey, LoginValue | int | None] = Field(default_factory=dict)
    """Lines of /etc/login.defs, merged key by key; null leaves one alone. strict: UMASK 027 for all
    sessions but sudo's, SHA_CRYPT_MIN_ROUNDS 65536."""

    private_dotfiles: bool = False
    """Whether the hidden files in people's homes are for them and their group only. strict:
    true."""

    journald_main_file: bool = False
    """Whether the journal's settings are also in journald.conf itself, for auditors that read no
    drop-ins (OpenSCAP). strict: true."""
