"""Replaces the processes of an application's live release by new ones, without dropping a request.

A stand-in does what a release does to the one before: it starts beside the unit, from the same
files, and is probed; nginx's link moves to it; the unit is restarted once its connections have
ended; then the link moves back. If the stand-in does not become healthy, the unit is not touched.
If the unit does not, the stand-in goes on serving, and the next renewal continues there.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from groundcrew.remote.app_files import SYSTEM, UPSTREAMS, live_release, text
from groundcrew.remote.commands import run as output_of
from groundcrew.remote.hold_locks import free, take
from groundcrew.remote.private_file import write_private
from groundcrew.remote.probe import probe
from groundcrew.remote.renewal_state import APP_UNIT, RenewalError
from groundcrew.remote.retire_releases import drain, systemctl
from groundcrew.remote.run_lock import Run, RunIsGoneError, step
from groundcrew.remote.unit_health import journal, own_words, trouble

Data = dict[str, Any]
UNITS = Path("/run/systemd/system")
FOLDER = "/run/groundcrew/standin"
LINKS = re.compile(r"current(\.[0-9]+)?(\.uwsgi)?\.sock")
DROPPED = re.compile(r"^(\[Install\]|WantedBy=|Also=)")
SETTLE = 2.0
"""Seconds after which a worker that is still up has started."""

MOUNT = """\
# Managed by groundcrew: sockets of the stand-in of {name}, as /run/groundcrew/apps/{name}.
[Unit]
Description={name} sockets of the stand-in

[Mount]
What=tmpfs
Where={where}
Type=tmpfs
Options=mode=2750,uid={user},gid={group},nosymfollow,nosuid,nodev,noexec,size=16m,nr_inodes=4k
"""


def renew(app: Data, units: list[str], stop_at: float) -> Iterator[tuple[str, Optional[str]]]:  # noqa: UP045 - Python 3.9
    """Renews units of an application one by one, and yields each with the reason if it failed.
    Those that are not reached until `stop_at` (monotonic time) are not begun, and nothing is while
    a run releases the application."""
    left = list(units)
    try:
        with locked(app["name"]) as run, step(run):
            while left and time.monotonic() < stop_at:
                try:
                    one(app, left[0], run)
                    why = None
                except RenewalError as error:
                    why = str(error)
                yield left.pop(0), why
    except (LockedError, RunIsGoneError) as error:
        print(f"{app['name']}: {error}: it is left for the next time", flush=True)
    except (OSError, subprocess.SubprocessError) as error:
        for unit in left:
            yield unit, str(error)


class NoRoomError(RenewalError):
    """There is no memory for a second process."""


class LockedError(Exception):
    """A run releases the application."""


@contextlib.contextmanager
def locked(name: str, by: str = "the host itself (renewal)") -> Iterator[Run]:
    """Holds the lock of the application's runs. Raises LockedError if a run has it."""
    holder = json.dumps(
        {
            "operator": by,
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "run": secrets.token_hex(8),
        }
    )
    answer = take(name, holder)
    if answer["state"] != "locked":
        raise LockedError("a run is at work on it")
    try:
        yield {"lock": f"/srv/{name}/lock", "steps": f"/srv/{name}/steps", "holder": holder}
    finally:
        free(name)


def one(app: Data, unit: str, run: Run, *, restart: bool = True) -> None:
    """Renews a unit. Without `restart`, a unit that is healthy again takes the place of its
    stand-in, if that serves. Raises RenewalError."""
    match = APP_UNIT.fullmatch(unit)
    live, held = live_release(app["name"])
    if match is None or match["release"] != live:
        # A release has replaced it, and its stand-in.
        if unfinished(app) == unit:
            tidy(app)
        return
    if match["part"]:
        _restart_worker(unit)
        return
    if held and not restart:
        tidy(app)
        return
    instance = f"{live}{match['number'] or ''}"
    asked = {**app["probe"], "run": run, "release": f"/srv/{app['name']}/releases/{live}"}
    if held:
        # systemd holds the socket: requests wait.
        systemctl("restart", unit, check=False)
        _judge({**asked, "sockets": [f"{UPSTREAMS}/{app['name']}/held.sock"], "units": [unit]})
        return
    _swap(app, unit, f"{app['runtime']}/{instance}.sock", asked, restart=restart)


def unfinished(app: Data) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """The unit in whose place a stand-in was left; None if there is none."""
    path = UNITS / standin(app["name"])
    match = re.search(r"^# For (\S+)$", text(path), re.MULTILINE)
    return match[1] if match else None


def stood_in(app: Data) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """The unit of the live release in whose place a stand-in serves; None if there is none. That of
    a release that has been replaced ends with the next renewal."""
    unit = unfinished(app)
    match = APP_UNIT.fullmatch(unit or "")
    return unit if match and match["release"] == live_release(app["name"])[0] else None


def standin(name: str) -> str:
    """The unit of an application's stand-in."""
    return f"groundcrew-standin-{name}.service"


def _restart_worker(unit: str) -> None:
    """It gets SIGTERM and finishes its work, as when a release is replaced."""
    systemctl("restart", unit, check=False)
    time.sleep(SETTLE)
    reason = trouble([unit])
    if reason:
        raise RenewalError(reason)


def _swap(app: Data, unit: str, socket: str, asked: Data, *, restart: bool) -> None:
    name, place = app["name"], f"{FOLDER}/{app['name']}"
    beside = f"{place}/{os.path.basename(socket)}"
    serves = bool(_links(name, beside))
    if not serves and not restart:
        tidy(app)
        return
    if not serves:
        _need_memory(unit)
        tidy(app)
        _start(app, unit, place)
        try:
            _judge({**asked, "sockets": [beside], "units": [standin(name)]})
        except RenewalError as error:
            tidy(app)
            raise RenewalError(f"a new process {error}; the old one goes on serving") from None
        _move(name, socket, beside, app["drain"], asked["run"])
    if restart:
        systemctl("restart", unit, check=False)
    try:
        _judge({**asked, "sockets": [socket], "units": [unit]})
    except RenewalError as error:
        done = "restarted, " if restart else ""
        raise RenewalError(f"{done}{error}; its stand-in serves") from None
    _move(name, beside, socket, app["drain"], asked["run"])
    tidy(app)


def _need_memory(unit: str) -> None:
    shown = output_of("systemctl", "show", "--value", "--property=MemoryCurrent", unit).stdout
    used = int(shown) if shown.strip().isdigit() and int(shown) < 1 << 60 else 0
    lines = text(Path("/proc/meminfo")).splitlines()
    free_kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    if used > free_kib << 10:
        raise NoRoomError(
            f"a second process needs about {used >> 20} MiB, {free_kib >> 10} MiB are available; "
            "restart it with playbooks/restart.py, or release anew"
        )


def _start(app: Data, unit: str, place: str) -> None:
    name = app["name"]
    kept = [line for line in text(SYSTEM / unit).splitlines() if not DROPPED.match(line)]
    lines = [f"# For {unit}", *kept, "[Service]", f"BindPaths={place}:{app['runtime']}"]
    # systemd finds the mount by the path in RequiresMountsFor.
    lines += ["[Unit]", f"RequiresMountsFor={place}", ""]
    mount = MOUNT.format(name=name, where=place, user=app["user"], group=app["group"])
    write_private(str(UNITS / _mount(name)), mount, 0o644)
    write_private(str(UNITS / standin(name)), "\n".join(lines), 0o644)
    systemctl("daemon-reload")
    # Whether it works is what the probe decides.
    systemctl("start", standin(name), check=False)


def tidy(app: Data) -> None:
    """Stops and removes a stand-in. Raises RenewalError if it still serves, for another unit."""
    name = app["name"]
    links = [path for path in (UPSTREAMS / name).iterdir() if path.is_symlink()]
    if any(os.readlink(path).startswith(f"{FOLDER}/{name}/") for path in links):
        raise RenewalError(f"left alone until {unfinished(app)}, whose stand-in serves, is healthy")
    names = [item for item in (standin(name), _mount(name)) if (UNITS / item).exists()]
    for item in names:
        systemctl("stop", item, check=False)
        output_of("systemctl", "reset-failed", item)
        (UNITS / item).unlink()
    if names:
        systemctl("daemon-reload")


def _mount(name: str) -> str:
    escaped = name.replace("-", "\\x2d")
    return f"{FOLDER.strip('/').replace('/', '-')}-{escaped}.mount"


def _judge(asked: Data) -> None:
    reason = probe(asked)
    if reason:
        words = own_words(journal(asked["units"], 400))
        raise RenewalError(f"is not healthy: {reason}" + (f" ({words})" if words else ""))


def _move(name: str, old: str, new: str, seconds: int, run: Run) -> None:
    """Points nginx from one socket to another, and waits until the old one is not used any more.
    Until then it takes what the new one refuses."""
    fallback = UPSTREAMS / name / "previous.sock"
    _point(fallback, old)
    for link in _links(name, old):
        _point(link, new)
    drain({"sockets": [old], "drain": seconds, "least": 1, "watch": [], "run": run})
    fallback.unlink()


def _links(name: str, socket: str) -> list[Path]:
    """nginx's links that lead to a socket. Only root can change them."""
    folder = UPSTREAMS / name
    links = [path for path in folder.iterdir() if LINKS.fullmatch(path.name)]
    return [path for path in links if path.is_symlink() and os.readlink(path) == socket]


def _point(link: Path, target: str) -> None:
    staged = link.with_name(".renewal.sock")
    staged.unlink(missing_ok=True)
    staged.symlink_to(target)
    staged.rename(link)
