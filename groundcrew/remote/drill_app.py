"""Starts the live release of an application in a unit without a network, with other directories in
the place of its data.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import http.client
import os
import pwd
import re
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from groundcrew.remote.app_client import socket_answer
from groundcrew.remote.backup_open import Place
from groundcrew.remote.backup_source import make_folder
from groundcrew.remote.backup_store import StoreError
from groundcrew.remote.commands import ending, run
from groundcrew.remote.private_file import write_private

Data = dict[str, Any]
UNITS = "/run/systemd/system"
PATIENCE = 3
"""Times `health.timeout` that an application may take to start: a drill gets little of the host."""

LONGEST = 500
"""Characters of an application's last line that are told."""

RELEASE = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
# Lines that are for the live unit alone.
DROPPED = re.compile(
    r"^(Restart|RestartSec|TimeoutStopSec|ReadWritePaths|Slice|IPAddress\w+|PrivateNetwork|WantedBy|Also|CPU\w+|Memory(Max|High|Low)|IOWeight)="
)
RUN_LINES = re.compile(r"^(Exec\w+|Type|Sockets|NotifyAccess|WatchdogSec)=")


def unit_name(name: str, part: str = "app") -> str:
    """The unit of an application in a drill."""
    return f"groundcrew-drill-{part}-{name}.service"


def live_release(root: str) -> str:
    """The ID of the live release. Raises StoreError if there is none."""
    try:
        release = os.path.basename(os.readlink(f"{root}/current"))
    except OSError:
        release = ""
    if not RELEASE.fullmatch(release):
        raise StoreError("not started: there is no live release")
    return release


def unit_text(text: str, place: Place, binds: Mapping[str, str], run_lines: Iterable[str]) -> str:
    """The unit of the live release, changed for a drill. With `run_lines`, it runs these instead of
    the server."""
    kept = [line for line in text.splitlines() if not DROPPED.match(line)]
    chosen = list(run_lines)
    if chosen:
        kept = [line for line in kept if not RUN_LINES.match(line)]
    kept = [line for line in kept if line != "[Install]"]
    own = [
        "[Service]",
        "Restart=no",
        "TimeoutStopSec=20",
        f"Slice={place.slice}",
        f"NetworkNamespacePath={place.namespace}",
        *(f"BindPaths={source}:{target}" for target, source in binds.items()),
        *chosen,
    ]
    return "\n".join([*kept, *own, ""])


def start(name: str, app: Data, place: Place, binds: Mapping[str, str]) -> dict[str, str]:
    """Starts the live release and returns when it answers as the manifest says. Returns which
    release it was. Raises StoreError."""
    release, text = _live(name, app)
    if re.search(r"^Sockets=", text, re.MULTILINE):
        raise StoreError("not started: systemd holds the socket of its strategy `restart`")
    account = pwd.getpwnam(app["user"])
    folder = make_folder(f"{place.folder}/sockets", 0o711)
    sockets = make_folder(f"{folder}/{name}", 0o700, (account.pw_uid, account.pw_gid))
    unit = unit_name(name)
    _write(unit, unit_text(text, place, {**binds, app["runtime"]: sockets}, ()))
    # Without waiting: what it answers is what counts.
    run("systemctl", "start", "--no-block", unit)
    deadline = time.monotonic() + PATIENCE * app["drill"]["timeout"]
    while True:
        why = answer(app, f"{app['root']}/releases/{release}", f"{sockets}/{release}.sock")
        if why is None:
            return {"release": release}
        if _has_ended(unit) or time.monotonic() > deadline:
            raise StoreError(
                f"the live release does not serve the restored data: {why}{last_words(unit)}"
            )
        time.sleep(0.2)


def _has_ended(unit: str) -> bool:
    """Whether a unit has run and runs no longer. One that has not begun yet is inactive too."""
    shown = run("systemctl", "show", "--property=ActiveState,ExecMainExitTimestampMonotonic", unit)
    values = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    if values.get("ActiveState") not in ("inactive", "failed"):
        return False
    return values["ActiveState"] == "failed" or values["ExecMainExitTimestampMonotonic"] != "0"


def answer(app: Data, release: str, path: str) -> str | None:
    """Why the application does not answer as expected; None if it does."""
    asked = app["drill"]
    headers = {
        "Host": asked["host"],
        "User-Agent": "groundcrew-drill",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": asked["scheme"],
        "Connection": "close",
    }
    try:
        with itself(path) as opened:
            timeout = asked["request_timeout"]
            status = socket_answer(opened, release, asked["url"], headers, timeout).status
    except FileNotFoundError:
        return "nobody listens"
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    return None if status == asked["status"] else f"status {status} on {asked['url']}"


@contextmanager
def itself(path: str) -> Iterator[str]:
    """A path of a socket that an application has made, which leads to no other. Raises OSError."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no socket")
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def commands(name: str, app: Data, place: Place, binds: Mapping[str, str]) -> None:
    """Runs the manifest's commands of the drill, as the application and with the restored data.
    Raises StoreError if one fails."""
    for number, command in enumerate(app["drill"]["commands"], 1):
        _, text = _live(name, app)
        script = f"{place.folder}/command-{name}-{number}"
        write_private(script, f"set -e\n{command}\n", 0o644)
        unit = unit_name(name, f"command{number}")
        lines = ["Type=oneshot", f"ExecStart=/bin/sh {script}", "TimeoutStartSec=900"]
        _write(unit, unit_text(text, place, binds, lines))
        result = run_long("systemctl", "start", unit)
        said = last_words(unit)
        _remove(unit)
        if result != 0:
            raise StoreError(f"the drill's command `{command}` fails{said}")
        print(f"{name}: the drill's command `{command}` succeeded", flush=True)


def last_words(unit: str) -> str:
    """The end of the last line that the programs of a unit have logged, for the end of a sentence;
    the journal has the others."""
    fields = [f"_SYSTEMD_UNIT={unit}"]
    log = ending(["journalctl", "--no-pager", "--output=cat", "-n", "1", *fields], 4 * LONGEST)
    return f": {log.strip()[-LONGEST:]}" if log.strip() else f" (journalctl -u {unit})"


def run_long(*command: str) -> int:
    """The exit status of a command that may take minutes."""
    return subprocess.run(command, check=False, timeout=960, capture_output=True).returncode


def _live(name: str, app: Data) -> tuple[str, str]:
    """The live release, and the text of its unit."""
    release = live_release(app["root"])
    try:
        with open(f"/etc/systemd/system/{name}@{release}.service", encoding="utf-8") as file:
            return release, file.read()
    except OSError:
        raise StoreError("not started: the live release has no unit") from None


def _write(unit: str, text: str) -> None:
    _remove(unit)
    write_private(f"{UNITS}/{unit}", text, 0o644)
    run("systemctl", "daemon-reload")


def _remove(unit: str) -> None:
    run("systemctl", "stop", unit)
    run("systemctl", "reset-failed", unit)
    if os.path.lexists(f"{UNITS}/{unit}"):
        os.unlink(f"{UNITS}/{unit}")


def stop(name: str) -> None:
    """Stops an application's unit."""
    _remove(unit_name(name))


def stop_all() -> None:
    """Stops all units of drills, also those of an interrupted one."""
    for item in os.listdir(UNITS) if os.path.isdir(UNITS) else ():
        if item.startswith("groundcrew-drill-") and item.endswith(".service"):
            _remove(item)
    run("systemctl", "daemon-reload")
