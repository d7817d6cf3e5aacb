"""How a host's applications share domains, ports and paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from groundcrew.apps.model import AppSettings
from groundcrew.settings.errors import Problem

Report = Callable[[tuple[str, ...], str], Problem]


def addresses(apps: Mapping[str, AppSettings], problem: Report) -> list[Problem]:
    """No two applications may answer on one domain, port and prefix; those that share a domain and
    port share one server of nginx, and need the same domains for it."""
    problems = []
    names = list(apps)
    for index, name in enumerate(names):
        for other in names[:index]:
            # The one without domains is in the other's way.
            mine, theirs = (other, name) if not apps[other].domains else (name, other)
            found = _clash(apps[mine], apps[theirs], theirs)
            if found:
                key, message = found
                problems.append(problem(("app", mine, key), message))
                break
    return problems


def _clash(app: AppSettings, other: AppSettings, name: str) -> tuple[str, str] | None:
    mixed = _mixed(app, other, name)
    if mixed:
        return mixed
    if app.port != other.port:
        return _same_over_tls(app, other, name)
    if not app.domains and (other.domains or app.root == other.root):
        return "port", (
            f"without domains it takes every name on port {app.port}, which application "
            f'"{name}" uses too; give it domains or another port'
        )
    led = _led_away(app, other, name)
    if led:
        return led
    common = [domain for domain in app.domains if domain in other.domains]
    if app.domains and not common:
        return None
    if app.root == other.root:
        where = f" at {app.prefix}" if app.root else ""
        return "domains", (
            f'domain "{common[0]}" on port {app.port}{where} belongs to application "{name}"'
        )
    if set(app.domains) != set(other.domains):
        return "domains", (
            f'domain "{common[0]}" on port {app.port} is shared with application "{name}": both '
            "need the same domains"
        )
    if app.tls != other.tls:
        return "tls", (
            f'application "{name}" has the same domains, and so one certificate: both need the '
            "same tls"
        )
    if app.redirects != other.redirects:
        return "redirects", (
            f'application "{name}" has the same domains, and so one server: both need the same '
            "redirects"
        )
    if app.nginx.forwarded_proto != other.nginx.forwarded_proto:
        return "nginx", (
            f'application "{name}" has the same domains, and so one server: both need the same '
            "nginx.forwarded_proto"
        )
    return None


def _led_away(app: AppSettings, other: AppSettings, name: str) -> tuple[str, str] | None:
    """A name that one of the two leads elsewhere, and the other has."""
    shared = set(app.domains) == set(other.domains)
    for domain in app.redirects:
        if domain in other.domains or (domain in other.redirects and not shared):
            return "redirects", (
                f'"{domain}" on port {app.port} belongs to application "{name}": take it out of '
                "one of them"
            )
    for domain in app.domains:
        if domain in other.redirects:
            return "domains", (
                f'"{domain}" on port {app.port} is among the redirects of application "{name}": '
                "take it out of one of them"
            )
    return None


def _mixed(app: AppSettings, other: AppSettings, name: str) -> tuple[str, str] | None:
    if app.tls and app.tls.port == other.port:
        return "tls", f'port {other.port} is for plain HTTP of application "{name}"'
    if other.tls and other.tls.port == app.port:
        return "port", f'port {app.port} is for HTTPS of application "{name}"'
    return None


def _same_over_tls(app: AppSettings, other: AppSettings, name: str) -> tuple[str, str] | None:
    common = [domain for domain in app.names if domain in other.names]
    if common and app.tls and other.tls and app.tls.port == other.tls.port:
        return "domains", (
            f'domain "{common[0]}" on port {app.tls.port} belongs to application "{name}"'
        )
    return None
