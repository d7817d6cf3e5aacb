"""The systemd unit that runs a release."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from groundcrew.apps import shell
from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.apps.resources import Limits
from groundcrew.templates import render

# Every directive that `systemd-analyze security` rates and a web application can live with.
# Refused system calls return EPERM instead of killing the process: a killed worker is replaced for
# ever while the unit looks active.
SANDBOX = {
    "UMask": "0077",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "all",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "DevicePolicy": "closed",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    "SystemCallErrorNumber": "EPERM",
}
# In this order: what a web application has no use for, then what gunicorn needs of it (it gives
# its socket to its own user).
_FILTERS = ("~@privileged @resources", "@chown")


def sandbox(
    paths: AppPaths, app: AppSettings, directives: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """The sandboxing directives, with the server's and the application's own changes."""
    chosen = {**SANDBOX, **(directives or {}), **app.sandbox}
    lines = [(key, value) for key, value in chosen.items() if value is not False]
    if "SystemCallFilter" not in app.sandbox:
        index = lines.index(("SystemCallFilter", SANDBOX["SystemCallFilter"]))
        lines[index + 1 : index + 1] = [("SystemCallFilter", extra) for extra in _FILTERS]
    lines.append(("ReadWritePaths", f"{paths.shared} {paths.runtime}"))
    lines += _network(app)
    return [(key, str(value)) for key, value in lines]


METADATA = (
    # Link-local addresses.
    *("169.254.0.0/16", "fe80::/64"),
    # Where some clouds have theirs besides: Amazon and Google over IPv6, Alibaba, Oracle.
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192"),
)
"""Where clouds answer questions about the machine, credentials too."""


def _network(app: AppSettings) -> list[tuple[str, str]]:
    if app.network == "any":
        return [("IPAddressDeny", " ".join((*METADATA, "multicast")))]
    allowed = ("localhost", *(() if app.network == "local" else app.network))
    return [("IPAddressDeny", "any"), ("IPAddressAllow", " ".join(allowed))]


def limits(values: Limits) -> list[tuple[str, str]]:
    """The resource limits that are set."""
    directives = {
        "MemoryMax": values.memory_max,
        "MemoryHigh": values.memory_high,
        "MemoryLow": values.memory_low,
        "CPUQuota": values.cpu_quota,
        "CPUWeight": values.cpu_weight,
        "IOWeight": values.io_weight,
        "TasksMax": values.tasks_max,
        "LimitNOFILE": values.open_files,
    }
    return [(key, str(value)) for key, value in directives.items() if value is not None]


def _unit(paths: AppPaths, release: str, app: AppSettings, **context: Any) -> str:
    defaults: dict[str, Any] = {
        "after": [],
        "before": [],
        "environment": {},
        "install": None,
        "kind": "exec",
        "reload": False,
        "restart": None,
        "sockets": None,
        "stop_timeout": 90,
    }
    if "command" in context:
        context["commands"] = [context.pop("command")]
    return render(
        "app/service.j2",
        paths=paths,
        release=release,
        folder=paths.release(release),
        checkout=app.checkout,
        app_dir=app.app_dir,
        sandbox=sandbox(paths, app, context.get("directives")),
        **{**defaults, **context},
    )


def service_unit(
    paths: AppPaths,
    release: str,
    app: AppSettings,
    *,
    command: str,
    kind: str,
    stop_timeout: int,
    instance: int = 1,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
    directives: Mapping[str, str] | None = None,
    reload: bool = True,
) -> str:
    """The unit that serves, or one of several.

    `kind` is systemd's Type, `stop_timeout` seconds until it is killed, `before` commands that run
    first, `directives` what this server changes in the sandbox, `reload` whether SIGHUP replaces
    the workers.
    """
    several = app.instances > 1
    return _unit(
        paths,
        release,
        app,
        description=f"{paths.name}, release {release}"
        + (f", instance {instance}" if several else ""),
        environment={**(environment or {}), **({"INSTANCE": instance} if several else {})},
        before=before,
        directives=directives,
        command=command,
        kind=kind,
        reload=reload,
        sockets=paths.socket_unit if app.release.strategy == "restart" else None,
        stop_timeout=stop_timeout,
        start_timeout=app.health.timeout,
        limits=limits(app.limits),
        restart=app.restart,
        install="multi-user.target",
    )


def worker_units(paths: AppPaths, release: str, app: AppSettings) -> dict[str, str]:
    """The units of all background workers, by unit name."""
    return {
        paths.worker_unit(name, release, instance): _unit(
            paths,
            release,
            app,
            description=f"{paths.name} {name} {instance}, release {release}",
            command=program(worker.command, paths.part_lock(name) if worker.single else None),
            environment={"WORKER_INSTANCE": instance},
            stop_timeout=worker.stop_timeout,
            start_timeout=app.health.timeout,
            limits=limits(worker.limits),
            restart=worker.restart,
            install="multi-user.target",
        )
        for name, worker in app.workers.items()
        for instance in range(1, worker.instances + 1)
    }


def timer_units(paths: AppPaths, release: str, app: AppSettings) -> dict[str, str]:
    """The units of all scheduled commands, by unit name."""
    units = {}
    for name, timer in app.timers.items():
        units[paths.timer_unit(name, release, "service")] = _unit(
            paths,
            release,
            app,
            description=f"{paths.name} {name}, release {release}",
            command=program(timer.command, paths.part_lock(name) if timer.single else None),
            kind="oneshot",
            start_timeout=timer.timeout,
            limits=limits(timer.limits),
        )
        units[paths.timer_unit(name, release, "timer")] = render(
            "app/timer.j2", paths=paths, release=release, timer=name, schedule=timer.schedule
        )
    return units


def hooks_units(paths: AppPaths, release: str, app: AppSettings) -> dict[str, str]:
    """The unit that runs the release hooks, by its name; none where there are none.

    It runs them as the application runs, and to their end even when the operator is gone. That they
    have run is noted by root, in a directory that only root can change.
    """
    if not app.hooks.release:
        return {}
    text = _unit(
        paths,
        release,
        app,
        description=f"{paths.name} release hooks, release {release}",
        commands=[
            script_line(f"echo {shlex.quote('--> hook: ' + ' '.join(hook.split()))}\n{hook}")
            for hook in app.hooks.release
        ],
        after=[f"+/usr/bin/touch {paths.hooks_done(release)}"],
        kind="oneshot",
        start_timeout=app.hooks.timeout,
        limits=limits(app.limits),
    )
    return {paths.hooks_unit(release): text}


def script_line(script: str) -> str:
    """A script for ExecStart, of one line or several."""
    return f"/bin/sh -c {_quoted(script)}"


def socket_unit(paths: AppPaths, release: str, backlog: int) -> str:
    """The socket that systemd holds for the strategy `restart`, leading to one release."""
    return render("app/socket.j2", paths=paths, release=release, backlog=backlog)


def program(command: str, lock: str | None = None) -> str:
    """A command line for ExecStart, of any kind that a shell takes. systemd looks programs up in
    its own PATH, not in the virtualenv's: a shell does.

    Under a `lock` it starts when the process that has it, of any release, has ended.
    """
    script, argument = shell.script(command)
    then = "&&" if script.startswith("exec ") else "|| exit;"
    wait = f"exec 9>>{lock} && flock 9 {then} " if lock else ""
    words = [wait + script, *(["sh", argument] if argument is not None else [])]
    return " ".join(["/bin/sh -c", *map(_quoted, words)])


def _quoted(word: str) -> str:
    """One argument, in systemd's own quotes."""
    for character, escaped in (
        ("\\", "\\\\"),
        ('"', '\\"'),
        ("\n", "\\n"),
        ("$", "$$"),
        ("%", "%%"),
    ):
        word = word.replace(character, escaped)
    return f'"{word}"'
