"""The unit of an application that is a plain command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groundcrew import remote
from groundcrew.manifest.command import CommandServer
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.serving import (
    NotInContainersError,
    Place,
    Serving,
    over_old_socket,
    words,
)
from groundcrew.manifest.unit import program, service_unit

STOP_MARGIN = 10
"""Seconds that systemd waits beyond `stop_timeout` before it kills the process."""
FORWARDER = "forward.py"


@dataclass(frozen=True)
class Command:
    """The server process of an application that is a plain command."""

    settings: CommandServer

    @property
    def requirements(self) -> str:
        """Empty: the application brings what its command needs."""
        return ""

    @property
    def packages(self) -> tuple[str, ...]:
        """Empty."""
        return ()

    def files(self, paths: AppPaths, release: str) -> Mapping[str, str]:  # noqa: ARG002
        """The program that forwards the release's socket to the command's port, if it listens on
        one."""
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
            # A killed process leaves its socket behind, where the next one cannot bind.
            before=[f"/bin/rm -f {socket}"],
            # The socket gets its directory's group, which nginx is in.
            directives={"UMask": "0007"},
            kind="exec",
            stop_timeout=self.settings.stop_timeout + STOP_MARGIN,
            reload=False,
        )

    def container(self, app: AppSettings, place: Place) -> Serving:  # noqa: ARG002
        """The same process in a container. Raises NotInContainersError if it listens on a socket
        that nothing outside of the container can reach."""
        server = self.settings
        stop_timeout = server.stop_timeout + STOP_MARGIN
        if server.listen == "port":
            # On the proxy's side of a shared network, the loopback address is the same.
            host = "127.0.0.1" if place.socket else "0.0.0.0"  # noqa: S104 - in a container
            command = server.command.replace("{port}", "$PORT")
            return Serving(
                command=words(command),
                variables={"PORT": str(place.port)},
                listen=f"{host}:{place.port}",
                stop_timeout=stop_timeout,
            )
        if not place.socket:
            raise NotInContainersError(
                "the command listens on a Unix socket, which another container cannot reach: give "
                "it `listen: port`, and let it listen on 0.0.0.0 and $PORT"
            )
        started = words(server.command.replace("{socket}", place.socket))
        return Serving(
            command=over_old_socket(started, place.socket),
            variables={"SOCKET": place.socket},
            listen=f"unix:{place.socket}",
            stop_timeout=stop_timeout,
        )

    def _command(self, paths: AppPaths, release: str, socket: str) -> str:
        server = self.settings
        if server.listen == "socket":
            return program(server.command.replace("{socket}", socket))
        first, last = server.ports
        forwarder = f"/usr/bin/python3 -IS {paths.release(release)}/{FORWARDER}"
        command = program(server.command.replace("{port}", "$PORT"))
        return f"{forwarder} {socket} {first} {last} {server.stop_timeout} {command}"
