"""Reports a host's resources and how they are used, before anything is changed on it.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"paths": [directory],
"ports": [TCP port], "interpreter": path, "pythons": [version], "fetch": "HOST:PORT" or directory
that pythons are downloaded from, "names": [domain], "connect": ["HOST:PORT"], "users": {NAME: home
that a run would set}}. Prints one line of JSON: {"system": "debian", "release": "12", "cpus",
"memory": bytes, "time": Unix time, "paths": {PATH: {"free": bytes, "inodes": free ones or null,
"writable", "executable": bool}}, "ports": {PORT: [{"pid", "name", "unit"}]} of the processes that
listen, "interpreter": "3.11.2" or null, "pythons": {VERSION: path of an interpreter of that
version, or null}, "names": {DOMAIN: [address]}, "connect": {HOST:PORT: error or ""}, "passwd":
[line], "group": [line], "running": {NAME: [{"pid", "name", "unit"}]} of users that have another
home}. Nothing is changed or stopped. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from groundcrew.remote.printable import printable

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.resources import Owner, Place, ResourceState

LISTEN = "0A"
INTERPRETERS = Path("/opt/groundcrew/python")
CONNECT_SECONDS = 3.0


def os_release() -> dict[str, str]:
    """The fields of /etc/os-release."""
    values = {}
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        values[key] = value.strip("\"'")
    return values


def memory() -> int:
    """Total memory in bytes."""
    match = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(match.group(1)) * 1024 if match else 0


def directory(path: str) -> Place:
    """The file system of a directory, or of the nearest one above it that exists."""
    place = Path(path)
    while not place.is_dir():
        place = place.parent
    state = os.statvfs(place)
    return {
        "free": state.f_bavail * state.f_frsize,
        "inodes": state.f_favail if state.f_files else None,
        "writable": not state.f_flag & os.ST_RDONLY and os.access(place, os.W_OK),
        "executable": not state.f_flag & os.ST_NOEXEC,
    }


def listeners(ports: list[int]) -> dict[str, int]:
    """The sockets that listen on these ports, as a mapping of inode to port."""
    inodes = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == LISTEN and port in ports:
                inodes[fields[9]] = port
    return inodes


def owners(ports: list[int]) -> dict[int, list[Owner]]:
    """The processes that listen on these ports."""
    by_port: dict[int, list[Owner]] = {port: [] for port in ports}
    sockets = listeners(ports)
    if not sockets:
        return by_port
    seen = set()
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        for link in links(process):
            inode = link[len("socket:[") : -1] if link.startswith("socket:[") else ""
            if inode in sockets:
                seen.add(inode)
                owner = describe(process)
                if owner not in by_port[sockets[inode]]:
                    by_port[sockets[inode]].append(owner)
    for inode in sockets.keys() - seen:
        # Owned by a process in another namespace, or by the kernel.
        by_port[sockets[inode]].append({"pid": None, "name": "unknown", "unit": ""})
    return by_port


def links(process: Path) -> list[str]:
    """What the descriptors of a process lead to. One that it closes meanwhile hides no other."""
    told = []
    with contextlib.suppress(OSError):
        for item in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                told.append(os.readlink(item))
    return told


def describe(process: Path) -> Owner:
    """A process: its pid, name and unit."""
    try:
        # A process sets its own name, which may contain any bytes.
        name = printable((process / "comm").read_text(errors="replace").strip())
        groups = (process / "cgroup").read_text(errors="replace")
    except OSError:
        name, groups = "gone", ""
    units = re.findall(r"/([^/\n]+\.(?:service|scope))", groups)
    return {"pid": int(process.name), "name": name, "unit": units[-1] if units else ""}


def version(interpreter: str) -> str | None:
    """The version of a Python interpreter; None if it cannot be run."""
    if os.path.realpath(interpreter) == os.path.realpath(sys.executable):
        return ".".join(map(str, sys.version_info[:3]))
    script = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        return subprocess.check_output([interpreter, "-ISc", script], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def python(wanted: str, interpreter: str) -> str | None:
    """The path of an interpreter of this version, searched as builds do; None if there is none."""
    short = ".".join(wanted.split(".")[:2])
    places = [
        interpreter,
        f"/usr/local/bin/python{short}",
        f"/usr/bin/python{short}",
        *(str(path) for path in INTERPRETERS.glob(f"cpython-{short}.*/bin/python{short}")),
    ]
    for place in places:
        if f"{version(place)}.".startswith(f"{wanted}."):
            return place
    return None


def addresses(name: str) -> list[str]:
    """The addresses that a name resolves to on this host."""
    try:
        return sorted({str(item[4][0]) for item in socket.getaddrinfo(name, None)})
    except OSError:
        return []


def reach(place: str) -> str:
    """Why a TCP port cannot be reached or a directory does not exist; empty if it is fine."""
    if place.startswith("/"):
        return "" if os.path.isdir(place) else "no such directory"
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def passwd() -> list[str]:
    """All users in the format of passwd(5), without passwords."""
    return [f"{item.pw_name}:x:{item.pw_uid}:{item.pw_gid}:{item.pw_gecos}:{item.pw_dir}:"
            f"{item.pw_shell}" for item in pwd.getpwall()]  # fmt: skip


def group() -> list[str]:
    """All groups in the format of group(5), without passwords."""
    return [f"{item.gr_name}:x:{item.gr_gid}:{','.join(item.gr_mem)}" for item in grp.getgrall()]


def running(users: dict[str, str]) -> dict[str, list[Owner]]:
    """The processes of users whose home differs from the one in `users`."""
    by_name: dict[str, list[Owner]] = {}
    others = {
        item.pw_uid: item.pw_name
        for item in pwd.getpwall()
        if item.pw_dir != users.get(item.pw_name, item.pw_dir)
    }
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            status = (process / "status").read_text(errors="replace")
        except OSError:
            continue
        ids = re.search(r"^Uid:((?:\s+\d+)+)", status, re.MULTILINE)
        for name in {others.get(int(uid)) for uid in (ids.group(1).split() if ids else ())}:
            if name:
                by_name.setdefault(name, []).append(describe(process))
    return by_name


def main() -> int:
    """Prints the report."""
    request = json.loads(sys.argv[1])
    system = os_release()
    interpreter = request["interpreter"]
    pythons = {wanted: python(wanted, interpreter) for wanted in request["pythons"]}
    places = list(request["connect"])
    if None in pythons.values():
        places.append(request["fetch"])
    report: ResourceState = {
        "system": system.get("ID", ""),
        "release": system.get("VERSION_ID", ""),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": memory(),
        "time": time.time(),
        "paths": {path: directory(path) for path in request["paths"]},
        "ports": {str(port): port_owners for port, port_owners in owners(request["ports"]).items()},
        "interpreter": version(interpreter),
        "pythons": pythons,
        "names": {name: addresses(name) for name in request["names"]},
        "connect": {place: reach(place) for place in places},
        "passwd": passwd(),
        "group": group(),
        "running": running(request["users"]),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
