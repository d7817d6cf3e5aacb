"""Computes what `bin/lab up` and `reset` do, from the request and the existing hosts (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from groundcrew.lab.model import Host, Ports, Spec
from groundcrew.lab.process import LabError
from groundcrew.project import program


@dataclass(frozen=True)
class Request:
    """What the user requested; None for what is left open."""

    names: tuple[str, ...]
    suite: str | None = None
    group: str | None = None
    publish: bool = False
    ports: Ports | None = None
    """The ports to publish on, if the user chose them."""
    fresh: bool = False
    """Whether existing hosts are replaced."""
    vm: bool = False
    """Whether new hosts are virtual machines instead of containers."""

    def __post_init__(self) -> None:
        if self.ports and len(self.names) > 1:
            raise LabError("--publish HTTP:HTTPS is for one host; without ports, for several")


@dataclass(frozen=True)
class Split:
    """A request, split by the kind of host; either part may be without names."""

    containers: Request
    machines: Request


def by_kind(request: Request, present: Iterable[Host]) -> Split:
    """Return the parts of the request for containers and for virtual machines.

    An existing host keeps its kind. Raises `LabError` if the other kind is requested.
    """
    kinds = {host.name: host.vm for host in present}
    for name in request.names:
        if request.vm and not kinds.get(name, True):
            raise LabError(
                f"{name} exists and is a container; `{program('lab')} down {name}` removes it"
            )
    names = {
        vm: tuple(name for name in request.names if kinds.get(name, request.vm) is vm)
        for vm in (False, True)
    }
    return Split(replace(request, names=names[False]), replace(request, names=names[True]))


def specs(
    request: Request, present: Mapping[str, Host], next_ports: Callable[[], Ports]
) -> list[Spec]:
    """Return the specifications of the requested hosts.

    An existing host keeps what the request leaves open. `next_ports` returns free ports. Raises
    `LabError` if an existing host differs and may not be replaced.
    """
    result = []
    for name in dict.fromkeys(request.names):
        host = present.get(name)
        old = host.spec if host else Spec(name)
        ports = old.ports
        if request.publish:
            ports = request.ports or old.ports or next_ports()
        spec = Spec(name, request.suite or old.suite, request.group or old.group, ports)
        if host and spec != old and not request.fresh:
            raise LabError(
                f"{name} exists and is different ({describe(host)}); "
                f"`{program('lab')} reset {name} …` replaces it"
            )
        result.append(spec)
    return result


def describe(host: Host) -> str:
    """Return a short description of a host."""
    kind = "virtual machine, " if host.vm else ""
    published = f", published on {host.http_port}:{host.https_port}" if host.ports else ""
    return f"{kind}{host.suite}, group {host.group}{published}"
