"""Settings of Docker Engine and Swarm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from groundcrew.bindings import Place
from groundcrew.contract import Brings, GroupSettings, HostView
from groundcrew.manifest.types import OneLine
from groundcrew.metrics import Neighbour
from groundcrew.model import Settings

AppName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
ImageName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._:/-]*(@sha256:[0-9a-f]{64})?$")
]
MANAGERS = "swarm_managers"
WORKERS = "swarm_workers"


class SwarmApp(Settings):
    """An application in the swarm."""

    port: int = Field(8080, ge=1, le=65535)
    """Port at which every host of the swarm answers for the application."""

    replicas: int | None = Field(None, ge=1, le=1000)
    """Number of containers of the server. null: `instances` of the manifest."""

    shared: Literal["node"] | None = None
    """Where directories live that outlive releases (`shared` of the manifest): `node`, in a volume
    of each host, so that hosts do not see each other's files. null: an application with such
    directories is refused."""

    monitor: int = Field(10, ge=1)
    """Seconds for which a new container must stay healthy before the next one is replaced."""

    timeout: int = Field(600, ge=10)
    """Seconds within which an update must have ended. After that the run fails, and the swarm goes
    on by itself."""


class SwarmSettings(GroupSettings):
    """Docker Engine and Swarm, on the hosts of the inventory's groups `swarm_managers` and
    `swarm_workers`. The first manager makes the swarm and builds the images."""

    groups: ClassVar[tuple[str, ...]] = (MANAGERS, WORKERS)

    apps: dict[AppName, SwarmApp | None] = Field(default_factory=dict)
    """Applications in the swarm, by name. The first manager must run them too (group `web`), as
    their images are made of its live releases. null leaves one out."""

    base: ImageName | Literal["packages"] | None = None
    """Image that the images are based on. It must have Debian's packages. null: `debian` from the
    registry, in the slim variant of the first manager's own release of Debian; `packages`: made of
    Debian's packages on that host, which needs no registry."""

    registry: ImageName | None = None
    """Registry, or a path in one, that images are pushed to and that the other hosts pull from
    (`registry.example.org/shop`). Its credentials are those of root on the hosts (`docker login`).
    null: images go to the other hosts through the operator's machine."""

    keep: int = Field(3, ge=1)
    """Number of images of each application that are kept on a host, besides those in use."""

    data_port: int = Field(4789, ge=1024, le=49151)
    """UDP port of the traffic between containers of different hosts."""

    log_size: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[kmg]$")] = "10m"
    """Size at which the log of a container is rotated. Five files of each are kept."""

    storage_driver: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")] | None = None
    """Storage driver of Docker Engine. null: it chooses."""

    daemon: dict[str, Any] = Field(default_factory=dict)
    """Further keys of Docker Engine's configuration (`/etc/docker/daemon.json`), which also replace
    groundcrew's, such as `insecure-registries`.
    Syntax: <https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file>."""

    packages: tuple[OneLine, ...] = ("docker.io",)
    """Debian packages of Docker Engine. Debian 13 has the command `docker` in one of its own:
    `[docker.io, docker-cli]`."""

    @property
    def chosen(self) -> dict[str, SwarmApp]:
        """The applications that are not left out."""
        return {name: item for name, item in self.apps.items() if item is not None}

    @model_validator(mode="after")
    def _ports_are_their_own(self) -> SwarmSettings:
        owners: dict[int, str] = {}
        for name, item in self.chosen.items():
            first = owners.setdefault(item.port, name)
            if first != name:
                raise ValueError(f"apps: {first} and {name} have port {item.port}")
            if item.port in (2377, 7946):
                raise ValueError(f"apps: {item.port} of {name} is a port of the swarm itself")
        return self

    def brings(self, host: HostView) -> Brings:
        """See `roles/swarm/brings.py`."""
        from groundcrew.roles.swarm.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)

    def misplaced(self, place: Place) -> Iterable[tuple[tuple[str, ...], str]]:
        """A swarm of workers alone has nobody who would tell them what to do."""
        if {MANAGERS, WORKERS} & place.groups and not managers(place):
            yield (), f"no host of the inventory is in the group {MANAGERS}: put one there"


def managers(place: Place) -> list[Neighbour]:
    """The managers, in the order of the inventory."""
    return [item for item in place.hosts if MANAGERS in item.groups]


def members(place: Place) -> list[Neighbour]:
    """All hosts of the swarm, in the order of the inventory."""
    return [item for item in place.hosts if {MANAGERS, WORKERS} & item.groups]
