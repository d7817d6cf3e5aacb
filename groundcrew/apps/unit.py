"""The systemd unit that runs a release."""

from __future__ import annotations

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
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


def sandbox(paths: AppPaths, app: AppSettings) -> list[tuple[str, str]]:
    """The sandboxing directives, with the application's own changes."""
    chosen = {**SANDBOX, **app.sandbox}
    lines = [(key, value) for key, value in chosen.items() if value is not False]
    if "SystemCallFilter" not in app.sandbox:
        index = lines.index(("SystemCallFilter", SANDBOX["SystemCallFilter"]))
        lines[index + 1 : index + 1] = [("SystemCallFilter", extra) for extra in _FILTERS]
    lines.append(("ReadWritePaths", f"{paths.shared} {paths.runtime}"))
    lines += _network(app)
    return [(key, str(value)) for key, value in lines]


def _network(app: AppSettings) -> list[tuple[str, str]]:
    if app.network == "any":
        # Clouds answer questions about the machine, credentials too, at a link-local address.
        return [("IPAddressDeny", "link-local multicast")]
    allowed = ("localhost", *(() if app.network == "local" else app.network))
    return [("IPAddressDeny", "any"), ("IPAddressAllow", " ".join(allowed))]


def limits(app: AppSettings) -> list[tuple[str, str]]:
    """The resource limits that are set."""
    values = {
        "MemoryMax": app.limits.memory_max,
        "MemoryHigh": app.limits.memory_high,
        "CPUQuota": app.limits.cpu_quota,
        "TasksMax": app.limits.tasks_max,
        "LimitNOFILE": app.limits.open_files,
    }
    return [(key, str(value)) for key, value in values.items() if value is not None]


def service_unit(
    paths: AppPaths,
    release: str,
    app: AppSettings,
    *,
    command: str,
    kind: str,
    stop_timeout: int,
) -> str:
    """The unit's text. `kind` is systemd's Type, `stop_timeout` seconds until it is killed."""
    return render(
        "app/service.j2",
        paths=paths,
        release=release,
        folder=paths.release(release),
        command=command,
        kind=kind,
        stop_timeout=stop_timeout,
        start_timeout=app.health.timeout,
        limits=limits(app),
        sandbox=sandbox(paths, app),
    )
