"""Lets replaced releases finish their requests, stops them, and removes those that are not kept.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin, a list of
applications that are processed in parallel (see groundcrew/remote/several.py): {"name", "live": the
release that stays, "stop": {release: [unit]}, "sockets": [sockets of those releases], "drain":
maximum seconds that they keep running, "least": minimum, "watch": workers that were just started,
"window": seconds that they must stay up, "fallback": link, "remove": {release: {"units": [file],
"sockets": [path]}}, "socket_unit": name of a socket unit that is no longer needed or null, "held":
its socket, "run": as in groundcrew/remote/run_lock.py}.

Only releases that are not live are stopped; the live one is determined right before. If a worker
does not stay up, nothing is stopped and the exit status is 1. Once another run has taken over,
nothing more is done. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import glob
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from groundcrew.remote.app_files import SYSTEM, live_release, metadata, release_folders
from groundcrew.remote.discard import discard
from groundcrew.remote.history import note
from groundcrew.remote.parts import PART
from groundcrew.remote.run_lock import RunIsGoneError, step, taken_over
from groundcrew.remote.several import several
from groundcrew.remote.unit_health import journal, trouble

LOOK = 0.2
QUIET = 3
"""Number of consecutive checks without a connection after which no more are expected."""
CONNECTED = re.compile(r"[0-9a-f]{16}:( [0-9A-F]{8}){3} [0-9A-F]{4} 0[23] +[0-9]+ (\S+)")
"""A line of /proc/net/unix about a socket that is connecting or connected."""
PROPERTIES = "/run/systemd/system.control"


def connections(sockets: list[str]) -> int:
    """The number of connections on these sockets, including pending ones."""
    wanted = set(sockets)
    # Any user may give a socket a name of arbitrary bytes, line feeds included. A name is too short
    # for a whole line with the path of a release's socket.
    lines = Path("/proc/net/unix").read_bytes().decode(errors="replace").split("\n")
    return sum(1 for line in lines if (match := CONNECTED.fullmatch(line)) and match[2] in wanted)


class WorkerError(Exception):
    """A worker of the new release does not stay up; the message says which."""


def watch(payload: dict[str, Any]) -> None:
    """Checks the new release's workers. Raises WorkerError if one does not stay up."""
    reason = trouble(payload["watch"])
    if reason:
        print(journal(payload["watch"]), file=sys.stderr)
        raise WorkerError(reason)


def drain(payload: dict[str, Any]) -> float:
    """Waits until the replaced releases have no connections or the time is up, and until the
    workers have been up for their window; returns the seconds waited. Raises WorkerError and
    RunIsGoneError."""
    started, quiet, looked = time.monotonic(), 0, 0.0
    while True:
        waited = time.monotonic() - started
        quiet = 0 if connections(payload["sockets"]) else quiet + 1
        watched = not payload["watch"] or waited >= payload["window"]
        if payload["watch"] and (watched or waited - looked >= 1):
            watch(payload)
            looked = waited
        drained = waited >= payload["drain"] or (quiet >= QUIET and waited >= payload["least"])
        if drained and watched:
            return waited
        if taken_over(payload["run"]):
            raise RunIsGoneError
        time.sleep(LOOK)


def stop(payload: dict[str, Any]) -> None:
    """Drains and stops the replaced releases. Raises WorkerError and RunIsGoneError."""
    waited = drain(payload)
    print(f"drained for {waited:.1f} s", flush=True)
    live, _ = live_release(payload["name"])
    units = [
        unit for release, names in payload["stop"].items() if release != live for unit in names
    ]
    if taken_over(payload["run"]):
        raise RunIsGoneError
    Path(payload["fallback"]).unlink(missing_ok=True)
    if units:
        systemctl("stop", *units)


def remove(payload: dict[str, Any]) -> None:
    """Removes releases that are not kept, their units, and parts that no other release uses."""
    name = payload["name"]
    live, _ = live_release(name)
    root = Path("/srv") / name
    for release, item in payload["remove"].items():
        if release == live:
            continue
        discard(root / "releases" / release)
        for path in item["sockets"]:
            Path(path).unlink(missing_ok=True)
        for pattern in (f"{name}@{release}.*", f"{name}.*@{release}.*"):
            for unit in SYSTEM.glob(pattern):
                unit.unlink(missing_ok=True)
            for folder in glob.glob(f"{PROPERTIES}/{pattern}"):
                discard(folder)
    systemctl("daemon-reload")
    remove_parts(root)


def remove_parts(root: Path) -> None:
    """Removes environments and code that no release uses."""
    known = [metadata(folder) for folder in release_folders(root)]
    used = {
        "environments": {name for item in known for name in item.get("environments", [])},
        "code": {item.get("code", "") for item in known},
    }
    for kind, names in used.items():
        for part in (root / kind).iterdir() if (root / kind).is_dir() else ():
            if PART.fullmatch(part.name) and part.name not in names:
                discard(part)


def let_go(payload: dict[str, Any]) -> None:
    """Removes the socket that systemd held and nothing uses any more."""
    unit = payload["socket_unit"]
    systemctl("disable", "--quiet", "--now", unit, check=False)
    (SYSTEM / unit).unlink(missing_ok=True)
    Path(payload["held"]).unlink(missing_ok=True)
    systemctl("daemon-reload")


def systemctl(*arguments: str, check: bool = True) -> None:
    """Runs systemctl; its errors are shown."""
    subprocess.run(["systemctl", *arguments], check=check, stdin=subprocess.DEVNULL)


def retire(payload: dict[str, Any]) -> int:
    """Retires the releases of one application; returns the exit status."""
    try:
        with step(payload["run"]):
            # An interrupted run may not have recorded its switch.
            note(Path(f"/srv/{payload['name']}/history.json"), {"live": payload["live"]})
            if payload["stop"]:
                stop(payload)
            elif payload["watch"]:
                drain(payload)
            if payload["socket_unit"]:
                let_go(payload)
            if payload["remove"]:
                remove(payload)
    except (RunIsGoneError, WorkerError, OSError, subprocess.CalledProcessError) as error:
        print(f"{payload['name']}: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Retires the releases in the payload on stdin."""
    return several(json.load(sys.stdin), retire)


if __name__ == "__main__":
    sys.exit(main())
