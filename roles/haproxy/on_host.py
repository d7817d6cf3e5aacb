"""What runs on the balancer as root: loads a configuration, and tells the state of the hosts.

The request is that of `roles/haproxy/builders.py`. HAProxy's user owns the directory of the socket;
what comes over it is only told, compared with names of the request, and counted.
"""

from __future__ import annotations

import csv
import http.client
import io
import re
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.haproxy.report import Balancer, Server

Data = dict[str, Any]
TURNS = 2
"""Requests for each host, with which verify sees that it gets its share."""
ROUNDS = 3
"""How often verify sends them while a host that is up has got none."""
LOADED = 15.0
"""Seconds in which new processes must have loaded a configuration."""
WAIT = 0.1


class BalancerError(Exception):
    """Something did not come about; the message says what."""


def talk(path: str, command: str) -> str:
    """What HAProxy answers to a command. Raises OSError if it does not run."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(f"{command}\n".encode())
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def info(path: str) -> dict[str, str]:
    """What the running process tells about itself."""
    lines = (line.partition(":") for line in talk(path, "show info").splitlines())
    return {key.strip(): value.strip() for key, _, value in lines if key}


def wanted(request: Data) -> str:
    """What the processes that have loaded the configuration on disk tell as their description."""
    match = re.search(r"^ *description (\S+)$", Path(request["configuration"]).read_text(), re.M)
    return match[1] if match else ""


def servers(path: str, kinds: tuple[str, ...] = ("app-",)) -> list[Server]:
    """The hosts of all applications, as HAProxy sees them. With "unchecked-" in `kinds`, they are
    also listed where they take over without checks."""
    text = talk(path, "show stat").lstrip("# ")
    rows = [row for row in csv.DictReader(io.StringIO(text))
            if row["svname"] not in ("FRONTEND", "BACKEND")]  # fmt: skip
    out = {(row["pxname"], row["svname"]) for row in rows if taken_out(row)}
    return [
        {
            "backend": row["pxname"],
            "server": row["svname"],
            "status": row["status"],
            "check": f"{row['check_status']} {row['last_chk'] or row['check_desc']}".strip(),
            "weight": int(row["weight"] or 0),
            "current": int(row["scur"] or 0),
            "requests": int(row["stot"] or 0),
            "since": int(row["lastchg"] or 0),
            "out": any((name, row["svname"]) in out
                       for name in (row["pxname"], unchecked(row["pxname"]))),
        }
        for row in rows
        if row["pxname"].startswith(kinds)
    ]  # fmt: skip


def haproxy(request: Data) -> Balancer:
    """The state of HAProxy and all hosts. With `ask`, requests show which hosts get some."""
    path = request["socket"]
    told = info(path)
    if request.get("ask"):
        settle(request)
    before = servers(path)
    report: Balancer = {
        "version": told.get("Version", "?"),
        "loaded": told.get("description") == wanted(request),
        "uptime": int(told.get("Uptime_sec") or 0),
        "connections": int(told.get("CurrConns") or 0),
        "servers": before,
    }
    if request.get("ask"):
        counts = {(item["backend"], item["server"]): item["requests"] for item in before}
        for _ in range(ROUNDS):
            report["errors"] = ask(request)
            report["servers"] = [
                {
                    **item,
                    "more": item["requests"] - counts.get((item["backend"], item["server"]), 0),
                }
                for item in servers(path)
            ]
            # One that has come up meanwhile gets its first requests in the next round.
            if report["errors"] or all(
                item["more"] or item["status"] != "UP"
                or is_idle(request, item["backend"], item["server"])
                for item in report["servers"]
            ):  # fmt: skip
                break
    return report


def settle(request: Data) -> None:
    """Waits until all hosts are up, as long as a check may take."""
    deadline = time.monotonic() + request["patience"]
    while time.monotonic() < deadline:
        states = {(item["backend"], item["server"]): item for item in servers(request["socket"])}
        every = [
            (backend, name)
            for backend, names in request["servers"].items()
            for name in names
            if not is_idle(request, backend, name)
        ]
        # What is drained, or not there at all, does not come up by itself.
        if all(item not in states or not states[item]["status"].startswith("DOWN")
               for item in every):  # fmt: skip
            return
        time.sleep(WAIT)


def ask(request: Data) -> dict[str, str]:
    """Requests the health path of each application as often as each host should get one. Returns
    backend -> why that failed."""
    errors = {}
    for site in request["sites"]:
        try:
            for _ in range(TURNS * len(request["servers"][site["backend"]])):
                get(site)
        except (OSError, http.client.HTTPException) as error:
            errors[site["backend"]] = str(error) or type(error).__name__
    return errors


def get(site: Data) -> None:
    """One request, over a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", site["port"], timeout=10)
    connection.connect()
    if site["tls"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # verify looks at the certificate from outside.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection.sock = context.wrap_socket(connection.sock, server_hostname=site["host"])
    try:
        headers = {"Host": site["host"], "Connection": "close"}
        connection.request("GET", site["path"], headers=headers)
        connection.getresponse().read()
    finally:
        connection.close()


def activate(request: Data) -> str:
    """Checks the configuration on disk and loads it, if HAProxy runs. Hosts that are not in it any
    more get no new requests first, and those in progress may end."""
    for command in (
        [request["certificates"]],
        ["haproxy", "-c", "-q", "-f", request["configuration"]],
    ):
        done = run(*command)
        if done.returncode != 0:
            raise BalancerError((done.stderr or done.stdout).strip())
    if run("systemctl", "is-active", "--quiet", request["unit"]).returncode != 0:
        return "not running"
    try:
        info(request["socket"])
    except OSError:
        # It still runs as its package configures it, until the unit is restarted.
        return "not ours yet"
    release(request)
    name = wanted(request)
    try:
        if run("systemctl", "reload", request["unit"]).returncode != 0:
            raise BalancerError(f"systemctl reload {request['unit']} failed: see its journal")
        until(
            LOADED,
            lambda: info(request["socket"]).get("description") == name,
            "HAProxy did not load the new configuration: see journalctl -u haproxy",
        )
    except BalancerError:
        # The old configuration stays, with all its hosts.
        with suppress(OSError):
            converge(request)
        raise
    return "loaded"


def release(request: Data) -> None:
    """Drains the hosts that are not in the new configuration, and those where applications are idle
    now if others are healthy. After the reload it would be too late: the old process answers one
    more request of each client that it knows. Raises BalancerError, and drains none, if an
    application would be left without a healthy host: new ones have not answered yet."""
    path = request["socket"]
    every = servers(path)
    leaving = [
        item for item in every if item["server"] not in request["servers"].get(item["backend"], ())
    ]
    for item in leaving:
        stay = request["servers"].get(item["backend"], ())
        others = [other for other in every if other["backend"] == item["backend"]
                  and other["server"] in stay and other["status"].startswith("UP")]  # fmt: skip
        if stay and not others and item["status"].startswith("UP"):
            raise BalancerError(
                f"{item['backend'][4:]} would have no healthy host: put {item['server']} into the "
                "inventory again, with `idle: true`, until the others have answered"
            )
    leaving += [item for item in serving_idle(request, every)
                if healthy_others(request, item["backend"], every)]  # fmt: skip
    for item in leaving:
        set_state(path, item, "drain")
    names = {(item["backend"], item["server"]) for item in leaving}
    deadline = time.monotonic() + request["drain"]
    while names and busy(path, names) and time.monotonic() < deadline:
        time.sleep(WAIT)


def is_idle(request: Data, backend: str, name: str) -> bool:
    """Whether an application is idle on a host."""
    return name in request.get("idle", {}).get(backend, ())


def healthy_others(request: Data, backend: str, every: list[Server]) -> list[str]:
    """The healthy hosts of an application besides those where it is idle."""
    return [
        item["server"]
        for item in every
        if item["backend"] == backend
        and item["server"] in request["servers"].get(backend, ())
        and not is_idle(request, backend, item["server"])
        and item["status"].startswith("UP")
    ]


def handed_over(request: Data) -> str | None:
    """Gives hosts where applications are idle no more requests, and waits for those in progress,
    `drain` seconds at most. Why the applications may not stop; None if they may: others are
    healthy. `stopped` is called when they have: until the balancer notices, it would give them
    requests while the others are late with their checks."""
    path, idle = request["socket"], request["idle"]
    settle(request)
    every = servers(path)
    for backend in idle:
        if not healthy_others(request, backend, every):
            put_idle_back(request, every)
            told = ", ".join(idle[backend])
            return f"{backend[4:]} goes on on {told}: no other host is healthy"
    going = serving_idle(request, every)
    for item in going:
        set_state(path, item, "drain")
    names = {(item["backend"], item["server"]) for item in going}
    deadline = time.monotonic() + request["drain"]
    while names and busy(path, names) and time.monotonic() < deadline:
        time.sleep(WAIT)
    return None


def stopped(request: Data) -> None:
    """Ends what `handed_over` has begun, when the balancer has noticed that the applications have
    stopped: such a host gets no requests, and takes over if somebody starts its application."""
    deadline = time.monotonic() + request["patience"]
    while True:
        every = servers(request["socket"])
        if not serving_idle(request, every) or time.monotonic() > deadline:
            break
        time.sleep(WAIT)
    put_idle_back(request, every)


def serving_idle(request: Data, every: list[Server]) -> list[Server]:
    """Hosts where an application is idle, as long as it answers there."""
    return [
        item
        for item in every
        if is_idle(request, item["backend"], item["server"])
        and not item["status"].startswith("DOWN")
    ]


def put_idle_back(request: Data, every: list[Server]) -> None:
    """Lets hosts where an application is idle stand in for the others again, if it runs there."""
    for item in every:
        if item["out"] and is_idle(request, item["backend"], item["server"]):
            put_back(request["socket"], item)


def busy(path: str, names: set[tuple[str, str]]) -> int:
    """Number of requests in progress on some hosts."""
    names = names | {(unchecked(backend), name) for backend, name in names}
    every = servers(path, ("app-", "unchecked-"))
    return sum(item["current"] for item in every if (item["backend"], item["server"]) in names)


def unchecked(backend: str) -> str:
    """The backend that takes over while no host of this one is healthy."""
    return f"unchecked-{backend[4:]}"


def set_state(path: str, item: Server, state: str) -> None:
    """Says whether a host gets requests, with checks and without."""
    for backend in (item["backend"], unchecked(item["backend"])):
        talk(path, f"set server {backend}/{item['server']} state {state}")


def until(seconds: float, done: Any, message: str) -> None:
    """Waits until something holds. Raises BalancerError with the message if it does not."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if done():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise BalancerError(message)
        time.sleep(WAIT)


def differences(request: Data) -> list[str]:
    """Hosts that somebody, or a run that was interrupted, has taken out."""
    path = request["socket"]
    if not Path(path).exists():
        return []
    return [
        f"{item['server']} gets requests of {item['backend'][4:]} again (it was {item['status']})"
        for item in servers(path)
        if item["out"]
    ]


def taken_out(row: dict[str, str]) -> bool:
    """Whether a row of `show stat` is one of a host that somebody has taken out. Of one that is not
    healthy either, only the row in the backend without checks shows it."""
    return row["status"].startswith(("MAINT", "DRAIN")) or int(row["weight"] or 0) == 0


def converge(request: Data) -> None:
    """Gives all hosts requests again. Those that are not healthy get none all the same."""
    path = request["socket"]
    for item in servers(path):
        if item["out"]:
            put_back(path, item)


def put_back(path: str, item: Server) -> None:
    """Gives a host requests again, once it is healthy."""
    place = f"{item['backend']}/{item['server']}"
    set_state(path, item, "ready")
    talk(path, f"set server {place} weight 100%")
    talk(path, f"enable health {place}")


def drain(request: Data) -> list[str]:
    """Gives the hosts `hosts` no more requests, and waits for those in progress. Returns what is
    still in progress after `drain` seconds. Raises BalancerError, and drains none, if an
    application would be left without a healthy host."""
    path, hosts = request["socket"], set(request["hosts"])
    every = servers(path)
    for backend in sorted({item["backend"] for item in every if item["server"] in hosts}):
        others = [item for item in every if item["backend"] == backend
                  and item["server"] not in hosts and item["status"].startswith("UP")
                  and not is_idle(request, backend, item["server"])]  # fmt: skip
        if not others:
            raise BalancerError(f"{backend[4:]} would have no healthy host left")
    mine = [item for item in every if item["server"] in hosts]
    for item in mine:
        set_state(path, item, "drain")
    names = {(item["backend"], item["server"]) for item in mine}
    deadline = time.monotonic() + request["drain"]
    while busy(path, names) and time.monotonic() < deadline:
        time.sleep(WAIT)
    return [
        f"{item['current']} requests of {item['backend'][4:]} on {item['server']}"
        for item in servers(path)
        if (item["backend"], item["server"]) in names and item["current"]
    ]


def down(request: Data) -> list[str]:
    """Hosts besides `hosts` that are not up, each with why."""
    return [
        f"{item['server']} ({item['backend'][4:]}): {item['status']}, {item['check']}"
        for item in servers(request["socket"])
        if item["server"] not in request["hosts"]
        and not item["status"].startswith("UP")
        and not is_idle(request, item["backend"], item["server"])
    ]


def ready(request: Data) -> list[str]:
    """Gives the hosts `hosts` requests again, and waits until they are up, `seconds` at most.
    Returns those that are not. The checks keep hosts out that are not healthy."""
    path, hosts = request["socket"], set(request["hosts"])
    for item in servers(path):
        if item["server"] in hosts:
            put_back(path, item)
    deadline = time.monotonic() + request["seconds"]
    while True:
        late = [
            f"{item['server']} ({item['backend'][4:]}): {item['status']}, {item['check']}"
            for item in servers(path)
            if item["server"] in hosts
            and not item["status"].startswith("UP")
            and not is_idle(request, item["backend"], item["server"])
        ]
        if not late or time.monotonic() > deadline:
            return late
        time.sleep(WAIT)


def serving(request: Data) -> list[str]:
    """Waits until HAProxy runs and knows a healthy host of each application, `seconds` at most.
    Returns what is missing. For a balancer that has restarted."""
    deadline = time.monotonic() + request["seconds"]
    while True:
        try:
            up = {item["backend"] for item in servers(request["socket"])
                  if item["status"].startswith("UP")}  # fmt: skip
            missing = [f"{name[4:]} has no healthy host" for name in request["servers"]
                       if name not in up]  # fmt: skip
        except OSError as error:
            missing = [f"HAProxy does not answer: {error}"]
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(WAIT)


def healthy(request: Data) -> list[str]:
    """Asks the hosts `hosts` for the health path of each application themselves, until they have
    answered `rise` times in a row, `seconds` at most. Returns why some have not."""
    deadline = time.monotonic() + request["seconds"]
    wanted = [
        (site, name, place)
        for site in request["sites"]
        for name, place in site["hosts"].items()
        if name in request["hosts"] and not is_idle(request, site["backend"], name)
    ]
    for site, name, place in wanted:
        good, why = 0, "no answer"
        while good < request["rise"]:
            try:
                status = answer(site, *place)
                good = good + 1 if status == site["status"] else 0
                why = f"status {status} instead of {site['status']}"
            except (OSError, http.client.HTTPException) as error:
                good, why = 0, str(error) or type(error).__name__
            if good < request["rise"]:
                if time.monotonic() > deadline:
                    return [f"{name} ({site['backend'][4:]}): {why}"]
                time.sleep(WAIT)
    return []


def answer(site: Data, address: str, port: int) -> int:
    """The status with which a host answers, as to one of the balancer's checks."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        scheme = "https" if site["tls"] else "http"
        headers = {"Host": site["host"], "X-Forwarded-Proto": scheme, "Connection": "close"}
        connection.request("GET", site["path"], headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
