"""What PAM asks, from settings: pure. Debian's pam-auth-update puts the profiles together."""

from __future__ import annotations

from groundcrew.entries import Absent, Entry, File, PathEntry
from groundcrew.templates import render
from roles.users.logins import LoginsSettings

PROFILES = "/usr/share/pam-configs"
DONE = "/etc/security/groundcrew.sh"
FAILLOCK = "/etc/security/faillock.conf"
QUALITY = "/etc/security/pwquality.conf"
NAMES = ("groundcrew-faillock", "groundcrew-faillock-preauth", "groundcrew-pwhistory")

# pam-auth-update rewrites /etc/pam.d/common-* and remembers in /var/lib/pam what it has done.
SNAPSHOT = ("mkdir pam && cp -a /etc/pam.d /var/lib/pam pam/",)
RESTORE = (
    "test ! -d pam || { cp -a pam/pam.d/. /etc/pam.d/ && rm -rf /var/lib/pam && "
    "cp -a pam/pam /var/lib/pam; }",
)


def wanted(settings: LoginsSettings) -> bool:
    """Whether anything differs from Debian's."""
    return settings != LoginsSettings(unlock_after=settings.unlock_after)


def profiles(settings: LoginsSettings) -> dict[str, str]:
    """The profiles of pam-auth-update by name."""
    found = {}
    if settings.failures:
        found["groundcrew-faillock"] = render("users/pam-faillock.j2")
        found["groundcrew-faillock-preauth"] = render("users/pam-faillock-preauth.j2")
    if settings.password_history:
        found["groundcrew-pwhistory"] = render(
            "users/pam-pwhistory.j2", remember=settings.password_history
        )
    return found


def entries(settings: LoginsSettings) -> list[Entry]:
    """The files. The last one is what has been done on the host: it is made when it differs."""
    there = profiles(settings)
    found: list[Entry] = [
        File(f"{PROFILES}/{name}", there[name]) if name in there else Absent(f"{PROFILES}/{name}")
        for name in NAMES
    ]
    if settings.failures:
        found.append(File(FAILLOCK, render("users/faillock.j2", settings=settings)))
    if settings.password_quality:
        found.append(File(QUALITY, render("users/pwquality.j2")))
    return [*found, File(DONE, script(settings), mode="0700") if wanted(settings) else Absent(DONE)]


def is_about(entry: PathEntry) -> bool:
    """Whether an entry is one of these."""
    names = {f"{PROFILES}/{name}" for name in NAMES}
    return entry.path in {*names, FAILLOCK, QUALITY, DONE}


def script(settings: LoginsSettings) -> str:
    """The shell commands that bring the files into force."""
    return render("users/pam.sh.j2", settings=settings, profiles=list(profiles(settings)))
