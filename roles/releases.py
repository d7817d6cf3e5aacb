"""The parts of a host's releases: applications, their servers, and what roles add."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyinfra import host as current_host
from pyinfra.api import OperationError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from groundcrew import record
from groundcrew.facts.memory import Memory
from groundcrew.manifest import development
from groundcrew.manifest.command import CommandServer
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import GunicornServer, Server, UwsgiServer
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.project import ROOT as PROJECT
from groundcrew.releases import stopping
from groundcrew.releases.plan import ReleasePlan, ServerProcess
from groundcrew.releases.steps.renewal import renewal_payload
from groundcrew.releases.target import Target
from groundcrew.roles import app, command, gunicorn, nginx, python, uvicorn, uwsgi
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import (
    Loaded,
    Problem,
    SettingsError,
    settings_for,
)
from groundcrew.sizes import size_for, sized


def app_names(inventory: Inventory) -> list[str]:
    """The applications of all hosts, sorted: pyinfra needs operations in the same order
    everywhere."""
    return sorted({name for host in inventory for name in settings_for(host).settings.app})


def release_plan(name: str, loaded: Loaded[HostSettings]) -> ReleasePlan:
    """The release of one application on one host."""
    settings = loaded.settings
    item = sized_app(settings.app[name])
    return app.plan(
        name,
        item,
        secrets=loaded.secrets[name],
        build_secrets=loaded.build_secrets[name],
        server=server_process(item.server, item.mode, item.root, item.entry),
        toolchain=python.toolchain(settings.python, settings.brought.packages),
        drain=nginx.drain_seconds(settings.nginx),
        project=PROJECT,
        on_other_hosts=on_other_hosts(name, loaded),
        again=settings.run.again == name,
    )


def release_plans(names: Iterable[str], loaded: Loaded[HostSettings]) -> dict[str, ReleasePlan]:
    """The releases of those of `names` that the host runs, without those that are stopped."""
    off = stopping.stopped(loaded.settings.apps)
    here = [name for name in names if name in loaded.settings.app]
    record.releasing(current_host, (name for name in here if name not in off))
    for name in here:
        if name in off and name in loaded.settings.idle_apps:
            current_host.log(f"{name} is idle here, and stopped")
        elif name in off:
            current_host.log(
                f"{stopping.told(name, off[name])}: it is not released (groundcrew start {name})"
            )
    return {name: release_plan(name, loaded) for name in here if name not in off}


def moved(
    names: Iterable[str], loaded: Loaded[HostSettings], inventory: Inventory
) -> list[Target] | None:
    """Those of `names` of which one host runs workers or timers for all, and that the current host
    does not have: they may have moved away from it. None if there are no such applications."""
    every = [settings_for(host).settings.app for host in inventory]
    single = {
        name: item
        for name in names
        if (item := next(apps[name] for apps in every if name in apps)).single_parts
    }
    if not single:
        return None
    return [
        Target(AppPaths(name), item, drain=0, on_other_hosts=item.single_parts)
        for name, item in single.items()
        if name not in loaded.settings.app
    ]


def any_idle(inventory: Inventory) -> bool:
    """Whether an application is idle on a host of the inventory."""
    return any(settings_for(host).settings.idle_apps for host in inventory)


def require_all_hosts(inventory: Inventory, state: State) -> None:
    """Raises SettingsError if an application is idle on a host of the run, and the balancers that
    send it requests are not part of it; or if what only one host runs would be started on another
    one although the host where it becomes idle is not part of the run. With `prepare`, nothing is
    stopped or started."""
    hosts = {host.name: settings_for(host).settings for host in inventory}
    if any(item.run.prepare for item in hosts.values()):
        return
    run = {host.name for host in inventory if state.is_host_in_limit(host)}
    names = [host.name for host in inventory]
    for place, host in enumerate(inventory):
        if host.name in run:
            settings = hosts[host.name]
            balancers = {item.name for item in settings.place.balancers} - run
            if balancers and settings.idle_apps & settings.place.behind.keys():
                text = (
                    f"{', '.join(sorted(balancers))} must be part of the run: applications are "
                    f"idle on {host.name}, and stop when balancers send it no more requests"
                )
                raise SettingsError([Problem("limit", "--limit", text)])
            continue
        for name in sorted(hosts[host.name].idle_apps):
            taking = sorted(
                other.name
                for other in inventory
                # An idle host that comes later has never been the first one.
                if other.name in run
                and names.index(other.name) > place
                and name in settings_for(other).first
                and hosts[other.name].app[name].single_parts
            )
            if taking:
                text = (
                    f"{host.name}, where {name} is idle, must be part of the run: it stops what "
                    f"{taking[0]} then runs for all. If {host.name} is gone, take it out of the "
                    "inventory"
                )
                raise SettingsError([Problem("limit", "--limit", text)])


def require_started(names: Iterable[str], loaded: Loaded[HostSettings]) -> None:
    """Raises OperationError if one of `names` is stopped on this host."""
    off = stopping.stopped(loaded.settings.apps)
    for name in names:
        if name in off:
            raise OperationError(
                f"{current_host.name}: {stopping.told(name, off[name])}; first: groundcrew start "
                f"{name}"
            )


def sized_app(item: AppSettings) -> AppSettings:
    """The application with the values derived from its size. Only `auto` reads a fact of the
    host."""
    if item.size is None:
        return item
    return sized(
        item, size_for(current_host.get_fact(Memory)) if item.size == "auto" else item.size
    )


def on_other_hosts(name: str, loaded: Loaded[HostSettings]) -> frozenset[str]:
    """Workers and timers of an application that run on one host only, and not on this one."""
    return frozenset() if name in loaded.first else loaded.settings.app[name].single_parts


def server_process(
    server: Server, mode: str = "production", prefix: str = "", entry: str | None = None
) -> ServerProcess:
    """The server process of an application's releases. `prefix` and `entry` are for servers that
    need to know them if the application is mounted below a path."""
    reload = mode == "development"
    if reload:
        server = development.server(server)
    match server:
        case GunicornServer():
            return gunicorn.Gunicorn(server, reload, prefix)
        case UvicornServer():
            return uvicorn.Uvicorn(server, reload, prefix, entry or "")
        case UwsgiServer():
            return uwsgi.Uwsgi(server, reload)
        case CommandServer():
            return command.Command(server)


TOGETHER = 5
"""Number of applications whose releases are watched and drained at the same time. Until that ends,
the host runs two releases of each, if it has the memory; the last one has to wait for the others to
start."""


def together(names: Sequence[str]) -> list[list[str]]:
    """The applications in groups that are released together."""
    return [list(names[start : start + TOGETHER]) for start in range(0, len(names), TOGETHER)]


def batch_sizes(names: Iterable[str], inventory: Inventory) -> dict[str, int]:
    """Number of hosts that switch at the same time, by application."""
    return {name: batch_size(name, inventory) for name in names}


def batch_size(name: str, inventory: Inventory) -> int:
    """Number of hosts that switch at the same time: the smallest that any host's settings allow."""
    apps = [settings_for(host).settings.app.get(name) for host in inventory]
    items = [item for item in apps if item is not None]
    return max(1, min(_share(item.rollout.batch, len(items)) for item in items))


def _share(batch: int | str, hosts: int) -> int:
    return batch if isinstance(batch, int) else int(batch.rstrip("%")) * hosts // 100


def target(name: str, loaded: Loaded[HostSettings]) -> Target:
    """An application on a host, for playbooks that build no release."""
    settings = loaded.settings
    drain = nginx.drain_seconds(settings.nginx)
    return Target(
        AppPaths(name), settings.app[name], drain, on_other_hosts=on_other_hosts(name, loaded)
    )


def renewals(names: Iterable[str], loaded: Loaded[HostSettings]) -> dict[str, dict[str, Any]]:
    """What the host must know to renew the processes of those of `names` that it runs."""
    return {
        name: renewal_payload(target(name, loaded)) for name in names if name in loaded.settings.app
    }
