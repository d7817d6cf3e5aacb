"""The base role's files. Pure, except that it reads the operator's CA certificates."""

from __future__ import annotations

from pathlib import Path

from groundcrew.entries import Absent, Directory, Entry, File, Link, Purge
from groundcrew.roles.base import apt_files
from groundcrew.roles.base import hardening_files as hardening
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.templates import render

CERTIFICATES = "/usr/local/share/ca-certificates"
JOURNALD_MAIN = "/etc/systemd/journald.conf"
JOURNALD_DIRECTORY = "/etc/systemd/journald.conf.d"
JOURNALD = f"{JOURNALD_DIRECTORY}/50-groundcrew.conf"
TIMESYNCD_DIRECTORY = "/etc/systemd/timesyncd.conf.d"
TIMESYNCD = f"{TIMESYNCD_DIRECTORY}/50-groundcrew.conf"
RESOLVED_DIRECTORY = "/etc/systemd/resolved.conf.d"
RESOLVED = f"{RESOLVED_DIRECTORY}/50-groundcrew.conf"
COREDUMP_DIRECTORY = "/etc/systemd/coredump.conf.d"
PROFILE = "/etc/profile.d/90-groundcrew.sh"
SYSCTL_FILE = "/etc/sysctl.d/99-zz-groundcrew.conf"
MODULES = "/etc/modprobe.d/90-groundcrew.conf"
BANNER_FILE = "/etc/issue.net"
BANNER_FILES = ("/etc/issue", BANNER_FILE)
UPGRADES = "/etc/apt/apt.conf.d/52groundcrew-unattended-upgrades"


def packages(settings: BaseSettings) -> list[str]:
    """The Debian packages that the base role needs."""
    names = ["ca-certificates", "tzdata", *settings.packages, *hardening.packages(settings)]
    if settings.time_sync:
        names.append("systemd-timesyncd")
    if settings.unattended_upgrades:
        names.append("unattended-upgrades")
    if settings.locale != "C.UTF-8":
        names.append("locales")
    return names


def entries(settings: BaseSettings) -> list[Entry]:
    """All files of the role."""
    return [
        *apt_files.leftovers(settings.apt_sources),
        *certificates(settings),
        *names(settings),
        *system_limits(settings),
        *journal(settings),
        *time_sync(settings),
        *local_names(settings),
        *upgrades(settings),
        *logins(settings),
        *hardening.entries(settings),
    ]


def certificates(settings: BaseSettings) -> list[Entry]:
    """The operator's certificate authorities. Those no longer listed are removed."""
    files: list[Entry] = [Purge(CERTIFICATES, "groundcrew-*.crt")]
    for path in settings.ca_certificates:
        file = Path(path).expanduser()
        files.append(File(f"{CERTIFICATES}/groundcrew-{file.stem}.crt", file.read_bytes()))
    return files


def names(settings: BaseSettings) -> list[Entry]:
    """Time zone and locale. PAM reads /etc/default/locale, systemd reads /etc/locale.conf."""
    files: list[Entry] = [
        Link("/etc/localtime", f"/usr/share/zoneinfo/{settings.timezone}"),
        File("/etc/locale.conf", f"LANG={settings.locale}\n"),
        Link("/etc/default/locale", "../locale.conf"),
    ]
    if settings.locale != "C.UTF-8":
        files.append(File("/etc/locale.gen", f"{settings.locale} UTF-8\n"))
    return files


def system_limits(settings: BaseSettings) -> list[Entry]:
    """Kernel parameters and login limits."""
    parameters = {key: value for key, value in sorted(settings.sysctl.items()) if value is not None}
    return [
        # The last file that sets a parameter wins, and Debian's own file names begin with 99.
        Absent("/etc/sysctl.d/90-groundcrew.conf"),
        File(SYSCTL_FILE, render("base/sysctl.j2", parameters=parameters)),
        File(
            "/etc/security/limits.d/90-groundcrew.conf",
            render("base/limits.j2", nofile=settings.nofile, core_dumps=settings.core_dumps),
        ),
    ]


def journal(settings: BaseSettings) -> list[Entry]:
    """Size and retention of the journal."""
    content = render("base/journald.j2", settings=settings)
    main = [File(JOURNALD_MAIN, content)] if settings.journald_main_file else []
    return [*main, Directory(JOURNALD_DIRECTORY), File(JOURNALD, content)]


def time_sync(settings: BaseSettings) -> list[Entry]:
    """NTP servers of the clock."""
    if not settings.time_sync:
        return []
    content = render("base/timesyncd.j2", servers=settings.ntp_servers)
    return [Directory(TIMESYNCD_DIRECTORY), File(TIMESYNCD, content)]


def local_names(settings: BaseSettings) -> list[Entry]:
    """LLMNR and multicast DNS of systemd-resolved, on hosts that have it."""
    content = render("base/resolved.j2", on=settings.local_names)
    return [Directory(RESOLVED_DIRECTORY), File(RESOLVED, content)]


def upgrades(settings: BaseSettings) -> list[Entry]:
    """Configuration of unattended upgrades."""
    content = render(
        "base/unattended-upgrades.j2",
        enabled=settings.unattended_upgrades,
        reboot=settings.unattended_reboot,
        keep_changed=settings.changed_conffiles == "keep",
        with_users=str(settings.unattended_reboot_with_users).lower(),
    )
    return [File(UPGRADES, content, validate="apt-config -c {} dump > /dev/null")]


def logins(settings: BaseSettings) -> list[Entry]:
    """Banner, kernel modules, core dumps, login shells."""
    modules = sorted(name for name, off in settings.modules_off.items() if off)
    dumps = File(
        f"{COREDUMP_DIRECTORY}/50-groundcrew.conf",
        render("base/coredump.j2", core_dumps=settings.core_dumps),
    )
    banners = [File(path, f"{settings.banner}\n") for path in BANNER_FILES if settings.banner]
    return [
        *banners,
        Directory("/etc/modprobe.d"),
        File(MODULES, render("base/modprobe.j2", modules=modules)),
        Directory(COREDUMP_DIRECTORY),
        dumps,
        File(PROFILE, render("base/profile.j2", settings=settings)),
    ]
