"""Looks at a host from the inside: what runs, what listens, who may do what.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"apps": [{"name",
"current": link to the live release, "unit": with {} for the release, "runtime": directory of
sockets, "sockets": {NAME: socket}, "maintenance": file, "user", "path", "host", "port", "tls":
bool, "scheme": visitors', "reuse": bool}], "own_units": [unit], "status_port", "admins": [user],
"settle": seconds, "reuse_requests": number, "listener": seconds, or 0 for none}. Prints one line of
JSON with a key per function of SECTIONS; what could not be looked at is {"error": reason}. Standard
library only, Python 3.9 or later.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundcrew.remote.app_client import NginxConnection, http_status, socket_status
from groundcrew.remote.printable import all_printable

Data = dict[str, Any]
COMMAND_TIMEOUT = 60
LISTENER = "groundcrew-seen"
SYSTEM = Path("/etc/systemd/system")
OWNER = re.compile(r"# Managed by groundcrew: belongs to one release of ([^;\s]+);")
UNIT_PROPERTIES = "Id,ActiveState,SubState,NRestarts,MainPID,Result,ActiveEnterTimestampMonotonic"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command's exit status and output, in English."""
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMMAND_TIMEOUT,
        env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
    )


def releases(request: Data) -> Data:
    """Application -> its live release, None where there is none, and that release's units."""
    found = {}
    for app in request["apps"]:
        try:
            release = os.path.basename(os.readlink(app["current"]))
        except OSError:
            release = None
        found[app["name"]] = {"release": release, "units": instances(app["unit"], release)}
    return found


def instances(unit: str, release: str | None) -> list[str]:
    """The units of a release: the first instance's, and those of others that are on the host."""
    if not release:
        return []
    first, others = unit.replace("{}", release), unit.replace("{}", release + ".*")
    found = [path.name for path in SYSTEM.glob(others)]
    return [first, *sorted(found, key=lambda name: int(name.split(".")[-2]))]


def maintenance(request: Data) -> Data:
    """Application -> what the file says that switches its maintenance on; None where it is off."""
    found: Data = {}
    for app in request["apps"]:
        try:
            found[app["name"]] = Path(app["maintenance"]).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            found[app["name"]] = None
    return found


def unit_names(request: Data) -> list[str]:
    """The units that serve: nginx, where there are applications, and theirs."""
    units = [unit for app in releases(request).values() for unit in app["units"]]
    return ["nginx.service", *units] if request["apps"] else []


def background_units(request: Data) -> list[str]:
    """Those of the live releases' workers and timed jobs, and the host's own that are there."""
    found = [name for name in request["own_units"] if (SYSTEM / name).exists()]
    for name, app in releases(request).items():
        if app["release"]:
            for end in ("", ".*"):
                pattern = f"{name}.*@{app['release']}{end}.service"
                found += sorted(path.name for path in SYSTEM.glob(pattern))
    return found


def followers(request: Data) -> Data:
    """Application -> its live release's workers and timers, each with its state now, and for how
    many seconds; with a timer the state of its job."""
    found: Data = {}
    for name, app in releases(request).items():
        patterns = [
            f"{name}.*@{app['release']}{end}" for end in (".service", ".*.service", ".timer")
        ]
        names = sorted({path.name for pattern in patterns for path in SYSTEM.glob(pattern)})
        found[name] = unit_states(names) if app["release"] else {}
        for state in found[name].values():
            entered = int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
            state["seconds"] = time.clock_gettime(time.CLOCK_MONOTONIC) - entered
    return found


def leftovers(request: Data) -> list[str]:
    """Applications that have units here though the settings do not name them."""
    known = {app["name"] for app in request["apps"]}
    found = set()
    for path in SYSTEM.glob("*@*"):
        match = OWNER.match(path.read_text(encoding="utf-8")) if path.is_file() else None
        if match:
            found.add(match[1])
    return sorted(found - known)


def units(request: Data) -> Data:
    """Unit -> its state now."""
    return unit_states(unit_names(request))


def unit_states(names: list[str]) -> Data:
    """The state of each of these units now."""
    if not names:
        return {}
    blocks = run("systemctl", "show", f"--property={UNIT_PROPERTIES}", *names).stdout
    states = {}
    for name, block in zip(names, blocks.strip().split("\n\n")):  # noqa: B905 - Python 3.9
        states[name] = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return states


def processes(request: Data) -> Data:
    """Unit -> its processes: id, user, name."""
    found: Data = {name: [] for name in unit_names(request)}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            # A process gives itself its name, of any bytes.
            groups = (process / "cgroup").read_text(errors="replace")
            status = (process / "status").read_text(errors="replace")
        except OSError:
            continue
        for name, members in found.items():
            if re.search(f"/{re.escape(name)}(/|$)", groups, re.MULTILINE):
                uid = int(re.findall(r"^Uid:\t(\d+)\t(\d+)", status, re.MULTILINE)[0][1])
                title = re.findall(r"^Name:\t(.*)", status)[0]
                members.append({"pid": int(process.name), "user": user_name(uid), "name": title})
    return found


def user_name(uid: int) -> str:
    """A user's name, or the number of one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def exposure(request: Data) -> Data:
    """Unit -> systemd's exposure figure, 0 sandboxed to 10 open; None where it gave none."""
    names = [*unit_names(request), *background_units(request)]
    if not names:
        return {}
    result = run("systemd-analyze", "security", "--no-pager", *names)
    found = re.findall(r"Overall exposure level for (\S+): ([0-9.]+)", result.stdout)
    if not found:
        return {"error": last_line(result.stderr) or "systemd-analyze printed no figure"}
    figures = {unit: float(figure) for unit, figure in found}
    return {unit: figures.get(unit) for unit in names}


def get(connection: http.client.HTTPConnection, app: Data) -> int:
    """The status of the application's health path through nginx."""
    headers = {"Host": app["host"], "User-Agent": "groundcrew-verify"}
    return http_status(connection, app["path"], headers)


def sockets(request: Data) -> Data:
    """Name of a socket -> the status that its application answers there, where nginx asks too."""
    found: Data = {}
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
                found[name] = {"status": status}
            except (OSError, http.client.HTTPException) as error:
                found[name] = {"error": f"{type(error).__name__}: {error}"}
    return found


def connections(runtime: str) -> set[str]:
    """Inodes of the connections that servers hold on sockets in a directory."""
    found = set()
    for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
        fields = line.split()
        connected = len(fields) == 8 and fields[5] == "03"
        if connected and os.path.dirname(fields[7]) == runtime:
            found.add(fields[6])
    return found


def reuse(request: Data) -> Data:
    """Application -> how many of its connections were new after, and how many outlived, a row of
    requests through nginx over one client connection."""
    found: Data = {}
    for app in request["apps"]:
        if not app["reuse"]:
            continue
        client = NginxConnection(app["port"], app["host"], app["tls"], 10)
        try:
            get(client, app)
            first = connections(app["runtime"])
            seen, last = set(first), first
            for _ in range(request["reuse_requests"] - 1):
                get(client, app)
                last = connections(app["runtime"])
                seen |= last
            found[app["name"]] = {"new": len(seen - first), "kept": len(first & last)}
        except (OSError, http.client.HTTPException) as error:
            found[app["name"]] = {"error": f"{type(error).__name__}: {error}"}
        finally:
            client.close()
    return found


def nginx_status(request: Data) -> Data:
    """nginx's counters: connections accepted and handled, requests."""
    connection = http.client.HTTPConnection("127.0.0.1", request["status_port"], timeout=5)
    try:
        connection.request("GET", "/status")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    accepted, handled, requests = re.findall(r"^ (\d+) (\d+) (\d+)", text, re.MULTILINE)[0]
    return {"accepted": int(accepted), "handled": int(handled), "requests": int(requests)}


def listening(_: Data) -> list[Data]:
    """TCP sockets that listen: address, port, name of the process."""
    result = run("ss", "-Hltnp")
    if result.returncode != 0:
        raise OSError(last_line(result.stderr))
    found = []
    for line in result.stdout.splitlines():
        local = line.split()[3]
        address, port = local.rsplit(":", 1)
        processes = re.findall(r'\("([^"]+)",pid=(\d+)', line)
        if processes and all(name == LISTENER and is_roots(pid) for name, pid in processes):
            continue
        names = ", ".join(sorted({name for name, _ in processes})) or "?"
        address = address.split("%")[0].strip("[]")
        found.append({"address": address, "port": int(port), "process": names})
    return found


def is_roots(pid: str) -> bool:
    """Whether a process is root's: others can take the name of one that is."""
    try:
        return os.stat(f"/proc/{pid}").st_uid == 0
    except OSError:
        return False


def logrotate(_: Data) -> Data:
    """What logrotate says about its whole configuration without doing anything."""
    result = run("logrotate", "--debug", "/etc/logrotate.conf")
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    return {"code": result.returncode, "errors": errors}


def sudo(request: Data) -> Data:
    """Whether sudo's files are in order, and who may use it."""
    syntax = run("visudo", "--check", "--quiet")
    users = [*request["admins"], *(app["user"] for app in request["apps"])]
    may = {}
    for user in users:
        result = run("sudo", "--non-interactive", "--list", f"--other-user={user}")
        may[user] = "may run the following" in result.stdout
    return {"code": syntax.returncode, "output": syntax.stderr + syntax.stdout, "may": may}


def sshd(_: Data) -> Data:
    """sshd's settings as it understands them: keyword in lower case -> value."""
    result = run(sshd_program(), "-T")
    if result.returncode != 0:
        return {"error": last_line(result.stderr)}
    pairs = (line.split(" ", 1) for line in result.stdout.splitlines() if " " in line)
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: " ".join(values) for key, values in found.items()}


def sshd_program() -> str:
    """sshd insists on its full path; this is Debian's."""
    return "/usr/sbin/sshd"


def packet_filter(_: Data) -> Data:
    """Whether nftables drops incoming packets that no rule accepts."""
    result = run("nft", "list", "chains")
    if result.returncode != 0:
        return {"error": last_line(result.stderr)}
    hooks = re.findall(r"table (\S+) [^}]*?hook input [^;]*; policy (\w+);", result.stdout)
    return {"families": sorted({family for family, policy in hooks if policy == "drop"})}


def upkeep(_: Data) -> Data:
    """Whether the clock is kept and security updates are installed."""
    # Not both in one option: systemd of Debian 12 takes the comma for a part of the name.
    clock = run("timedatectl", "show", "--property=NTP", "--property=NTPSynchronized").stdout
    periodic = run("apt-config", "dump", "APT::Periodic::Unattended-Upgrade").stdout
    timer = run("systemctl", "is-enabled", "apt-daily-upgrade.timer").stdout
    return {
        "clock": dict(line.split("=", 1) for line in clock.splitlines() if "=" in line),
        "upgrade_days": (re.findall(r'"(.*)"', periodic) or [""])[0],
        "upgrade_timer": timer.strip(),
    }


def apparmor(_: Data) -> Data:
    """Whether the kernel has AppArmor, and how many profiles it enforces."""
    module = Path("/sys/module/apparmor/parameters/enabled")
    enabled = module.exists() and module.read_text().strip() == "Y"
    profiles = Path("/sys/kernel/security/apparmor/profiles")
    text = profiles.read_text() if enabled and profiles.exists() else ""
    return {
        "kernel": module.exists(),
        "enabled": enabled,
        "enforced": len(re.findall(r"\(enforce\)$", text, re.MULTILINE)),
    }


def machine(_: Data) -> Data:
    """Whether it is a container, and its public IPv6 addresses."""
    container = run("systemd-detect-virt", "--container").returncode == 0
    text = run("ip", "-6", "-json", "address", "show", "scope", "global").stdout
    addresses = [
        address["local"]
        for link in json.loads(text or "[]")
        for address in link.get("addr_info", [])
        if "local" in address
    ]
    return {"container": container, "ipv6": addresses}


def listener(request: Data) -> Data:
    """Opens a port on all addresses for some seconds; its number, and whether it answers here."""
    if not request["listener"]:
        return {"port": None}
    ipv4 = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - what the firewall must hide
    port = ipv4.getsockname()[1]
    servers = [ipv4]
    with contextlib.suppress(OSError):
        servers.append(socket.create_server(("::", port), family=socket.AF_INET6))
    if os.fork() == 0:
        stay(request["listener"])
    for server in servers:
        server.close()
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return {"port": port}


def stay(seconds: float) -> None:
    """Keeps open what listens for some seconds, detached from the session; ends the process."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        Path("/proc/self/comm").write_text(LISTENER)
        time.sleep(seconds)
    finally:
        os._exit(0)


def last_line(text: str) -> str:
    """The last line of a program's output, which says what went wrong."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


SECTIONS: dict[str, Callable[[Data], Any]] = {
    "machine": machine,
    "releases": releases,
    "maintenance": maintenance,
    "processes": processes,
    "exposure": exposure,
    "followers": followers,
    "leftovers": leftovers,
    "sockets": sockets,
    "reuse": reuse,
    "nginx_status": nginx_status,
    "listening": listening,
    "logrotate": logrotate,
    "sudo": sudo,
    "sshd": sshd,
    "packet_filter": packet_filter,
    "upkeep": upkeep,
    "apparmor": apparmor,
}


def look(section: Callable[[Data], Any], request: Data) -> Any:
    """One section, or why it could not be looked at."""
    try:
        return section(request)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def youngest(states: Data) -> float:
    """Seconds for which the unit that started last has been up: it need not be watched as long."""
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    starts = [
        int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        for state in states.values()
        if isinstance(state, dict)
    ]
    return min((now - start for start in starts if start), default=0.0)


def main() -> int:
    """Prints everything; units are looked at first, and again when all have been up for `settle`
    seconds."""
    request = json.loads(sys.argv[1])
    started = time.monotonic()
    report = {"units_before": look(units, request)}
    for name, section in SECTIONS.items():
        report[name] = look(section, request)
    waited = time.monotonic() - started
    time.sleep(max(0.0, request["settle"] - max(waited, youngest(report["units_before"]))))
    report["units_after"] = look(units, request)
    report["seconds"] = time.monotonic() - started
    report["listener"] = look(listener, request)
    print(json.dumps(all_printable(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
