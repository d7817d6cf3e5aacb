"""The connection budget: the connections that applications may open to a service, added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.need import Need
from groundcrew.manifest.server import GunicornServer, UwsgiServer
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.sizes import size_for, sized

ASYNCHRONOUS = 15
"""Connections of a process that serves many requests at once: SQLAlchemy's pool of 5 with an
overflow of 10."""


@dataclass(frozen=True)
class User:
    """An application on a host that connects to the service."""

    host: str
    name: str
    app: AppSettings
    need: Need
    key: str = ""
    """Name of the need."""

    @property
    def depends_on_cpus(self) -> bool:
        """Whether the number of its processes follows from the host's CPUs or memory."""
        return _automatic(self.app)

    def connections(self, cpus: int, memory: int) -> int:
        """Largest number of connections that it may have open on a host with so many CPUs and so
        much memory in bytes."""
        return sum(line.connections for line in _lines(self, cpus, memory))

    def refusal(self, cpus: int = 1, memory: int = 0) -> str | None:
        """Why `connections` of the need is too small; None if it is not."""
        lines = list(_opened(self, cpus, memory))
        total = sum(line.connections for line in lines)
        if self.need.connections is None or self.need.connections >= total:
            return None
        return (
            f"is {self.need.connections}, and the application can open {total}: "
            f"{'; '.join(line.text for line in lines)}"
        )


@dataclass(frozen=True)
class Line:
    """A kind of process, and the number of connections that all of them open."""

    text: str
    connections: int


@dataclass(frozen=True)
class Budget:
    """A service, who uses it, and how many connections they may open together."""

    service: str
    """Service and host, for people: `postgresql on db1`."""

    setting: str
    """Key that sets the number: `postgresql.max_connections`."""

    allowed: int
    users: tuple[User, ...]

    @property
    def depends_on_cpus(self) -> bool:
        """Whether the number of processes follows from the host's CPUs or memory."""
        return any(user.depends_on_cpus for user in self.users)

    def lines(self, cpus: int, memory: int) -> list[Line]:
        """The sum, line by line. Where processes follow from the host, every host has so many CPUs
        and so much memory in bytes."""
        return [line for user in self.users for line in _lines(user, cpus, memory)]

    def refusal(self, cpus: int = 1, memory: int = 0) -> str | None:
        """Why the connections do not suffice, with the sum; None if they do."""
        for user in self.users:
            if text := user.refusal(cpus, memory):
                return f"app.{user.name}.needs.{user.key}.connections: {text}"
        lines = self.lines(cpus, memory)
        total = sum(line.connections for line in lines)
        if total <= self.allowed:
            return None
        return (
            f"the applications can open {total} connections to {self.service}, which has "
            f"{self.allowed} for them: {'; '.join(line.text for line in lines)}. Raise "
            f"{self.setting}, or lower `pool` of the needs, workers or threads"
        )


def _automatic(app: AppSettings) -> bool:
    workers = getattr(app.server, "workers", getattr(app.server, "processes", 1))
    return app.size == "auto" or workers == "auto"


def processes(app: AppSettings, cpus: int) -> int:
    """Number of processes of one instance of the server."""
    server = app.server
    match server:
        case GunicornServer(workers="auto"):
            number = 2 * cpus + 1 if server.worker_class == "sync" else cpus
            return min(number, server.workers_max or number)
        case UvicornServer(workers="auto"):
            return min(max(2, cpus), server.workers_max or max(2, cpus))
        case UwsgiServer(processes="auto"):
            return cpus
        case GunicornServer() | UvicornServer():
            return int(server.workers)
        case UwsgiServer():
            return int(server.processes)
    return 1


def pool(app: AppSettings, need: Need) -> int:
    """Largest number of connections of one process of the server."""
    if need.pool is not None:
        return need.pool
    match app.server:
        case GunicornServer(worker_class="uvicorn") | UvicornServer():
            return ASYNCHRONOUS
        case GunicornServer() | UwsgiServer():
            return app.server.threads
    return ASYNCHRONOUS


def _lines(user: User, cpus: int, memory: int) -> Iterator[Line]:
    lines = list(_opened(user, cpus, memory))
    yield from lines
    more = (user.need.connections or 0) - sum(line.connections for line in lines)
    if more > 0:
        text = f"{user.name} on {user.host}: up to {user.need.connections}, which it may have"
        yield Line(f"{text} = {more}", more)


def _opened(user: User, cpus: int, memory: int) -> Iterator[Line]:
    app, need = user.app, user.need
    if app.size is not None:
        app = sized(app, size_for(memory) if app.size == "auto" else app.size)
    own = f"{user.name} on {user.host}"
    twice = 2 if app.release.strategy == "switch" else 1
    yield _line(f"{own}: server", app.instances * processes(app, cpus), pool(app, need), twice)
    for name, worker in app.workers.items():
        times = 1 if worker.single else 2
        yield _line(f"{own}: worker {name}", worker.instances, need.pool or 1, times)
    for name in app.timers:
        yield _line(f"{own}: timer {name}", 1, need.pool or 1, 1)
    if app.hooks.release:
        yield _line(f"{own}: release hooks", 1, 1, 1)


def _line(what: str, number: int, each: int, times: int) -> Line:
    total = number * each * times
    twice = ", twice while a release replaces another" if times > 1 else ""
    return Line(f"{what} {number} x {each}{twice} = {total}", total)


def refusals(budgets: Iterable[Budget]) -> Iterator[tuple[Budget, str]]:
    """Budgets that do not suffice, of those that no host has to be asked for."""
    for budget in budgets:
        if not budget.depends_on_cpus and (text := budget.refusal()):
            yield budget, text


def sorted_users(users: Sequence[User]) -> tuple[User, ...]:
    """Users in the order of applications and hosts."""
    return tuple(sorted(users, key=lambda user: (user.name, user.host)))
