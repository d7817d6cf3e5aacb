"""uvicorn alone and plain commands: settings, units, and the program that leads to a port."""

from __future__ import annotations

import shlex
import socket
import subprocess
from itertools import pairwise
from typing import Any

import pytest

from groundcrew.manifest.command import CommandServer
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import Server
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.remote import forward_port
from groundcrew.roles import releases
from groundcrew.roles.command import Command
from groundcrew.roles.uvicorn import Uvicorn
from tests.unit.nginx_files import locations_file
from tests.unit.project import Project

PATHS = AppPaths("shop")
SOCKET = "/run/groundcrew/apps/shop/r1.sock"


def app(**changes: Any) -> AppSettings:
    return AppSettings.model_validate(
        {"source": {"directory": "."}, "entry": "shop.main:app", **changes}
    )


def unit(server: dict[str, Any], instance: int = 1, **changes: Any) -> str:
    settings = app(server=server, **changes)
    return releases.server_process(settings.server).unit(PATHS, "r1", settings, instance)


def command(text: str) -> list[str]:
    """What the unit's shell runs, as systemd and the shell understand it."""
    [line] = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    shell, option, script = shlex.split(line.removeprefix("ExecStart="))[-3:]
    assert (shell, option) == ("/bin/sh", "-c")
    return shlex.split(script.replace("$$", "$"))


def test_each_kind_has_its_role() -> None:
    kinds: dict[type, dict[str, Any]] = {
        Uvicorn: {"type": "uvicorn"},
        Command: {"type": "command", "command": "serve {socket}"},
    }
    for role, written in kinds.items():
        server: Server = app(server=written).server
        assert isinstance(releases.server_process(server), role)


def test_uvicorn_listens_on_the_releases_socket_and_trusts_it() -> None:
    text = unit({"type": "uvicorn", "workers": 4, "ws_max_size": 1024, "loop": "asyncio"})
    words = command(text)
    assert words[:2] == ["exec", "/srv/shop/releases/r1/venv/bin/uvicorn"]
    assert words[-1] == "shop.main:app"
    pairs = dict(pairwise(words))
    assert pairs["--uds"] == SOCKET
    assert pairs["--workers"] == "4"
    assert pairs["--forwarded-allow-ips"] == "*"
    assert pairs["--timeout-keep-alive"] == "75"
    assert pairs["--ws-max-size"] == "1024"
    assert pairs["--loop"] == "asyncio"
    assert "--http" not in words
    assert "--no-access-log" in words
    assert f"ExecStartPre=/bin/rm -f {SOCKET}" in text
    assert "ExecReload=" in text
    assert "ExecReload=" not in unit({"type": "uvicorn", "workers": 1})


def test_a_factory_and_a_socket_that_systemd_holds() -> None:
    words = command(
        unit({"type": "uvicorn"}, entry="shop:create()", release={"strategy": "restart"})
    )
    assert words[-2:] == ["--factory", "shop:create"]
    assert dict(pairwise(words))["--fd"] == "3"
    assert "--uds" not in words


@pytest.mark.parametrize(("cpus", "workers"), [("1", "2"), ("2", "2"), ("8", "8")])
def test_as_many_workers_as_cpus_but_one_that_is_left(cpus: str, workers: str) -> None:
    [line] = [line for line in unit({"type": "uvicorn"}).splitlines() if "ExecStart=" in line]
    script = shlex.split(line.removeprefix("ExecStart="))[2].replace("$$", "$")
    fake = f"nproc() {{ echo {cpus}; }}; env() {{ nproc; }}; uvicorn() {{ echo $2 $4; }}; "
    script = script.replace("exec /srv/shop/releases/r1/venv/bin/uvicorn", fake + "uvicorn")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [SOCKET, workers]


def test_a_command_listens_where_nginx_asks() -> None:
    text = unit({"type": "command", "command": "hypercorn -b unix:{socket} --log '%(h)s' a:b"}, 2)
    assert command(text) == [
        *(
            "exec",
            "hypercorn",
            "-b",
            "unix:/run/groundcrew/apps/shop/r1.2.sock",
            "--log",
            "%%(h)s",
            "a:b",
        ),
    ]
    assert "Environment=SOCKET=/run/groundcrew/apps/shop/r1.2.sock\n" in text
    assert "UMask=0007\n" in text
    assert "UMask=0077\n" not in text


def test_a_command_on_a_port_is_led_to() -> None:
    server = {"type": "command", "listen": "port", "command": "serve --port {port}"}
    text = unit(server)
    assert command(text) == ["exec", "serve", "--port", "$PORT"]
    assert f"/srv/shop/releases/r1/forward.py {SOCKET} 20000 20999 30 /bin/sh" in text
    [name] = Command(CommandServer.model_validate(server)).files(PATHS, "r1")
    assert name == "forward.py"


def test_a_port_is_one_that_nobody_has() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"no free port from {port} to {port}"):
            forward_port.free_port(port, port, SOCKET)
    assert forward_port.free_port(port, port, SOCKET) == port
    other = forward_port.free_port(20000, 20999, "/run/groundcrew/apps/shop/r1.2.sock")
    assert forward_port.free_port(20000, 20999, SOCKET) != other


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        (
            "server: {type: command, command: serve}\n",
            "server.command",
            "must say where it listens, with {socket} or $SOCKET; one that reads the "
            "variable PORT by itself needs `listen: port`",
        ),
        (
            "server: {type: command, command: 'serve {port}'}\n",
            "server.command",
            "{port} is not for `listen: socket`",
        ),
        (
            "server: {type: command, command: 'serve {socket}', port_range: 300-200}\n",
            "server.port_range",
            'expected text that matches ^[0-9]{4,5}-[0-9]{4,5}$, got "300-200"',
        ),
        (
            "server: {type: command, command: 'serve {socket}'}\nrelease: {strategy: restart}\n",
            "release.strategy",
            "`type: command` needs `switch`: with `restart` systemd holds the socket",
        ),
        (
            "server: {type: uvicorn, workers: 1, limit_max_requests: 100}\n",
            "server.limit_max_requests",
            "with one worker, it stops the whole server; give it more workers",
        ),
        (
            "server: {type: uvicorn, keep_alive: 5}\n",
            "server.keep_alive",
            "5 s is not longer than nginx.upstream_keepalive_timeout (5 s): requests would be lost "
            "over connections that the server closes just then",
        ),
    ],
)
def test_what_cannot_work_is_refused(project: Project, more: str, key: str, message: str) -> None:
    project.app(more=more)
    assert project.error() == ("apps/shop.yml", f"app.shop.{key}", message)


def test_only_a_command_needs_no_entry(project: Project) -> None:
    text = "source: {directory: src}\ndomains: [shop.test]\n"
    project.app(text=text)
    assert project.error() == ("apps/shop.yml", "app.shop.entry", "is required")
    project.app(text=text + "server: {type: command, command: 'serve {socket}'}\n")
    assert project.settings().app["shop"].entry is None


def test_nginx_keeps_connections_only_where_the_command_does() -> None:
    def passing(**more: Any) -> str:
        server = {"type": "command", "command": "serve {socket}", **more}
        return locations_file(app(server=server))

    assert "Connection $groundcrew_closing_connection;" in passing()
    assert "Connection $groundcrew_connection;" in passing(keep_alive=75)
    assert 'Connection "close";' in passing(websockets=False)
    assert 'Connection "";' in passing(websockets=False, keep_alive=75)
    assert UvicornServer(type="uvicorn").speaks_websockets
