"""A second server of MongoDB that has copies of its databases.

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

from groundcrew.remote.backup_source import Scratch, SourceError, make_folder, start_unit, stop_unit
from groundcrew.remote.commands import run
from groundcrew.remote.credentials import active_login
from groundcrew.remote.unit_control import journal
from groundcrew.roles.mongodb.on_host import (
    GROUP,
    administrator,
    administrators,
    changes,
    listens,
    write,
)
from groundcrew.roles.mongodb.on_host_client import Command, ask
from groundcrew.roles.mongodb.on_host_setup import in_private

Data = dict[str, Any]
STARTS_WITHIN = 300.0


def login() -> tuple[str, str]:
    """The administrator's login. Raises SourceError."""
    stored = active_login(administrator())
    if stored is None:
        raise SourceError("there is no login of MongoDB's administrator: run deploy.py")
    return stored


def socket_of(request: Data, scratch: Scratch) -> str:
    """Socket of the scratch server, which has the name of the live one."""
    return os.path.join(scratch.folder, "run", os.path.basename(request["socket"]))


def close(scratch: Scratch) -> None:
    """Stops the server and removes its files."""
    stop_unit(f"{scratch.name}-mongodb.service")
    stop_unit(_setup(scratch))
    for name in ("data", "run"):
        if os.path.isdir(os.path.join(scratch.folder, name)):
            shutil.rmtree(os.path.join(scratch.folder, name))
    for name in ("setup.conf", "mongod.conf"):
        if os.path.exists(os.path.join(scratch.folder, name)):
            os.unlink(os.path.join(scratch.folder, name))


def _setup(scratch: Scratch) -> str:
    return f"{scratch.name}-mongodb-setup.service"


def start(request: Data, scratch: Scratch) -> str:
    """Starts an empty server that accepts the current logins. Returns its version. Raises
    SourceError."""
    owner = (pwd.getpwnam("mongodb").pw_uid, grp.getgrnam(GROUP).gr_gid)
    data = make_folder(os.path.join(scratch.folder, "data"), 0o700, owner)
    running = make_folder(os.path.join(scratch.folder, "run"), 0o755, owner)
    values = {**request["alone"], "storage.dbPath": data}
    setup, configuration = (os.path.join(scratch.folder, f"{name}.conf")
                            for name in ("setup", "mongod"))  # fmt: skip
    write(setup, text(values))
    in_private(setup, request["port"], data, [*administrators(), *logins(request)], _setup(scratch))
    live = {
        **values,
        "security.authorization": "enabled",
        "setParameter.enableLocalhostAuthBypass": False,
        "net.unixDomainSocket.enabled": True,
        "net.unixDomainSocket.pathPrefix": running,
        "net.unixDomainSocket.filePermissions": 0o777,
    }
    write(configuration, text(live))
    command = ["/usr/bin/mongod", "--config", configuration]
    unit = start_unit(scratch, "mongodb", command, "mongodb", [data, running])
    deadline = time.monotonic() + STARTS_WITHIN
    while not listens(socket_of(request, scratch)):
        state = run("systemctl", "is-active", unit).stdout.strip()
        if state not in ("active", "activating") or time.monotonic() > deadline:
            raise SourceError(f"the scratch server does not answer\n{journal(unit)}")
        time.sleep(0.2)
    [told] = ask(socket_of(request, scratch), login(), [Command("admin", {"buildInfo": 1})])
    return str(told["version"])


def text(values: Data) -> str:
    """A configuration file: JSON, which is YAML too."""
    nested: Data = {}
    for name, value in values.items():
        *above, last = name.split(".")
        place = nested
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return json.dumps(nested)


def logins(request: Data) -> list[Command]:
    """Commands that make the applications' current logins in an empty server."""
    return [item for _, item in changes(request["accounts"], {})]
