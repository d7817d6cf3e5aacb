"""A plain command as the server of an application."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from groundcrew.manifest.types import Command
from groundcrew.model import Settings, WrongValueError


def _range(text: str) -> str:
    first, last = (int(part) for part in text.split("-"))
    if not 1024 <= first <= last <= 65535:
        raise ValueError("expected two ports from 1024 to 65535, the smaller one first")
    return text


PortRange = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4,5}-[0-9]{4,5}$"), AfterValidator(_range)
]


class CommandServer(Settings):
    """Any program that answers HTTP behind nginx, on a Unix socket or on a port of the loopback
    address."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "command", "command": "hypercorn --bind unix:{socket} shop:app"}]
        }
    )

    type: Literal["command"]
    """Kind of server."""

    command: Command
    """Shell command line that starts the server (`cd web && LOG=debug prog`), run in the release's
    directory with its virtualenv first in PATH; for example `hypercorn --bind unix:{socket}
    shop:app`. The server must listen on `{socket}` or `$SOCKET`; with `listen: port`, on 127.0.0.1
    and `{port}` or `$PORT`."""

    listen: Literal["socket", "port"] = "socket"
    """Where the command listens. Prefer `socket` if the command can use one: any program of the
    host can connect to a `port`, and the server believes what it says about clients."""

    port_range: PortRange = "20000-20999"
    """Ports from which each instance of a release takes a free one, with `listen: port`."""

    websockets: bool = True
    """Whether the server speaks WebSockets; nginx passes upgrades on only then."""

    keep_alive: int | None = Field(None, ge=1)
    """Seconds that the server keeps an idle connection open; must be longer than
    `nginx.upstream_keepalive_timeout`. null: nginx asks the server to close each connection, so
    that no request goes over one that is about to close."""

    stop_timeout: int = Field(30, ge=1)
    """Seconds that the server has after SIGTERM to finish its requests before it is killed."""

    @model_validator(mode="after")
    def _the_command_listens_where_nginx_asks(self) -> CommandServer:
        wanted = {"socket": ("{socket}", "$SOCKET", "${SOCKET}"),
                  "port": ("{port}", "$PORT", "${PORT}")}[self.listen]  # fmt: skip
        other = "{port}" if self.listen == "socket" else "{socket}"
        if other in self.command:
            raise WrongValueError("command", f"{other} is not for `listen: {self.listen}`")
        if self.listen == "socket" and not any(text in self.command for text in wanted):
            raise WrongValueError(
                "command",
                "must say where it listens, with {socket} or $SOCKET; "
                "one that reads the variable PORT by itself needs `listen: port`",
            )
        return self

    @property
    def ports(self) -> tuple[int, int]:
        """The first and the last port of `port_range`."""
        first, last = self.port_range.split("-")
        return int(first), int(last)

    @property
    def backlog(self) -> int:
        """Connections that can wait on the socket of the forwarder, which only `listen: port`
        has."""
        return 2048

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests."""
        return self.keep_alive is not None

    @property
    def speaks_websockets(self) -> bool:
        """Whether nginx may pass on upgrades to WebSockets."""
        return self.websockets

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """Protocol on the socket between nginx and the server."""
        return "http"
