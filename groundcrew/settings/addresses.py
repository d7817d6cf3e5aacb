"""Checks how a host's applications share domains, ports and paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from groundcrew.manifest.model import AppSettings
from groundcrew.settings.errors import Problem

Report = Callable[[tuple[str, ...], str], Problem]


def addresses(apps: Mapping[str, AppSettings], problem: Report) -> list[Problem]:
    """Problems with shared addresses. No two applications may use the same domain, port and prefix.
    Applications with the same domain and port share one nginx server, and must have the same
    domains."""
    problems = []
    names = list(apps)
    for index, name in enumerate(names):
        for other in names[:index]:
            # Report the application without domains: it takes the other's requests.
            mine, theirs = (other, name) if not apps[other].domains else (name, other)
            clash = _clash(apps[mine], apps[theirs], theirs)
            if clash:
                key, message = clash
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
    """A name that one application redirects and the other has."""
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
