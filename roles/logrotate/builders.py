"""logrotate's configuration. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.entries import Directory, Entry, File
from groundcrew.logs import Log
from groundcrew.roles.logrotate.settings import LogrotateSettings
from groundcrew.templates import render

TIMER_DIRECTORY = "/etc/systemd/system/logrotate.timer.d"
TIMER = f"{TIMER_DIRECTORY}/groundcrew.conf"


def application_log(name: str, paths: Sequence[str], user: str, group: str) -> Log:
    """The log files of an application, which writes them to its own directory."""
    return Log(name, tuple(paths), user, group, directory_owner=(user, group))


def entries(settings: LogrotateSettings, logs: Sequence[Log]) -> list[Entry]:
    """One file per program, replacing the one of the Debian package of that name."""
    timer = render("logrotate/timer.conf.j2", check=settings.check)
    files = [File(f"/etc/logrotate.d/{log.name}", configuration(settings, log)) for log in logs]
    return [Directory(TIMER_DIRECTORY), File(TIMER, timer), *files]


def configuration(settings: LogrotateSettings, log: Log) -> str:
    """The logrotate file of one program."""
    return render("logrotate/logrotate.j2", settings=settings, log=log)
