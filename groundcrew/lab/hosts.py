"""All hosts of a lab: containers and virtual machines."""

from __future__ import annotations

from collections.abc import Iterable

from groundcrew.lab import containers, plan, ports
from groundcrew.lab.model import Host
from groundcrew.lab.plan import Request
from groundcrew.lab.process import LabError
from groundcrew.lab.vm import machines
from groundcrew.project import program


def existing() -> list[Host]:
    """Return this lab's hosts sorted by name, running or not."""
    return sorted([*containers.existing(), *machines.existing()], key=lambda host: host.name)


def running() -> list[Host]:
    """Return this lab's running hosts."""
    return [host for host in existing() if host.running]


def find(name: str) -> Host:
    """Return the running host `name`. Raises `LabError` if there is none."""
    for host in running():
        if host.name == name:
            return host
    raise LabError(f"no lab host {name} is running; start it with {program('lab')} up {name}")


def login_user(host: Host) -> str:
    """Return the user to log in as: the admin user after the first deploy, before that the bare
    host's user."""
    return machines.login_user(host) if host.vm else containers.login_user(host)


def up(request: Request) -> list[Host]:
    """Make sure the hosts run as requested, and return them once they can be reached.

    An existing host is left as it is unless `request.fresh` is set. Raises `LabError`.
    """
    present = existing()
    split = plan.by_kind(request, present)
    if split.containers.names:
        containers.up(split.containers, ports.of(present))
    if split.machines.names:
        machines.up(split.machines, ports.of(existing()))
    return [host for host in existing() if host.name in request.names]


def down(names: Iterable[str]) -> list[str]:
    """Remove these hosts, or all of this lab without names. Return the names of those removed."""
    wanted = set(names)
    present = existing()
    if missing := wanted - {host.name for host in present}:
        raise LabError(f"no lab host {', '.join(sorted(missing))}")
    doomed = [host for host in present if host.name in wanted or not wanted]
    if machine := [host for host in doomed if host.vm]:
        machines.down(machine)
    if container := [host for host in doomed if not host.vm]:
        containers.down(container)
    return [host.name for host in doomed]
