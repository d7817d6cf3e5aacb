"""uWSGI as a server: its settings, its files, the protocol, and the way that nginx takes to it."""

from __future__ import annotations

import configparser
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew import remote
from groundcrew.entries import Entry, File, Link
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import GunicornServer, UwsgiServer
from groundcrew.releases.requirements import combine
from groundcrew.releases.steps.links import point_nginx_at
from groundcrew.releases.target import Target
from groundcrew.remote import app_client
from groundcrew.roles import releases
from groundcrew.roles.nginx.files import configuration
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.uwsgi import Uwsgi
from tests.unit.project import Project

PATHS = AppPaths("shop")
FOLDER = "/srv/shop/releases/r1"


def app(**values: Any) -> AppSettings:
    return AppSettings.model_validate(
        {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.test"], **values}
    )


def server(**values: Any) -> UwsgiServer:
    return UwsgiServer.model_validate({"type": "uwsgi", **values})


def ini(**values: Any) -> dict[str, str]:
    files = Uwsgi(server(**values)).files(PATHS, "r1")
    assert list(files) == ["uwsgi.ini"]
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(files["uwsgi.ini"])
    return dict(parser["uwsgi"])


def unit(**values: Any) -> list[str]:
    return Uwsgi(server()).unit(PATHS, "r1", app(**values)).splitlines()


# Settings.


def test_gunicorn_is_meant_where_no_type_is_given(project: Project) -> None:
    project.app(more="server: {workers: 2}\n")
    project.data = {"app.shop.server.workers": 4}
    kind = project.settings().app["shop"].server
    assert isinstance(kind, GunicornServer)
    assert kind.workers == 4


def test_the_type_chooses_the_server(project: Project) -> None:
    project.app(more="server: {type: uwsgi, processes: 4, threads: 2}\n")
    project.data = {"app.shop.server.processes": 8}
    kind = project.settings().app["shop"].server
    assert kind == server(processes=8, threads=2)
    assert isinstance(releases.server_process(kind), Uwsgi)


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        (
            "{type: uwsig}",
            "type",
            "expected 'gunicorn', 'uvicorn', 'uwsgi' or 'command', got \"uwsig\"",
        ),
        ("{type: 4}", "type", "expected 'gunicorn', 'uvicorn', 'uwsgi' or 'command', got 4"),
        ("{type: uwsgi, proceses: 4}", "proceses", 'unknown key; did you mean "processes"?'),
        ("{type: uwsgi, workers: 4}", "workers", "unknown key; it belongs to another `type`"),
        ("{harakiri: 4}", "harakiri", "unknown key; it belongs to another `type`"),
        ("{type: uwsgi, threads: 0}", "threads", "expected at least 1, got 0"),
        (
            "{type: uwsgi, processes: true}",
            "processes",
            "expected a number or 'auto', got true",
        ),
    ],
)
def test_what_is_wrong_is_said_of_the_chosen_server(
    project: Project, written: str, key: str, message: str
) -> None:
    project.app(more=f"server: {written}\n")
    assert project.error() == ("apps/shop.yml", f"app.shop.server.{key}", message)


def test_a_key_of_both_servers_is_described_by_the_chosen_one(project: Project) -> None:
    project.app(more="server: {type: uwsgi, max_requests: -1}\n")
    with pytest.raises(Exception, match="Requests after which a process is replaced"):
        project.load()


def test_the_schema_accepts_what_belongs_to_one_server_only() -> None:
    schema = AppSettings.model_json_schema()["properties"]["server"]
    assert len(schema["oneOf"]) == 4
    assert UwsgiServer.model_json_schema()["required"] == ["type"]


# Files.


def test_the_documented_example_is_what_uwsgi_gets() -> None:
    options = ini(
        processes=4, threads=2, max_requests=1000, harakiri=120, offload_threads=2, lazy_apps=True
    )
    expected = {
        "processes": "4",
        "threads": "2",
        "max-requests": "1000",
        "harakiri": "120",
        "offload-threads": "2",
        "buffer-size": "65535",
        "post-buffering": "8192",
        "lazy-apps": "true",
    }
    assert expected.items() <= options.items()


def test_what_is_off_is_left_out() -> None:
    options = ini(max_requests=0, post_buffering=0)
    assert not {"max-requests", "max-requests-delta", "post-buffering", "reload-on-rss"} & set(
        options
    )
    assert options["processes"] == "%k"
    assert options["disable-logging"] == "true"


def test_sigterm_finishes_the_running_requests() -> None:
    options = ini(worker_reload_mercy=45)
    assert options["hook-master-start"] == "unix_signal:15 gracefully_kill_them_all"
    text = Uwsgi(server(worker_reload_mercy=45)).unit(PATHS, "r1", app())
    assert "TimeoutStopSec=55" in text


def test_only_the_directorys_group_may_connect() -> None:
    assert ini()["chmod-socket"] == "660"


def test_the_unit_names_application_and_socket() -> None:
    command = next(line for line in unit() if line.startswith("ExecStart="))
    assert command == (
        f"ExecStart={FOLDER}/venv/bin/uwsgi --ini {FOLDER}/uwsgi.ini --module shop:app "
        "--socket /run/groundcrew/apps/shop/r1.sock"
    )
    assert {"Type=notify", "ExecReload=/bin/kill -HUP $MAINPID"} <= set(unit())


def test_a_held_socket_is_found_by_uwsgi_and_rules_out_a_reload() -> None:
    lines = unit(release={"strategy": "restart"})
    assert not any("--socket" in line or line.startswith("ExecReload=") for line in lines)
    assert "Sockets=shop.socket" in lines


def test_an_application_that_brings_uwsgi_itself_keeps_it() -> None:
    own = combine("uwsgi==2.0.31\n", Uwsgi(server()).requirements, wanted=("pyuwsgi",))
    assert own.text == "uwsgi==2.0.31\n"
    other = combine("flask==3.1.3\n", Uwsgi(server()).requirements, wanted=("pyuwsgi",))
    assert "pyuwsgi==" in other.text


# nginx.


def entries(**values: Any) -> dict[str, Entry]:
    configured = configuration(NginxSettings(), {"shop": app(**values)})
    return {entry.path: entry for entry in configured if isinstance(entry, (File, Link))}


def text(path: str, **values: Any) -> str:
    entry = entries(**values)[f"/etc/nginx/groundcrew/{path}"]
    assert isinstance(entry, File)
    return str(entry.content)


@pytest.mark.parametrize("kind", [{}, {"type": "uwsgi"}])
def test_nginx_can_speak_both_protocols_whatever_the_server(kind: dict[str, str]) -> None:
    assert "proxy_pass http://groundcrew-shop;" in text("passing/shop.http", server=kind)
    assert "uwsgi_pass groundcrew-shop.uwsgi;" in text("passing/shop.uwsgi", server=kind)
    link = entries(server=kind)["/etc/nginx/groundcrew/passing/shop.conf"]
    assert link == Link(PATHS.passing, f"shop.{'uwsgi' if kind else 'http'}", initial=True)


def test_the_same_is_overwritten_and_removed_in_both_protocols() -> None:
    http = dict(re.findall(r"^proxy_set_header (\S+) (.*);$", text("proxy.conf"), re.MULTILINE))
    uwsgi = dict(re.findall(r"^uwsgi_param HTTP_(\S+) (.*);$", text("uwsgi.conf"), re.MULTILINE))
    for name, value in http.items():
        wanted = '"" if_not_empty' if value == '""' else value
        assert uwsgi[name.upper().replace("-", "_")] == wanted, name


def test_the_same_headers_are_hidden_in_both_protocols() -> None:
    headers = text("headers/shop.conf")
    hidden = [set(re.findall(rf"{module}_hide_header (\S+);", headers)) for module in
              ("proxy", "uwsgi")]  # fmt: skip
    assert hidden[0] == hidden[1] != set()


# The way to the live release.


class Host:
    """Directories that stand for a host's, and a systemctl that only notes its calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.target = Target(PATHS, app(), 0)
        for name in ("run/groundcrew/nginx/shop", "passing", "bin"):
            (root / name).mkdir(parents=True)
        (root / "bin/systemctl").write_text(f"#!/bin/sh\necho $* >> {root}/calls\n")
        (root / "bin/sleep").write_text("#!/bin/sh\n")
        for program in ("systemctl", "sleep"):
            (root / "bin" / program).chmod(0o755)
        self.passing.symlink_to("shop.http")

    @property
    def passing(self) -> Path:
        return self.root / "passing/shop.conf"

    def built(self, release: str, *, uwsgi: bool) -> None:
        folder = self.root / "srv/shop/releases" / release
        folder.mkdir(parents=True)
        if uwsgi:
            (folder / "uwsgi.ini").touch()

    def lead(self, release: str) -> None:
        script = point_nginx_at(self.target, release)
        script = script.replace("/run/groundcrew/nginx", f"{self.root}/run/groundcrew/nginx")
        script = script.replace("/srv/shop", f"{self.root}/srv/shop")
        script = script.replace("/etc/nginx/groundcrew/passing", f"{self.root}/passing")
        path = f"{self.root}/bin:{os.environ['PATH']}"
        subprocess.run(["sh", "-c", f"{script} && true"], env={"PATH": path}, check=True)

    @property
    def state(self) -> tuple[str, str, str]:
        run = self.root / "run/groundcrew/nginx/shop"
        links = (run / "current.sock", run / "current.uwsgi.sock", self.passing)
        return tuple(link.readlink().name for link in links)  # type: ignore[return-value]

    @property
    def reloads(self) -> int:
        calls = self.root / "calls"
        return calls.read_text().splitlines().count("reload nginx") if calls.exists() else 0


def test_nginx_is_reloaded_only_for_another_protocol(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for release, uwsgi in (("r1", False), ("r2", False), ("r3", True), ("r4", True)):
        host.built(release, uwsgi=uwsgi)
    host.lead("r1")
    host.lead("r2")
    assert (host.state, host.reloads) == (("r2.sock", "r2.sock", "shop.http"), 0)
    host.lead("r3")
    host.lead("r4")
    assert (host.state, host.reloads) == (("r4.sock", "r4.sock", "shop.uwsgi"), 1)
    host.lead("r2")
    assert (host.state, host.reloads) == (("r2.sock", "r2.sock", "shop.http"), 2)


# The protocol.


def test_a_request_in_uwsgis_protocol() -> None:
    data = app_client.uwsgi_request("/a%20b?c=%20", {"Host": "shop.test", "X-Kind": "x"})
    assert data[0] == data[3] == 0
    block = data[4:]
    assert int.from_bytes(data[1:3], "little") == len(block)
    texts, rest = [], block
    while rest:
        size = int.from_bytes(rest[:2], "little")
        texts.append(rest[2 : 2 + size].decode())
        rest = rest[2 + size :]
    variables = dict(zip(texts[::2], texts[1::2], strict=True))
    assert variables["PATH_INFO"] == "/a b"
    assert variables["REQUEST_URI"] == "/a%20b?c=%20"
    assert variables["QUERY_STRING"] == "c=%20"
    assert variables["HTTP_HOST"] == variables["SERVER_NAME"] == "shop.test"
    assert variables["HTTP_X_KIND"] == "x"


@pytest.mark.parametrize(("config", "start"), [("uwsgi.ini", b"\0"), ("gunicorn.conf.py", b"GET ")])
def test_the_probe_speaks_what_the_release_speaks(
    tmp_path: Path, config: str, start: bytes
) -> None:
    """The program is run as on a host: alone, with the modules that it imports inside."""
    (tmp_path / config).touch()
    path = tmp_path / "s"
    heard = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                heard.append(client.recv(4096))
                client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        payload = {
            "sockets": [str(path)],
            "release": str(tmp_path),
            "port": None,
            "tls": False,
            "scheme": "http",
            "host": "shop.test",
            "path": "/health",
            "status": 204,
            "timeout": 5,
            "interval": 0.1,
            "request_timeout": 5,
            "successes": 1,
            "hold": 0,
            "units": [],
            "checks": [],
            "maintenance": "/nonexistent",
            "on_success": None,
            "on_failure": None,
            "history": None,
            "run": None,
        }
        done = subprocess.run(
            [sys.executable, "-ISc", remote.source("probe")],
            input=json.dumps(payload),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        thread.join(timeout=5)
    assert done.returncode == 0, done.stderr
    assert "status 204" in done.stdout
    assert heard[0].startswith(start)


@pytest.mark.parametrize("program", sorted(Path(remote.__file__).parent.glob("[a-z]*.py")))
def test_programs_need_nothing_of_this_project_on_the_host(program: Path) -> None:
    """Loaded by a Python that has nothing but what is sent, not even site packages."""
    load = (
        "import sys, types; module = sys.modules['loaded'] = types.ModuleType('loaded'); "
        "exec(sys.stdin.read(), module.__dict__)"
    )
    done = subprocess.run(
        [sys.executable, "-ISc", load],
        input=remote.source(program.stem),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_processes_that_come_and_go_and_options_without_a_key_of_ours() -> None:
    options = {"http-timeout": 90, "log-x-forwarded-for": True, "env": ["A=1", "B=50%"]}
    settings = server(processes=8, cheaper=2, cheaper_initial=4, options=options)
    text = Uwsgi(settings).files(PATHS, "r1")["uwsgi.ini"].splitlines()
    for line in ("cheaper = 2", "cheaper-initial = 4", "http-timeout = 90", "env = A=1",
                 "log-x-forwarded-for = true", "env = B=50%%"):  # fmt: skip
        assert line in text
    assert "cheaper" not in ini()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"processes": 4, "cheaper": 4}, "cheaper: 4 is not less than processes: 4"),
        ({"processes": 4, "cheaper": 2, "cheaper_initial": 5}, "cheaper_initial: 5 is more than"),
        ({"cheaper_step": 2}, "cheaper_step: does nothing without cheaper"),
        ({"options": {"socket": "/x"}}, "socket is set by groundcrew"),
        ({"options": {"env": "A\nsocket = /x"}}, "match pattern"),
    ],
)
def test_what_uwsgi_would_refuse_is_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        server(**written)
