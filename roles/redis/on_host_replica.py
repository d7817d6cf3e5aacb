"""Replicas of Redis: sets them up, lets them follow their primaries, and tells how far behind they
are.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: that of `roles/redis/on_host.py`, whose instances also have "data": PATH and "primary":
{"host", "address", "port", "server", "store", "ca": PATH}; and "move_aside": bool.

Data that may exist nowhere else is never deleted: it is moved aside.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run
from groundcrew.remote.credentials import active_login
from groundcrew.remote.safe_paths import opened
from groundcrew.remote.self_signed import certificate_differences, make_certificate
from groundcrew.remote.unit_control import journal
from groundcrew.roles.redis.on_host import (
    ServerError,
    connect,
    converge_instance,
    figures,
    instance_differences,
    unit_of,
)
from groundcrew.roles.redis.on_host_files import read
from groundcrew.roles.redis.on_host_link import (
    PROMOTED,
    REPLICA,
    RETIRED,
    is_replica_of,
    kind,
    mark_replica,
    unmark,
)
from groundcrew.roles.redis.on_host_replicas import information, lag
from groundcrew.roles.redis.on_host_resp import Client, RespError

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.replication import OwnLag
    from groundcrew.roles.redis.report import Instance, Instances

Data = dict[str, Any]
FOLLOWS_WITHIN = 60.0
"""Seconds within which a replica has everything, unless it is receiving a copy."""
COPIED_WITHIN = 1800.0


def differences(request: Data) -> list[str]:
    """A line for each difference."""
    lines = certificate_differences(request["certificate"])
    for instance in request["instances"]:
        own_differences = instance_differences(request, instance)
        lines += own_differences or [
            f"{instance['name']}: {line}" for line in _differences(instance)
        ]
    return lines


def _differences(instance: Data) -> list[str]:
    primary = instance["primary"]
    if not is_replica_of(instance["link"], primary):
        return [f"it does not follow {primary['host']}"]
    try:
        with connect(instance) as client:
            values = replication(client)
            if not _told(client, values, primary):
                return [f"it does not follow {primary['host']}"]
    except RespError as error:
        return [str(error)]
    if not lag(values)["streaming"] and answers(primary) and not _streams(instance, 8):
        return [f"it receives nothing from {primary['host']}, which answers"]
    return []


def converge(request: Data) -> None:
    """Makes the changes. Each instance receives what its primary has, in place of what it had."""
    if certificate_differences(request["certificate"]):
        make_certificate(request["certificate"])
    for instance in request["instances"]:
        if active_login(instance["primary"]["store"]) is None:
            raise ServerError(
                f"the login for {instance['primary']['host']} is not here: run deploy.py with it"
            )
        converge_instance(request, instance)
        if kind(instance["link"]) not in (REPLICA, RETIRED):
            _make_room(request, instance)
        _follow(request, instance)


def replication(client: Client) -> dict[str, str]:
    """What the server says of its replication."""
    return information(client.ask("INFO", "replication").decode())


def answers(primary: Data) -> bool:
    """Whether the primary lets the replica in."""
    login = active_login(primary["store"])
    if login is None:
        return False
    result = subprocess.run(
        [f"/usr/bin/{primary['server']}-cli", "-h", primary["address"], "-p",
         str(primary["port"]), "--tls", "--cacert", primary["ca"], "--user", login[0],
         "--no-auth-warning", "-e", "PING"],
        check=False, capture_output=True, text=True, timeout=30,
        env={"PATH": "/usr/bin:/bin", "REDISCLI_AUTH": login[1], "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return result.stdout.strip() == "PONG"


def _told(client: Client, values: dict[str, str], primary: Data) -> bool:
    """Whether the running server follows the primary, with the login that is active."""
    place = (values.get("master_host"), values.get("master_port"))
    if values["role"] != "slave" or place != (primary["address"], str(primary["port"])):
        return False
    return _login(client) == active_login(primary["store"])


def _login(client: Client) -> tuple[str, str]:
    """The login that the server has for its primary."""
    pair = client.ask_all([("CONFIG", "GET", "masteruser"), ("CONFIG", "GET", "masterauth")])
    user, password = (answer[1].decode() if answer else "" for answer in pair)
    return user, password


def _make_room(request: Data, instance: Data) -> None:
    """Moves the keys of a server aside that has been none of a replica. Raises ServerError if there
    are some and nobody has allowed it."""
    refusal = None
    if kind(instance["link"]) == PROMOTED:
        refusal = "it has been promoted"
    with connect(instance) as client:
        if re.search(r"^db[0-9]+:", client.ask("INFO", "keyspace").decode(), re.MULTILINE):
            refusal = refusal or "it has keys of its own"
    if refusal is None:
        return
    if not request["move_aside"]:
        raise ServerError(
            f"{instance['name']}: {refusal}. As a replica of {instance['primary']['host']} it "
            "would lose them. If that is wanted, run deploy.py with --data redis.move_aside=yes: "
            "they are kept beside the new data"
        )
    unit = unit_of(request, instance["name"])
    run("systemctl", "stop", unit)
    _move_aside(instance["data"])
    unmark(instance["link"])
    converge_instance(request, instance)


def _move_aside(data: str) -> None:
    """Renames the directory of an instance's data, and makes an empty one in its place. The server
    can write the directory, and perhaps the one around it."""
    mark = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    with opened(data) as place:
        state = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
        aside = f"{place.name}.before-{mark}"
        os.rename(place.name, aside, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        os.mkdir(place.name, 0o700, dir_fd=place.folder)
        made = os.open(place.name, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place.folder)
        try:
            os.fchown(made, state.st_uid, state.st_gid)
            os.fchmod(made, 0o750)
        finally:
            os.close(made)


def kept_aside(data: str) -> list[str]:
    """Directories of data that has been moved aside."""
    folder, name = os.path.split(data)
    pattern = re.compile(rf"{re.escape(name)}\.before-\w+")
    return sorted(
        os.path.join(folder, item) for item in os.listdir(folder) if pattern.fullmatch(item)
    )


def _follow(request: Data, instance: Data) -> None:
    """Lets an instance follow its primary, and waits until it has everything."""
    primary = instance["primary"]
    mark_replica(instance["link"], primary, request["server"])
    login = active_login(primary["store"])
    assert login
    with connect(instance) as client:
        if not _told(client, replication(client), primary):
            if _login(client) != login:
                client.ask("CONFIG", "SET", "masteruser", login[0])
                client.ask("CONFIG", "SET", "masterauth", login[1])
            # A primary that was stopped for a promotion would refuse writes after its own.
            accept_writes(client, instance["configuration"])
            client.ask("REPLICAOF", primary["address"], primary["port"])
    if not _streams(instance, FOLLOWS_WITHIN):
        reason = journal(unit_of(request, instance["name"]))
        raise ServerError(
            f"{instance['name']}: it receives nothing from {primary['host']}\n{reason}"
        )


def accept_writes(client: Client, configuration: str) -> None:
    """Undoes what lets a primary accept no writes: a server that is none now may be one later."""
    text = read(configuration)
    for key, usual in (("min-replicas-max-lag", "10"), ("min-replicas-to-write", "0")):
        values = re.findall(rf"^{key} (.+)$", text, re.MULTILINE)
        client.ask("CONFIG", "SET", key, values[-1] if values else usual)


def _streams(instance: Data, patience: float) -> bool:
    """Whether an instance has everything of its primary within so many seconds. While it receives
    or reads a copy, it gets more."""
    started = time.monotonic()
    while True:
        copying = False
        try:
            with connect(instance) as client:
                values = replication(client)
                if lag(values)["streaming"]:
                    return True
                copying = values.get("master_sync_in_progress") == "1"
        except RespError as error:
            copying = "LOADING" in str(error)
        waited = time.monotonic() - started
        if waited > (COPIED_WITHIN if copying else patience):
            return False
        time.sleep(0.3)


def redis_replicas(request: Data) -> Instances:
    """What the checks and the status need to know."""
    return {
        "differences": differences(request),
        "instances": {
            instance["name"]: _report(request, instance) for instance in request["instances"]
        },
    }


def _report(request: Data, instance: Data) -> Instance:
    report = figures(request, instance)
    link: OwnLag = {"recovering": False, "streaming": False}
    if "error" not in report:
        with connect(instance) as client:
            link = lag(replication(client))
    aside = kept_aside(instance["data"])
    return {**report, "replica": {**link, "of": instance["primary"]["host"], "aside": aside}}
