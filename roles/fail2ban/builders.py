"""fail2ban's files and unit from settings: pure."""

from __future__ import annotations

from groundcrew.entries import Absent, Entry, File
from groundcrew.services import Service
from groundcrew.templates import render
from roles.fail2ban.settings import Fail2banSettings

PACKAGES = ("fail2ban", "libpam-systemd", "nftables", "python3-systemd")
"""Debian packages that the role needs. libpam-systemd knows who is logged in from where."""

JAIL = "/etc/fail2ban/jail.d/groundcrew.local"
FILTER = "/etc/fail2ban/filter.d/groundcrew-sshd.conf"
LOGGED_IN = "/usr/local/sbin/groundcrew-logged-in"
UNIT = "fail2ban.service"


def entries(settings: Fail2banSettings) -> list[Entry]:
    """The jail, what counts as a failed login, and the program that says who may not be banned."""
    if not settings.enabled:
        return [Absent(JAIL), Absent(FILTER), Absent(LOGGED_IN)]
    jail = render("fail2ban/jail.j2", settings=settings, logged_in=LOGGED_IN)
    return [
        File(LOGGED_IN, render("fail2ban/logged-in.sh.j2"), mode="0755"),
        File(FILTER, render("fail2ban/filter.j2")),
        File(JAIL, jail),
    ]


def services(settings: Fail2banSettings) -> list[Service]:
    """Its unit, restarted when the jail or the filter is newer."""
    return [Service(UNIT, (JAIL, FILTER))] if settings.enabled else []
