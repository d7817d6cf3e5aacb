"""Makes logins in a server of MongoDB that nobody else can reach.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from groundcrew.remote.commands import run
from groundcrew.roles.mongodb.on_host_client import (
    PROGRAM,
    PYTHON,
    SECONDS,
    Command,
    replies,
    request,
)

UNIT = "groundcrew-mongodb-setup.service"
PROPERTIES = {
    "User": "mongodb",
    "CapabilityBoundingSet": "",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    # The server asks for no login here, and listens at a loopback interface of its own.
    "PrivateNetwork": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictSUIDSGID": "yes",
    "UMask": "0077",
}


def in_private(
    configuration: str, port: int, data: str, commands: Sequence[Command], unit: str = UNIT
) -> None:
    """Starts a server with a configuration without logins, in a unit without a network; gives it
    commands and stops it. Raises ServerError."""
    server = ["/usr/bin/mongod", "--config", configuration]
    properties = {**PROPERTIES, "ReadWritePaths": data}
    run("systemctl", "reset-failed", unit)
    done = subprocess.run(
        ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", f"--unit={unit}",
         "--description=makes logins of MongoDB",
         *(f"--property={key}={value}" for key, value in properties.items()),
         "--", *PYTHON, PROGRAM],
        input=request(f"127.0.0.1:{port}", None, commands, server, seconds=0.5), check=False,
        capture_output=True, text=True, timeout=SECONDS, cwd="/",
    )  # fmt: skip
    replies(done)
