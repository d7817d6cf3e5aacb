"""What PostgreSQL brings to a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from groundcrew.bindings import Replication
from groundcrew.bindings.bound import ca_file
from groundcrew.contract import (
    BackupSource,
    Brings,
    HostView,
    Port,
    Promotion,
    Reads,
    Renewal,
    ServerState,
    StatusLines,
    Unit,
)
from groundcrew.entries import Entry
from groundcrew.memory import Share
from groundcrew.roles.postgresql import builders, metrics, panels
from groundcrew.roles.postgresql.checks import database_server, status
from groundcrew.roles.postgresql.settings import PostgresqlSettings
from groundcrew.services import Service

ON_HOST = "groundcrew.roles.postgresql.on_host"
BACKUP = "groundcrew.roles.postgresql.on_host_backup"
REPLICA = "groundcrew.roles.postgresql.on_host_replica"
PROMOTION = "groundcrew.roles.postgresql.on_host_promotion"
UNITS = "postgresql@"
"""Beginning of the units of clusters, whose names contain the version."""


def brings(settings: PostgresqlSettings, host: HostView) -> Brings:
    """Package, files, unit, databases and checks, on hosts of the group `postgresql`."""
    follows = [item for item in host.place.follows if item.role == "postgresql"]
    if follows:
        return _replica(settings, follows[0])
    replicas = [item for item in host.place.replicas if item.role == "postgresql"]
    bindings = [item for item in host.place.provides if item.role == "postgresql"]
    remote = builders.clients(bindings, replicas)
    measured, exporter = bool(host.place.monitors), metrics.exporter(settings)
    request: dict[str, Any] = {
        "port": settings.port,
        "configuration": builders.CONFIGURATION,
        "hba": builders.HBA,
        "adopt": settings.adopt,
        "accounts": [
            {
                "account": item.account,
                "database": item.database,
                "store": item.store,
                "extensions": list(item.settings.extensions),
                "app": item.app,
                "connections": item.connections,
            }
            for item in bindings
        ],
        "replicas": [
            {"host": item.replica, "account": item.account, "store": item.store}
            for item in replicas
        ],
        "certificate": _certificate(
            {item.address for item in bindings if item.addresses}
            | {item.address for item in replicas}
        ),
    }
    port = Port(
        settings.port, (UNITS,), opened=tuple(remote) if remote else None, public=bool(remote)
    )
    files = builders.entries(
        settings, bindings, replicas, backed_up=host.backed_up, measured=measured
    )
    if measured:
        request["exporter"] = exporter.with_login(metrics.environment(settings))
        files += metrics.entries()
    if host.backed_up:
        request["backup"] = builders.BACKUP
        request["preload"] = builders.preloaded(settings)
    brought = _with_server(settings, port, files, ServerState("postgresql", ON_HOST, request))
    if measured:
        brought = replace(
            brought,
            exporters=[exporter],
            rules=list(metrics.rules(settings)),
            panels=list(panels.panels(settings)),
        )
    if not host.backed_up:
        return brought
    apps = tuple(sorted({item.app for item in bindings}))
    return replace(
        brought,
        packages=(*brought.packages, "pgbackrest"),
        backups=[BackupSource("postgresql", BACKUP, request, apps)],
    )


def _replica(settings: PostgresqlSettings, link: Replication) -> Brings:
    """The same with a replica instead of databases. Nobody connects to it from other hosts."""
    request = {
        "port": settings.port,
        "configuration": builders.CONFIGURATION,
        "hba": builders.HBA,
        # Whatever the server has is replaced by a copy, or the run is refused.
        "adopt": True,
        "certificate": _certificate(set()),
        "primary": primary_of(link),
        "move_aside": settings.move_aside,
    }
    state = ServerState("postgresql", REPLICA, request, after_logins=True)
    files = builders.entries(settings, [], follows=[link])
    return _with_server(settings, Port(settings.port, (UNITS,), public=False), files, state)


def _certificate(names: set[str]) -> dict[str, Any]:
    """The certificate for clients on other hosts. It is there before the first one needs it:
    the server would not start without it."""
    return {
        "file": builders.CERTIFICATE,
        "key": builders.KEY,
        "group": "postgres",
        "names": sorted(names or {"localhost"}),
    }


def primary_of(link: Replication) -> dict[str, Any]:
    """The primary, for the programs on the replica's host."""
    return {
        "host": link.provider,
        "address": link.address,
        "port": link.port,
        "slot": link.account,
        "store": link.store,
        "ca": ca_file(link),
        "passfile": builders.PASSFILE,
    }


def promotion(settings: PostgresqlSettings, link: Replication) -> Promotion:
    """How a replica becomes the primary."""
    return Promotion(
        title="PostgreSQL",
        key="postgresql.replica_of",
        module=PROMOTION,
        request={"primary": primary_of(link)},
        max_lag=settings.max_lag,
    )


def _with_server(
    settings: PostgresqlSettings, port: Port, files: Sequence[Entry], state: ServerState
) -> Brings:
    reads = Reads(state.module, ("postgresql",), state.request)
    memory = Share("postgresql", "server", settings.profile.memory_max << 20, 1)
    return Brings(
        packages=("postgresql",),
        files=files,
        services=[Service("postgresql.service", (builders.DROP_IN,))],
        ports=[port],
        units=[Unit(f"{UNITS}*.service", exposure=1.5, memory=memory)],
        reads=[reads],
        checks={"postgresql": partial(database_server, settings)},
        status=[StatusLines("postgresql", reads, status)],
        states=[state],
        renewals=[Renewal(f"{UNITS}*.service", drops=True)],
    )
