"""Files and unit of fail2ban. Pure."""

from __future__ import annotations

from groundcrew.entries import Absent, Entry, File
from groundcrew.remote.maintenance_metric import FOLDER
from groundcrew.roles.fail2ban.settings import Fail2banSettings
from groundcrew.services import Service
from groundcrew.templates import render

PACKAGES = ("fail2ban", "libpam-systemd", "nftables", "python3-systemd")
"""Debian packages that the role needs. libpam-systemd records who is logged in and from where."""

JAIL = "/etc/fail2ban/jail.d/groundcrew.local"
FILTER = "/etc/fail2ban/filter.d/groundcrew-sshd.conf"
LOGGED_IN = "/usr/local/sbin/groundcrew-logged-in"
UNIT = "fail2ban.service"
COUNTED = "groundcrew-count"
COUNT = f"/etc/fail2ban/action.d/{COUNTED}.conf"
COUNT_BAN = "/usr/local/sbin/groundcrew-count-ban"
METRICS = f"{FOLDER}/fail2ban.prom"
"""The number of bans of each jail, in Prometheus' text format. Only root writes there."""
LOCK = "/run/groundcrew-bans.lock"


def entries(settings: Fail2banSettings, *, monitored: bool = False) -> list[Entry]:
    """The jail, the filter for failed logins, and the program that spares addresses in use. If
    monitored, bans are counted."""
    if not settings.enabled:
        return [Absent(path) for path in (JAIL, FILTER, LOGGED_IN, COUNT, COUNT_BAN)]
    counted = COUNTED if monitored else ""
    jail = render("fail2ban/jail.j2", settings=settings, logged_in=LOGGED_IN, counted=counted)
    return [
        *(_count() if monitored else [Absent(COUNT), Absent(COUNT_BAN)]),
        File(LOGGED_IN, render("fail2ban/logged-in.sh.j2"), mode="0755"),
        File(FILTER, render("fail2ban/filter.j2")),
        File(JAIL, jail),
    ]


def _count() -> list[Entry]:
    """What counts bans."""
    program = render("fail2ban/count-ban.sh.j2", file=METRICS, lock=LOCK)
    return [
        File(COUNT_BAN, program, mode="0755"),
        File(COUNT, render("fail2ban/count.conf.j2", program=COUNT_BAN)),
    ]


def services(settings: Fail2banSettings) -> list[Service]:
    """The unit. It is restarted if the jail or the filter is newer."""
    return [Service(UNIT, (JAIL, FILTER))] if settings.enabled else []
