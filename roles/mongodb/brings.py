"""What MongoDB brings to a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from groundcrew.bindings import Binding
from groundcrew.contract import (
    BackupSource,
    Brings,
    HostView,
    Port,
    Reads,
    Renewal,
    ServerState,
    StatusLines,
    Unit,
)
from groundcrew.memory import Share
from groundcrew.roles.mongodb import builders
from groundcrew.roles.mongodb.checks import database_server, status
from groundcrew.roles.mongodb.settings import MongodbSettings

ON_HOST = "groundcrew.roles.mongodb.on_host"
ON_HOST_BACKUP = "groundcrew.roles.mongodb.on_host_backup"
UNIT = "mongod.service"
SERVER = ("mongodb-org-server", "mongodb-mongosh")
TOOLS = ("mongodb-database-tools",)
"""mongodump and mongorestore."""


def brings(settings: MongodbSettings, host: HostView) -> Brings:
    """Packages, files, unit, logins and checks, on hosts of the group `mongodb`."""
    bindings = [item for item in host.place.provides if item.role == "mongodb"]
    others = builders.addresses(bindings)
    asked = request(settings, bindings)
    reads = Reads(ON_HOST, ("mongodb",), asked)
    memory = Share("mongodb", "server", settings.profile.memory_max << 20, 1)
    opened = tuple(others) if others else None
    foreign = (*SERVER, *(TOOLS if host.backed_up else ()))
    return Brings(
        packages=(*foreign, "python3-pymongo"),
        relies_on=("base",),
        foreign=foreign,
        files=builders.entries(settings, bindings),
        ports=[Port(settings.port, (UNIT,), opened=opened, public=bool(others))],
        units=[Unit(UNIT, exposure=1.5, memory=memory)],
        reads=[reads],
        checks={"mongodb": partial(database_server, settings)},
        status=[StatusLines("mongodb", reads, partial(status, settings))],
        states=[ServerState("mongodb", ON_HOST, asked)],
        backups=[_source(settings, asked, bindings)] if host.backed_up else [],
        renewals=[Renewal(UNIT, drops=True)],
    )


def request(settings: MongodbSettings, bindings: Sequence[Binding]) -> dict[str, Any]:
    """The request to `roles/mongodb/on_host.py`."""
    remote = [item for item in bindings if item.addresses]
    return {
        "files": [builders.CONFIGURATION, builders.DROP_IN],
        "port": settings.port,
        "socket": settings.socket,
        "data": builders.DATA,
        "setup": builders.SETUP,
        "bundle": builders.BUNDLE,
        "accounts": [
            {
                "app": item.app,
                "account": item.account,
                "database": item.database,
                "store": item.store,
            }
            for item in bindings
        ],
        "certificate": {
            "file": builders.CERTIFICATE,
            "key": builders.KEY,
            "group": "mongodb",
            "names": sorted({item.address for item in remote}),
        }
        if remote
        else None,
    }


def _source(
    settings: MongodbSettings, asked: Mapping[str, Any], bindings: Sequence[Binding]
) -> BackupSource:
    apps = tuple(sorted({item.app for item in bindings}))
    wanted = {
        "socket": settings.socket,
        "port": settings.port,
        "accounts": asked["accounts"],
        "alone": builders.alone(builders.parameters(settings, bindings), settings.port),
    }
    return BackupSource("mongodb", ON_HOST_BACKUP, wanted, apps)
