"""Files and unit of fail2ban. Pure."""

from __future__ import annotations

from groundcrew.entries import Absent, Entry, File
from groundcrew.roles.fail2ban.settings import Fail2banSettings
from groundcrew.services import Service
from groundcrew.templates import render

PACKAGES = ("fail2ban", "libpam-systemd", "nftables", "python3-systemd")
"""Debian packages that the role needs. libpam-systemd records who is logged in and from where."""

JAIL = "/etc/fail2ban/jail.d/groundcrew.local"
FILTER = "/etc/fail2ban/filter.d/groundcrew-sshd.conf"
LOGGED_IN = "/usr/local/sbin/groundcrew-logged-in"
UNIT = "fail2ban.service"


def entries(settings: Fail2banSettings) -> list[Entry]:
    """The jail, the filter for failed logins, and the program that spares addresses in use."""
    if not settings.enabled:
        return [Absent(JAIL), Absent(FILTER), Absent(LOGGED_IN)]
    jail = render("fail2ban/jail.j2", settings=settings, logged_in=LOGGED_IN)
    return [
        File(LOGGED_IN, render("fail2ban/logged-in.sh.j2"), mode="0755"),
        File(FILTER, render("fail2ban/filter.j2")),
        File(JAIL, jail),
    ]


def services(settings: Fail2banSettings) -> list[Service]:
    """The unit. It is restarted if the jail or the filter is newer."""
    return [Service(UNIT, (JAIL, FILTER))] if settings.enabled else []
