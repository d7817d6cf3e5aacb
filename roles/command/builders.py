"""The unit of an application that is a plain command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groundcrew import remote
from groundcrew.apps.command import CommandServer
from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.apps.unit import program, service_unit

STOP_MARGIN = 10
"""Seconds that systemd waits longer than the command is given before it kills."""
FORWARDER = "forward.py"


@dataclass(frozen=True)
class Command:
    """The server process of an application that is a plain command."""

    settings: CommandServer

    @property
    def requirements(self) -> str:
        """None: the application brings what its command needs."""
        return ""

    @property
    def packages(self) -> tuple[str, ...]:
        """None."""
        return ()

    def files(self, paths: AppPaths, release: str) -> Mapping[str, str]:  # noqa: ARG002
        """What leads from the release's socket to the command's port, where it has one."""
        if self.settings.listen == "socket":
            return {}
        return {FORWARDER: remote.source("forward_port")}

    def unit(self, paths: AppPaths, release: str, app: AppSettings, instance: int = 1) -> str:
        """The systemd unit of one instance of a release."""
        socket = paths.socket(release, instance)
        return service_unit(
            paths,
            release,
            app,
            instance=instance,
            command=self._command(paths, release, socket),
            environment={"SOCKET": socket} if self.settings.listen == "socket" else {},
            # The socket of one that was killed is in the way of the next.
            before=[f"/bin/rm -f {socket}"],
            # The socket's group is that of its directory: nginx may connect.
            directives={"UMask": "0007"},
            kind="exec",
            stop_timeout=self.settings.stop_timeout + STOP_MARGIN,
            reload=False,
        )

    def _command(self, paths: AppPaths, release: str, socket: str) -> str:
        server = self.settings
        if server.listen == "socket":
            return program(server.command.replace("{socket}", socket))
        first, last = server.ports
        forwarder = f"/usr/bin/python3 -IS {paths.release(release)}/{FORWARDER}"
        command = program(server.command.replace("{port}", "$PORT"))
        return f"{forwarder} {socket} {first} {last} {server.stop_timeout} {command}"
