"""Runs pyinfra against lab hosts as a user would, and inspects the hosts with other tools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import testinfra

from groundcrew.lab.image import OTHER
from groundcrew.lab.recipe import SUITES
from tests.e2e import prepared

ROOT = Path(__file__).resolve().parents[2]
KEY = ROOT / ".groundcrew" / "lab" / "id_ed25519"
PYINFRA = [sys.executable, "-m", "pyinfra"]
GOOD = ROOT / "examples" / "hello"
"""The example application that tests release."""

INVENTORY = """\
from groundcrew.lab import inventory as _lab

_more = {more!r}
for _group, _hosts in _lab.running().items():
    globals()[_group] = [
        (_name, {{**_data, **_more[_name]}}) for _name, _data in _hosts if _name in _more
    ]
"""
"""An inventory of some lab hosts, with more data of each: `INVENTORY.format(more={NAME: DATA})`."""

FULL = bool(os.environ.get("GROUNDCREW_FULL"))
"""Whether tests repeat all that they can: bin/test --full."""

ROLLBACK = "playbooks/rollback.py"
WATCHED: dict[str, Any] = {f"app.{name}.release.check_window": 1 for name in ("hello", "httpbin")}
"""Releases of the examples are watched for a second, where a test says nothing else. Hundreds of
them would wait for five."""

ALL = {"GROUNDCREW_OUTPUT": "verbose"}
"""Tests look for single operations and results, which a run prints only then."""

RUNS: list[Run] = []
"""The runs of this test session. The report of a failed test shows the last one."""


def until(condition: Callable[[], object], seconds: float = 60) -> float:
    """The seconds that it took until the condition was true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "it did not come to pass"
        time.sleep(0.2)
    return time.monotonic() - began


@dataclass
class Run:
    """One pyinfra run."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.stdout)

    @property
    def changed(self) -> list[str]:
        """Names of the operations that changed a host."""
        return [item["name"] for item in self.json["results"]["operations"] if item["success"]]

    @property
    def planned(self) -> list[str]:
        """Names of the operations that a dry run predicts to change a host."""
        return [
            item["name"]
            for item in self.json["plan"]
            if item["hosts_with_change"] or item["hosts_with_conditional_change"]
        ]


def _arguments(
    limit: str,
    data: Mapping[str, Any] | None,
    playbook: str,
    options: tuple[str, ...],
    start: Sequence[str] = (*PYINFRA, "inventory/lab.py"),
) -> list[str]:
    values = [f"--data={key}={_text(value)}" for key, value in (data or {}).items()]
    limits = [f"--limit={name}" for name in limit.split(",")]
    return [*start, playbook, *limits, *values, *options]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def pyinfra(
    limit: str,
    *options: str,
    data: Mapping[str, Any] | None = None,
    playbook: str = "deploy.py",
    env: Mapping[str, str] | None = None,
    timeout: int = 600,
    nice: int = 0,
    project: Path | None = None,
    inventory: Path | None = None,
    program: Sequence[str] = PYINFRA,
) -> Run:
    """Runs pyinfra on the hosts of `limit` (comma-separated names), with JSON on standard output
    and without questions. `nice` lowers its priority in favour of the lab host on this machine.
    `project` is another project directory, whose inventory is inventory/prod.py; `inventory` is
    another inventory of this one."""
    options = ("--json", *(() if "--dry" in options else ("-y",)), *options)
    data = data if project else {**WATCHED, **(data or {})}
    name = inventory or ("inventory/prod.py" if project else "inventory/lab.py")
    started = time.monotonic()
    done = subprocess.run(
        [
            "nice",
            "-n",
            str(nice),
            *_arguments(limit, data, playbook, options, [*program, str(name)]),
        ],
        cwd=project or ROOT,
        env={**os.environ, **ALL, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    # Some tests run pyinfra in the background, so the last run need not be this one.
    run = Run(done.returncode, done.stdout, done.stderr, time.monotonic() - started)
    RUNS.append(run)
    return run


def start_pyinfra(
    limit: str, data: Mapping[str, Any] | None = None, playbook: str = "playbooks/release.py"
) -> subprocess.Popen[str]:
    """Starts a run in the background, with all output in one pipe."""
    return subprocess.Popen(
        _arguments(limit, {**WATCHED, **(data or {})}, playbook, ("-y",)),
        cwd=ROOT,
        env={**os.environ, **ALL},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def suites(*usual: str, fixture: str = "converged") -> pytest.MarkDecorator:
    """For a test whose host has any suite, and to which another suite adds little: where it usually
    runs. With bin/test --full it runs on all suites."""
    return pytest.mark.parametrize(fixture, SUITES if FULL else usual, indirect=True)


HELD = "/etc/build-may-end"
HELD_BUILD = {"app.hello.hooks.build": [f"until test -e {HELD}; do sleep 0.2; done"]}
"""A build that lasts until the test has seen what it wants to see."""


@contextmanager
def held_build(host: LabHost, data: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """A release in the background whose build ends when this does."""
    inside(host, f"rm -f {HELD}")
    run = start_pyinfra(host.name, {**data, **HELD_BUILD})
    try:
        inside(host, f"for i in $(seq 600); do pgrep -u hello-build -f {HELD} >/dev/null && exit; "
               "sleep 0.1; done; false")  # fmt: skip
        yield run
    finally:
        inside(host, f"touch {HELD}")


def good(run: Run) -> Run:
    """The run itself. Fails unless it succeeded."""
    assert run.status == 0, run.stderr
    return run


def version(source: Path, text: str) -> None:
    """Writes another version of the example, which its page shows."""
    path = source / "templates" / "page.html"
    path.write_text((GOOD / "templates" / "page.html").read_text() + f"<!-- {text} -->")


def lab(*arguments: str, image: str = "") -> str:
    done = subprocess.run(
        [str(ROOT / "bin" / "lab"), *arguments],
        env={**os.environ, **({OTHER: image} if image else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class LabHost:
    """A lab host, and ways to inspect it."""

    name: str
    suite: str
    address: str = ""
    container: str = ""
    first: Run | None = field(default=None, repr=False)
    group: str = "web"
    """Groups in the inventory, separated by commas."""
    bare: bool = False
    """Whether it begins with next to no Debian packages, for tests about first runs."""

    def up(self) -> None:
        image = "" if self.bare else prepared.tag(self.suite)
        lab("reset", self.name, "--suite", self.suite, "--group", self.group, image=image)
        self.find()

    @staticmethod
    def together(hosts: Iterable[LabHost], action: Callable[[LabHost], object]) -> None:
        """Does the same with several hosts at the same time, such as `LabHost.up`."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(action, hosts))

    def find(self) -> None:
        hosts = json.loads(lab("list", "--json"))
        host = next(host for host in hosts if host["name"] == self.name)
        self.address, self.container = host["address"], host["container"]

    def reboot(self) -> None:
        """Stops and starts the host; /run and /tmp are lost."""
        subprocess.run(["docker", "restart", self.container], check=True, capture_output=True)
        lab("up", self.name)
        self.find()

    def lose_power(self) -> None:
        """Kills the host without warning, like a power cut; `power_on` starts it again."""
        subprocess.run(["docker", "kill", self.container], check=True, capture_output=True)

    def power_on(self) -> None:
        subprocess.run(["docker", "start", self.container], check=True, capture_output=True)
        lab("up", self.name)
        self.find()

    def down(self) -> None:
        lab("down", self.name)

    @property
    def shell(self) -> Any:
        """testinfra over SSH as the admin user, with sudo."""
        return testinfra.get_host(
            f"paramiko://deploy@{self.address}?sudo=true&ssh_identity_file={KEY}"
        )

    def out(self, command: str) -> str:
        """Output of a command run as root."""
        done = self.shell.run(command)
        assert done.rc == 0, f"{command}: {done.stderr}"
        return str(done.stdout).strip()

    def cut_connections(self) -> None:
        """Kills every SSH session, including the one that runs this command."""
        self.out("setsid sh -c 'sleep 0.2; pkill -f sshd.*:.deploy' >/dev/null 2>&1 & true")

    def get(self, path: str, host: str, **options: Any) -> requests.Response:
        headers = {"Host": host, **options.pop("headers", {})}
        return requests.get(f"http://{self.address}{path}", headers=headers, timeout=10, **options)

    def live(self, app: str) -> str:
        """The release that nginx sends requests to."""
        link = f"/run/groundcrew/nginx/{app}/current.sock"
        return self.out(f"basename $(readlink {link}) .sock")


def inside(host: LabHost, command: str, text: str = "", timeout: int = 300) -> str:
    """Output of a command on the host, run without SSH, where audit tools would get banned."""
    done = subprocess.run(
        ["docker", "exec", "-i", host.container, "sh", "-c", command],
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def converged(
    name: str,
    suite: str,
    data: Mapping[str, Any] | None = None,
    group: str = "web",
    inventory: Path | None = None,
    *,
    bare: bool = False,
) -> Iterator[LabHost]:
    """A new lab host after its first run. It is removed at the end unless GROUNDCREW_KEEP is
    set."""
    host = LabHost(name, suite, group=group, bare=bare)
    host.up()
    try:
        host.first = pyinfra(host.name, data=data, inventory=inventory)
        assert host.first.status == 0, host.first.stderr
        yield host
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            host.down()


@dataclass
class Traffic:
    """Requests and failures of a background client."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    bodies: set[str] = field(default_factory=set)


@contextmanager
def traffic(
    host: LabHost,
    path: str,
    *domains: str,
    pause: float = 0.02,
    patience: float = 10,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Traffic]:
    """Requests a page from each domain in turn, continuously, in the background: with POST if there
    is a body. Anything but a 200 within `patience` seconds is a failure."""
    counts = Traffic()
    stop = threading.Event()

    def ask() -> None:
        session = requests.Session()
        while not stop.is_set():
            for domain in domains:
                counts.requests += 1
                try:
                    answer = session.request(
                        "POST" if body else "GET",
                        f"http://{host.address}{path}",
                        headers={"Host": domain, **(headers or {})},
                        data=body,
                        timeout=patience,
                    )
                    counts.bodies.add(answer.text)
                    if answer.status_code != 200:
                        counts.failures.append(f"{domain}: status {answer.status_code}")
                except requests.RequestException as error:
                    counts.failures.append(f"{domain}: {error}")
            time.sleep(pause)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join(timeout=patience + 20)
