"""What `bin/lab up` and `reset` are to make of what was asked and what exists (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from groundcrew.lab.model import Host, Ports, Spec
from groundcrew.lab.process import LabError


@dataclass(frozen=True)
class Request:
    """What the user asked for; None where nothing was said."""

    names: tuple[str, ...]
    suite: str | None = None
    group: str | None = None
    publish: bool = False
    ports: Ports | None = None
    """The ports to publish on, when the user chose them."""
    fresh: bool = False
    """Hosts that exist are replaced."""

    def __post_init__(self) -> None:
        if self.ports and len(self.names) > 1:
            raise LabError("--publish HTTP:HTTPS is for one host; without ports, for several")


def specs(
    request: Request, present: Mapping[str, Host], next_ports: Callable[[], Ports]
) -> list[Spec]:
    """Return what each host is to be.

    A host that exists keeps what the request does not mention. `next_ports` gives ports that are
    free. Raises `LabError` when a host exists, is different and may not be replaced.
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
                f"`bin/lab reset {name} …` replaces it"
            )
        result.append(spec)
    return result


def describe(host: Host) -> str:
    """Return what a host is, in a few words."""
    published = f", published on {host.http_port}:{host.https_port}" if host.ports else ""
    return f"{host.suite}, group {host.group}{published}"
