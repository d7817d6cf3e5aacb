"""The systemd units of a release."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from groundcrew.manifest import seeds, shell
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.resources import Limits
from groundcrew.templates import render

# Every directive that `systemd-analyze security` rates and that web applications tolerate. Refused
# system calls return EPERM instead of killing the process: a killed worker would be replaced
# forever while the unit looks active.
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
# The order matters: first remove what web applications do not need, then add back what gunicorn
# needs (it changes the owner of its socket).
_FILTERS = ("~@privileged @resources", "@chown")


def sandbox(
    paths: AppPaths, app: AppSettings, directives: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """The sandbox directives, with the changes of the server and the application."""
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
    # Additional addresses: Amazon and Google (IPv6), Alibaba, Oracle.
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192"),
)
"""Metadata services of clouds, which also hand out credentials."""


def _network(app: AppSettings) -> list[tuple[str, str]]:
    if app.network == "any":
        return [("IPAddressDeny", " ".join((*METADATA, "multicast")))]
    chosen = () if app.network == "local" else app.network
    allowed = dict.fromkeys(("localhost", *chosen, *app.bound.networks))
    return [("IPAddressDeny", "any"), ("IPAddressAllow", " ".join(allowed))]


def limit_directives(values: Limits) -> list[tuple[str, str]]:
    """Directives of the resource limits that are set."""
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


def credential(name: str) -> str:
    """Name of the file in a release's directory with a secret that the application gets as a
    file."""
    return f"credential.{name}"


def credentials(app: AppSettings) -> list[tuple[str, str]]:
    """Name and file of each secret that the application gets as a file."""
    return [(name, credential(name)) for name, item in sorted(app.secrets.items()) if item.as_file]


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
        credentials=credentials(app),
        sandbox=sandbox(paths, app, context.get("directives")),
        follows=[*app.bound.after, *([paths.await_unit] if app.bound.awaited else [])],
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
    """The unit of the server, or of one of its instances.

    `kind` is the unit's Type, `stop_timeout` the seconds before it is killed, `before` commands
    that run first, `directives` the server's changes to the sandbox, `reload` whether SIGHUP
    replaces the workers.
    """
    several = app.instances > 1
    return _unit(
        paths,
        release,
        app,
        description=f"{paths.name}, release {release}"
        + (f", instance {instance}" if several else ""),
        environment={**(environment or {}), **({"INSTANCE": instance} if several else {})},
        before=[*_seeding(paths, release, app), *before],
        directives=directives,
        command=command,
        kind=kind,
        reload=reload,
        sockets=paths.socket_unit if app.release.strategy == "restart" else None,
        stop_timeout=stop_timeout,
        start_timeout=app.health.timeout,
        limits=limit_directives(app.limits),
        restart=app.restart,
        install="multi-user.target",
    )


def worker_units(paths: AppPaths, release: str, app: AppSettings) -> dict[str, str]:
    """Unit name -> text, for all workers."""
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
            limits=limit_directives(worker.limits),
            restart=worker.restart,
            install="multi-user.target",
        )
        for name, worker in app.workers.items()
        for instance in range(1, worker.instances + 1)
    }


def timer_units(paths: AppPaths, release: str, app: AppSettings) -> dict[str, str]:
    """Unit name -> text, for all timers and their services."""
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
            limits=limit_directives(timer.limits),
        )
        units[paths.timer_unit(name, release, "timer")] = render(
            "app/timer.j2", paths=paths, release=release, timer=name, schedule=timer.schedule
        )
    return units


def hooks_units(paths: AppPaths, release: str, app: AppSettings) -> dict[str, str]:
    """Unit name -> text, for the unit that runs the release hooks; empty without hooks.

    It has the same sandbox as the application, and finishes even if the operator's connection is
    lost. Root records that the hooks have run, in a directory that only root can change.
    """
    if not app.hooks.release:
        return {}
    text = _unit(
        paths,
        release,
        app,
        description=f"{paths.name} release hooks, release {release}",
        before=_seeding(paths, release, app),
        commands=[
            script_line(f"echo {shlex.quote('--> hook: ' + ' '.join(hook.split()))}\n{hook}")
            for hook in app.hooks.release
        ],
        after=[f"+/usr/bin/touch {paths.hooks_done(release)}"],
        kind="oneshot",
        start_timeout=app.hooks.timeout,
        limits=limit_directives(app.limits),
    )
    return {paths.hooks_unit(release): text}


def _seeding(paths: AppPaths, release: str, app: AppSettings) -> list[str]:
    return [script_line(script) for script in seeds.scripts(paths, release, app)]


def script_line(script: str) -> str:
    """A script of one or more lines as a command line for ExecStart."""
    return f"/bin/sh -c {_quoted(script)}"


def socket_unit(paths: AppPaths, release: str, backlog: int) -> str:
    """The socket unit of the strategy `restart`, for one release."""
    return render("app/socket.j2", paths=paths, release=release, backlog=backlog)


def program(command: str, lock: str | None = None) -> str:
    """A shell command line as a command line for ExecStart. It runs in a shell because systemd
    looks up programs in its own PATH, not in the virtualenv's.

    With `lock`, it first waits for the process, of any release, that holds the lock.
    """
    script, argument = shell.script(command)
    then = "&&" if script.startswith("exec ") else "|| exit;"
    wait = f"exec 9>>{lock} && flock 9 {then} " if lock else ""
    words = [wait + script, *(["sh", argument] if argument is not None else [])]
    return " ".join(["/bin/sh -c", *map(_quoted, words)])


def _quoted(word: str) -> str:
    """An argument, quoted for systemd."""
    for character, escaped in (
        ("\\", "\\\\"),
        ('"', '\\"'),
        ("\n", "\\n"),
        ("$", "$$"),
        ("%", "%%"),
    ):
        word = word.replace(character, escaped)
    return f'"{word}"'
