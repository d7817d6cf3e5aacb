"""What verify reads about applications and their units. Runs on the host.

Each section is a function of that name. The request and the sections have types in `report.py`.
"""

from __future__ import annotations

import http.client
import os
import pwd
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from groundcrew.remote.app_client import NginxConnection, http_status, socket_status
from groundcrew.remote.commands import last_line, run
from groundcrew.remote.host_sections import unit_states

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.sections import Failure, UnitValues
    from groundcrew.roles.verify.report import (
        AppRequest,
        Connections,
        FollowerValues,
        LiveRelease,
        Process,
        Request,
        SocketAnswer,
    )

ROWS = 3
"""Attempts to find a connection that stays open during a series of requests."""
SYSTEM = Path("/etc/systemd/system")
OWNER = re.compile(r"# Managed by groundcrew: belongs to one release of ([^;\s]+);")
STARTED = time.monotonic()


def releases(request: Request) -> dict[str, LiveRelease]:
    """Application -> its live release (None if there is none) and the units of that release."""
    states: dict[str, LiveRelease] = {}
    for app in request["apps"]:
        try:
            release = os.path.basename(os.readlink(app["current"]))
        except OSError:
            release = None
        states[app["name"]] = {"release": release, "units": instances(app["unit"], release)}
    return states


def instances(unit: str, release: str | None) -> list[str]:
    """The units of a release: that of the first instance, and those of others that exist."""
    if not release:
        return []
    first, others = unit.replace("{}", release), unit.replace("{}", release + ".*")
    names = [path.name for path in SYSTEM.glob(others)]
    return [first, *sorted(names, key=lambda name: int(name.split(".")[-2]))]


def maintenance(request: Request) -> dict[str, str | None]:
    """Application -> content of its maintenance flag file; None if maintenance is off."""
    states: dict[str, str | None] = {}
    for app in request["apps"]:
        try:
            states[app["name"]] = Path(app["maintenance"]).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            states[app["name"]] = None
    return states


def unit_names(request: Request) -> list[str]:
    """The units that serve: those of roles, and those of applications."""
    units = [unit for app in releases(request).values() for unit in app["units"]]
    return [*request["serving_units"], *units]


def is_present(unit: str) -> bool:
    """Whether a unit is installed by groundcrew, changed by it, or an instance of a template."""
    return "@" in unit or (SYSTEM / unit).exists() or (SYSTEM / f"{unit}.d").exists()


def background_units(request: Request) -> list[str]:
    """Units of the live releases' workers and timed jobs, and the host's own units that exist."""
    present = [name for name in request["own_units"] if is_present(name)]
    for name, app in releases(request).items():
        if app["release"]:
            for end in ("", ".*"):
                pattern = f"{name}.*@{app['release']}{end}.service"
                present += sorted(path.name for path in SYSTEM.glob(pattern))
    return present


def followers(request: Request) -> dict[str, dict[str, FollowerValues]]:
    """Application -> workers and timers of its live release, with their state and the seconds since
    they became active. Timers include their job."""
    states: dict[str, dict[str, FollowerValues]] = {}
    for name, app in releases(request).items():
        patterns = [
            f"{name}.*@{app['release']}{end}" for end in (".service", ".*.service", ".timer")
        ]
        names = sorted({path.name for pattern in patterns for path in SYSTEM.glob(pattern)})
        states[name] = unit_states(names) if app["release"] else {}
        for state in states[name].values():
            entered = int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
            state["seconds"] = time.clock_gettime(time.CLOCK_MONOTONIC) - entered
    return states


def leftovers(request: Request) -> list[str]:
    """Applications that have units on the host but are not in the request."""
    known = {app["name"] for app in request["apps"]}
    apps = set()
    for path in SYSTEM.glob("*@*"):
        match = OWNER.match(path.read_text(encoding="utf-8")) if path.is_file() else None
        if match:
            apps.add(match[1])
    return sorted(apps - known)


def processes(request: Request) -> dict[str, list[Process]]:
    """Unit -> its processes: pid, user, name."""
    by_unit: dict[str, list[Process]] = {name: [] for name in unit_names(request)}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            # A process can set its own name to arbitrary bytes.
            groups = (process / "cgroup").read_text(errors="replace")
            status = (process / "status").read_text(errors="replace")
        except OSError:
            continue
        for name, members in by_unit.items():
            if re.search(f"/{re.escape(name)}(/|$)", groups, re.MULTILINE):
                uid = int(re.findall(r"^Uid:\t(\d+)\t(\d+)", status, re.MULTILINE)[0][1])
                title = re.findall(r"^Name:\t(.*)", status)[0]
                members.append({"pid": int(process.name), "user": user_name(uid), "name": title})
    return by_unit


def user_name(uid: int) -> str:
    """Name of a user, or the number if there is no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def exposure(request: Request) -> dict[str, float | None] | Failure:
    """Unit -> exposure according to systemd, from 0 (sandboxed) to 10; None if it gives none. A
    pattern has the largest exposure of the units that match it."""
    names = [*unit_names(request), *background_units(request)]
    if not names:
        return {}
    members = {name: matching(name) if "*" in name else [name] for name in names}
    units = [unit for name in names for unit in members[name]]
    result = run("systemd-analyze", "security", "--no-pager", *units)
    rated = re.findall(r"Overall exposure level for (\S+): ([0-9.]+)", result.stdout)
    if not rated:
        return {"error": last_line(result.stderr) or "systemd-analyze printed no figure"}
    figures = {unit: float(figure) for unit, figure in rated}
    return {
        name: max((figures[unit] for unit in members[name] if unit in figures), default=None)
        for name in names
    }


def matching(pattern: str) -> list[str]:
    """The running units that match a pattern, such as the instances of a template."""
    shown = run("systemctl", "list-units", "--plain", "--no-legend", "--state=active", pattern)
    return [line.split()[0] for line in shown.stdout.splitlines() if line.strip()]


def get(connection: http.client.HTTPConnection, app: AppRequest) -> int:
    """Status of the application's health path through nginx."""
    headers = {"Host": app["host"], "User-Agent": "groundcrew-verify"}
    return http_status(connection, app["path"], headers)


def sockets(request: Request) -> dict[str, SocketAnswer]:
    """Name of a socket -> status of the health path on the socket that nginx uses."""
    states: dict[str, SocketAnswer] = {}
    for app in request["apps"]:
        headers = {
            "Host": app["host"],
            "User-Agent": "groundcrew-verify",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Proto": app["scheme"],
        }
        for name, path in app["sockets"].items():
            try:
                status = socket_status(path, app["current"], app["path"], headers, 10)
                states[name] = {"status": status}
            except (OSError, http.client.HTTPException) as error:
                states[name] = {"error": f"{type(error).__name__}: {error}"}
    return states


def connections(runtime: str) -> set[str]:
    """Inodes of the server side of connections to the sockets in a directory."""
    inodes = set()
    for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
        fields = line.split()
        connected = len(fields) == 8 and fields[5] == "03"
        if connected and os.path.dirname(fields[7]) == runtime:
            inodes.add(fields[6])
    return inodes


def reuse(request: Request) -> dict[str, Connections]:
    """Application -> connections that were opened, and that stayed open, during a series of
    requests through nginx over one client connection."""
    results: dict[str, Connections] = {}
    for app in request["apps"]:
        if not app["reuse"]:
            continue
        try:
            # nginx closes connections of a certain age, possibly in the middle of a series.
            for _ in range(ROWS):
                results[app["name"]] = row(app, request["reuse_requests"])
                if results[app["name"]]["kept"]:
                    break
        except (OSError, http.client.HTTPException) as error:
            results[app["name"]] = {"error": f"{type(error).__name__}: {error}"}
    return results


def row(app: AppRequest, requests: int) -> Connections:
    """Runs one series of requests and counts the application's new and kept connections."""
    client = NginxConnection(app["port"], app["host"], app["tls"], 10)
    try:
        get(client, app)
        first = connections(app["runtime"])
        seen, last = set(first), first
        for _ in range(requests - 1):
            get(client, app)
            last = connections(app["runtime"])
            seen |= last
        return {"new": len(seen - first), "kept": len(first & last)}
    finally:
        client.close()


def youngest(states: dict[str, UnitValues]) -> float:
    """Seconds since the last unit became active; these count as watched."""
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    starts = [
        int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        for state in states.values()
        if isinstance(state, dict)
    ]
    return min((now - start for start in starts if start), default=0.0)


def units_before(request: Request) -> dict[str, UnitValues]:
    """Unit -> its current state."""
    return unit_states(unit_names(request))


def units_after(request: Request) -> dict[str, UnitValues]:
    """Unit -> its state once all have been up for `settle` seconds."""
    states = units_before(request)
    if not states:
        return {}
    watched = max(seconds(request), youngest(states))
    time.sleep(max(0.0, request["settle"] - watched))
    return units_before(request)


def seconds(_: Request) -> float:
    """Seconds for which the units have been watched."""
    return time.monotonic() - STARTED
