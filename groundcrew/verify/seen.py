"""What was seen of a host: the input of the checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from groundcrew.results.result import NotCheckedError
from groundcrew.verify.outside import Reach, reach


@dataclass(frozen=True)
class View:
    """How the operator's machine reaches the host."""

    address: str
    """Address of the host."""

    published: bool = False
    """Whether the host is reached through published ports, so that an open port need not be the
    host's."""

    connect_timeout: float = 1
    """Seconds without an answer after which a port counts as closed."""

    silent_ports: Collection[int] = ()
    """Ports that must not answer unless they are declared."""

    tolerated_ports: Collection[int] = ()
    """Ports besides the declared ones on which programs may listen on public addresses."""

    reach: Reach = reach
    """Function that tries to connect."""


@dataclass(frozen=True)
class Seen:
    """What is expected of a host's ports, and what was seen of the host."""

    view: View
    report: Mapping[str, Any]
    """Section -> what the host reports (`groundcrew.contract.Reads`)."""

    declared_ports: Collection[int] = ()
    """TCP ports on which programs may listen on public addresses, except those of sshd."""

    answering_ports: Collection[int] = ()
    """TCP ports that must answer the operator's machine, except those of sshd."""

    def section(self, name: str) -> Any:
        """A section of the host's report. Raises NotCheckedError if it could not be read."""
        if name not in self.report:
            raise NotCheckedError("the host could not be looked at")
        data = self.report[name]
        if isinstance(data, dict) and set(data) == {"error"}:
            raise NotCheckedError(data["error"])
        return data

    @property
    def ssh_ports(self) -> set[int]:
        """The ports that sshd is configured for."""
        return {int(port) for port in self.section("sshd").get("port", "").split()}

    @property
    def all_declared_ports(self) -> set[int]:
        """Ports on which programs may listen on public addresses."""
        return {*self.declared_ports, *self.view.tolerated_ports, *self.ssh_ports}
