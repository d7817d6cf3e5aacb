"""Logins of Redis, its units, and what the checks read.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"server": "redis" or "valkey", "instances": [{"name", "purpose", "socket",
"configuration", "users", "drop_in", "link": PATHS, "tls": bool, "accounts": [{"app", "account",
"store", "prefix", "alone"}], "replicas": [{"host", "address", "account", "store"}], "exporter": see
`groundcrew.remote.exporter_login`}], "removed": [name], "certificate": see
`groundcrew.remote.self_signed`, or null}.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run
from groundcrew.remote.credentials import (
    active_login,
    forget,
    logins,
    make_logins,
    of_application,
    rotating,
)
from groundcrew.remote.exporter_login import (
    exporter_differences,
    make_exporter_login,
    start_exporter,
    unit_name,
)
from groundcrew.remote.self_signed import certificate_differences, make_certificate
from groundcrew.remote.unit_control import bring_up, unit_differences
from groundcrew.roles.redis.on_host_files import read, write
from groundcrew.roles.redis.on_host_link import REPLICA, RETIRED, kind, unmark
from groundcrew.roles.redis.on_host_logins import ADMINISTRATOR, administrator, learn, users
from groundcrew.roles.redis.on_host_replicas import followers, information
from groundcrew.roles.redis.on_host_resp import Client

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.redis.report import Instance, Instances

Data = dict[str, Any]
REFUSED = (
    "it accepts no writes: {}. Say in the inventory which host is the primary "
    "(`redis.instances.{}.replica_of`), or promote it (playbooks/promote.py)"
)
WHY = {
    REPLICA: "it is a replica",
    RETIRED: "its replica has been promoted",
}


class ServerError(Exception):
    """An instance refuses a command; the message says why."""


def unit_of(request: Data, name: str) -> str:
    """The unit of an instance."""
    return f"{request['server']}-server@{name}.service"


def ask(request: Data, instance: Data, *command: str) -> str:
    """What an instance answers to the administrator. Raises ServerError."""
    login = active_login(administrator(instance["name"]))
    if login is None:
        raise ServerError("there is no login of the administrator")
    result = subprocess.run(
        [f"/usr/bin/{request['server']}-cli", "-s", instance["socket"], "--user", login[0], "-e",
         "--no-auth-warning", *command],
        check=False, capture_output=True, text=True, timeout=30,
        env={"PATH": "/usr/bin:/bin", "REDISCLI_AUTH": login[1], "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if result.returncode != 0:
        raise ServerError(result.stderr.strip() or result.stdout.strip() or "redis-cli failed")
    return result.stdout


def answers(request: Data, instance: Data) -> bool:
    """Whether an instance answers the administrator."""
    try:
        return ask(request, instance, "PING").strip() == "PONG"
    except ServerError:
        return False


def loaded(request: Data, instance: Data) -> bool:
    """Whether an instance knows exactly the logins of its file."""

    def known(text: str) -> set[tuple[str, ...]]:
        lines = [line.split() for line in text.splitlines() if line.startswith("user ")]
        return {
            (words[1], "on" if "on" in words[2:] else "off", *(w for w in words if w[0] in "#~&"))
            for words in lines
        }

    def plain(items: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
        # The server lists what the default user may see although it is off.
        return {item for item in items if item[0] != "default"}

    return plain(known(ask(request, instance, "ACL", "LIST"))) == plain(known(users(instance)))


def files(request: Data, instance: Data) -> list[str]:
    """Files that an instance reads when it starts."""
    return [
        instance["configuration"],
        instance["drop_in"],
        *([request["certificate"]["file"]] if instance["tls"] else []),
    ]


def differences(request: Data) -> list[str]:
    """A line for each difference."""
    lines = certificate_differences(request["certificate"])
    for unit in unwanted(request):
        if run("systemctl", "is-active", unit).stdout.strip() in ("active", "activating"):
            lines.append(f"{unit} runs")
    for instance in request["instances"]:
        what = kind(instance["link"])
        if what in WHY:
            lines.append(f"{instance['name']}: {REFUSED.format(WHY[what], instance['name'])}")
            continue
        if what:
            lines.append(f"{instance['name']}: it is the primary now")
        lines += instance_differences(request, instance)
    return lines


def instance_differences(request: Data, instance: Data) -> list[str]:
    """A line for each difference of an instance, its unit and its logins."""
    name = instance["name"]
    lines = [
        f"{name}: no password of {account['account']}"
        for account in (*instance["accounts"], *instance["replicas"])
        if not logins(account["store"], account["account"])
    ]
    problems = unit_differences(unit_of(request, name), files(request, instance))
    lines += problems
    if read(instance["users"]) != users(instance):
        lines.append(f"{name}: the logins differ")
    elif not problems and not (answers(request, instance) and loaded(request, instance)):
        lines.append(f"{name}: it has not read the logins")
    return lines + [f"{name}: {line}" for line in exporter_differences(instance.get("exporter"))]


def unwanted(request: Data) -> list[str]:
    """Units that must not run: the one that the package starts, and those of removed instances."""
    removed = [
        unit
        for name in request["removed"]
        for unit in (unit_of(request, name), unit_name(f"redis-{name}"))
    ]
    return [f"{request['server']}-server.service", *removed]


def converge(request: Data) -> None:
    """Makes the changes."""
    for unit in unwanted(request):
        run("systemctl", "disable", "--quiet", "--now", unit)
    if certificate_differences(request["certificate"]):
        make_certificate(request["certificate"])
    refused = []
    for instance in request["instances"]:
        what = kind(instance["link"])
        if what in WHY:
            refused.append(f"{instance['name']}: {REFUSED.format(WHY[what], instance['name'])}")
            continue
        unmark(instance["link"])
        converge_instance(request, instance)
    if refused:
        raise ServerError("; ".join(refused))


def converge_instance(request: Data, instance: Data) -> None:
    """Makes the changes of an instance, its unit and its logins."""
    make_logins(administrator(instance["name"]), ADMINISTRATOR)
    for account in (*instance["accounts"], *instance["replicas"]):
        make_logins(account["store"], account["account"])
    make_exporter_login(instance.get("exporter"))
    told = read(instance["users"]) == users(instance)
    if not told:
        write(instance["users"], users(instance), request["server"])
    unit = unit_of(request, instance["name"])
    stale = unit_differences(unit, files(request, instance))
    if stale or not answers(request, instance):
        bring_up(unit, lambda: answers(request, instance))
    elif not told or not loaded(request, instance):
        with connect(instance) as client:
            learn(instance, client)
    start_exporter(instance.get("exporter"))


def connect(instance: Data) -> Client:
    """A connection as the administrator. Raises ServerError or RespError."""
    login = active_login(administrator(instance["name"]))
    if login is None:
        raise ServerError("there is no login of the administrator")
    return Client(instance["socket"], login)


def belongings(request: Data, app: str) -> list[str]:
    """Logins of an application. Its keys go with them if it had a prefix."""
    return [f"{instance['name']}: logins and keys of {os.path.basename(store)}"
            for instance in request["instances"]
            for store in of_application(f"redis.{instance['name']}", app)]  # fmt: skip


def discard(request: Data, app: str) -> None:
    """Removes the logins of an application. Keys go if no other application uses the instance."""
    for instance in request["instances"]:
        for store in of_application(f"redis.{instance['name']}", app):
            if not instance["accounts"]:
                ask(request, instance, "FLUSHALL", "ASYNC")
            forget(store)


def redis(request: Data) -> Instances:
    """What the checks and the status need to know."""
    return {
        "differences": differences(request),
        "instances": {
            instance["name"]: figures(request, instance) for instance in request["instances"]
        },
    }


def figures(request: Data, instance: Data) -> Instance:
    """Figures of an instance, whether it is a primary or a replica; `error` if it does not
    answer."""
    try:
        values = information(ask(request, instance, "INFO", "everything"))
    except ServerError as error:
        return {"error": str(error)}
    accounts = (*instance["accounts"], *instance["replicas"])
    hits, misses = int(values["keyspace_hits"]), int(values["keyspace_misses"])
    keys = [value for key, value in values.items() if key.startswith("db") and "keys=" in value]
    return {
        "version": values.get("valkey_version") or values["redis_version"],
        "used": int(values["used_memory"]),
        "allowed": int(values["maxmemory"]),
        "clients": int(values["connected_clients"]) - 1,
        "maxclients": int(values["maxclients"]),
        "evicted": int(values["evicted_keys"]),
        "refused": int(values.get("rejected_connections", 0)),
        "keys": sum(int(item.split("keys=")[1].split(",")[0]) for item in keys),
        "hit_rate": round(100 * hits / (hits + misses), 1) if hits + misses else None,
        "stored": values["aof_enabled"] == "1",
        "last_write": values["aof_last_write_status"],
        "rotating": [item["account"] for item in accounts if rotating(item["store"])],
        "replicas": followers(values, instance["replicas"]),
    }
