"""What preflight says of hosts that will do, and of those that will not."""

from __future__ import annotations

import json
import os
import platform
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.bindings import Place
from groundcrew.facts.accounts import parse
from groundcrew.facts.resources import ResourceState
from groundcrew.manifest.model import AppSettings
from groundcrew.memory import in_bytes
from groundcrew.results.result import Check, Status
from groundcrew.roles.preflight import Wanted
from groundcrew.roles.preflight.checks import run_checks
from groundcrew.roles.preflight.settings import PreflightSettings
from groundcrew.roles.promises import python_place, wanted
from groundcrew.roles.python.settings import PythonSettings
from groundcrew.roles.settings import HostSettings
from groundcrew.settings.secret_programs import missing
from groundcrew.sizes import PROFILES, SizeName

APP = {"source": {"directory": "x"}, "entry": "a:b", "domains": ["shop.test", "*.shop.test"]}
GIB = 1 << 30
MINOR = ".".join(platform.python_version_tuple()[:2])
GOOD: ResourceState = {
    "system": "debian",
    "release": "12",
    "cpus": 2,
    "memory": 4 * GIB,
    "time": 1000.0,
    "paths": {
        path: {"free": 9 * GIB, "inodes": 10**6, "writable": True, "executable": True}
        for path in ("/", "/etc", "/opt", "/srv", "/var", "/var/lib", "/var/log")
    },
    "ports": {"80": [{"pid": 7, "name": "nginx", "unit": "nginx.service"}], "8090": []},
    "interpreter": "3.11.2",
    "pythons": {},
    "names": {},
    "connect": {},
    "passwd": ["root:x:0:0:root:/root:/bin/bash"],
    "group": ["root:x:0:"],
    "running": {},
}


def app(**changes: Any) -> AppSettings:
    return AppSettings.model_validate({**APP, **changes})


def checks(
    change: Callable[[Any], object] = lambda _: None,
    apps: dict[str, AppSettings] | None = None,
    **settings: Any,
) -> list[Check]:
    state = deepcopy(GOOD)
    change(state)
    host = HostSettings.model_validate({"app": apps or {"shop": app()}})
    return run_checks(PreflightSettings.model_validate(settings), wanted(host), state, now=1010.0)


def failures(*arguments: Any, **settings: Any) -> list[str]:
    failed = [check for check in checks(*arguments, **settings) if check.status is Status.FAIL]
    return [f"{check.name}: {check.detail}" for check in failed]


def test_a_host_that_will_do() -> None:
    assert [check for check in checks() if check.status not in (Status.OK, "n/a")] == []
    ports = {check.name: check.detail for check in checks() if check.name.startswith("port")}
    assert ports == {"port 80": "is ours already", "port 8090": "is free"}


TAKEN = {"pid": 4711, "name": "apache2", "unit": "apache2.service"}


@pytest.mark.parametrize(
    ("requires", "python", "message"),
    [
        (">=3.11", None, None),
        (">=3.12", "3.12", None),
        (
            ">=3.12",
            None,
            "Python for shop: shop's pyproject.toml requires >=3.12, the host has 3.11.2 "
            "(/usr/bin/python3); name a version that will do in app.shop.python, and uv fetches it",
        ),
    ],
)
def test_a_python_that_the_source_does_not_run_with(
    tmp_path: Path, requires: str, python: str | None, message: str | None
) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[project]\nrequires-python = "{requires}"\n')
    shop = app(source={"directory": str(tmp_path)}, python=python)
    pythons = {"3.12": "/usr/bin/python3.12"} if python else {}
    failed = failures(lambda state: state["pythons"].update(pythons), {"shop": shop})
    assert failed == ([message] if message else [])


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (
            lambda s: s.update(release="11"),
            {},
            "system: debian 11, needs Debian 12 or 13 (preflight.debian)",
        ),
        (lambda s: None, {"min_cpus": 4}, "CPUs: 2, needs 4 (preflight.min_cpus)"),
        (
            lambda s: None,
            {"min_memory": "8G"},
            "memory: 4.0 GiB, needs 8.0 GiB (preflight.min_memory)",
        ),
        (
            lambda s: s["paths"]["/srv"].update(free=GIB // 2),
            {},
            "disk /srv: 512 MiB free, needs 1.0 GiB (preflight.min_disk)",
        ),
        (
            lambda s: s["paths"]["/var"].update(inodes=5),
            {},
            "disk /var: 5 inodes free, needs 20000 (preflight.min_inodes)",
        ),
        (
            lambda s: s["paths"]["/srv"].update(executable=False),
            {},
            "directories: /srv is mounted noexec, programs run from there",
        ),
        (
            lambda s: s["paths"]["/var/log"].update(writable=False),
            {},
            "directories: /var/log cannot be written",
        ),
        (
            lambda s: s["ports"].update({"80": [TAKEN]}),
            {},
            "port 80: taken by apache2 (pid 4711, apache2.service); stop it, or choose another "
            "port",
        ),
        (
            lambda s: s["passwd"].append("shop:x:2015:2015::/home/shop:/bin/bash"),
            {},
            "accounts shop: user shop (uid 2015, home /home/shop, shell /bin/bash): no run has "
            "made that; choose another name for the application, or take it over with "
            "`adopt: true` in apps/shop.yml",
        ),
        (lambda s: s["names"].update({"shop.test": []}), {"dns": True}, "name shop.test: is not"),
        (
            lambda s: s["connect"].update({"db:5432": "Connection refused"}),
            {"connect": ["db:5432"]},
            "connect db:5432: Connection refused",
        ),
        (lambda s: None, {"max_clock_skew": 5}, "clock: 10 s from this machine's, at most 5 s"),
    ],
)
def test_a_host_that_will_not(
    change: Callable[[Any], object], settings: dict[str, Any], message: str
) -> None:
    [failed] = failures(change, **settings)
    assert failed.startswith(message)


def test_an_account_is_taken_over_when_nothing_runs_as_it_any_more() -> None:
    apps = {"shop": app(adopt=True)}

    def person(state: Any) -> None:
        state["passwd"].append("shop:x:2015:2015::/home/shop:/bin/bash")

    [check] = [item for item in checks(person, apps) if item.name == "accounts shop"]
    assert check.status is Status.WARN
    assert check.detail.endswith(": taken over (app.shop.adopt)")

    def busy(state: Any) -> None:
        person(state)
        state["running"] = {
            "shop": [
                {"pid": pid, "name": "sleep", "unit": "old.service"} for pid in (7, 8, 9, 10, 11)
            ]
        }

    [told] = failures(busy, apps)
    assert told.endswith(
        "cannot be taken over while it runs sleep (pid 7, old.service) of shop, sleep (pid 8, "
        "old.service) of shop, sleep (pid 9, old.service) of shop and 2 more; stop that first"
    )


def test_all_failures_are_told_at_once() -> None:
    def change(state: Any) -> None:
        state.update(cpus=1, release="11")
        state["ports"]["80"] = [TAKEN]

    assert len(failures(change, min_cpus=4, min_memory="8G")) == 4


def test_a_host_sold_with_8_gb_has_a_little_less() -> None:
    assert failures(lambda s: s.update(memory=int(7.6 * GIB)), min_memory="8G") == []


@pytest.mark.parametrize(
    ("plan", "limit", "status"),
    [
        ("error", "5G", Status.FAIL),
        ("warn", "5G", Status.WARN),
        ("error", "3G", Status.WARN),
        ("error", "1G", Status.OK),
    ],
)
def test_the_limits_of_all_applications_must_fit(plan: str, limit: str, status: Status) -> None:
    apps = {"shop": app(limits={"memory_max": limit})}
    [check] = [item for item in checks(apps=apps, memory_plan=plan) if item.name == "memory plan"]
    assert check.status is status
    assert f"limits come to {limit[0]}.0 GiB of 4.0 GiB (shop web {limit[0]}.0 GiB)" in check.detail


def test_the_size_of_the_host_counts_for_the_plan() -> None:
    [check] = [item for item in checks(apps={"a": app(size="auto")}) if item.name == "memory plan"]
    assert "limits come to 1.5 GiB of 4.0 GiB" in check.detail


def test_a_host_without_applications_needs_no_ports() -> None:
    assert wanted(HostSettings()) == Wanted({}, {})


@pytest.mark.parametrize(
    ("installed", "error", "status", "told"),
    [
        ("/usr/bin/python3.12", "", Status.OK, "for shop: /usr/bin/python3.12"),
        (None, "", Status.OK, "for shop: uv fetches it from mirror.test:8443"),
        (
            None,
            "Connection refused",
            Status.FAIL,
            "for shop: the host has 3.11.2, and mirror.test:8443, where uv would fetch it, cannot "
            "be reached: Connection refused (python.install_mirror)",
        ),
    ],
)
def test_a_python_that_the_host_lacks(
    installed: str | None, error: str, status: Status, told: str
) -> None:
    python = {"install_mirror": "https://mirror.test:8443/x"}
    host = HostSettings.model_validate({"app": {"shop": app(python="3.12")}, "python": python})
    asked = wanted(host)
    request = asked.request(PreflightSettings())
    assert (request["pythons"], request["fetch"]) == (["3.12"], "mirror.test:8443")
    state: ResourceState = {
        **GOOD, "pythons": {"3.12": installed}, "connect": {"mirror.test:8443": error}
    }  # fmt: skip
    results = run_checks(PreflightSettings(), asked, state, now=1000.0)
    [check] = [item for item in results if item.name == "Python 3.12"]
    assert (check.status, check.detail) == (status, told)
    assert not [item for item in results if item.name.startswith("connect")]


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "github.com:443"),
        ({"install_mirror": "file:///srv/python"}, "/srv/python"),
        ({"install_mirror": "http://mirror.test"}, "mirror.test:80"),
        ({"environment": {"HTTPS_PROXY": "http://proxy.test:3128"}}, "proxy.test:3128"),
    ],
)
def test_where_pythons_come_from(settings: dict[str, Any], place: str) -> None:
    assert python_place(PythonSettings.model_validate(settings)) == place


def test_an_interpreter_that_is_not_there() -> None:
    host = HostSettings.model_validate(
        {"app": {"shop": app()}, "python": {"interpreter": "/opt/py"}}
    )
    results = run_checks(PreflightSettings(), wanted(host), {**GOOD, "interpreter": None})
    assert [item.detail for item in results if item.name == "Python"] == [
        "/opt/py cannot be run (python.interpreter)"
    ]


def test_the_program_names_who_listens_and_what_there_is() -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port, other = server.getsockname()[1], closed.getsockname()[1]
        request = {
            "paths": ["/", "/not/there"],
            "ports": [port, other],
            "interpreter": sys.executable,
            "pythons": [MINOR, "3.99"],
            "fetch": "/not/there",
            "names": ["localhost", "nobody.invalid"],
            "connect": [f"127.0.0.1:{port}", f"127.0.0.1:{other}"],
            "users": {name: "/not/its/home"},
        }
        command = [sys.executable, "-ISc", remote.source("inspect_resources"), json.dumps(request)]
        report = json.loads(subprocess.check_output(command, text=True))
    [owner] = report["ports"][str(port)]
    assert owner["pid"] == os.getpid()
    assert report["ports"][str(other)] == []
    for key in ("inodes", "writable"):
        assert report["paths"]["/not/there"][key] == pytest.approx(
            report["paths"]["/"][key], rel=0.1
        )
    assert report["interpreter"] == platform.python_version()
    assert report["pythons"] == {MINOR: sys.executable, "3.99": None}
    assert report["names"]["localhost"]
    assert report["names"]["nobody.invalid"] == []
    assert report["connect"]["/not/there"] == "no such directory"
    assert report["connect"][f"127.0.0.1:{port}"] == ""
    assert report["connect"][f"127.0.0.1:{other}"] == "Connection refused"
    assert report["memory"] > 1 << 28
    accounts = parse(report["passwd"], report["group"])
    assert accounts.users[name].uid == os.getuid()
    assert accounts.gids[accounts.users[name].group] == pwd.getpwuid(os.getuid()).pw_gid
    assert set(report["running"]) == {name}
    assert os.getpid() in [process["pid"] for process in report["running"][name]]


def test_the_program_lists_no_processes_of_a_user_that_is_as_a_run_would_make_it() -> None:
    user = pwd.getpwuid(os.getuid())
    request = {
        "paths": [], "ports": [], "interpreter": sys.executable, "pythons": [], "fetch": "/",
        "names": [], "connect": [], "users": {user.pw_name: user.pw_dir},
    }  # fmt: skip
    command = [sys.executable, "-ISc", remote.source("inspect_resources"), json.dumps(request)]
    assert json.loads(subprocess.check_output(command, text=True))["running"] == {}


def test_memory_that_is_reserved_for_the_system() -> None:
    apps = {"shop": app(limits={"memory_max": "4000M"})}
    [check] = [item for item in checks(apps=apps) if item.name == "memory plan"]
    assert check.status is Status.FAIL
    assert "limits come to 3.9 GiB of 4.0 GiB, of which 200 MiB are reserved" in check.detail
    [check] = [item for item in checks(apps=apps, memory_reserve="0") if item.name == "memory plan"]
    assert check.status is Status.WARN


@pytest.mark.parametrize(("name", "sold"), [("small", 4), ("medium", 8), ("large", 16)])
@pytest.mark.parametrize("server", ["postgresql", "mariadb", "mongodb"])
def test_an_application_a_database_and_redis_of_one_size_fit(
    name: SizeName, sold: int, server: str
) -> None:
    settings = HostSettings.model_validate({server: {"size": name}, "redis": {"size": name}})
    place = Place(frozenset({server, "redis"}))
    shares = settings.placed(place).brought.memory
    assert {share.app for share in shares} == {server, "redis"}
    reserve = in_bytes(PreflightSettings().memory_reserve)
    total = sum(share.total for share in shares) + (PROFILES[name].memory_max << 20) + reserve
    # What is sold as so many GB has about 5 % less.
    assert total <= sold * 0.95 * GIB


@pytest.mark.parametrize(
    ("store", "source", "detail"),
    [
        ({"command": "no-such-program -d x"}, {"stored": "shop.KEY"},
         "secrets.command: this machine has no no-such-program: install it, or fix the "
         "command"),
        ({}, {"command": "no-such-program show x"},
         "app.shop.secrets.KEY: this machine has no no-such-program: install it, or fix the "
         "command"),
        ({"command": "cat x"}, {"stored": "shop.KEY"}, "this machine has what they come from"),
        # Nothing of it is needed.
        ({"command": "no-such-program -d x"}, {"env": "KEY"}, None),
    ],
)  # fmt: skip
def test_what_secrets_come_from_is_looked_for_without_reading_them(
    store: dict[str, str], source: dict[str, str], detail: str | None
) -> None:
    shop = {**APP, "secrets": {"KEY": source}}
    needed = wanted(HostSettings.model_validate({"app": {"shop": shop}, "secrets": store}))
    told = [
        item for item in run_checks(PreflightSettings(), needed, GOOD) if item.name == "secrets"
    ]
    assert [item.detail for item in told] == ([] if detail is None else [detail])
    assert all((item.status is Status.OK) == detail.startswith("this") for item in told if detail)


def test_a_missing_encrypted_file_is_named_with_the_command_that_begins_one(tmp_path: Path) -> None:
    shop = {"app": {"shop": {**APP, "secrets": {"KEY": {"stored": "shop.KEY"}}}}}
    settings = HostSettings.model_validate(shop)
    [told] = missing(settings, settings.secrets, tmp_path) or []
    assert told.startswith(f"secrets.file: there is no {tmp_path}/secrets.age.yml: `groundcrew")
    (tmp_path / "secrets.age.yml").touch()
    assert missing(settings, settings.secrets, tmp_path) == []
