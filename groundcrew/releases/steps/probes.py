"""What the program that probes a release is told."""

from __future__ import annotations

from typing import Any

from groundcrew.manifest import urls
from groundcrew.releases.steps.live import go_back
from groundcrew.releases.steps.logged import log_entry
from groundcrew.releases.target import Run, Target

NGINX_CHECK_SECONDS = 15


def socket_probe(
    target: Target,
    release: str,
    undo: str | None,
    run: Run = None,
    serves: str | None = None,
) -> dict[str, Any]:
    """Payload of the probe on the release's own sockets. If it fails, `undo` is run, and `serves`
    is the release that serves then."""
    units = target.units(release)
    steps = [
        undo,
        f"systemctl stop {' '.join(units)}" if undo is not None else None,
        log_entry(target, "release", release, "not healthy"),
    ]
    return {
        **_request(target),
        "sockets": target.sockets(release),
        "release": target.paths.release(release),
        "port": None,
        "timeout": target.app.health.timeout,
        "successes": target.app.health.successes,
        "hold": 0,
        "units": units,
        "serves": serves,
        "on_success": None,
        "on_failure": "; ".join(step for step in steps if step),
        "history": None,
        "run": run,
    }


def restart_probes(
    target: Target, release: str, run: Run = None
) -> list[tuple[str, dict[str, Any]]]:
    """The units of a release, each with the payload of the probe that must follow its restart."""
    probe = socket_probe(target, release, None, run)
    return [
        (unit, {**probe, "sockets": [socket], "units": [unit]})
        for unit, socket in zip(probe["units"], probe["sockets"], strict=True)
    ]


def nginx_probe(
    target: Target,
    release: str,
    previous: str | None,
    *,
    action: str = "release",
    run: Run = None,
) -> dict[str, Any]:
    """Payload of the check through nginx after the switch. If it fails, `previous` serves again."""
    app = target.app
    steps = [log_entry(target, action, release, "failed behind nginx")]
    if previous:
        steps = [
            go_back(target, release, previous),
            log_entry(target, action, release, f"failed behind nginx, back on {previous}"),
        ]
    return {
        **_request(target),
        "sockets": [],
        "release": None,
        "port": app.tls.port if app.tls else app.port,
        "timeout": NGINX_CHECK_SECONDS,
        "successes": 1,
        "hold": target.app.release.check_window if previous else 0,
        "units": target.units(release),
        "serves": previous,
        "on_success": log_entry(target, action, release, "live"),
        "on_failure": "; ".join(steps),
        "history": target.paths.history,
        "good": {"live": release},
        "bad": {"failed": release} if previous else None,
        "run": run,
    }


def watch_payload(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of a check through nginx, reduced to the check window, which follows later."""
    return {**payload, "checks": [], "on_success": None, "good": None}


def _request(target: Target) -> dict[str, Any]:
    app = target.app
    return {
        "name": target.paths.name,
        "tls": app.tls is not None,
        "scheme": app.scheme,
        "host": app.domains[0].replace("*.", "www.") if app.domains else "localhost",
        "path": app.root + app.health.path,
        "status": app.health.status,
        "interval": app.health.interval,
        "request_timeout": app.health.request_timeout,
        "maintenance": target.paths.maintenance_flag,
        "checks": [
            {
                "path": app.root + check.path,
                "status": check.status,
                "contains": check.contains,
                "own": urls.kind_of(app, check.path) == "application",
            }
            for check in app.checks
        ],
    }
