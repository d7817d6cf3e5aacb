"""Stops an application so that it stays stopped, or lets it run again.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin: {"name", "verb":
"stop" or "start", "flag": path of the file that says that it is stopped, "note": {"operator",
"since"}, "run": as in groundcrew/remote/run_lock.py}. Standard library only, Python 3.9 or later.

While it is stopped, a drop-in of each of its units refuses to start it, whoever asks: a boot, a
timer, a program that watches it. The file has the units that ran, which `start` starts; it stays
until everything else is done, and only root can write it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from groundcrew.remote.maintenance_metric import metric_path, metric_text
from groundcrew.remote.private_file import write_private
from groundcrew.remote.run_lock import RunIsGoneError, step

SYSTEM = Path("/etc/systemd/system")
VOLATILE = Path("/run/systemd/system")
DROP_IN = "groundcrew-stopped.conf"
Data = dict[str, Any]


def units(app: str) -> list[str]:
    """All units of an application: servers, workers, timers and sockets, and what stands in for a
    server that a renewal did not bring back."""
    patterns = (f"{app}@*.service", f"{app}.*@*.service", f"{app}.*@*.timer", f"{app}.socket")
    names = {path.name for pattern in patterns for path in SYSTEM.glob(pattern)}
    standin = f"groundcrew-standin-{app}.service"
    return sorted({*names, *([standin] if (VOLATILE / standin).exists() else [])})


def running(names: list[str]) -> list[str]:
    """Those of the units that run, or are about to."""
    shown = systemctl("show", "--property=Id,ActiveState", *names) if names else ""
    states = (dict(line.partition("=")[::2] for line in part.splitlines())
              for part in shown.split("\n\n"))  # fmt: skip
    return sorted(
        state["Id"]
        for state in states
        if state.get("ActiveState") in ("active", "activating", "reloading")
    )


def stop(payload: Data) -> None:
    """Notes what runs, refuses every start, and stops everything."""
    name, flag = payload["name"], payload["flag"]
    every = units(name)
    if not os.path.lexists(flag):
        # From now on, nginx answers that the application is not there.
        noted = {**payload["note"], "units": running(every)}
        write_private(flag, json.dumps(noted) + "\n", 0o644)
    os.makedirs(os.path.dirname(metric_path(name)), exist_ok=True)
    write_private(metric_path(name), metric_text(name), 0o644)
    for unit in every:
        write_private(str(drop_in(unit)), f"[Unit]\nConditionPathExists=!{flag}\n", 0o644)
    systemctl("daemon-reload")
    if every:
        # Timers and sockets first: they would start the others again.
        first = [unit for unit in every if not unit.endswith(".service")]
        for some in filter(None, (first, every)):
            systemctl("stop", *some)
        systemctl("reset-failed", *every, check=False)


def start(payload: Data) -> None:
    """Lets the units start again, and starts those that ran."""
    every = units(payload["name"])
    with open(payload["flag"], encoding="utf-8") as file:
        wanted = [unit for unit in json.load(file)["units"] if unit in every]
    for unit in every:
        with suppress(FileNotFoundError):
            drop_in(unit).unlink()
        with suppress(OSError):
            drop_in(unit).parent.rmdir()
    systemctl("daemon-reload")
    if wanted:
        systemctl("start", *wanted)


def drop_in(unit: str) -> Path:
    """The file that refuses to start a unit."""
    return SYSTEM / f"{unit}.d" / DROP_IN


def systemctl(*words: str, check: bool = True) -> str:
    """Runs systemctl; with `check`, its errors are shown. Raises CalledProcessError."""
    done = subprocess.run(["systemctl", *words], check=check, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True,
                          stderr=None if check else subprocess.DEVNULL)  # fmt: skip
    return done.stdout


def main() -> int:
    """Does what the payload on stdin asks for."""
    payload = json.load(sys.stdin)
    try:
        with step(payload["run"]):
            (stop if payload["verb"] == "stop" else start)(payload)
    except (RunIsGoneError, OSError, subprocess.CalledProcessError) as error:
        print(f"{payload['name']}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
