"""What MariaDB brings to a host."""

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
from groundcrew.roles.mariadb import builders, metrics, panels
from groundcrew.roles.mariadb.checks import database_server, status
from groundcrew.roles.mariadb.settings import MariadbSettings

ON_HOST = "groundcrew.roles.mariadb.on_host"
ON_HOST_BACKUP = "groundcrew.roles.mariadb.on_host_backup"
UNIT = "mariadb.service"


def brings(settings: MariadbSettings, host: HostView) -> Brings:
    """Package, files, unit, databases and checks, on hosts of the group `mariadb`."""
    bindings = [item for item in host.place.provides if item.role == "mariadb"]
    others = builders.addresses(bindings)
    request: dict[str, Any] = {
        "files": [builders.CONFIGURATION, builders.DROP_IN],
        "accounts": [
            {
                "app": item.app,
                "account": item.account,
                "database": item.database,
                "store": item.store,
                "hosts": builders.hosts(item),
            }
            for item in bindings
        ],
        "certificate": {
            "file": builders.CERTIFICATE,
            "key": builders.KEY,
            "group": "mysql",
            "names": sorted({item.address for item in bindings if item.addresses}),
        }
        if others
        else None,
    }
    measured, exporter = bool(host.place.monitors), metrics.exporter(settings)
    if measured:
        request["exporter"] = exporter.with_login(metrics.login_file())
    reads = Reads(ON_HOST, ("mariadb",), request)
    memory = Share("mariadb", "server", settings.profile.memory_max << 20, 1)
    opened = tuple(others) if others else None
    return Brings(
        packages=("mariadb-server", *(("mariadb-backup",) if host.backed_up else ())),
        files=builders.entries(settings, bindings, host.backed_up),
        ports=[Port(settings.port, (UNIT,), opened=opened, public=bool(others))],
        units=[Unit(f"{UNIT}", exposure=1.5, memory=memory)],
        reads=[reads],
        checks={"mariadb": partial(database_server, settings)},
        status=[StatusLines("mariadb", reads, status)],
        states=[ServerState("mariadb", ON_HOST, request)],
        backups=[_source(settings, request, bindings)] if host.backed_up else [],
        exporters=[exporter] if measured else [],
        rules=list(metrics.rules(settings)) if measured else [],
        panels=list(panels.panels(settings)) if measured else [],
        renewals=[Renewal(UNIT, drops=True)],
    )


def _source(
    settings: MariadbSettings, request: Mapping[str, Any], bindings: Sequence[Binding]
) -> BackupSource:
    asked = {
        "accounts": request["accounts"],
        "port": settings.port,
        "binary_log": builders.binary_log(settings),
        "options": builders.reading(settings),
    }
    apps = tuple(sorted({item.app for item in bindings}))
    return BackupSource("mariadb", ON_HOST_BACKUP, asked, apps)
