"""What the roles' programs report of a host."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import container
from groundcrew.roles.base import on_host as base
from groundcrew.roles.firewall import on_host as firewall
from groundcrew.roles.logrotate import on_host as logrotate
from groundcrew.roles.nginx import on_host as nginx
from groundcrew.roles.users import on_host as users


def says(
    monkeypatch: pytest.MonkeyPatch, module: Any, *, code: int = 0, out: str = "", err: str = ""
) -> list[tuple[str, ...]]:
    """Programs that a module runs say this; they are noted."""
    ran: list[tuple[str, ...]] = []

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, code, out, err)

    monkeypatch.setattr(module, "run", run)
    return ran


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of paths that the base reads."""

    def path(*parts: str) -> Path:
        return tmp_path.joinpath(parts[0].lstrip("/"), *parts[1:])

    monkeypatch.setattr(base, "Path", path)
    return tmp_path


def test_the_first_address_of_a_name_counts(etc: Path) -> None:
    (etc / "etc").mkdir()
    (etc / "etc/hosts").write_text(
        "127.0.0.1 localhost\n# 10.0.0.9 gone\n10.0.0.5 redis cache # ours\n10.0.0.6 redis\n"
    )
    assert base.hosts({}) == {"localhost": "127.0.0.1", "redis": "10.0.0.5", "cache": "10.0.0.5"}


def test_kernel_parameters_that_are_there(etc: Path) -> None:
    (etc / "proc/sys/net").mkdir(parents=True)
    (etc / "proc/sys/net/tcp_rmem").write_text("4096\t131072\t6291456\n")
    values = base.sysctl({"sysctl": ["net.tcp_rmem", "not.there"]})
    assert values == {"net.tcp_rmem": "4096 131072 6291456"}


@pytest.mark.parametrize(
    ("module", "profiles"), [("Y\n", "a (enforce)\nb (complain)\n"), ("N", "")]
)
def test_profiles_that_apparmor_enforces(etc: Path, module: str, profiles: str) -> None:
    (etc / "sys/module/apparmor/parameters").mkdir(parents=True)
    (etc / "sys/module/apparmor/parameters/enabled").write_text(module)
    (etc / "sys/kernel/security/apparmor").mkdir(parents=True)
    (etc / "sys/kernel/security/apparmor/profiles").write_text(profiles)
    on = module.strip() == "Y"
    assert base.apparmor({}) == {"kernel": True, "enabled": on, "enforced": int(on)}


def test_upkeep_in_systemd_s_and_apt_s_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(container, "MARKS", (str(tmp_path / "container"),))
    answers = {
        "timedatectl": "NTP=yes\nNTPSynchronized=no\n",
        "apt-config": 'APT::Periodic::Unattended-Upgrade "1";\n',
        "systemctl": "enabled\n",
    }
    monkeypatch.setattr(
        base,
        "run",
        lambda *command: subprocess.CompletedProcess(command, 0, answers[command[0]], ""),
    )
    assert base.upkeep({}) == {
        "clock": {"NTP": "yes", "NTPSynchronized": "no"},
        "upgrade_days": "1",
        "upgrade_timer": "enabled",
    }
    (tmp_path / "container").write_text("docker")
    assert base.upkeep({})["clock"] == {}


def test_families_whose_input_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = "\tchain input {{\n\t\ttype filter hook input priority filter; policy {};\n\t}}\n"
    text = f"table inet groundcrew {{\n{chain.format('drop')}}}\n"
    text += f"table ip docker {{\n{chain.format('accept')}}}\n"
    says(monkeypatch, firewall, out=text)
    assert firewall.packet_filter({}) == {"families": ["inet"]}
    says(monkeypatch, firewall, code=1, err="warning\nOperation not permitted\n")
    assert firewall.packet_filter({}) == {"error": "Operation not permitted"}


def test_a_port_is_open_for_a_moment() -> None:
    port = firewall.listener({"listener": 1.0})["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    deadline = time.monotonic() + 30
    while answers(port):
        assert time.monotonic() < deadline, "it is still open"
        time.sleep(0.1)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_what_logrotate_finds_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = says(monkeypatch, logrotate, code=1, err="reading config\nerror: x:3 unknown option\n")
    assert logrotate.logrotate({}) == {"code": 1, "errors": ["error: x:3 unknown option"]}
    assert "--debug" in ran[0]


def test_who_may_use_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        may = "--other-user=deploy" in command
        text = "User deploy may run the following commands" if may else "not allowed"
        return subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr(users, "run", run)
    answer = users.sudo({"users": ["deploy", "shop"]})
    assert answer["may"] == {"deploy": True, "shop": False}
    assert answer["code"] == 0


def test_nginx_s_counters() -> None:
    body = b"Active connections: 1 \nserver accepts handled requests\n 10 9 12 \nReading: 0\n"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        counters = nginx.nginx_status({"port": server.server_port})
    assert counters == {"accepted": 10, "handled": 9, "requests": 12}
