"""PAM configuration. Pure. Debian's pam-auth-update combines the profiles."""

from __future__ import annotations

from groundcrew.entries import Absent, Entry, File, PathEntry
from groundcrew.roles.users.logins import LoginsSettings
from groundcrew.templates import render

PROFILES = "/usr/share/pam-configs"
DONE = "/etc/security/groundcrew.sh"
FAILLOCK = "/etc/security/faillock.conf"
QUALITY = "/etc/security/pwquality.conf"
NAMES = ("groundcrew-faillock", "groundcrew-faillock-preauth", "groundcrew-pwhistory")

# pam-auth-update rewrites /etc/pam.d/common-* and keeps its state in /var/lib/pam.
SNAPSHOT = ("mkdir pam && cp -a /etc/pam.d /var/lib/pam pam/",)
RESTORE = (
    "test ! -d pam || { cp -a pam/pam.d/. /etc/pam.d/ && rm -rf /var/lib/pam && "
    "cp -a pam/pam /var/lib/pam; }",
)


def wanted(settings: LoginsSettings) -> bool:
    """Whether the settings differ from Debian's defaults."""
    return settings != LoginsSettings(unlock_after=settings.unlock_after)


def profiles(settings: LoginsSettings) -> dict[str, str]:
    """Profiles of pam-auth-update: name -> content."""
    texts = {}
    if settings.failures:
        texts["groundcrew-faillock"] = render("users/pam-faillock.j2")
        texts["groundcrew-faillock-preauth"] = render("users/pam-faillock-preauth.j2")
    if settings.password_history:
        texts["groundcrew-pwhistory"] = render(
            "users/pam-pwhistory.j2", remember=settings.password_history
        )
    return texts


def entries(settings: LoginsSettings) -> list[Entry]:
    """The files of PAM. The last one is the script that was run on the host: it runs again if it
    differs."""
    there = profiles(settings)
    files: list[Entry] = [
        File(f"{PROFILES}/{name}", there[name]) if name in there else Absent(f"{PROFILES}/{name}")
        for name in NAMES
    ]
    if settings.failures:
        files.append(File(FAILLOCK, render("users/faillock.j2", settings=settings)))
    if settings.password_quality:
        files.append(File(QUALITY, render("users/pwquality.j2")))
    return [*files, File(DONE, script(settings), mode="0700") if wanted(settings) else Absent(DONE)]


def is_about(entry: PathEntry) -> bool:
    """Whether an entry is one of the PAM files."""
    names = {f"{PROFILES}/{name}" for name in NAMES}
    return entry.path in {*names, FAILLOCK, QUALITY, DONE}


def script(settings: LoginsSettings) -> str:
    """The script that applies the files."""
    return render("users/pam.sh.j2", settings=settings, profiles=list(profiles(settings)))
