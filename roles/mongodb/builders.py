"""Files of MongoDB. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from groundcrew.bindings import Binding
from groundcrew.bindings.bound import certificate_file
from groundcrew.entries import Directory, Entry, File
from groundcrew.roles.mongodb.on_host import administrator
from groundcrew.roles.mongodb.settings import CLIENT_SCRIPT, RUN, MongodbSettings
from groundcrew.templates import render

FOLDER = "/etc/groundcrew/mongodb"
CERTIFICATE = certificate_file("mongodb")
KEY = f"{FOLDER}/tls.key"
BUNDLE = f"{FOLDER}/tls.pem"
"""Key and certificate, which the server wants in one file."""

CONFIGURATION = f"{FOLDER}/mongod.conf"
SETUP = f"{FOLDER}/setup.conf"
"""Configuration of a server that has no network but a loopback interface of its own and asks for
no login: it makes the administrator's."""

DROP_IN = "/etc/systemd/system/mongod.service.d/groundcrew.conf"
SHELL_CONFIGURATION = "/etc/mongosh.conf"
# The server reads the file as for a start, and prints its options instead of starting.
VALIDATE = (
    "cd / && out=$(runuser -u mongodb -- /usr/bin/mongod --config {} --outputConfig 2>&1) || "
    '{ echo "$out" | tail -4; exit 1; }'
)
DATA = "/var/lib/mongodb"
SMALLEST_CACHE = 0.25
OF_THE_NETWORK = ("net.", "replication.", "security.authorization", "setParameter.", "sharding.")
"""Beginnings of what a server that is alone does without."""


def addresses(bindings: Sequence[Binding]) -> list[str]:
    """Addresses of other hosts whose applications need the server."""
    return sorted({address for item in bindings for address in item.addresses})


def listening(bindings: Sequence[Binding]) -> str:
    """Where the server listens: at the loopback interface, and where other hosts reach it. A public
    address may be another machine's that forwards, so then it listens at all."""
    own = sorted({item.address for item in bindings if item.addresses})
    if all(_is_private(address) for address in own):
        return ",".join(["127.0.0.1", *own])
    return "*"


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def parameters(settings: MongodbSettings, bindings: Sequence[Binding]) -> dict[str, Any]:
    """The server's parameters, by their names with dots."""
    profile = settings.profile
    tls = {
        "net.tls.mode": "preferTLS",
        "net.tls.certificateKeyFile": BUNDLE,
        "net.tls.CAFile": CERTIFICATE,
        "net.tls.allowConnectionsWithoutCertificates": True,
    }
    others = addresses(bindings)
    own: dict[str, Any] = {
        "net.port": settings.port,
        "net.bindIp": listening(bindings),
        "net.ipv6": any(":" in address for address in others),
        "net.maxIncomingConnections": profile.max_connections,
        "net.unixDomainSocket.pathPrefix": RUN,
        # Anybody may connect, and needs a login.
        "net.unixDomainSocket.filePermissions": 0o777,
        **(tls if others else {}),
        "operationProfiling.slowOpThresholdMs": round(1000 * settings.slow_query),
        "security.authorization": "enabled",
        "security.javascriptEnabled": settings.javascript,
        "setParameter.authenticationMechanisms": "SCRAM-SHA-256",
        "setParameter.enableLocalhostAuthBypass": False,
        "storage.dbPath": DATA,
        "storage.wiredTiger.engineConfig.cacheSizeGB": round(profile.cache / 1024, 3),
    }
    chosen = {**own, **settings.parameters}
    return {name: value for name, value in chosen.items() if value is not None}


def alone(values: Mapping[str, Any], port: int, **changed: Any) -> dict[str, Any]:
    """The parameters of a server that shares none of the live one's network: without login,
    certificates and socket."""
    kept = {name: value for name, value in values.items() if not name.startswith(OF_THE_NETWORK)}
    return {
        **kept,
        "net.port": port,
        "net.bindIp": "127.0.0.1",
        "net.unixDomainSocket.enabled": False,
        "storage.wiredTiger.engineConfig.cacheSizeGB": SMALLEST_CACHE,
        **changed,
    }


def text(values: Mapping[str, Any]) -> str:
    """A configuration file."""
    nested: dict[str, Any] = {}
    for name, value in sorted(values.items()):
        *above, last = name.split(".")
        place = nested
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return render("mongodb/mongod.conf.j2", values=yaml.safe_dump(nested).rstrip())


def entries(settings: MongodbSettings, bindings: Sequence[Binding]) -> list[Entry]:
    """Configuration, what restricts the unit, and what the shell reads."""
    values = parameters(settings, bindings)
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER, mode="0750", group="mongodb"),
        *(
            File(path, content, mode="0640", group="mongodb", validate=VALIDATE)
            for path, content in (
                (CONFIGURATION, text(values)),
                (SETUP, text(alone(values, settings.port))),
            )
        ),
        Directory("/etc/systemd/system/mongod.service.d"),
        File(
            DROP_IN,
            render(
                "mongodb/service.conf.j2",
                configuration=CONFIGURATION,
                memory_max=settings.profile.memory_max,
                addresses=addresses(bindings),
            ),
        ),
        File(
            CLIENT_SCRIPT,
            render("mongodb/client.js.j2", store=administrator(), socket=settings.socket),
            mode="0600",
        ),
        File(SHELL_CONFIGURATION, render("mongodb/mongosh.conf.j2")),
    ]
