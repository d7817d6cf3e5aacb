"""Copies of an instance's keys on its host, and a second server that has them.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import time
from typing import Any

from groundcrew.remote.backup_source import (
    COPIES,
    Scratch,
    SourceError,
    make_folder,
    start_unit,
    stop_unit,
)
from groundcrew.remote.commands import run
from groundcrew.remote.credentials import active_login
from groundcrew.remote.safe_paths import open_file, opened
from groundcrew.remote.unit_control import journal
from groundcrew.roles.redis.on_host_files import write
from groundcrew.roles.redis.on_host_logins import administrator, users
from groundcrew.roles.redis.on_host_replicas import information
from groundcrew.roles.redis.on_host_resp import Client, RespError

Data = dict[str, Any]
FILE, ABOUT = "dump.rdb", "groundcrew.json"
MAGIC = (b"REDIS", b"VALKE")
SAVES_WITHIN = 3600.0
STARTS_WITHIN = 600.0


def home(instance: Data, below: str = "/") -> str:
    """Directory of an instance's copy, which is below another directory when it is restored."""
    return os.path.join(below, COPIES.lstrip("/"), "redis", instance["name"])


def connect(instance: Data, socket: str | None = None) -> Client:
    """A connection as the administrator, to the live server or one with another socket."""
    login = active_login(administrator(instance["name"]))
    if login is None:
        raise SourceError(f"{instance['name']}: there is no login of the administrator")
    return Client(socket or instance["socket"], login)


def store(request: Data, instance: Data) -> float:
    """Has the server store its keys, and copies them. Returns the time up to which everything is
    in the copy. Raises SourceError."""
    with connect(instance) as client:
        _wait(client, instance)
        until = time.time()
        client.ask("BGSAVE")
        _wait(client, instance)
        state = _persistence(client)
        if state["rdb_last_bgsave_status"] != "ok":
            raise SourceError(f"{instance['name']} cannot store its keys: see the unit's journal")
    make_folder(os.path.dirname(home(instance)))
    folder = make_folder(home(instance))
    size = _copy(request, instance["file"], os.path.join(folder, FILE))
    about = os.path.join(folder, ABOUT)
    with open(f"{about}.new", "w", encoding="ascii") as file:
        json.dump({"until": until, "size": size}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{about}.new", about)
    return until


def _persistence(client: Client) -> dict[str, str]:
    return information(client.ask("INFO", "persistence").decode())


def _wait(client: Client, instance: Data) -> None:
    """Waits until the server neither stores its keys nor rewrites its file of changes."""
    deadline = time.monotonic() + SAVES_WITHIN
    while True:
        state = _persistence(client)
        busy = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "loading")
        if all(state.get(key, "0") == "0" for key in busy):
            return
        if time.monotonic() > deadline:
            raise SourceError(f"{instance['name']} has been storing its keys for an hour")
        time.sleep(0.1)


def _copy(request: Data, source: str, target: str) -> int:
    """Copies the file of keys from the server's directory, without following links. Returns its
    size."""
    owner = pwd.getpwnam(request["server"]).pw_uid
    with opened(source) as place:
        stream = os.fdopen(open_file(place.name, place.folder), "rb")
    with stream:
        if os.fstat(stream.fileno()).st_uid != owner or stream.read(5) not in MAGIC:
            raise SourceError(f"{source} is no file of keys of the server's user")
        stream.seek(0)
        staged = f"{target}.new"
        with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
    os.replace(staged, target)
    return size


def about(instance: Data, restored: str) -> Data:
    """What is known about a restored copy. Raises SourceError for one that is not whole."""
    folder = home(instance, restored)
    try:
        with open(os.path.join(folder, ABOUT), encoding="ascii") as file:
            manifest: Data = json.load(file)
        size = os.stat(os.path.join(folder, FILE)).st_size
    except (FileNotFoundError, ValueError):
        raise SourceError(f"there is no copy of {instance['name']} in {folder}") from None
    if size != manifest["size"]:
        raise SourceError(f"{folder}/{FILE} has {size} of {manifest['size']} bytes")
    return manifest


def folder_of(instance: Data, scratch: Scratch) -> str:
    """Directory of a scratch server."""
    return os.path.join(scratch.folder, instance["name"])


def socket_of(instance: Data, scratch: Scratch) -> str:
    """Socket of a scratch server, which has the name of the live one."""
    name = os.path.basename(instance["socket"])
    return os.path.join(folder_of(instance, scratch), "run", name)


def close(instance: Data, scratch: Scratch) -> None:
    """Stops a scratch server and removes its files."""
    stop_unit(f"{scratch.name}-redis-{instance['name']}.service")
    if os.path.isdir(folder_of(instance, scratch)):
        shutil.rmtree(folder_of(instance, scratch))


def start(request: Data, instance: Data, restored: str, scratch: Scratch) -> str:
    """Starts a scratch server with a restored copy. Returns its version. Raises SourceError."""
    server, folder = request["server"], folder_of(instance, scratch)
    owner = (pwd.getpwnam(server).pw_uid, grp.getgrnam(server).gr_gid)
    make_folder(folder, 0o755)
    data, logins = make_folder(os.path.join(folder, "data")), os.path.join(folder, "users.acl")
    source, target = os.path.join(home(instance, restored), FILE), os.path.join(data, FILE)
    with open(source, "rb") as stream, open(target, "xb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
        os.fchown(file.fileno(), *owner)
    os.chown(data, *owner)
    running = make_folder(os.path.join(folder, "run"), 0o755, owner)
    write(logins, users(instance), server)
    command = [
        f"/usr/bin/{server}-server", "--port", str(instance["port"]), "--bind", "127.0.0.1",
        "--protected-mode", "no", "--unixsocket", socket_of(instance, scratch),
        "--unixsocketperm", "777", "--dir", data, "--dbfilename", FILE, "--appendonly", "no",
        "--save", "", "--aclfile", logins, "--databases", str(instance["databases"]),
        "--daemonize", "no",
    ]  # fmt: skip
    unit = start_unit(scratch, f"redis-{instance['name']}", command, server, [data, running])
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            with connect(instance, socket_of(instance, scratch)) as client:
                client.ask("PING")
                told = information(client.ask("INFO", "server").decode())
                return told.get("valkey_version") or told["redis_version"]
        except RespError:
            state = run("systemctl", "is-active", unit).stdout.strip()
            if state not in ("active", "activating") or time.monotonic() > deadline:
                raise SourceError(f"the scratch server does not answer\n{journal(unit)}") from None
            time.sleep(0.1)
