"""The server of an application in a container: its command and the files that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from groundcrew.manifest import shell


class NotInContainersError(ValueError):
    """A server cannot listen where the proxy in front of its container would connect to it; the
    message says why, and what to do."""


@dataclass(frozen=True)
class Place:
    """Where an application lies in a container, and where its server listens."""

    name: str
    """The application's name."""

    venv: str
    """The virtualenv's directory."""

    files: str
    """Directory of the server's own configuration files."""

    port: int
    """TCP port for servers that listen on one."""

    socket: str | None = None
    """Unix socket that the proxy connects to, if it runs beside the server and shares its
    directory; null: the server listens on `port`, at all addresses."""


@dataclass(frozen=True)
class Serving:
    """The server's process."""

    command: tuple[str, ...]
    """The command's words."""

    stop_timeout: int
    """Seconds that it has after SIGTERM until it is killed, as on a host."""

    listen: str
    """Where it listens: `unix:PATH`, or `ADDRESS:PORT`."""

    protocol: Literal["http", "uwsgi"] = "http"
    """Protocol that the proxy speaks to it."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Texts of its configuration files, by name."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of its own."""


def words(command: str) -> tuple[str, ...]:
    """The words of a shell command line for a container, which stops on SIGTERM as the same line
    does in a unit."""
    script, argument = shell.script(command)
    return ("/bin/sh", "-c", script, *(("sh", argument) if argument is not None else ()))


def over_old_socket(command: tuple[str, ...], socket: str | None) -> tuple[str, ...]:
    """The command, after the socket of a killed process has been removed: the next process could
    not bind it."""
    if socket is None:
        return command
    return ("/bin/sh", "-c", 'rm -f "$0"; exec "$@"', socket, *command)
