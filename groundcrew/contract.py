"""What a role brings to a host besides its operations (`Brings`), and the sum for all roles.

Role settings that inherit from `RoleSettings` return it from `brings`. The users of the sum
(packages, packet filter, log rotation, preflight, verify, status) know no role by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, ClassVar, Literal, Protocol

from groundcrew.bindings import Binding, Endpoint, Location, Login, Place, Replication
from groundcrew.dashboards import Panel
from groundcrew.entries import Entry
from groundcrew.exporters import Exporter
from groundcrew.facts.status import HostStatus
from groundcrew.logs import Log
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.secret import SecretSource
from groundcrew.memory import Share
from groundcrew.metrics import Measured, Metrics, Probe, Rule
from groundcrew.model import Settings
from groundcrew.results.result import Check
from groundcrew.services import Service
from groundcrew.sites import Site
from groundcrew.verify.seen import Seen


@dataclass(frozen=True)
class Port:
    """A port that a program of the role listens on."""

    number: int
    units: tuple[str, ...] = ()
    """Units that may already hold the port: with any other owner, the run ends before anything is
    changed. A unit that ends in `@` stands for all its instances. Empty: the role does not bind the
    port."""

    opened: tuple[str, ...] | None = None
    """Networks that the packet filter lets in; empty: everyone. None: the role opens nothing, but
    `firewall.allow` may."""

    rule: str = ""
    """Name of the packet filter's rule, which `firewall.allow` can replace; default: the role's
    name."""

    public: bool = True
    """Whether programs may listen on the port on public addresses."""

    answers: bool = False
    """Whether the port must answer the operator's machine in verify."""

    users: tuple[str, ...] | None = None
    """Users of the host that may connect on loopback, as far as there is a packet filter; None:
    all."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """Transport protocol. Only TCP ports are judged: whether another program holds them, and
    whether they answer."""


@dataclass(frozen=True)
class IpProtocol:
    """An IP protocol besides TCP and UDP that hosts speak with each other."""

    number: int
    peers: tuple[str, ...]
    """Addresses that the packet filter accepts it from; nobody else's."""

    rule: str
    """Name of the packet filter's rule."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit that the role has written or hardened."""

    name: str
    exposure: float | None = None
    """Largest exposure according to `systemd-analyze security`; None:
    `verify.host_max_exposure`."""

    memory: Share | None = None
    """Its share of the host's memory plan."""

    serves: bool = False
    """Whether applications are served through it: verify judges it as it judges theirs, by a row of
    its own for its state, its processes and its sandbox."""

    roots: int = 0
    """Processes of root that a unit which serves may have, such as a main process."""

    @property
    def title(self) -> str:
        """The name in tables."""
        return self.name.removesuffix(".service")


@dataclass(frozen=True)
class Reads:
    """What a module of the role reads on the host, as root.

    The module is sent to the host and may use only the standard library of Python 3.9 and
    `groundcrew.remote`. Each section is a function of that name, which gets the request and returns
    JSON. If it raises an exception, the section counts as not checked.
    """

    module: str
    sections: tuple[str, ...]
    request: Mapping[str, Any] = field(default_factory=dict)
    last: tuple[str, ...] = ()
    """Sections that are read after the sections of all other roles."""


def requests(reads: Sequence[Reads]) -> list[dict[str, Any]]:
    """The request to the program on the host."""
    return [
        {
            "module": item.module,
            "sections": list(item.sections),
            "last": list(item.last),
            "request": dict(item.request),
        }
        for item in reads
    ]


def modules(reads: Sequence[Reads]) -> tuple[str, ...]:
    """The modules that the program on the host needs."""
    return tuple(dict.fromkeys(item.module for item in reads))


TAKEN_SECTIONS = frozenset(
    {
        "exposure", "followers", "leftovers", "listening", "machine", "maintenance", "processes",
        "releases", "reuse", "seconds", "services", "sockets", "sshd", "units_after",
        "units_before",
    }
)  # fmt: skip
"""Sections that verify itself reads, whose names roles cannot use."""

STATUS_SECTIONS = frozenset(HostStatus.__annotations__)
"""Sections of `playbooks/status.py` itself, which a role's section of that name would replace."""

Checks = Mapping[str, Callable[[Seen], Iterable[Check]]]
"""Title -> check. The title is shown if the check cannot be made."""


@dataclass(frozen=True)
class StatusLines:
    """The role's part of `playbooks/status.py`: `lines` turns the section `key` of `reads` into
    text."""

    key: str
    reads: Reads
    lines: Callable[[Any], Iterable[str]]


@dataclass(frozen=True)
class ServerState:
    """State that a server keeps itself, such as its accounts and databases.

    `module` runs on the host as root and may use only the standard library of Python 3.9 and
    `groundcrew.remote`. Its function `differences(request)` returns a line for each difference, and
    changes nothing; `converge(request)` makes the changes. The states of all roles are read in one
    command.
    """

    title: str
    module: str
    request: Mapping[str, Any] = field(default_factory=dict)
    after_logins: bool = False
    """Whether it needs logins that other hosts provide, as a replica does. It is brought about
    after the states that need none, on all hosts, and after the logins have been fetched."""


@dataclass(frozen=True)
class Renewal:
    """How a unit of the role is made to use the libraries on disk after an update has replaced
    those that it runs. Without more, it is restarted."""

    unit: str
    """Its name, or a pattern (`postgresql@*.service`)."""

    module: str = ""
    """Module on the host whose function `renew(unit)` does it without dropping what the unit
    serves; it raises `RenewalError` (`groundcrew/remote/renewal_state.py`). It may use only the
    standard library of Python 3.9 and `groundcrew.remote`."""

    command: tuple[str, ...] = ()
    """A command that does it instead of a restart."""

    drops: bool = False
    """Whether a restart drops connections. Such a unit is restarted only if `renewal.servers`
    is set."""


@dataclass(frozen=True)
class Promotion:
    """How a replica becomes the primary. `module` has the functions that
    `groundcrew/bindings/promotion.py` describes."""

    title: str
    """What is promoted, for people."""

    key: str
    """Key of the settings that says which host is the primary."""

    module: str
    request: Mapping[str, Any]
    max_lag: int
    """Seconds that the replica may be behind before its primary stops accepting writes."""


@dataclass(frozen=True)
class BackupSource:
    """Data of a server that backups contain. `module` has the functions that
    `groundcrew/remote/backup_source.py` describes."""

    title: str
    """The role's name."""

    module: str
    request: Mapping[str, Any] = field(default_factory=dict)
    apps: tuple[str, ...] = ()
    """Applications that have data in it."""


@dataclass(frozen=True)
class Brings:
    """What one role brings to a host."""

    packages: Sequence[str] = ()
    """Debian packages. Those of all roles are installed at once."""

    foreign: Sequence[str] = ()
    """Those of `packages` that Debian does not have: without a repository that may provide them, a
    run ends before it connects."""

    first_files: Sequence[Entry] = ()
    """Files that the base role writes before it installs packages, such as what keeps a server from
    running as its package configures it, at all addresses."""

    files: Sequence[Entry] = ()
    """Files of a role without operations of its own. The base role writes them."""

    services: Sequence[Service] = ()
    """Units that the base role starts, and that must keep running."""

    ports: Sequence[Port] = ()
    protocols: Sequence[IpProtocol] = ()
    """IP protocols that the packet filter accepts."""

    unreachable: Sequence[str] = ()
    """Networks that the packet filter forwards nothing to but DNS: the host's containers do not
    reach them."""

    units: Sequence[Unit] = ()
    logs: Sequence[Log] = ()
    reads: Sequence[Reads] = ()
    checks: Checks = field(default_factory=dict)
    status: Sequence[StatusLines] = ()
    needs: Sequence[str] = ()
    """`HOST:PORT` that the host must be able to reach before anything is changed."""

    relies_on: Sequence[str] = ()
    """Roles whose work the role's own operations need on the host. A run that leaves one of them
    out says so."""

    states: Sequence[ServerState] = ()
    """What servers of the role must contain once they run."""

    sysctl: Mapping[str, str] = field(default_factory=dict)
    """Kernel parameters that the role needs; `base.sysctl` takes precedence."""

    backups: Sequence[BackupSource] = ()
    """What backups contain, on hosts that are backed up."""

    metrics: Sequence[Metrics] = ()
    """What monitoring measures, on hosts that are monitored. Metrics in files need no entry."""

    probes: Sequence[Probe] = ()
    """URLs that must answer."""

    exporters: Sequence[Exporter] = ()
    """Programs that serve metrics of the role, on hosts that are monitored."""

    rules: Sequence[Rule] = ()
    """Alerts, on hosts that are monitored."""

    panels: Sequence[Panel] = ()
    """Parts of dashboards, on hosts that are monitored."""

    renewals: Sequence[Renewal] = ()
    """Units that can be restarted after an update of libraries. Others are only told."""


@dataclass(frozen=True)
class Brought:
    """What all roles bring to a host, by role."""

    roles: Mapping[str, Brings]

    @property
    def packages(self) -> list[str]:
        """Debian packages, sorted."""
        return sorted({package for item in self.roles.values() for package in item.packages})

    @property
    def foreign(self) -> list[tuple[str, str]]:
        """Packages that Debian does not have: role and package."""
        return [(name, package) for name, item in self.roles.items() for package in item.foreign]

    @property
    def first_files(self) -> list[Entry]:
        """Files that the base role writes before it installs packages."""
        return list(chain.from_iterable(item.first_files for item in self.roles.values()))

    @property
    def files(self) -> list[Entry]:
        """Files that the base role writes."""
        return list(chain.from_iterable(item.files for item in self.roles.values()))

    @property
    def services(self) -> list[Service]:
        """Units that the base role starts."""
        return list(chain.from_iterable(item.services for item in self.roles.values()))

    @property
    def ports(self) -> list[Port]:
        """Ports, each with the name of its packet filter rule."""
        return [
            replace(port, rule=port.rule or name)
            for name, item in self.roles.items()
            for port in item.ports
        ]

    @property
    def protocols(self) -> list[IpProtocol]:
        """IP protocols besides TCP and UDP."""
        return list(chain.from_iterable(item.protocols for item in self.roles.values()))

    @property
    def unreachable(self) -> list[str]:
        """Networks that the host's containers do not reach."""
        return list(chain.from_iterable(item.unreachable for item in self.roles.values()))

    @property
    def public_ports(self) -> set[int]:
        """Ports on which programs may listen on public addresses."""
        return {port.number for port in self.ports if port.public}

    @property
    def answering_ports(self) -> set[int]:
        """Ports that must answer the operator's machine."""
        return {port.number for port in self.ports if port.answers and port.protocol == "tcp"}

    @property
    def bound_ports(self) -> dict[int, tuple[str, ...]]:
        """Port -> units that may hold it."""
        owners: dict[int, tuple[str, ...]] = {}
        for port in self.ports:
            if port.units and port.protocol == "tcp":
                units = (*owners.get(port.number, ()), *port.units)
                owners[port.number] = tuple(dict.fromkeys(units))
        return owners

    @property
    def units(self) -> dict[str, Unit]:
        """Units by name."""
        return {unit.name: unit for item in self.roles.values() for unit in item.units}

    @property
    def memory(self) -> list[Share]:
        """Shares of the memory plan."""
        return [unit.memory for unit in self.units.values() if unit.memory]

    @property
    def logs(self) -> list[Log]:
        """Log files to rotate."""
        return list(chain.from_iterable(item.logs for item in self.roles.values()))

    @property
    def reads(self) -> list[Reads]:
        """What the checks read on the host."""
        return list(chain.from_iterable(item.reads for item in self.roles.values()))

    @property
    def checks(self) -> dict[str, Callable[[Seen], Iterable[Check]]]:
        """Checks by title."""
        return {key: check for item in self.roles.values() for key, check in item.checks.items()}

    @property
    def status(self) -> list[StatusLines]:
        """Lines that status shows."""
        return list(chain.from_iterable(item.status for item in self.roles.values()))

    @property
    def needs(self) -> list[str]:
        """`HOST:PORT` that the host must be able to reach."""
        return sorted({place for item in self.roles.values() for place in item.needs})

    @property
    def states(self) -> list[ServerState]:
        """What servers must contain."""
        return list(chain.from_iterable(item.states for item in self.roles.values()))

    @property
    def states_first(self) -> list[ServerState]:
        """What servers must contain before logins are fetched from them."""
        return [item for item in self.states if not item.after_logins]

    @property
    def states_last(self) -> list[ServerState]:
        """What servers must contain that need such logins themselves."""
        return [item for item in self.states if item.after_logins]

    @property
    def sysctl(self) -> dict[str, str]:
        """Kernel parameters that roles need."""
        return {key: value for item in self.roles.values() for key, value in item.sysctl.items()}

    @property
    def backups(self) -> list[BackupSource]:
        """What backups contain."""
        return list(chain.from_iterable(item.backups for item in self.roles.values()))

    @property
    def renewals(self) -> list[Renewal]:
        """Units that can be restarted after an update of libraries."""
        return list(chain.from_iterable(item.renewals for item in self.roles.values()))

    @property
    def probes(self) -> list[Probe]:
        """URLs that must answer."""
        return list(chain.from_iterable(item.probes for item in self.roles.values()))

    @property
    def exporters(self) -> list[Exporter]:
        """Programs that serve metrics."""
        return list(chain.from_iterable(item.exporters for item in self.roles.values()))

    @property
    def measured(self) -> Measured:
        """What monitoring measures, the alerts, and the dashboards."""
        roles = self.roles.values()
        return Measured(
            tuple(chain.from_iterable(item.metrics for item in roles)),
            tuple(chain.from_iterable(item.rules for item in roles)),
            tuple(chain.from_iterable(item.panels for item in roles)),
        )

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Ports and names that two roles claim: settings key -> reason."""
        yield from self._ports_of_two()
        yield from self._names_of_two()

    def _ports_of_two(self) -> Iterator[tuple[tuple[str, ...], str]]:
        owners: dict[tuple[int, str], tuple[str, set[str]]] = {}
        for name, item in self.roles.items():
            bound = {
                (port.number, port.protocol): set(port.units) for port in item.ports if port.units
            }
            for (number, protocol), units in sorted(bound.items()):
                first, holders = owners.setdefault((number, protocol), (name, units))
                # One program may serve several roles at a port.
                if first != name and holders != units:
                    yield (name,), f"port {number} is {first}'s too: give one of them another"

    def _names_of_two(self) -> Iterator[tuple[tuple[str, ...], str]]:
        verify = {name: {*_sections(item.reads), *item.checks} for name, item in self.roles.items()}
        status = {
            name: _sections(lines.reads for lines in item.status)
            for name, item in self.roles.items()
        }
        # Two roles with one name in both reports are told once.
        yield from dict.fromkeys(
            (
                *_claimed_twice(dict.fromkeys(TAKEN_SECTIONS, "verify"), verify),
                *_claimed_twice(dict.fromkeys(STATUS_SECTIONS, "status"), status),
            )
        )


def _sections(reads: Iterable[Reads]) -> set[str]:
    return {section for item in reads for section in (*item.sections, *item.last)}


def _claimed_twice(
    owners: dict[str, str], names: Mapping[str, Iterable[str]]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Names in one report that `owners` or an earlier role has already."""
    for role, claimed in names.items():
        for name in sorted(claimed):
            first = owners.setdefault(name, role)
            if first != role:
                yield (role,), f"{first} brings something called {name} too: rename one"


class HostView(Protocol):
    """What a role can see of a host besides its own settings."""

    @property
    def place(self) -> Place:
        """Its groups, and what it provides to applications."""
        ...

    @property
    def apps(self) -> tuple[str, ...]:
        """Names of the applications."""
        ...

    @property
    def app(self) -> Mapping[str, AppSettings]:
        """The applications' settings, by name."""
        ...

    @property
    def role_sites(self) -> Mapping[str, Site]:
        """The sites of roles, by name."""
        ...

    @property
    def admins(self) -> Sequence[str]:
        """The administrators, who may use sudo."""
        ...

    @property
    def backed_up(self) -> bool:
        """Whether the host is backed up."""
        ...

    @property
    def login_banner(self) -> str | None:
        """File that sshd shows before login; None: no file."""
        ...

    @property
    def connect_timeout(self) -> float:
        """Seconds without an answer after which verify takes a port for closed."""
        ...


class RoleSettings(Settings):
    """Settings of a role that brings something."""

    def brings(self, host: HostView) -> Brings:  # noqa: ARG002
        """What the role brings to this host."""
        return Brings()

    def contradictions(self, host: HostView) -> Iterable[tuple[tuple[str, ...], str]]:  # noqa: ARG002
        """Values that do not go with the host's other settings: key in the role's settings ->
        reason."""
        return ()

    def sites(self, place: Place) -> Iterable[Site]:  # noqa: ARG002
        """Sites of the role's own on a host at this place."""
        return ()

    def secrets(self) -> Iterable[tuple[tuple[str, ...], SecretSource]]:
        """The operator's secrets that the role needs: key in its settings -> source."""
        return ()

    def misplaced(self, place: Place) -> Iterable[tuple[tuple[str, ...], str]]:  # noqa: ARG002
        """What the role cannot do at the host's place in the inventory: key in its settings ->
        reason."""
        return ()

    def unknown(self, place: Place) -> Iterable[tuple[tuple[str, ...], str]]:  # noqa: ARG002
        """Names in the role's settings of what no host of the inventory brings: key in its settings
        -> reason."""
        return ()


class GroupSettings(RoleSettings):
    """Settings of a role for the hosts of a group of the inventory: the one that is called like the
    role, or `group`, or those in `groups`."""

    group: ClassVar[str] = ""
    groups: ClassVar[tuple[str, ...]] = ()
    also: ClassVar[tuple[str, ...]] = ()
    """Other names of the group, such as `cache`. If several roles list one, a host's `servers`
    says which it has."""


class ProviderSettings(GroupSettings):
    """Settings of a role that applications can need. A host provides it if it is in the inventory's
    group that is called like the role."""

    names_databases: ClassVar[bool] = True
    """Whether an application's database is named after it, unless its need says otherwise."""

    def parts(self) -> tuple[str, ...]:
        """What needs can name: `("cache",)` for `redis.cache`; `("",)` if the role has no parts."""
        return ("",)

    def endpoint(self, binding: Binding, location: Location, login: Login) -> Endpoint:
        """What the application is told. These are the settings of the host that provides it."""
        raise NotImplementedError

    def refusals(self, bindings: Sequence[Binding]) -> Iterable[tuple[Binding, str, str]]:  # noqa: ARG002
        """Bindings of the host that cannot be provided: the binding, the key in its need, and the
        reason."""
        return ()

    def client(self, binding: Binding) -> list[str]:
        """The command that opens the server's own client for a binding. Root runs it on the host
        that provides it."""
        raise NotImplementedError

    @property
    def primaries(self) -> Mapping[str, str]:
        """Part -> host of the inventory of which this one has a replica. Such a part is provided to
        no application."""
        return {}

    def primary_key(self, part: str) -> tuple[str, ...]:  # noqa: ARG002
        """The role's key that says of which host a part is a replica."""
        return ("replica_of",)

    def replication_port(self, part: str) -> int:
        """Port that replicas of a part connect to."""
        raise NotImplementedError

    def unfit(
        self,
        part: str,  # noqa: ARG002
        primary: ProviderSettings,  # noqa: ARG002
    ) -> Iterable[tuple[tuple[str, ...], str]]:
        """Why this host cannot have a replica of a primary with these settings: the role's key, and
        the reason."""
        return ()

    def promotion(self, link: Replication) -> Promotion:
        """How this host's replica becomes the primary."""
        raise NotImplementedError

    @property
    def limits_logins(self) -> bool:
        """Whether the server limits the connections of each login (`Binding.connections`)."""
        return False

    def connections_key(self, part: str) -> str:  # noqa: ARG002
        """The role's key that sets `most_connections`."""
        return "max_connections"

    def most_connections(self, part: str) -> int | None:  # noqa: ARG002
        """Largest number of connections of all applications together; None: no bound that
        matters."""
        return None
