"""A plain command as the server of an application."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from groundcrew.apps.types import Command
from groundcrew.model import Settings


def _range(text: str) -> str:
    first, last = (int(part) for part in text.split("-"))
    if not 1024 <= first <= last <= 65535:
        raise ValueError("expected two ports from 1024 to 65535, the smaller one first")
    return text


PortRange = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4,5}-[0-9]{4,5}$"), AfterValidator(_range)
]


class CommandServer(Settings):
    """Any program that answers HTTP, behind nginx: on a Unix socket, or on a port of the host's own
    address."""

    type: Literal["command"]
    """Which server."""

    command: Command
    """Command line of a shell (`cd web && LOG=debug prog`), run in the release's directory with its
    virtualenv first in PATH, e.g. `hypercorn --bind unix:{socket} shop:app`. `{socket}` or
    `$SOCKET` is where it must listen; with `listen: port` that is 127.0.0.1 and `{port}` or
    `$PORT`."""

    listen: Literal["socket", "port"] = "socket"
    """Where the command listens. On a `port`, every program of the host can connect to it, and be
    believed what it says about clients: prefer a socket where the command can have one."""

    port_range: PortRange = "20000-20999"
    """Ports of which each instance of a release takes a free one, with `listen: port`."""

    websockets: bool = True
    """Whether it speaks WebSockets: only then an upgrade is passed on."""

    keep_alive: int | None = Field(None, ge=1)
    """Seconds that it keeps an idle connection; must exceed `nginx.upstream_keepalive_timeout`.
    null: nginx asks it to close each connection, so that no request is sent over one that it is
    about to close."""

    stop_timeout: int = Field(30, ge=1)
    """Seconds that it gets after SIGTERM to finish its requests; then it is killed."""

    @model_validator(mode="after")
    def _the_command_listens_where_nginx_asks(self) -> CommandServer:
        wanted = {"socket": ("{socket}", "$SOCKET", "${SOCKET}"),
                  "port": ("{port}", "$PORT", "${PORT}")}[self.listen]  # fmt: skip
        other = "{port}" if self.listen == "socket" else "{socket}"
        if other in self.command:
            raise ValueError(f"command: {other} is not for `listen: {self.listen}`")
        if self.listen == "socket" and not any(text in self.command for text in wanted):
            raise ValueError(
                "command: must say where it listens, with {socket} or $SOCKET; "
                "one that reads the variable PORT by itself needs `listen: port`"
            )
        return self

    @property
    def ports(self) -> tuple[int, int]:
        """The first and the last port."""
        first, last = self.port_range.split("-")
        return int(first), int(last)

    @property
    def backlog(self) -> int:
        """Connections that may wait on the socket; with `listen: port` only."""
        return 2048

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests."""
        return self.keep_alive is not None

    @property
    def speaks_websockets(self) -> bool:
        """Whether an upgrade may be passed on."""
        return self.websockets

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """What nginx speaks on its socket."""
        return "http"
