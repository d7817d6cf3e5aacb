"""Workloads: what runs of an application in containers, from its manifest and a host's settings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundcrew.manifest import config_render, seeds
from groundcrew.manifest import resources as manifest_limits
from groundcrew.manifest.limits import RateLimit
from groundcrew.manifest.location import Location
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.need import PARTS
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.rules import rules_for
from groundcrew.manifest.secret import SecretSource
from groundcrew.manifest.server import GunicornServer, Server, UwsgiServer
from groundcrew.manifest.serving import NotInContainersError, Place, words
from groundcrew.manifest.unit import METADATA
from groundcrew.manifest.urls import answering, kind_of
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.orchestrators import workload as model
from groundcrew.orchestrators.workload import Dropped, Workload
from groundcrew.releases import environment
from groundcrew.roles import nginx
from groundcrew.roles.nginx.header_sets import site_headers
from groundcrew.roles.nginx.sizes import nginx_size
from groundcrew.roles.releases import server_process
from groundcrew.roles.settings import HostSettings
from groundcrew.sizes import SizeName, sized

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]*:[^/\s@]+@")
"""A URL with a password."""
SAME = (
    *("UMask", "PrivateTmp", "PrivateDevices", "ProtectHome", "ProtectHostname", "RemoveIPC"),
    *("ProtectSystem", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities"),
)
"""Directives of the sandbox that containers have an equivalent for, or have anyway."""


class NotExportedError(Exception):
    """An application cannot run under an orchestrator; the message says why, and what to do."""


def workload(
    name: str,
    settings: HostSettings,
    project: Path,
    *,
    beside_proxy: bool,
    size: SizeName = "small",
    processors: int = 2,
    uid: int = model.UID,
    gid: int | None = None,
) -> Workload:
    """The workload of an application of a host.

    `beside_proxy`: whether the proxy shares a directory and the loopback address with the server,
    as in a pod of Kubernetes; otherwise the server listens on a port at all addresses. `size`
    replaces `size: auto`, and `processors` is the number of CPUs for `workers: auto` without a
    `cpu_quota`. `gid` is the number of the processes' group; null: that of the user.
    Raises NotExportedError.
    """
    app = settings.app[name]
    if app.mode == "development":
        raise NotExportedError(f"app.{name}.mode: development runs on hosts only")
    if app.size is not None:
        app = sized(app, size if app.size == "auto" else app.size)
    counted = math.ceil(_limits(app.limits).processors or processors)
    server = with_workers(app.server, counted)
    paths = AppPaths(name)
    current = paths.current
    place = Place(
        name=name,
        venv=f"{current}/venv",
        files=model.SERVER_FILES,
        port=model.PORT,
        socket=model.SOCKET if beside_proxy else None,
    )
    try:
        serving = server_process(server, app.mode, app.root, app.entry).container(app, place)
    except NotInContainersError as error:
        raise NotExportedError(f"app.{name}.server: {error}") from None
    plain, hidden = _variables(app)
    return Workload(
        name=name,
        description=app.description,
        app_dir=app.app_dir,
        variables={
            "HOME": paths.home,
            "PATH": f"{current}/venv/bin:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": settings.base.timezone,
            **plain,
        },
        secrets=(*hidden, *_secrets(app)),
        files=_files(name, app, project),
        secret_files=tuple(
            model.Secret(path, f"{_told_need(app, need)}: {text}")
            for need, item in sorted(app.needs.items())
            for path, text in item.files.items()
        ),
        server=serving,
        instances=app.instances,
        restart=_restart(app.restart),
        limits=_limits(app.limits),
        hooks=app.hooks.release,
        hooks_timeout=app.hooks.timeout,
        seeds=tuple(
            seeds.script(
                f"{current}/app/{seeds.place(directory, seed)}",
                f"{paths.shared}/{directory}",
                # The home directory of a container is empty at its start.
                f"{paths.shared}/{model.NOTES}/{directory.replace('/', '.')}",
            )
            for directory, seed in sorted(app.seeds.items())
        ),
        workers=tuple(
            model.Process(
                name=part,
                command=words(worker.command),
                instances=worker.instances,
                single=worker.single,
                stop_timeout=worker.stop_timeout,
                restart=_restart(worker.restart),
                limits=_limits(worker.limits),
            )
            for part, worker in sorted(app.workers.items())
        ),
        timers=tuple(
            model.Scheduled(
                name=part,
                command=words(timer.command),
                schedule=timer.schedule,
                zone=settings.base.timezone,
                timeout=timer.timeout,
                single=timer.single,
                limits=_limits(timer.limits),
            )
            for part, timer in sorted(app.timers.items())
        ),
        kept=tuple(sorted({*app.kept, *([model.NOTES] if app.seeds else [])})),
        sqlite=tuple(
            sorted(key for key, value in plain.items() if re.match(r"sqlite[+\w]*:", value))
        ),
        needs={need: item.service or "url" for need, item in sorted(app.needs.items())},
        health=_health(app),
        web=_web(name, app, settings),
        network=_network(app),
        sandbox=_sandbox(app),
        drain=nginx.drain_seconds(settings.nginx)
        if app.release.drain is None
        else app.release.drain,
        one_at_a_time=app.release.strategy == "restart",
        uid=uid,
        gid=uid if gid is None else gid,
        port=model.PORT,
        dropped=tuple(_dropped(app, settings, server, counted)),
    )


def with_workers(server: Server, processors: int) -> Server:
    """The server with a fixed number of processes: in a container, `auto` would count the CPUs of
    the node."""
    if isinstance(server, GunicornServer) and server.workers == "auto":
        number = 2 * processors + 1 if server.worker_class == "sync" else processors
        return server.model_copy(update={"workers": min(number, server.workers_max or number)})
    if isinstance(server, UvicornServer) and server.workers == "auto":
        number = max(2, processors)
        return server.model_copy(update={"workers": min(number, server.workers_max or number)})
    if isinstance(server, UwsgiServer) and server.processes == "auto":
        return server.model_copy(update={"processes": processors})
    return server


def _variables(app: AppSettings) -> tuple[dict[str, str], list[model.Secret]]:
    """Plain variables, and those that contain a password: a manifest of an orchestrator can be read
    by many."""
    texts = environment.values(app.env, {})
    hidden = [
        model.Secret(key, "a URL with a password: the value of `env` in the manifest")
        for key, value in sorted(texts.items())
        if CREDENTIALS.match(value)
    ]
    names = {item.name for item in hidden}
    return {key: value for key, value in sorted(texts.items()) if key not in names}, hidden


def _secrets(app: AppSettings) -> Iterator[model.Secret]:
    for key, source in sorted(app.secrets.items()):
        yield model.Secret(key, _told_source(source))
    for need, item in sorted(app.needs.items()):
        for key, text in item.variables(need).items():
            yield model.Secret(key, f"{_told_need(app, need)}: {text}")


def _told_source(source: SecretSource) -> str:
    if source.env:
        return f"the operator's variable {source.env}"
    if source.file:
        return f"the content of {source.file}"
    if source.command:
        return f"what this prints: {source.command}"
    if source.stored:
        return f"what this prints: groundcrew secrets show {source.stored}"
    length = source.generate.length if source.generate else 32
    return (
        f"{length} random characters; or, to keep what depends on it, the value of a host "
        "(root can read it in the application's directory `secrets`)"
    )


def _told_need(app: AppSettings, need: str) -> str:
    item = app.needs[need]
    return f"need `{need}`, {item.service or 'the URL of a service outside of the inventory'}"


def _files(name: str, app: AppSettings, project: Path) -> tuple[model.ConfigFile, ...]:
    """Rendered configuration files, with placeholders for secrets."""
    secrets = {key: f"<{key}>" for key in app.secrets}
    needs = {need: {part: f"<{need}.{part}>" for part in PARTS} for need in app.needs}
    values = {**config_render.context(name, app, secrets), "needs": needs}
    names = [*secrets.values(), *(text for parts in needs.values() for text in parts.values())]
    rendered = []
    for path, file in sorted(app.files.items()):
        try:
            text = config_render.render(project / Path(file.template).expanduser(), values)
        except config_render.ConfigFileError as error:
            raise NotExportedError(f"app.{name}.files: {error}") from None
        used = tuple(item.strip("<>") for item in names if item in text)
        rendered.append(model.ConfigFile(path, text, used))
    return tuple(rendered)


def _health(app: AppSettings) -> model.Health:
    health, poll = app.health, app.health.poll
    return model.Health(
        path=app.root + health.path,
        status=health.status,
        timeout=health.timeout,
        request_timeout=math.ceil(health.request_timeout),
        successes=health.successes,
        poll=model.Poll(
            max(1, math.ceil(poll.interval)),
            math.ceil(poll.timeout),
            poll.retries,
            math.ceil(poll.start_period),
        )
        if poll
        else None,
    )


def _limits(limits: manifest_limits.Limits) -> model.Limits:
    return model.Limits(
        memory=size_in_bytes(limits.memory_max),
        memory_kept=size_in_bytes(limits.memory_low),
        processors=int(limits.cpu_quota.rstrip("%")) / 100 if limits.cpu_quota else None,
        processes=limits.tasks_max,
        open_files=limits.open_files,
    )


def size_in_bytes(text: str | None) -> int | None:
    """`600M` as a number of bytes."""
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    return int(text[:-1]) * UNITS[text[-1]]


def _restart(restart: Any) -> model.Restart:
    return model.Restart(restart.seconds, restart.burst, restart.interval)


def _network(app: AppSettings) -> model.Network:
    networks = tuple(sorted(app.bound.networks))
    if app.network == "any":
        return model.Network(all=True, denied=METADATA)
    chosen = () if app.network == "local" else app.network
    return model.Network(allowed=tuple(dict.fromkeys((*chosen, *networks))))


def _sandbox(app: AppSettings) -> model.Sandbox:
    given = app.sandbox
    kept = given.get("CapabilityBoundingSet") or ""
    capabilities = [] if kept.startswith("~") else kept.split()
    return model.Sandbox(
        read_only=given.get("ProtectSystem", "strict") == "strict",
        new_privileges=given.get("NoNewPrivileges", "yes") in (False, "no", "false", "0"),
        capabilities=tuple(item.removeprefix("CAP_") for item in capabilities),
    )


def _web(name: str, app: AppSettings, settings: HostSettings) -> model.Web:
    return model.Web(
        domains=app.domains,
        redirects=dict(sorted(app.redirects.items())),
        prefix=app.prefix,
        https=app.scheme == "https",
        certificate=app.tls.certificate.type if app.tls else None,
        routes=tuple(_routes(app, AppPaths(name), settings)),
        hidden=settings.nginx.hide_headers,
        websockets=app.server.speaks_websockets,
        keeps_connections=app.server.keeps_connections,
        keepalive=app.nginx.keepalive,
        keepalive_time=settings.nginx.upstream_keepalive_time,
        keepalive_timeout=settings.nginx.upstream_keepalive_timeout,
        connect_timeout=app.nginx.proxy_connect_timeout,
        tuning=_tuning(settings.nginx),
    )


def _tuning(settings: nginx.NginxSettings) -> dict[str, str]:
    compressed = {
        "gzip": "on",
        "gzip_comp_level": str(settings.gzip_level),
        "gzip_min_length": str(settings.gzip_min_length),
        "gzip_proxied": "any",
        "gzip_vary": "on",
        "gzip_types": " ".join(settings.gzip_types),
    }
    return {
        **(compressed if settings.gzip else {}),
        "client_header_timeout": f"{settings.client_header_timeout}s",
        "client_body_timeout": f"{settings.client_body_timeout}s",
        "send_timeout": f"{settings.send_timeout}s",
        "large_client_header_buffers": settings.large_client_header_buffers,
        "proxy_buffer_size": settings.proxy_buffer_size,
        "proxy_buffers": settings.proxy_buffers,
        "uwsgi_buffer_size": settings.proxy_buffer_size,
        "uwsgi_buffers": settings.proxy_buffers,
    }


def _routes(app: AppSettings, paths: AppPaths, settings: HostSettings) -> Iterator[model.Route]:
    wanted = {*answering(app), *app.nginx.locations}
    # `/admin/` also applies to `/admin`, which many applications treat alike.
    wanted |= {f"= {key[:-1]}" for key in app.nginx.locations if re.fullmatch(r"/.+/", key)}
    for key in sorted(wanted):
        exact, url = key.startswith("= "), key.removeprefix("= ")
        kind = kind_of(app, url, exact=exact)
        rules = rules_for(url, app.nginx.locations, exact=exact).values
        body = rules.client_max_body_size or app.nginx.client_max_body_size
        yield model.Route(
            path=app.root + url,
            exact=exact,
            kind=kind,
            **_directory(app, paths, kind),
            body=nginx_size(body),
            read_timeout=rules.proxy_read_timeout or app.nginx.proxy_read_timeout,
            buffering=app.nginx.buffering if rules.buffering is None else rules.buffering,
            allow=rules.allow,
            guard=rules.basic_auth is not None or rules.auth_request is not None,
            answer=_answer(app, rules),
            immutable=app.static.immutable if app.static and kind == "static" else (),
            headers=_headers(app, settings, rules, kind),
        )


def _directory(app: AppSettings, paths: AppPaths, kind: str) -> dict[str, Any]:
    """The files of a kind, and where they are served."""
    code = f"{paths.current}/app"
    if kind == "static" and app.static:
        return {"directory": f"{code}/{app.static.path}", "base": app.root + app.static.url}
    if kind in ("page", "asset") and app.frontend:
        return {
            "directory": f"{code}/{app.frontend.built}",
            "base": app.root + app.frontend.url,
            "single_page": kind == "page" and app.frontend.spa,
        }
    block = {"media": app.media, "private": app.private}.get(kind)
    if block is None:
        return {}
    return {"directory": f"{paths.shared}/{block.path}", "base": app.root + block.url}


def _answer(app: AppSettings, rules: Location) -> tuple[int, str, str] | None:
    if rules.deny:
        return (403, "", "")
    if rules.return_ is None:
        return None
    url = rules.return_.url or ""
    return (
        rules.return_.status,
        app.root + url if url.startswith("/") else url,
        rules.return_.text or "",
    )


def _headers(
    app: AppSettings, settings: HostSettings, rules: Location, kind: str
) -> tuple[model.Header, ...]:
    site = site_headers(settings.nginx, app)
    values: dict[str, tuple[str, str, bool]] = {
        # The application's own headers belong to an answer that nginx discards.
        name.lower(): (name, value, name in site.yielding and kind != "private")
        for name, value in site.values.items()
    }
    for name, value in rules.headers.items():
        values.pop(name.lower(), None)
        if value is not None:
            values[name.lower()] = (name, value, False)
    if kind == "media":
        # Uploads have a policy of their own.
        values.pop("content-security-policy", None)
    return tuple(model.Header(*item) for _, item in sorted(values.items()))


def _dropped(
    app: AppSettings, settings: HostSettings, server: Server, processors: int
) -> Iterator[Dropped]:
    """What no orchestrator's files carry."""
    yield from _of_server(app, server, processors)
    yield from _of_limits(app)
    yield from _of_proxy(app, settings)
    yield from _of_releases(app)
    if app.kept:
        yield Dropped(
            "shared",
            "the volume begins empty: bring the data of /srv/NAME/shared, and back it up there; "
            "SQLite files on a network file system are damaged when two containers write to them",
        )
    for name, source in sorted(app.secrets.items()):
        if source.as_file:
            text = f"the value is in the variable {name}, and there is no {name}_FILE"
            yield Dropped(f"secrets.{name}.as_file", text)
    for need, item in sorted(app.needs.items()):
        what = item.service or "a service outside of the inventory"
        yield Dropped(
            f"needs.{need}",
            f"{what} is not made here: run it elsewhere, for example on a host as before, let the "
            "containers reach it, and put its login into the secret",
        )
    for name in app.sandbox:
        if name not in SAME:
            yield Dropped(f"sandbox.{name}", "containers have no such directive")


def _of_server(app: AppSettings, server: Server, processors: int) -> Iterator[Dropped]:
    if server != app.server:
        key = "processes" if isinstance(server, UwsgiServer) else "workers"
        yield Dropped(
            f"server.{key}",
            f"auto would count the CPUs of the node: {getattr(server, key)} is written, for "
            f"{processors} CPUs (limits.cpu_quota)",
        )
    if app.size == "auto":
        yield Dropped("size", "auto reads the memory of a host: give --size")
    for name, timer in sorted(app.timers.items()):
        if not timer.single:
            yield Dropped(f"timers.{name}", "runs once for all containers, not once on each host")


def _of_limits(app: AppSettings) -> Iterator[Dropped]:
    blocks = {"limits": app.limits}
    blocks |= {f"workers.{name}.limits": part.limits for name, part in sorted(app.workers.items())}
    blocks |= {f"timers.{name}.limits": part.limits for name, part in sorted(app.timers.items())}
    for key, limits in blocks.items():
        for field in ("memory_high", "cpu_weight", "io_weight"):
            if getattr(limits, field) is not None:
                yield Dropped(f"{key}.{field}", "containers have no such limit")


def _of_proxy(app: AppSettings, settings: HostSettings) -> Iterator[Dropped]:
    site = app.nginx
    limited = site.limits and (site.rate_limit or site.connections or _any(settings.nginx.limits))
    if limited:
        key = "nginx.rate_limit" if site.rate_limit else (
            "nginx.connections" if site.connections else "nginx.limits")  # fmt: skip
        yield Dropped(key, LIMITED)
    for path, rules in sorted(site.locations.items()):
        if rules.rate_limit or rules.connections:
            key = "rate_limit" if rules.rate_limit else "connections"
            yield Dropped(f"nginx.locations {path} {key}", LIMITED)
        for field in ("basic_auth", "auth_request"):
            if getattr(rules, field) is not None:
                yield Dropped(
                    f"nginx.locations {path} {field}",
                    "nobody is let in: let what is in front of the containers, or the application "
                    "itself, ask for it, and take the rule out of the manifest",
                )
        if rules.cache:
            yield Dropped(f"nginx.locations {path} cache", "every request reaches the application")
        if rules.cors:
            yield Dropped(f"nginx.locations {path} cors", "let the application send these headers")
    if app.maintenance.page or app.maintenance.allow:
        yield Dropped("maintenance", "there is no maintenance mode: what is in front can have one")
    if app.port != 80 or (app.tls and app.tls.port != 443):
        yield Dropped("port", "visitors use the port of what is in front of the containers")
    if app.tls:
        yield Dropped("tls.certificate", CERTIFICATES[app.tls.certificate.type])
    if app.static or app.frontend:
        key = "static" if app.static else "frontend"
        yield Dropped(
            f"{key}.assets_grace",
            "files of a replaced release are gone with it: pages that are still open may miss some",
        )


def _of_releases(app: AppSettings) -> Iterator[Dropped]:
    if app.checks:
        yield Dropped("checks", "only the health path is asked: send the others yourself")
    if app.release.backup_before_hooks:
        yield Dropped("release.backup_before_hooks", "make a backup before each release")
    if app.rollout.model_fields_set:
        yield Dropped("rollout", "the orchestrator has its own: all or nothing")
    if app.backup.model_fields_set or app.kept or app.needs:
        yield Dropped("backup", "nothing here is backed up")
    if app.slo.model_fields_set:
        yield Dropped("slo", "nobody measures it here")


def _any(limits: Any) -> bool:
    values = limits.model_dump()
    return any(
        isinstance(value, RateLimit) or value not in (None, False, (), [])
        for value in values.values()
    )


LIMITED = (
    "requests are not limited: the proxy in a container knows neither all requests nor, without "
    "trusted proxies, their clients; let what is in front limit them"
)
CERTIFICATES: Mapping[str, str] = {
    "acme": "what ends TLS needs it: let cert-manager, or its own ACME client, get it",
    "own": "what ends TLS needs it: store certificate and key in its secret",
    "self-signed": "what ends TLS needs one: the lab's is for hosts",
}
