"""logrotate configuration from settings: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundcrew.entries import Directory, Entry, File
from groundcrew.templates import render
from roles.logrotate.settings import LogrotateSettings

TIMER_DIRECTORY = "/etc/systemd/system/logrotate.timer.d"
TIMER = f"{TIMER_DIRECTORY}/groundcrew.conf"


@dataclass(frozen=True)
class Log:
    """Log files that one program writes.

    `reopen` is a shell command that makes the program open its files anew. Without it they are
    copied and truncated in place, which can lose lines written in between.
    `directory_owner` is the user and group that may write to the directory, where that is not root.
    """

    name: str
    paths: tuple[str, ...]
    user: str
    group: str
    mode: str = "0640"
    reopen: str | None = None
    directory_owner: tuple[str, str] | None = None


NGINX = Log(
    name="nginx",
    paths=("/var/log/nginx/*.log",),
    user="www-data",
    group="adm",
    reopen="[ ! -f /run/nginx.pid ] || kill -USR1 $(cat /run/nginx.pid)",
)


def application_log(name: str, paths: Sequence[str], user: str, group: str) -> Log:
    """The log files that an application writes into a directory of its own."""
    return Log(name, tuple(paths), user, group, directory_owner=(user, group))


def entries(settings: LogrotateSettings, logs: Sequence[Log]) -> list[Entry]:
    """A file per program, in place of the one that Debian's package of that name brings."""
    timer = render("logrotate/timer.conf.j2", check=settings.check)
    files = [File(f"/etc/logrotate.d/{log.name}", configuration(settings, log)) for log in logs]
    return [Directory(TIMER_DIRECTORY), File(TIMER, timer), *files]


def configuration(settings: LogrotateSettings, log: Log) -> str:
    """The file of one program."""
    return render("logrotate/logrotate.j2", settings=settings, log=log)
