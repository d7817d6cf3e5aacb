"""Packages and files of the hardening settings. Pure."""

from __future__ import annotations

from groundcrew.entries import Directory, Entry, File
from groundcrew.roles.base.hardening import HardeningSettings
from groundcrew.templates import render

AUDIT_RULES = "/etc/audit/rules.d/50-groundcrew.rules"
AIDE_SERVICE = "aidecheck.service"
AIDE_TIMER = "aidecheck.timer"
TMP_MOUNT = "tmp.mount"
TMP_UNTIL_BOOT = "/run/groundcrew/tmp-until-boot"
"""While this file exists, the unit does not mount /tmp."""
CRON_FILES = ("/etc/cron.allow", "/etc/at.allow")
CRON_DIRECTORIES = (
    "cron.d",
    "cron.daily",
    "cron.hourly",
    "cron.monthly",
    "cron.weekly",
    "cron.yearly",
)
NEEDRESTART = "/etc/needrestart/conf.d"
HEADER = "# Managed by groundcrew; local changes are overwritten.\n"
NEEDRESTART_LINES = f"{HEADER}$nrconf{{restart}} = 'l';\n"
DEBSUMS_LINES = f"{HEADER}CRON_CHECK=weekly\n"


def packages(settings: HardeningSettings) -> list[str]:
    """The security packages to install."""
    return [package for package, on in sorted(settings.security_packages.items()) if on]


def units(settings: HardeningSettings) -> list[str]:
    """Units that must be running."""
    return [AIDE_TIMER] if settings.security_packages.get("aide") else []


def services(settings: HardeningSettings) -> list[str]:
    """Services that these units start and that groundcrew has written."""
    return [AIDE_SERVICE] if units(settings) else []


def entries(settings: HardeningSettings) -> list[Entry]:
    """All files. The files of a package are written only if it is wanted."""
    wanted = packages(settings)
    files: list[Entry] = []
    if "aide" in wanted:
        files += [
            Directory("/etc/aide"),
            File("/etc/aide/aide.conf", render("base/aide.conf.j2"), mode="0600"),
            File(f"/etc/systemd/system/{AIDE_SERVICE}", render("base/aidecheck.service.j2")),
            File(f"/etc/systemd/system/{AIDE_TIMER}", render("base/aidecheck.timer.j2")),
        ]
    if "needrestart" in wanted:
        files += [
            Directory("/etc/needrestart"),
            Directory(NEEDRESTART),
            File(f"{NEEDRESTART}/50-groundcrew.conf", NEEDRESTART_LINES),
        ]
    if "debsums" in wanted:
        files.append(File("/etc/default/debsums", DEBSUMS_LINES))
    if "apt-listchanges" in wanted:
        files.append(File("/etc/apt/listchanges.conf", render("base/listchanges.j2")))
    if settings.tmp_mount != "leave":
        noexec = settings.tmp_mount == "noexec"
        content = render("base/tmp.mount.j2", noexec=noexec, until_boot=TMP_UNTIL_BOOT)
        files.append(File(f"/etc/systemd/system/{TMP_MOUNT}", content))
    return [*files, *cron(settings), *audit(settings)]


def cron(settings: HardeningSettings) -> list[Entry]:
    """The users that may have cron and at jobs."""
    if settings.cron_users is None:
        return []
    content = "".join(f"{name}\n" for name in settings.cron_users)
    return [
        *(File(path, content, mode="0640") for path in CRON_FILES),
        *(Directory(f"/etc/{name}", mode="0700") for name in CRON_DIRECTORIES),
    ]


def audit(settings: HardeningSettings) -> list[Entry]:
    """Rules of the kernel's audit trail. They are written even if auditd cannot run on the host."""
    if not settings.auditd:
        return []
    return [
        Directory("/etc/audit", mode="0750"),
        Directory("/etc/audit/rules.d", mode="0750"),
        File(AUDIT_RULES, render("base/audit.rules.j2"), mode="0640"),
    ]
