"""Which requests a load test sends to which address. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from urllib.parse import urlsplit

from groundcrew.manifest.load import Load, LoadRequest, strings
from groundcrew.manifest.model import AppSettings
from groundcrew.settings.errors import nearest

VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


class Target(TypedDict):
    """An application on a host."""

    app: str
    host: str
    address: str
    names: list[str]
    url: str
    prefix: str
    health: str
    load: dict[str, Any]


class Pace(TypedDict):
    """How much load there is."""

    users: int
    requests: int | None
    duration: int
    ramp_up: int
    pause: float
    timeout: float
    insecure: bool


class Plan(Pace):
    """What Locust is told."""

    title: str
    url: str
    name: str
    address: str
    login: list[dict[str, Any]]
    steps: list[dict[str, Any]]


class PlanError(Exception):
    """A load test cannot be sent; the message says why and what to do."""


def target(name: str, app: AppSettings, host: str, address: str) -> Target:
    """The application as load tests see it."""
    port = app.tls.port if app.tls else app.port
    scheme = "https" if app.tls else "http"
    domain = app.domains[0].replace("*", "www") if app.domains else address
    usual = {"http": 80, "https": 443}[scheme] == port
    return {
        "app": name,
        "host": host,
        "address": address,
        "names": [*app.names],
        "url": f"{scheme}://{bracketed(domain)}{'' if usual else f':{port}'}",
        "prefix": app.root,
        "health": app.health.path,
        "load": app.load.model_dump(mode="json", by_alias=True),
    }


def bracketed(name: str) -> str:
    """A host name or address as URLs have it."""
    return f"[{name}]" if ":" in name else name


def chosen(targets: Sequence[Target], what: str, host: str | None) -> Target:
    """The application that a test is sent to. Raises PlanError."""
    having = [item for item in targets if item["app"] == what]
    if not having:
        known = nearest(what, (item["app"] for item in targets))
        raise PlanError(f'the inventory has no application "{what}"{known}')
    fitting = [item for item in having if host in (None, item["host"])]
    if not fitting:
        hosts = ", ".join(item["host"] for item in having)
        raise PlanError(f"--host: {what} is not on {host}, but on {hosts}")
    return fitting[0]


def plan(item: Target, load: Load, insecure: bool, environment: Mapping[str, str]) -> Plan:
    """The test of an application. Raises PlanError."""
    steps = load.steps or (LoadRequest(path=item["health"]),)
    return {
        "title": f"{item['app']} on {item['host']}",
        "url": item["url"],
        "name": str(urlsplit(item["url"]).hostname),
        "address": item["address"],
        **_pace(load, insecure),
        "login": [request(step, item["prefix"], environment) for step in load.login],
        "steps": [request(step, item["prefix"], environment) for step in steps],
    }


def plan_for_url(url: str, load: Load, insecure: bool, known: Mapping[str, str]) -> Plan:
    """The test of a URL. `known` are names of the inventory and the addresses of their hosts; other
    names are looked up. Raises PlanError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PlanError(f"{url} is no URL of a site: expected http://... or https://...")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return {
        "title": url,
        "url": f"{parts.scheme}://{parts.netloc}",
        "name": parts.hostname,
        "address": known.get(parts.hostname, parts.hostname),
        **_pace(load, insecure),
        "login": [],
        "steps": [request(LoadRequest(path=path), "", {})],
    }


def names(targets: Sequence[Target], hosts: Mapping[str, str]) -> dict[str, str]:
    """The names and addresses that belong to the inventory, each with the address of its host."""
    addresses = {name: item["address"] for item in reversed(targets) for name in item["names"]}
    return {**addresses, **hosts, **{address: address for address in hosts.values()}}


def _pace(load: Load, insecure: bool) -> Pace:
    return {
        "users": load.users,
        "requests": load.requests,
        "duration": load.duration,
        "ramp_up": load.ramp_up,
        "pause": load.pause,
        "timeout": load.timeout,
        "insecure": insecure,
    }


def request(step: LoadRequest, prefix: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """A request as Locust is told, with the operator's variables filled in. Raises PlanError if one
    is not set."""
    data = step.model_dump(mode="json", by_alias=True)
    missing = sorted(
        {
            name
            for text in strings([data[key] for key in ("path", "headers", "json", "form", "body")])
            for name in VARIABLE.findall(text)
            if name not in environment
        }
    )
    if missing:
        raise PlanError(f"{step.path}: the variable {', '.join(missing)} is not set")
    filled: dict[str, Any] = _filled(data, environment)
    return {
        **filled,
        "path": prefix + filled["path"],
        "name": step.name or f"{step.method} {prefix}{step.path}",
    }


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: environment[match[1]], value)
    if isinstance(value, dict):
        return {key: _filled(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, environment) for item in value]
    return value
