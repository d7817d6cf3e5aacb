"""Hardening settings of the base role."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.model import Settings

PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+([=/][^\s]+)?$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
LoginKey = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]+$")]
LoginValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/:._-]+( [A-Za-z0-9/:._-]+)*$")]

# CIS Debian Linux Benchmark 2.1 and 2.2: obsolete services and clients.
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
    """How far the host is hardened. `baseline`: everything that surprises nobody. `strict`: also
    what people who work on the host notice, and what takes time to install. `strict` only changes
    the defaults of other settings; each of them can still be set (docs/hardening.md)."""

    security_packages: dict[PackageName, bool] = Field(default_factory=dict)
    """Debian packages that check or record, merged key by key: package -> true; false does not
    install one, but does not remove it either. Some are set up as well: aide (writes to the journal
    every day what has changed in /etc, /usr, /boot and /root), debsums (weekly), needrestart (only
    lists), apt-listchanges (does not ask). strict: aide, apt-listchanges, cron, debsums,
    libpam-tmpdir, needrestart."""

    packages_off: dict[PackageName, bool] = PACKAGES_OFF
    """Debian packages that the host must not have, merged key by key: package -> true; false allows
    one. A package that another one needs is left and reported. strict: also clients of Telnet and
    FTP.
    Source: <https://www.cisecurity.org/benchmark/debian_linux>."""

    apparmor: bool = True
    """Whether AppArmor's profiles are loaded, if the kernel has AppArmor. Not applicable in a
    container."""

    tmp_mount: Literal["leave", "tmpfs", "noexec"] = "leave"
    """What /tmp is from the next boot on. `tmpfs`: up to half of the memory, without set-uid
    programs and devices, as on Debian 13. `noexec`: also without programs, which some installers
    need. `leave`: as it is. Units have a /tmp of their own (PrivateTmp). Not applicable in a
    container."""

    auditd: bool = False
    """Whether the kernel writes an audit trail (auditd, 40 MiB at most) of logins, sudo, and
    changes of accounts, the clock and what starts at boot. Not applicable in a container, which has
    its machine's kernel. strict: true."""

    cron_users: tuple[UserName, ...] | None = None
    """The only users that may have jobs of cron and at (cron.allow, at.allow); cron's directories
    are then accessible to root only. null leaves both alone. strict: root."""

    login_defs: dict[LoginKey, LoginValue | int | None] = Field(default_factory=dict)
    """Lines of /etc/login.defs, merged key by key; null leaves a line alone. strict: UMASK 027 for
    all sessions but those of sudo, SHA_CRYPT_MIN_ROUNDS 65536."""

    private_dotfiles: bool = False
    """Whether only a user and the user's group can read the hidden files in the user's home.
    strict: true."""

    journald_main_file: bool = False
    """Whether journald.conf itself has the journal's settings too, for auditors that read no
    drop-ins (OpenSCAP). strict: true."""
