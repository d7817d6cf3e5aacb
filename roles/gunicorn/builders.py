"""gunicorn's configuration file, requirements and command line for one application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import GunicornServer
from groundcrew.manifest.serving import Place, Serving
from groundcrew.manifest.unit import service_unit
from groundcrew.templates import render

WORKER_CLASSES = {
    "sync": "sync",
    "gthread": "gthread",
    "uvicorn": "uvicorn_worker.UvicornWorker",
}
CONFIG = "gunicorn.conf.py"
STOP_MARGIN = 10
"""Seconds that systemd waits beyond gunicorn's `graceful_timeout` before it kills the process."""


@dataclass(frozen=True)
class Gunicorn:
    """The server process of an application that runs under gunicorn."""

    settings: GunicornServer
    reload: bool = False
    """Whether it reloads changed code automatically (development mode)."""

    prefix: str = ""
    """Path below which the application is mounted; every request path starts with it."""

    @property
    def requirements(self) -> str:
        """Hash-pinned requirements: gunicorn, and uvicorn for ASGI."""
        name = "asgi" if self.settings.worker_class == "uvicorn" else "wsgi"
        path = Path(__file__).parent / "requirements" / f"{name}.lock"
        return path.read_text(encoding="utf-8")

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that are requested directly, without their dependencies."""
        if self.settings.worker_class == "uvicorn":
            return ("gunicorn", "uvicorn", "uvicorn-worker")
        return ("gunicorn",)

    @property
    def max_requests(self) -> int:
        """The configured number, or the default of the worker class."""
        if self.settings.max_requests is not None:
            return self.settings.max_requests
        return 1000 if self.settings.worker_class == "sync" else 0

    def files(self, paths: AppPaths, release: str) -> Mapping[str, str]:
        """The configuration file."""
        return {CONFIG: self._config(f"unix:{paths.socket(release)}", paths.name)}

    def container(self, app: AppSettings, place: Place) -> Serving:
        """The same process in a container."""
        listen = f"unix:{place.socket}" if place.socket else f"0.0.0.0:{place.port}"
        return Serving(
            command=(
                f"{place.venv}/bin/gunicorn",
                "--config",
                f"{place.files}/{CONFIG}",
                # The proxy in front is the only one that can connect, as on a host.
                *(() if place.socket else ("--forwarded-allow-ips", "*")),
                str(app.entry),
            ),
            files={CONFIG: self._config(listen, place.name)},
            listen=listen,
            stop_timeout=self.settings.graceful_timeout + STOP_MARGIN,
        )

    def _config(self, bind: str, name: str) -> str:
        return render(
            "gunicorn/gunicorn.conf.py.j2",
            server=self.settings,
            options=repr(self.settings.options),
            max_requests=self.max_requests,
            reload=self.reload,
            worker_class=WORKER_CLASSES[self.settings.worker_class],
            bind=bind,
            name=name,
            prefix=self.prefix,
        )

    def unit(self, paths: AppPaths, release: str, app: AppSettings, instance: int = 1) -> str:
        """The systemd unit of one instance of a release."""
        folder = paths.release(release)
        command = [f"{folder}/venv/bin/gunicorn --config {folder}/gunicorn.conf.py"]
        if instance > 1:
            command.append(f"--bind unix:{paths.socket(release, instance)}")
        return service_unit(
            paths,
            release,
            app,
            instance=instance,
            command=" ".join([*command, str(app.entry)]),
            kind="notify",
            stop_timeout=self.settings.graceful_timeout + STOP_MARGIN,
        )
