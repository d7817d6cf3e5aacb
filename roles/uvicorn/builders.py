"""uvicorn's requirements and command line for one application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.serving import Place, Serving, over_old_socket, words
from groundcrew.manifest.unit import program, service_unit
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.templates import render

STOP_MARGIN = 10
"""Seconds that systemd waits beyond `timeout_graceful_shutdown` before it kills the process."""
# nproc from coreutils also obeys OpenMP's variables, which say nothing about processes.
CPUS = "$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)"
AUTO = f"$(n={CPUS}; echo $((n > 2 ? n : 2)))"
CAPPED = f"$(n={CPUS}; n=$((n > 2 ? n : 2)); echo $((n < MOST ? n : MOST)))"
OPTIONAL = (
    "limit_concurrency",
    "limit_max_requests",
    "limit_max_requests_jitter",
    "timeout_worker_healthcheck",
    "ws_max_size",
    "ws_max_queue",
    "ws_ping_interval",
    "ws_ping_timeout",
    "h11_max_incomplete_event_size",
)
"""Passed to uvicorn only if they are set: an application may pin an older version."""
BELOW_PREFIX = "groundcrew_below_prefix"
CHOICES = ("loop", "http", "ws", "lifespan")


@dataclass(frozen=True)
class Uvicorn:
    """The server process of an application that runs under uvicorn."""

    settings: UvicornServer
    reload: bool = False
    """Whether it reloads changed code automatically (development mode)."""

    prefix: str = ""
    """Path below which the application is mounted; every request path starts with it."""

    entry: str = ""
    """The application's entry point, used if there is a prefix."""

    @property
    def requirements(self) -> str:
        """Hash-pinned requirements: uvicorn, and its packages for speed and WebSockets."""
        path = Path(__file__).parent / "requirements" / "uvicorn.lock"
        return path.read_text(encoding="utf-8")

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that are requested directly, without their dependencies."""
        return ("uvicorn", "uvloop", "httptools", "websockets")

    def files(self, paths: AppPaths, release: str) -> Mapping[str, str]:  # noqa: ARG002
        """With a prefix, a module that tells the application its root path. uvicorn has no
        configuration file."""
        return self._files()

    def container(self, app: AppSettings, place: Place) -> Serving:
        """The same process in a container."""
        listen = f"unix:{place.socket}" if place.socket else f"0.0.0.0:{place.port}"
        where = f"--uds {place.socket}" if place.socket else f"--host 0.0.0.0 --port {place.port}"
        if self.prefix:
            where += f" --app-dir {place.files}"
        command = " ".join([f"{place.venv}/bin/uvicorn", where, *self.options(app)])
        return Serving(
            command=over_old_socket(words(command), place.socket),
            files=self._files(),
            listen=listen,
            stop_timeout=self.settings.timeout_graceful_shutdown + STOP_MARGIN,
        )

    def _files(self) -> Mapping[str, str]:
        if not self.prefix:
            return {}
        text = render(
            "uvicorn/below_prefix.py.j2",
            prefix=self.prefix,
            entry=self.entry.removesuffix("()"),
            factory=self.entry.endswith("()"),
        )
        return {f"{BELOW_PREFIX}.py": text}

    def options(self, app: AppSettings) -> list[str]:
        """All command-line options except the socket."""
        server = self.settings
        module = f"{BELOW_PREFIX}:app" if self.prefix else str(app.entry)
        factory = module.endswith("()")
        auto = CAPPED.replace("MOST", str(server.workers_max)) if server.workers_max else AUTO
        workers = auto if server.workers == "auto" else str(server.workers)
        options: dict[str, object] = {} if self.reload else {"workers": workers}
        options |= {
            "timeout-keep-alive": server.keep_alive,
            "timeout-graceful-shutdown": server.timeout_graceful_shutdown,
            "backlog": server.backlog,
            "log-level": server.log_level,
            # Access is controlled by the socket's directory, which only the application and nginx
            # may enter.
            "forwarded-allow-ips": "'*'",
        }
        for name in OPTIONAL:
            if (value := getattr(server, name)) is not None:
                options[name.replace("_", "-")] = value
        for name in CHOICES:
            if (value := getattr(server, name)) != "auto":
                options[name] = value
        if not server.ws_per_message_deflate:
            options["ws-per-message-deflate"] = "false"
        flags = ["--proxy-headers", "--no-server-header", "--no-use-colors"]
        flags += [] if server.access_log else ["--no-access-log"]
        flags += ["--factory"] if factory else []
        flags += ["--reload"] if self.reload else []
        texts = [f"--{name} {value}" for name, value in options.items()]
        return [*texts, *flags, module.removesuffix("()")]

    def unit(self, paths: AppPaths, release: str, app: AppSettings, instance: int = 1) -> str:
        """The systemd unit of one instance of a release."""
        socket = paths.socket(release, instance)
        held = app.release.strategy == "restart"
        listen = "--fd 3" if held else f"--uds {socket}"
        folder = paths.release(release)
        executable = f"{folder}/venv/bin/uvicorn"
        if self.prefix:
            listen += f" --app-dir {folder}"
        return service_unit(
            paths,
            release,
            app,
            instance=instance,
            command=program(" ".join([executable, listen, *self.options(app)])),
            # A killed process leaves its socket behind, where the next one cannot bind.
            before=[] if held else [f"/bin/rm -f {socket}"],
            kind="exec",
            stop_timeout=self.settings.timeout_graceful_shutdown + STOP_MARGIN,
            # With a single worker, uvicorn has no supervisor that could replace it.
            reload=self.settings.workers != 1,
        )
