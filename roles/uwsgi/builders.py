"""uWSGI's configuration file, requirements and command line for one application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import UwsgiServer
from groundcrew.manifest.serving import Place, Serving
from groundcrew.manifest.unit import service_unit
from groundcrew.templates import render

CONFIG = "uwsgi.ini"
STOP_MARGIN = 10
"""Seconds that systemd waits beyond uWSGI's own mercy before it kills the process."""


@dataclass(frozen=True)
class Uwsgi:
    """The server process of an application that runs under uWSGI."""

    settings: UwsgiServer
    reload: bool = False
    """Whether it reloads changed code automatically (development mode)."""

    @property
    def requirements(self) -> str:
        """uWSGI as hash-pinned requirements."""
        path = Path(__file__).parent / "requirements" / "uwsgi.lock"
        return path.read_text(encoding="utf-8")

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that are requested directly, without their dependencies."""
        return ("pyuwsgi",)

    @property
    def options(self) -> list[tuple[str, str]]:
        """The operator's own options, as lines of the file. Percent signs are escaped: uWSGI
        expands variables."""
        pairs = []
        for name, value in self.settings.options.items():
            for item in value if isinstance(value, list) else [value]:
                text = str(item).lower() if isinstance(item, bool) else str(item)
                pairs.append((name, text.replace("%", "%%")))
        return pairs

    def files(self, paths: AppPaths, release: str) -> Mapping[str, str]:
        """The configuration file."""
        venv = f"{paths.release(release)}/venv"
        return {PurePosixPath(paths.uwsgi_config(release)).name: self._config(venv)}

    def container(self, app: AppSettings, place: Place) -> Serving:
        """The same process in a container, with uWSGI's own protocol."""
        listen = place.socket or f"0.0.0.0:{place.port}"
        module = (
            ("--manage-script-name", "--mount", f"{app.root}={app.entry}")
            if app.root
            else ("--module", str(app.entry))
        )
        config = f"{place.files}/{CONFIG}"
        mercy = max(self.settings.reload_mercy, self.settings.worker_reload_mercy)
        return Serving(
            command=(f"{place.venv}/bin/uwsgi", "--ini", config, *module, "--socket", listen),
            files={CONFIG: self._config(place.venv)},
            listen=f"unix:{place.socket}" if place.socket else listen,
            protocol="uwsgi",
            stop_timeout=mercy + STOP_MARGIN,
        )

    def _config(self, venv: str) -> str:
        return render(
            "uwsgi/uwsgi.ini.j2",
            server=self.settings,
            venv=venv,
            reload=self.reload,
            options=self.options,
        )

    def unit(self, paths: AppPaths, release: str, app: AppSettings, instance: int = 1) -> str:
        """The systemd unit of one instance of a release."""
        command = [
            f"{paths.release(release)}/venv/bin/uwsgi",
            f"--ini {paths.uwsgi_config(release)}",
            # With a prefix, uWSGI splits it off the path as SCRIPT_NAME.
            f"--manage-script-name --mount {app.root}={app.entry}"
            if app.root
            else f"--module {app.entry}",
        ]
        # uWSGI takes over a socket from systemd, but only when it starts, so it cannot reload. It
        # is restarted instead, and requests wait in that socket.
        held = app.release.strategy == "restart"
        if not held:
            command.append(f"--socket {paths.socket(release, instance)}")
        mercy = max(self.settings.reload_mercy, self.settings.worker_reload_mercy)
        return service_unit(
            paths,
            release,
            app,
            instance=instance,
            command=" ".join(command),
            kind="notify",
            stop_timeout=mercy + STOP_MARGIN,
            reload=not held,
        )
