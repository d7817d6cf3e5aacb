"""Binds the needs of all applications of an inventory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr
from pyinfra.api.inventory import Inventory

from groundcrew import transport
from groundcrew.bindings import Binding, Endpoint
from groundcrew.bindings.bound import bound, generated, location, login
from groundcrew.bindings.budget import Budget, User, refusals, sorted_users
from groundcrew.bindings.resolve import Member, resolve
from groundcrew.entries import Generated
from groundcrew.manifest.need import PARTS, Need
from groundcrew.settings import secrets
from groundcrew.settings.checks import Report
from groundcrew.settings.errors import FOR_ALL, Problem
from groundcrew.settings.host import HostBase
from groundcrew.settings.neighbours import acquainted
from groundcrew.settings.replication import primaries, replications

PORTS = {
    "amqp": 5672, "amqps": 5671, "mariadb": 3306, "mongodb": 27017, "mysql": 3306, "postgres": 5432,
    "postgresql": 5432, "redis": 6379, "rediss": 6379,
}  # fmt: skip
"""Ports of services whose URL names none, by the scheme without its driver."""

External = Mapping[str, Mapping[str, SecretStr]]
Model = TypeVar("Model", bound=HostBase)


def read_external(
    apps: Mapping[str, Any], machine: secrets.Machine, problem: Report, needed: bool = True
) -> tuple[dict[str, dict[str, SecretStr]], list[Problem]]:
    """The URLs of services outside of the inventory, by application and need, and all problems.
    They are only read if `needed`."""
    values: dict[str, dict[str, SecretStr]] = {}
    problems = []
    for name, app in apps.items():
        values[name] = {}
        for need, settings in app.needs.items():
            if settings.url is None:
                continue
            try:
                why = "nobody would know a generated URL"
                value = secrets.of_operator(settings.url, machine, needed, why)
                if value is not None:
                    _check(value.get_secret_value())
                    values[name][need] = value
            except secrets.SecretMissingError as error:
                place = ("app", name, "needs", need, "url")
                problems.append(problem(error.at(place), str(error)))
    return values, problems


def _check(url: str) -> None:
    try:
        parsed = urlsplit(url)
        whole = bool(parsed.scheme and parsed.hostname) and parsed.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise secrets.SecretMissingError("expected a URL: SCHEME://USER:PASSWORD@HOST:PORT/NAME")


def _port(parsed: SplitResult) -> int | None:
    return parsed.port or PORTS.get(parsed.scheme.partition("+")[0])


def place_of(url: str) -> str:
    """`HOST:PORT` of a URL; empty if its port is not known."""
    parsed = urlsplit(url)
    port = _port(parsed)
    host = parsed.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{port}" if port else ""


def external(settings: Need, url: str) -> Endpoint:
    """What an application is told about a service outside of the inventory."""
    parsed = urlsplit(url)
    if settings.scheme:
        url = f"{settings.scheme}{url[len(parsed.scheme) :]}"
    if settings.query:
        more = "&".join(f"{key}={value}" for key, value in settings.query.items())
        url += f"{'&' if parsed.query else '?'}{more}"
    parts = {
        "url": url,
        "host": parsed.hostname or "",
        "port": str(_port(parsed) or ""),
        "user": unquote(parsed.username or ""),
        "password": unquote(parsed.password or ""),
        "name": unquote(parsed.path.lstrip("/")),
    }
    return Endpoint({**dict.fromkeys(PARTS, ""), **parts})


def members(hosts: Mapping[str, HostBase], inventory: Inventory) -> list[Member]:
    """The hosts of the inventory, for the search of providers."""
    return [
        Member(
            name,
            settings.place.groups,
            settings.address or transport.address(inventory.get_host(name)),
            settings.app,
            {role: settings.provider(role).parts() for role in settings.providers()},
            primaries(settings),
        )
        for name, settings in hosts.items()
    ]


def bind(
    hosts: Mapping[str, Model],
    urls: Mapping[str, External],
    inventory: Inventory,
    problem: Mapping[str, Report],
) -> tuple[dict[str, Model], list[Problem]]:
    """The settings of all hosts with what they provide and what their applications get, and every
    need that cannot be met. `problem` makes a report about a key of a host."""
    roles = next((item.providers() for item in hosts.values()), frozenset())
    known = members(hosts, inventory)
    resolved = resolve(known, roles)
    links, problems = replications(hosts, {item.name: item.address for item in known}, problem)
    problems += [
        Problem(f"app.{item.app}.needs.{item.need}.{item.key}", f"apps/{item.app}.yml",
                item.message, item.hosts)
        for item in resolved.refusals
    ]  # fmt: skip
    placed: dict[str, Model] = {}
    problems += _not_backed_up(hosts, resolved.bindings, problem)
    for name, settings in hosts.items():
        mine = tuple(item for item in resolved.bindings if item.provider == name)
        problems += _refused(name, settings, mine)
        place = replace(
            settings.place,
            provides=mine,
            replicas=tuple(item for item in links if item.provider == name),
            follows=tuple(item for item in links if item.replica == name),
        )
        placed[name] = settings.placed(place)
    if problems:
        return placed, problems
    budgets = _budgets(placed, resolved.bindings)
    problems = list(_too_few(budgets))
    if problems:
        return placed, problems
    placed = {name: _limited(settings, budgets) for name, settings in placed.items()}
    problems = [
        Problem(budget.setting, FOR_ALL, text, tuple(sorted({user.host for user in budget.users})))
        for budget, text in refusals(budgets.values())
    ]
    complete = {
        name: _with_apps(name, placed, urls[name], resolved.bindings, budgets) for name in placed
    }
    together, more = acquainted(complete, {item.name: item.address for item in known}, problem)
    return together, problems + more


Service = tuple[str, str, str]
"""Provider, role and part."""


def _budgets(hosts: Mapping[str, Model], bindings: Iterable[Binding]) -> dict[Service, Budget]:
    """The connection budget of each service that has a bound."""
    users: dict[Service, list[User]] = {}
    for item in bindings:
        key = (item.provider, item.role, item.part)
        users.setdefault(key, []).extend(
            User(
                client.host,
                item.app,
                app := hosts[client.host].app[item.app],
                app.needs[item.need],
                item.need,
            )
            for client in item.clients
        )
    budgets = {}
    for (provider, role, part), who in users.items():
        settings = hosts[provider].provider(role)
        allowed = settings.most_connections(part)
        if allowed is not None:
            label = f"{role}.{part}" if part else role
            setting = f"{role}.{settings.connections_key(part)}"
            budgets[provider, role, part] = Budget(
                f"{label} on {provider}", setting, allowed, sorted_users(who)
            )
    return budgets


def _too_few(budgets: Mapping[Service, Budget]) -> Iterator[Problem]:
    """Needs whose `connections` are fewer than their application opens, of those that no host has
    to be asked for."""
    for user in (user for budget in budgets.values() for user in budget.users):
        if not user.depends_on_cpus and (text := user.refusal()):
            key = f"app.{user.name}.needs.{user.key}.connections"
            yield Problem(key, f"apps/{user.name}.yml", text, (user.host,))


def _limited(settings: Model, budgets: Mapping[Service, Budget]) -> Model:
    """The settings, with the connections of each client that no host has to be asked for."""
    known = {
        (key, user.host, user.name, user.key): user.connections(1, 0)
        for key, budget in budgets.items()
        for user in budget.users
        if not user.depends_on_cpus
    }
    provides = tuple(
        replace(
            item,
            clients=tuple(
                replace(
                    client,
                    connections=known.get(
                        ((item.provider, item.role, item.part), client.host, item.app, item.need)
                    ),
                )
                for client in item.clients
            ),
        )
        for item in settings.place.provides
    )
    return settings.placed(replace(settings.place, provides=provides))


def _not_backed_up(
    hosts: Mapping[str, HostBase], bindings: Iterable[Binding], problem: Mapping[str, Report]
) -> list[Problem]:
    """Applications that are backed up before their hooks, with data on a host that has no target
    for backups."""
    refused = []
    for name, settings in hosts.items():
        for app, chosen in settings.app.items():
            if not chosen.release.backup_before_hooks:
                continue
            theirs = (item for item in bindings if item.app == app)
            with_data = {name, *(item.provider for item in theirs
                                 if name in {client.host for client in item.clients})}  # fmt: skip
            bare = sorted(item for item in with_data if not hosts[item].backed_up)
            if bare:
                text = f"{', '.join(bare)} has no target for backups: set backup.targets there"
                key = ("app", app, "release", "backup_before_hooks")
                refused.append(problem[name](key, text))
    return refused


def _refused(name: str, settings: HostBase, mine: tuple[Binding, ...]) -> list[Problem]:
    return [
        Problem(
            f"app.{binding.app}.needs.{binding.need}.{key}",
            f"apps/{binding.app}.yml",
            f"{name} cannot provide it: {reason}",
            tuple(client.host for client in binding.clients),
        )
        for role in sorted({item.role for item in mine})
        for binding, key, reason in settings.provider(role).refusals(
            [item for item in mine if item.role == role]
        )
    ]


def _with_apps(
    host: str,
    hosts: Mapping[str, Model],
    urls: External,
    bindings: list[Binding],
    budgets: Mapping[Service, Budget],
) -> Model:
    settings = hosts[host]
    mine = {
        (item.app, item.need): item
        for item in bindings
        if any(client.host == host for client in item.clients)
    }
    apps = {}
    reaches: list[str] = []
    for name, app in settings.app.items():
        needs: dict[str, tuple[Need, Endpoint, tuple[Generated, ...]]] = {}
        remote: list[str] = []
        awaited: dict[str, str] = {}
        for need, item in app.needs.items():
            binding = mine.get((name, need))
            if binding is None:
                # Not read for playbooks that need no secrets.
                url = urls[name].get(need)
                text = url.get_secret_value() if url else ""
                needs[need] = (item, external(item, text), ())
                reaches += [place_of(text)] if text else []
            else:
                where = location(binding, host)
                role = hosts[binding.provider].provider(binding.role)
                needs[need] = (
                    item,
                    role.endpoint(binding, where, login(binding)),
                    generated(binding),
                )
                if not where.local:
                    remote.append(where.host)
                    awaited[needs[need][1].answers] = binding.provider
        providers = {item.provider for (of, _), item in mine.items() if of == name}
        apps[name] = app.with_bound(
            replace(
                bound(needs),
                providers=tuple(sorted(providers)),
                networks=tuple(dict.fromkeys(remote)),
                awaited=awaited,
            )
        )
    fetched = tuple(item for item in mine.values() if item.provider != host)
    services = dict.fromkeys((item.provider, item.role, item.part) for item in mine.values())
    place = replace(
        settings.place,
        reaches=tuple(filter(None, reaches)),
        uses=fetched,
        budgets=tuple(budgets[key] for key in services if key in budgets),
    )
    return settings.model_copy(update={"app": apps}).placed(place)
