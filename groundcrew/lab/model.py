"""A lab host: its specification, and its actual state from the engine's labels (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from groundcrew.lab.checkout import LABEL, NETWORK, OURS, PREFIX
from groundcrew.lab.process import LabError
from groundcrew.lab.recipe import SUITES

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
GROUP = re.compile(r"[a-z][a-z0-9_]*(,[a-z][a-z0-9_]*)*")

ADMIN = "deploy"
BOOTSTRAP = "root"
"""User of a host after its first deploy, and of a bare container."""

# No --privileged: the engine refuses it on machines that lack a capability themselves. SYS_ADMIN is
# for systemd's sandboxing, NET_ADMIN for nftables; the others exist on any real host.
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_NICE", "AUDIT_WRITE")


@dataclass(frozen=True)
class Ports:
    """Ports of 127.0.0.1 at which a host's ports 80 and 443 are published."""

    http: int
    https: int


@dataclass(frozen=True)
class Spec:
    """Specification of a lab host."""

    name: str
    suite: str = "bookworm"
    group: str = "web"
    ports: Ports | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise LabError(f"{self.name!r} is no host name: lower-case letters, digits and '-'")
        if not GROUP.fullmatch(self.group):
            raise LabError(f"{self.group!r} is no group name: lower-case letters, digits and '_'")
        if self.suite not in SUITES:
            raise LabError(f"{self.suite!r} is no known suite: {' or '.join(SUITES)}")

    @property
    def container(self) -> str:
        """Name of the container. It has the hash of the checkout, so that two checkouts do not
        collide."""
        return f"{PREFIX}-{self.name}"

    def run_arguments(self, image: str) -> list[str]:
        """The arguments of `docker` that create and start the host."""
        labels = {
            LABEL: "1",
            f"{LABEL}.name": self.name,
            f"{LABEL}.suite": self.suite,
            f"{LABEL}.group": self.group,
        }
        if self.ports:
            labels[f"{LABEL}.publish"] = f"{self.ports.http}:{self.ports.https}"
        published = [(self.ports.http, 80), (self.ports.https, 443)] if self.ports else []
        return [
            "run",
            "--detach",
            f"--name={self.container}",
            f"--hostname={self.name}",
            f"--network={NETWORK}",
            f"--network-alias={self.name}",
            f"--label={OURS}",
            *[f"--label={key}={value}" for key, value in labels.items()],
            *[f"--cap-add={capability}" for capability in CAPABILITIES],
            "--security-opt=seccomp=unconfined",
            "--security-opt=apparmor=unconfined",
            # systemd creates its control groups below the container's own.
            "--cgroupns=host",
            "--volume=/sys/fs/cgroup:/sys/fs/cgroup",
            "--tmpfs=/run:exec",
            "--tmpfs=/run/lock",
            "--tmpfs=/tmp:exec",
            "--shm-size=256m",
            # The signal that makes systemd shut down.
            "--stop-signal=SIGRTMIN+3",
            *[f"--publish=127.0.0.1:{outside}:{inside}" for outside, inside in published],
            image,
        ]


@dataclass(frozen=True)
class Host:
    """An existing lab host."""

    name: str
    container: str
    suite: str
    group: str
    running: bool
    address: str
    address6: str
    http_port: int | None
    https_port: int | None
    gateways: tuple[str, ...] = ()
    """This machine's addresses in the lab's network, which logins come from."""

    vm: bool = False
    ssh_port: int = 22
    bootstrap: str = BOOTSTRAP
    """User to log in as while the host is bare."""

    pid: int | None = None
    """PID of the running virtual machine."""

    @property
    def ports(self) -> Ports | None:
        """Ports of 127.0.0.1 at which its ports 80 and 443 are published; None if they are not."""
        if self.http_port is None or self.https_port is None:
            return None
        return Ports(self.http_port, self.https_port)

    @property
    def spec(self) -> Spec:
        """The specification that the host was created from."""
        return Spec(self.name, self.suite, self.group, self.ports)

    def as_dict(self) -> dict[str, Any]:
        """The host as plain data, for JSON."""
        return asdict(self)


def parse_ports(text: str) -> Ports:
    """Return the ports in `HTTP:HTTPS`. Raises `LabError` if they are invalid."""
    match = re.fullmatch(r"(\d{1,5}):(\d{1,5})", text)
    numbers = [int(number) for number in match.groups()] if match else []
    if not numbers or numbers[0] == numbers[1] or not all(0 < n < 65536 for n in numbers):
        raise LabError(f"{text!r} is not HTTP:HTTPS, two different ports such as 8080:8443")
    return Ports(*numbers)


def parse_inspect(containers: Iterable[Mapping[str, Any]]) -> list[Host]:
    """Return the hosts that `docker inspect` describes, sorted by name."""
    return sorted((_host(container) for container in containers), key=lambda host: host.name)


def _host(container: Mapping[str, Any]) -> Host:
    labels = container["Config"]["Labels"]
    network = container["NetworkSettings"]["Networks"].get(NETWORK) or {}
    published = labels.get(f"{LABEL}.publish")
    ports = parse_ports(published) if published else None
    gateways = (network.get("Gateway"), network.get("IPv6Gateway"))
    return Host(
        name=labels[f"{LABEL}.name"],
        container=container["Name"].lstrip("/"),
        suite=labels[f"{LABEL}.suite"],
        group=labels[f"{LABEL}.group"],
        running=container["State"]["Running"],
        address=network.get("IPAddress") or "",
        address6=network.get("GlobalIPv6Address") or "",
        http_port=ports.http if ports else None,
        https_port=ports.https if ports else None,
        gateways=tuple(address for address in gateways if address),
    )
