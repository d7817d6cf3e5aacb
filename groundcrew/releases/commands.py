"""Shell and payloads of the release steps: pure text, so that each can be read and tested."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from groundcrew import remote
from groundcrew.apps import unit, urls
from groundcrew.apps.paths import AppPaths
from groundcrew.facts.apt import STAMP
from groundcrew.operations import apt
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.target import Target, operator

Run = dict[str, str] | None
"""What a step on the host knows of its run, as in groundcrew/remote/run_lock.py."""

LISTS_FRESH_SECONDS = 86400
LOCK_SECONDS = 300
NGINX_CHECK_SECONDS = 15
RELOAD_SECONDS = 2
"""After these nginx's old workers take no new requests."""
SYSTEM = "/etc/systemd/system"
LEAST_DRAIN = 1
"""Seconds after which a connection that nginx was making at the switch has been accepted."""
WEIGHT = 100
"""systemd's default CPUWeight."""
WEIGHT_BESIDE = 10


def log_entry(target: Target, action: str, release: str, result: str) -> str:
    """Shell that appends one line to the application's release log.

    Its duration counts from when the lock was taken.
    """
    fixed = {"action": action, "release": release, "operator": operator(), "result": result}
    rest = shlex.quote(json.dumps(fixed)[1:])
    paths = target.paths
    return (
        f'printf \'{{"time": "%s", "seconds": %d, %s\\n\' "$(date -u +%FT%TZ)" '
        f'"$(($(date +%s) - $(stat -c %Y {paths.lock} 2>/dev/null || date +%s)))" '
        f"{rest} >> {paths.log}"
    )


def build_payload(
    plan: ReleasePlan,
    release: str,
    archive: str | None,
    resolved: str | None = None,
    run: Run = None,
) -> dict[str, Any]:
    """For `groundcrew/remote/build_release.py`; `resolved` is what another host has made of the
    requirements."""
    return {
        "name": plan.paths.name,
        "release": release,
        "archive": archive,
        "user": plan.paths.build_user,
        "uv": plan.toolchain.uv,
        "keys": {
            "environment": plan.environment_key,
            "source": plan.source_key,
            "code": plan.code_key,
        },
        "needs_source": plan.needs_source,
        "python": {
            "interpreter": plan.toolchain.python,
            "wanted": plan.app.python,
            "requires": plan.requires_python,
            "mirror": plan.toolchain.python_mirror,
        },
        "requirements": asdict(plan.requirements),
        "resolved": resolved,
        "exclude_newer": _exclude_newer(plan),
        "apt": {
            "packages": list(plan.app.build_apt),
            "declared": list(plan.toolchain.declared),
            "stamp": STAMP,
            "fresh": LISTS_FRESH_SECONDS,
            "update": apt.update_script(LOCK_SECONDS),
            "install": apt.install_script(
                ['"$@"'], False, LOCK_SECONDS, clean=True, options=["--mark-auto"]
            ),
            "purge": apt.purge_script(['"$@"'], LOCK_SECONDS),
        },
        "frontend": plan.frontend.payload() if plan.frontend else None,
        "frontend_lock": plan.app.frontend.directory if plan.app.frontend else None,
        "keep_cache": plan.toolchain.keep_cache,
        "compile": plan.toolchain.compile,
        "variables": dict(plan.toolchain.environment),
        "app_dir": plan.app.app_dir,
        "environment_hooks": list(plan.app.hooks.environment),
        "hooks": list(plan.app.hooks.build),
        "hook_variables": plan.hook_variables,
        "hook_timeout": plan.app.hooks.timeout,
        "shared": list(plan.app.kept),
        "directories": plan.directories,
        "metadata": {
            "release": release,
            "digest": plan.digest,
            "source": plan.bundle.label,
            "source_digest": plan.bundle.digest,
        },
        "limits": {**plan.toolchain.limits, "IPAddressDeny": " ".join(unit.METADATA)},
        "steps": remote.source("build_steps"),
        "run": run,
        "on_failure": log_entry(plan.target, "release", release, "build failed"),
    }


def _exclude_newer(plan: ReleasePlan) -> list[str]:
    """uv's options: nothing from after that day, but the server that is added."""
    if plan.app.exclude_newer is None:
        return []
    end = date.fromisoformat(plan.app.exclude_newer) + timedelta(days=1)
    options = ["--exclude-newer", f"{end.isoformat()}T00:00:00Z"]
    for name in plan.server.packages:
        options += ["--exclude-newer-package", f"{name}=false"]
    return options


def hooks_payload(target: Target, release: str, run: Run) -> dict[str, Any]:
    """For `groundcrew/remote/run_hooks.py`."""
    hooks = target.app.hooks
    return {
        "unit": target.paths.hooks_unit(release),
        "done": target.paths.hooks_done(release),
        "each": hooks.timeout,
        "timeout": hooks.timeout * len(hooks.release),
        "log": f"{target.paths.release(release)}/hooks.log",
        "run": run,
        "on_failure": log_entry(target, "release", release, "hook failed"),
    }


def hooks_ran_elsewhere(target: Target, release: str, where: str) -> str:
    """Shell that notes that another host ran this release's hooks."""
    return f"echo {shlex.quote(where)} > {target.paths.hooks_done(release)}"


def start(target: Target, release: str, *, beside: bool = False, anew: bool = False) -> str:
    """Shell that starts the release's units; whether they work is the probe's to say.

    `beside` a release that serves, they get the processor that it leaves them until the switch.
    `anew`: those that run, or that systemd is about to start again, are stopped before.
    """
    names = " ".join(target.units(release))
    stop = f"systemctl stop {names}; " if anew else ""
    gently = "".join(
        f"systemctl set-property --runtime {name} CPUWeight={WEIGHT_BESIDE}; "
        for name in (target.units(release) if beside else ())
    )
    return (
        f"systemctl daemon-reload && {stop}systemctl reset-failed {names} 2>/dev/null; {gently}"
        f"systemctl start --no-block {names}"
    )


def full_weight(units: Sequence[str]) -> str:
    """Shell that gives units the processor's share that they are to have."""
    return " && ".join(
        f"weight=$(sed -n s/^CPUWeight=//p {SYSTEM}/{unit}) && "
        f'systemctl set-property --runtime {unit} "CPUWeight=${{weight:-{WEIGHT}}}"'
        for unit in units
    )


def hold(target: Target, release: str, previous: str | None) -> str:
    """Shell that hands the socket that systemd holds to the release: requests wait meanwhile."""
    paths = target.paths
    text = unit.socket_unit(paths, release, target.app.server.backlog)
    stop = f"systemctl stop {' '.join(target.units(previous))} && " if previous else ""
    return (
        f"printf %s {shlex.quote(text)} > {SYSTEM}/{paths.socket_unit} && "
        f"systemctl daemon-reload && systemctl enable --quiet --now {paths.socket_unit} && "
        f"{lead(target, release)} && "
        f"{stop}{start(target, release)}"
    )


def same_protocol(target: Target, release: str) -> str:
    """Shell that fails where the release speaks another protocol than the live one: requests that
    wait in the socket that systemd holds would reach it in the wrong one."""
    paths = target.paths
    message = (
        f"{paths.name}: another `server.type` cannot take over with `release.strategy: restart`; "
        "release it once with `switch`"
    )
    return "\n".join(
        [
            _protocol(paths, release),
            f"if ! {_passed(paths)}; then echo {shlex.quote(message)} >&2; exit 1; fi",
        ]
    )


def _protocol(paths: AppPaths, release: str) -> str:
    """Shell that finds out what a release speaks (`$kind`) and what not (`$other`)."""
    return (
        "kind=http other=uwsgi; "
        f"if [ -e {paths.uwsgi_config(release)} ]; then kind=uwsgi other=http; fi"
    )


def _passed(paths: AppPaths) -> str:
    """Shell: whether nginx speaks that."""
    return f'[ "$(readlink {paths.passing})" = {paths.name}.$kind ]'


def static_payload(target: Target, release: str, previous: str | None) -> dict[str, Any] | None:
    """For `groundcrew/remote/publish_static.py`; None where nginx serves no files."""
    static = target.app.static
    if static is None:
        return None
    return {
        "root": f"{target.paths.release(release)}/app",
        "source": f"{target.paths.release(release)}/app/{static.path}",
        "target": target.paths.static,
        "release": release,
        "previous": previous,
        "grace": static.assets_grace,
    }


FRONTEND_GZIP = 1000
"""Bytes from which a front end's text is compressed: less fits into one packet anyway."""


def frontend_payload(target: Target, release: str) -> dict[str, Any] | None:
    """For `groundcrew/remote/publish_frontend.py`; None without a front end."""
    app, frontend = target.app, target.app.frontend
    if frontend is None:
        return None
    return {
        "root": f"{target.paths.release(release)}/app",
        "source": f"{target.paths.release(release)}/app/{frontend.built}",
        "target": target.paths.frontend,
        "url": app.root + frontend.url,
        "assets": [app.root + url for url in frontend.asset_urls],
        "index": frontend.spa,
        "gzip": FRONTEND_GZIP if frontend.precompress else None,
        "release": release,
        "grace": frontend.assets_grace,
    }


def publications(
    target: Target, release: str, previous: str | None
) -> list[tuple[str, dict[str, Any]]]:
    """Programs, each with its payload, that put files of a release where nginx serves them."""
    found = [
        ("publish_static", static_payload(target, release, previous)),
        ("publish_frontend", frontend_payload(target, release)),
    ]
    return [(program, payload) for program, payload in found if payload]


def socket_probe(
    target: Target,
    release: str,
    undo: str | None,
    run: Run = None,
    serves: str | None = None,
) -> dict[str, Any]:
    """Payload of the probe on the release's own sockets; `undo` is run when it fails, and `serves`
    is what does then."""
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


def restarts(target: Target, release: str, run: Run = None) -> list[tuple[str, dict[str, Any]]]:
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
    """Payload of the check through nginx after the switch, which goes back when it fails."""
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


def watch(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of a check through nginx as that of its check window alone, which comes later."""
    return {**payload, "checks": [], "on_success": None, "good": None}


def go_back(target: Target, release: str, previous: str) -> str:
    """Shell that leads back to the release before."""
    if target.holds(previous) and target.holds(release):
        return f"{hold(target, previous, release)}; {switch(target, previous)}"
    units = " ".join(target.units(release))
    # It was stopped for a release whose socket systemd holds.
    again = f"systemctl start {' '.join(target.units(previous))}; " if target.holds(release) else ""
    return (
        f"{again}{switch(target, previous)} && rm -f {target.paths.fallback}; "
        f"systemctl stop {units}"
    )


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


def _links(target: Target, release: str) -> list[tuple[int, str]]:
    """Where the links that nginx has for instances lead to. Their number is today's; an older
    release may have fewer instances, which then share them, or more."""
    sockets = target.sockets(release)
    return [(number, sockets[(number - 1) % len(sockets)]) for number in _link_numbers(target)]


def _link_numbers(target: Target) -> range:
    return range(1, target.app.instances + 1)


def _upstreams(paths: AppPaths) -> tuple[Callable[[int], str], Callable[[int], str]]:
    return paths.upstream, paths.uwsgi_upstream


def lead(target: Target, release: str) -> str:
    """Shell that leads nginx to the release, by renaming links: no reload, open connections stay.

    What the release speaks is told by its directory, for a rollback. Only where that changes nginx
    is reloaded: between the two links, so that until its old workers are gone they find the release
    before.
    """
    paths = target.paths
    partial = f"{paths.upstreams}/.current.sock"

    def move(path_of: Callable[[int], str]) -> str:
        return " && ".join(
            f"ln -sfn {socket} {partial} && mv -T {partial} {path_of(number)}"
            for number, socket in _links(target, release)
        )

    return "\n".join(
        [
            f"{{ http() {{ {move(paths.upstream)}; }}",
            f"uwsgi() {{ {move(paths.uwsgi_upstream)}; }}",
            _protocol(paths, release),
            "$kind &&",
            f"if ! {_passed(paths)}; then",
            f"  ln -sfn {paths.name}.$kind {paths.passing} && systemctl reload nginx && "
            f"sleep {RELOAD_SECONDS}",
            f"fi && $other && {_unlink_surplus(target)}; }}",
        ]
    )


def _unlink_surplus(target: Target) -> str:
    """Shell that removes the links of instances that there are no more: they would lead to a
    release that was replaced."""
    paths = target.paths
    kept = [path(number) for number in _link_numbers(target) for path in _upstreams(paths)]
    excluded = " ".join(f"! -path {path}" for path in kept)
    return f"find {paths.upstreams} -type l -name 'current.*' {excluded} -delete"


def boot_links(target: Target, release: str) -> str:
    """The tmpfiles.d text that leads nginx's socket to the release again after a reboot."""
    return "".join(
        f"L+ {path(number)} - - - - {socket}\n"
        for number, socket in _links(target, release)
        for path in _upstreams(target.paths)
    )


def switch(
    target: Target, release: str, fallback: str | None = None, previous: str | None = None
) -> str:
    """Shell that makes the release the live one: at the next boot, then for nginx, then on disk.

    While the release before still runs, it is the `fallback` for connections that the new one
    refuses. Where the switch fails, such as on a full disk, everything leads to the `previous`
    release again, and the new one is stopped.
    """
    way = " && ".join(
        [full_weight(target.units(release)), *_switch_steps(target, release, fallback)]
    )
    if previous is None or target.holds(release):
        return way
    units = " ".join(target.units(release))
    undo = [
        *_switch_steps(target, previous, None),
        f"rm -f {target.paths.fallback}",
        f"systemctl disable --quiet {units}",
        f"systemctl stop {units}",
        log_entry(target, "release", release, f"switch failed, still on {previous}"),
        f"echo 'the switch failed; {previous} still serves' >&2",
        "exit 1",
    ]
    return f"{{ {way}\n}} || {{ {'; '.join(undo)}; }}"


def _switch_steps(target: Target, release: str, fallback: str | None) -> list[str]:
    paths = target.paths
    wants = f"{SYSTEM}/multi-user.target.wants"
    conf = paths.boot_conf
    units = target.units(release)
    steps = [
        f"systemctl enable --quiet {' '.join(units)}",
        f"printf %s {shlex.quote(boot_links(target, release))} > {conf}.new",
        f"mv {conf}.new {conf}",
    ]
    if fallback and not target.holds(release):
        steps.append(f"ln -sfn {target.sockets(fallback)[0]} {paths.fallback}")
    return [
        *steps,
        lead(target, release),
        *_lead_frontend(target, release),
        f"ln -sfn releases/{release} {paths.root}/.current",
        f"mv -T {paths.root}/.current {paths.current}",
        f"find {wants} -name '{paths.name}@*.service' "
        + " ".join(f"! -name {unit}" for unit in units)
        + " -delete",
    ]


def _lead_frontend(target: Target, release: str) -> list[str]:
    """Its pages change by one rename too, right after the application."""
    if target.app.frontend is None:
        return []
    path = target.paths.frontend
    return [f"ln -sfn releases/{release} {path}/.current", f"mv -T {path}/.current {path}/current"]


def follow(
    start_units: Sequence[str], stop_units: Sequence[str], single: Sequence[str] = ()
) -> str:
    """Shell that starts the release's workers and timers and tells the old ones to finish; whether
    workers stay up is looked at while the old release drains (see `retire_payload`).

    They are not waited for: a job may take as long as its worker's stop_timeout. Except for
    `single` ones among them, of which there must never be two.
    """
    steps = ["set -e", "systemctl daemon-reload"]
    if stop_units:
        names = " ".join(stop_units)
        steps += [f"systemctl disable --quiet {names}", f"systemctl stop --no-block {names}"]
    waited = [name for name in stop_units if name in single]
    if waited:
        steps.append(f"systemctl stop {' '.join(waited)}")
    if start_units:
        names = " ".join(start_units)
        steps += [f"systemctl enable --quiet {names}", f"systemctl restart {names}"]
    return "\n".join(steps)


def leave(units: Sequence[str]) -> str:
    """Shell that ends and removes workers and timers that another host runs from now on."""
    names = " ".join(units)
    files = " ".join(f"{SYSTEM}/{name}" for name in units)
    return (
        f"systemctl disable --quiet {names} 2>/dev/null; systemctl stop {names}; "
        f"rm -f {files} && systemctl daemon-reload; systemctl reset-failed {names} 2>/dev/null; "
        "true"
    )


def retire_payload(
    target: Target,
    live: str,
    stop: Sequence[str],
    remove: Sequence[str],
    *,
    let_go: bool = False,
    watch: Sequence[str] = (),
    run: Run = None,
) -> dict[str, Any]:
    """For `groundcrew/remote/retire_releases.py`: `stop` replaced releases when they have finished
    what they have, and `remove` those that are not kept. `watch` are workers that have just been
    started."""
    paths = target.paths
    return {
        "name": paths.name,
        "live": live,
        "stop": {release: target.units(release) for release in stop},
        "sockets": [socket for release in stop for socket in target.sockets(release)],
        "drain": 0 if target.holds(live) else drain_seconds(target),
        # The check window comes before.
        "least": 0 if target.holds(live) else max(0, LEAST_DRAIN - target.app.release.check_window),
        "watch": list(watch),
        "window": target.app.release.check_window,
        "fallback": paths.fallback,
        "remove": {
            release: {
                "sockets": [paths.socket(release, number) for number in target.instances(release)]
            }
            for release in remove
        },
        "socket_unit": paths.socket_unit if let_go else None,
        "held": paths.held,
        "run": run,
    }


def drain_seconds(target: Target) -> int:
    """For how long a replaced release may go on after the check window, at the most."""
    told = target.app.release.drain
    seconds = target.drain if told is None else told
    return max(LEAST_DRAIN, seconds - target.app.release.check_window)
