"""Runs pyinfra against lab hosts as a user would, and looks at them with other tools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import testinfra

ROOT = Path(__file__).resolve().parents[2]
KEY = ROOT / ".groundcrew" / "lab" / "id_ed25519"
PYINFRA = [sys.executable, "-m", "pyinfra"]
GOOD = ROOT / "examples" / "hello"
"""The example, of which tests make releases."""

ROLLBACK = "playbooks/rollback.py"
RUNS: list[Run] = []
"""The runs of this test session; the report of a failed test shows the last one."""


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
        """Names of the operations that a dry run would change."""
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
    inventory: str = "inventory/lab.py",
) -> list[str]:
    values = [f"--data={key}={_text(value)}" for key, value in (data or {}).items()]
    limits = [f"--limit={name}" for name in limit.split(",")]
    return [*PYINFRA, inventory, playbook, *limits, *values, *options]


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
) -> Run:
    """A run on the hosts of `limit` (names with commas between them), with JSON on standard output,
    without questions unless it is a dry one. `nice` gives way to the lab host on this machine, as
    if the operator had a machine of their own. `project` is another project directory, whose
    inventory is inventory/prod.py.
    """
    options = ("--json", *(() if "--dry" in options else ("-y",)), *options)
    inventory = "inventory/prod.py" if project else "inventory/lab.py"
    started = time.monotonic()
    done = subprocess.run(
        ["nice", "-n", str(nice), *_arguments(limit, data, playbook, options, inventory)],
        cwd=project or ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    # Some tests have runs in the background, so that the last one need not be this.
    run = Run(done.returncode, done.stdout, done.stderr, time.monotonic() - started)
    RUNS.append(run)
    return run


def start_pyinfra(
    limit: str, data: Mapping[str, Any] | None = None, playbook: str = "playbooks/release.py"
) -> subprocess.Popen[str]:
    """A run in the background, its output in one pipe."""
    return subprocess.Popen(
        _arguments(limit, data, playbook, ("-y",)),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def good(run: Run) -> Run:
    """The run, which must have ended well."""
    assert run.status == 0, run.stderr
    return run


def version(source: Path, text: str) -> None:
    """Another version of the example, told by its page."""
    path = source / "templates" / "page.html"
    path.write_text((GOOD / "templates" / "page.html").read_text() + f"<!-- {text} -->")


def lab(*arguments: str) -> str:
    done = subprocess.run(
        [str(ROOT / "bin" / "lab"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class LabHost:
    """A lab host and how to look at it."""

    name: str
    suite: str
    address: str = ""
    container: str = ""
    first: Run | None = field(default=None, repr=False)

    def up(self) -> None:
        lab("reset", self.name, "--suite", self.suite)
        self.find()

    def find(self) -> None:
        hosts = json.loads(lab("list", "--json"))
        host = next(host for host in hosts if host["name"] == self.name)
        self.address, self.container = host["address"], host["container"]

    def reboot(self) -> None:
        """Stop and start the whole host; what is in /run and /tmp is gone."""
        subprocess.run(["docker", "restart", self.container], check=True, capture_output=True)
        lab("up", self.name)
        self.find()

    def lose_power(self) -> None:
        """Everything ends at once, and nothing is told to; `power_on` starts the host again."""
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
        """Output of a command as root."""
        done = self.shell.run(command)
        assert done.rc == 0, f"{command}: {done.stderr}"
        return str(done.stdout).strip()

    def cut_connections(self) -> None:
        """Kill every SSH session, the one that asks for it too."""
        self.out("setsid sh -c 'sleep 0.2; pkill -f sshd.*:.deploy' >/dev/null 2>&1 & true")

    def get(self, path: str, host: str, **options: Any) -> requests.Response:
        headers = {"Host": host, **options.pop("headers", {})}
        return requests.get(f"http://{self.address}{path}", headers=headers, timeout=10, **options)

    def live(self, app: str) -> str:
        """The release that nginx leads to."""
        link = f"/run/groundcrew/nginx/{app}/current.sock"
        return self.out(f"basename $(readlink {link}) .sock")


def inside(host: LabHost, command: str, text: str = "", timeout: int = 300) -> str:
    """Output of a command on the host, not by way of SSH, which auditors get banned from."""
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
def converged(name: str, suite: str, data: Mapping[str, Any] | None = None) -> Iterator[LabHost]:
    """A new lab host after its first run; kept at the end where GROUNDCREW_KEEP is set."""
    host = LabHost(name, suite)
    host.up()
    try:
        host.first = pyinfra(host.name, data=data)
        assert host.first.status == 0, host.first.stderr
        yield host
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            host.down()


@dataclass
class Traffic:
    """Counts of a background client."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    bodies: set[str] = field(default_factory=set)


@contextmanager
def traffic(
    host: LabHost, path: str, *domains: str, pause: float = 0.02, patience: float = 10
) -> Iterator[Traffic]:
    """One client asks the domains for a page all the time, one after the other; whatever is not a
    200 in `patience` seconds is a failure."""
    counts = Traffic()
    stop = threading.Event()

    def ask() -> None:
        session = requests.Session()
        while not stop.is_set():
            for domain in domains:
                counts.requests += 1
                try:
                    answer = session.get(
                        f"http://{host.address}{path}", headers={"Host": domain}, timeout=patience
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
