"""What counts requests by application: nginx's log for it, and the program that reads that. Pure.

The log contains nothing that a client has sent: an application's name, the status, and times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from groundcrew.entries import Directory, Entry, File
from groundcrew.exporters import HOST, Exporter
from groundcrew.logs import Log
from groundcrew.manifest.model import AppSettings
from groundcrew.templates import render

FOLDER = "/var/log/nginx/traffic"
LOG_FILE = f"{FOLDER}/requests.log"
PROGRAMS = "/etc/groundcrew/traffic"
PROGRAM = f"{PROGRAMS}/requests.mtail"
GROUP = "mtail"
"""Group that may read the log. The package's user of that name has other rights, and is not used.
"""
MEMORY = 14
BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 60)
"""Seconds that response times are counted by."""


def log_format(name: str) -> str:
    """Name of the log format of an application."""
    return f"groundcrew-traffic-{name}"


def log_line(name: str) -> str:
    """The directive that has requests counted for an application."""
    return f"access_log {LOG_FILE} {log_format(name)} if=$groundcrew_visit"


def configuration(apps: Iterable[str]) -> str:
    """The log formats, for nginx's http level."""
    formats = {name: log_format(name) for name in sorted(apps)}
    return render("nginx/traffic.conf.j2", formats=formats)


def entries(apps: Mapping[str, AppSettings]) -> list[Entry]:
    """The log's directory and the program. nginx's workers open the log there themselves, and files
    in it get its group."""
    limits = sorted({*BUCKETS, *(app.slo.p99 for app in apps.values())})
    text = render(
        "nginx/requests.mtail.j2",
        names=sorted(apps),
        buckets=[f"{item:g}" for item in limits],
    )
    return [
        Directory(FOLDER, mode="2751", group=GROUP),
        Directory("/etc/groundcrew"),
        Directory(PROGRAMS),
        File(PROGRAM, text),
    ]


def exporter(port: int) -> Exporter:
    """The program that counts."""
    return Exporter(
        name="traffic",
        job="traffic",
        package="mtail",
        packaged="mtail.service",
        command=(
            "/usr/bin/mtail",
            f"--progs={PROGRAMS}",
            f"--logs={LOG_FILE}",
            "--logtostderr",
            "--emit_prog_label=false",
            # The pattern contains the names of all applications.
            "--max_regexp_length=100000",
            f"--address={HOST}",
            f"--port={port}",
        ),
        port=port,
        memory=MEMORY,
        groups=(GROUP,),
        logs=FOLDER,
        files=(PROGRAM,),
    )


def log(reopen: str | None) -> Log:
    """Rotation of the log. mtail gives up on a file that it may not open yet."""
    return Log("groundcrew-traffic", (LOG_FILE,), "www-data", GROUP, reopen=reopen, created=False)
