"""The description of a virtual machine (pure)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from groundcrew.lab.model import Host, Ports, Spec
from groundcrew.lab.vm.seed import USER

LOOPBACK = "127.0.0.1"
GATEWAY = "10.0.2.2"
"""Source address, inside the machine, of all connections that QEMU forwards."""


@dataclass(frozen=True)
class Machine:
    """An existing virtual machine. All its ports are on 127.0.0.1."""

    name: str
    suite: str
    group: str
    ssh_port: int
    http_port: int
    https_port: int
    image: str
    """Directory of the image below its overlay disk."""

    booted: bool = False
    """Whether the first boot was completed; without that, the machine may have no usable host
    keys."""

    @classmethod
    def made(cls, spec: Spec, ssh_port: int, image: str) -> Machine:
        """Return a new machine from a specification with ports."""
        ports = spec.ports or Ports(0, 0)
        return cls(spec.name, spec.suite, spec.group, ssh_port, ports.http, ports.https, image)

    @classmethod
    def read(cls, text: str) -> Machine:
        """Parse a machine from JSON."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values)

    def text(self) -> str:
        """Return the machine as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def known_as(self) -> list[str]:
        """Names of the machine in known_hosts."""
        return [f"[{LOOPBACK}]:{self.ssh_port}"]

    def host(self, pid: int | None) -> Host:
        """Return the machine as a lab host. `pid` is its process, None if it does not run."""
        return Host(
            name=self.name,
            container="",
            suite=self.suite,
            group=self.group,
            running=pid is not None,
            address=LOOPBACK,
            address6="",
            http_port=self.http_port,
            https_port=self.https_port,
            gateways=(GATEWAY,),
            vm=True,
            ssh_port=self.ssh_port,
            bootstrap=USER,
            pid=pid,
        )
