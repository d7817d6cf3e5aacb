"""Every kind of server serves, is sandboxed, and finishes its requests when it is replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.harness import FULL, LabHost, Run, Traffic, good, pyinfra
from tests.e2e.test_release_faults import edit, fails

SLOW_SECONDS = 20 if FULL else 9
"""Of a request that is longer than a release would take without it."""
UWSGI = {"app.hello.server.type": "uwsgi"}
BRIEF = {"app.hello.release.check_window": 1}
RELEASE = "playbooks/release.py"


@dataclass(frozen=True)
class Kind:
    """A kind of server: its settings, and how it shows in the journal and the process table."""

    app: str
    settings: Mapping[str, Any]
    logged: str
    processes: int
    threads: int = 1
    more: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = True
    """Whether a request is tried that is longer than its release."""

    @property
    def data(self) -> dict[str, Any]:
        return {
            "apps": [self.app],
            **{f"app.{self.app}.{key}": value for key, value in self.more.items()},
            f"app.{self.app}.server": self.settings,
            # Nobody asks while these releases replace one another.
            f"app.{self.app}.release.drain": 0,
            f"app.{self.app}.release.check_window": 1,
        }

    @property
    def domain(self) -> str:
        return f"{self.app}.test"


ASGI = {"source.directory": "examples/hello-asgi", "entry": "hello_asgi:app", "checks": []}
COMMAND = Path(__file__).with_name("sources") / "command"
KINDS = {
    "sync": Kind("hello", {"worker_class": "sync", "workers": 3}, "Using worker: sync", 4),
    "gthread": Kind(
        "hello",
        {"worker_class": "gthread", "workers": 2, "threads": 4},
        "Using worker: gthread",
        3,
        # As the other classes of gunicorn do it.
        slow=FULL,
    ),
    "uvicorn": Kind(
        "hello-asgi",
        {"worker_class": "uvicorn", "workers": 2},
        "Using worker: uvicorn_worker.UvicornWorker",
        3,
    ),
    "uwsgi": Kind(
        "hello",
        {"type": "uwsgi", "processes": 3, "threads": 2},
        "Operational MODE: preforking+threaded",
        4,
        threads=2,
    ),
    # Besides the workers, Python's own helper for processes that are spawned.
    "uvicorn-alone": Kind(
        "hello",
        {"type": "uvicorn", "workers": 2},
        "Uvicorn running on unix socket",
        4,
        more=ASGI,
    ),
    "command": Kind(
        "hello",
        {"type": "command", "command": "python serve.py unix:{socket}"},
        "serving at unix:/run/groundcrew/apps/hello/",
        1,
        slow=False,
        more={"source.directory": str(COMMAND), "requirements": False, "checks": []},
    ),
    "command-on-a-port": Kind(
        "hello",
        {"type": "command", "command": "python serve.py $PORT", "listen": "port"},
        "serving at 20",
        3,
        more={"source.directory": str(COMMAND), "requirements": False, "checks": []},
    ),
}


def processes(host: LabHost, unit: str) -> list[int]:
    """Threads of each process of a unit."""
    main = host.out(f"systemctl show --property=MainPID --value {unit}")
    return [int(line) for line in host.out(f"ps -o nlwp= --pid {main} --ppid {main}").splitlines()]


ECHOING = [("bookworm", name) for name in ("sync", "uvicorn", "uvicorn-alone", "uwsgi")]
SERVED = [
    *ECHOING,
    *(("bookworm", name) for name in ("gthread", "command", "command-on-a-port")),
    ("trixie", "uwsgi"),
    *([("trixie", "uvicorn")] if FULL else []),
]


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> tuple[LabHost, Kind]:
    """A host with a kind of server. The tests of a kind follow one another, after one release."""
    suite, name = request.param
    host, kind = request.getfixturevalue(suite), KINDS[name]
    good(pyinfra(host.name, data=kind.data))
    return host, kind


@pytest.mark.parametrize("served", SERVED, ids="-".join, indirect=True)
def test_a_kind_of_server(served: tuple[LabHost, Kind]) -> None:
    host, kind = served
    app = kind.app
    assert host.get("/health", kind.domain).status_code == 200
    unit = f"{app}@{host.live(app)}.service"
    assert kind.logged in host.out(f"journalctl --no-pager --output=cat --unit={unit}")
    numbers = processes(host, unit)
    assert len(numbers) == kind.processes
    assert sum(threads >= kind.threads for threads in numbers) >= kind.processes - 1
    verdict = host.out(f"systemd-analyze security --no-pager {unit} | tail -n 1")
    assert float(verdict.split(":")[1].split()[0]) <= 1.0, verdict
    assert good(pyinfra(host.name, data=kind.data)).changed == []

    # How a kind stops has nothing to do with Debian.
    if not kind.slow or (host.suite != "bookworm" and not FULL):
        return
    # A request that has begun before its release is told to stop is finished.
    before = host.live(app)
    more = {
        f"app.{app}.env.VERSION": f"from {time.time()}",
        f"app.{app}.release.check_window": 0,
    }
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(slow_request, host, kind.domain, SLOW_SECONDS)
        time.sleep(1)
        run = good(pyinfra(host.name, data={**kind.data, **more}, playbook=RELEASE))
        stopped = time.monotonic()
        status, ended = slow.result()
    assert status == 200
    assert ended < stopped, "the old release was stopped before its request was done"
    assert run.seconds > SLOW_SECONDS * 3 / 4, "the old release was not running any more"
    assert host.live(app) != before


def slow_request(host: LabHost, domain: str, seconds: int) -> tuple[int, float]:
    """The status of a request that takes this long, and when it was done."""
    address = f"http://{host.address}/slow?seconds={seconds}"
    answer = requests.get(address, headers={"Host": domain}, timeout=seconds + 30)
    return answer.status_code, time.monotonic()


@pytest.mark.parametrize("served", ECHOING, ids="-".join, indirect=True)
def test_what_a_client_says_about_itself_reaches_no_application(
    served: tuple[LabHost, Kind],
) -> None:
    host, kind = served
    forged = {
        "Forwarded": "for=192.0.2.1;proto=https",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Prefix": "/evil",
        "X-Script-Name": "/evil",
        "Connection": "Upgrade, close",
        "Upgrade": "h2c",
    }
    for body in (b"one part", iter([b"one", b" ", b"part"])):
        answer = requests.post(
            f"http://{host.address}/echo?a=b%20c",
            data=body,
            headers={"Host": kind.domain, **forged},
            timeout=10,
        )
        facts = answer.json()
        assert facts["body"] == "one part"
        assert facts["scheme"] == "http"
        assert facts["url"] == f"http://{kind.domain}/echo?a=b%20c"
        assert facts["address"] != "192.0.2.1"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@contextmanager
def fresh_traffic(host: LabHost) -> Iterator[Traffic]:
    """Clients that connect for every request: others may see a reload of nginx."""
    counts = Traffic()
    stop = threading.Event()

    def ask(method: str, path: str) -> None:
        while not stop.is_set():
            counts.requests += 1
            try:
                answer = requests.request(
                    method,
                    f"http://{host.address}{path}",
                    headers={"Host": "hello.test", "Connection": "close"},
                    data="text" if method == "POST" else None,
                    timeout=20,
                )
                if answer.status_code != 200:
                    counts.failures.append(f"{method}: status {answer.status_code}")
            except requests.RequestException as error:
                counts.failures.append(f"{method}: {error}")
            time.sleep(0.01)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(ask, "GET", "/health")
        pool.submit(ask, "POST", "/echo")
        try:
            yield counts
        finally:
            stop.set()


def test_another_kind_of_server_takes_over_and_gives_back(bookworm: LabHost) -> None:
    """nginx speaks the protocol of the release that serves, also after a rollback."""
    passing = "readlink /etc/nginx/groundcrew/passing/hello.conf"
    data = {"apps": ["hello"], **BRIEF}
    good(pyinfra(bookworm.name, data=data))
    assert bookworm.out(passing) == "hello.http"
    with fresh_traffic(bookworm) as counts:
        good(pyinfra(bookworm.name, data={**data, **UWSGI}))
        assert bookworm.out(passing) == "hello.uwsgi"
        good(release(bookworm, data))
        assert bookworm.out(passing) == "hello.http"
        good(
            pyinfra(bookworm.name, playbook="playbooks/rollback.py", data={**data, "app": "hello"})
        )
    assert counts.failures == []
    assert counts.requests > 200
    good(pyinfra(bookworm.name, data={**data, "again": "hello"}))
    assert bookworm.out(passing) == "hello.http"


def test_a_broken_release_under_uwsgi_never_gets_a_request(bookworm: LabHost, source: Path) -> None:
    good(pyinfra(bookworm.name, data={"apps": ["hello"]}))
    edit(source, "import platform", "import platform\nimport nowhere_to_be_found")
    fails(bookworm, source, "No module named 'nowhere_to_be_found'", data=UWSGI)
    assert bookworm.out("readlink /etc/nginx/groundcrew/passing/hello.conf") == "hello.http"


def test_uwsgi_under_a_socket_that_systemd_holds(bookworm: LabHost) -> None:
    data = {"apps": ["hello"], **UWSGI, **BRIEF, "app.hello.release.strategy": "restart"}
    good(pyinfra(bookworm.name, data=data))
    assert good(pyinfra(bookworm.name, data=data)).changed == []
    with fresh_traffic(bookworm) as counts:
        good(release(bookworm, {**data, "app.hello.env.GREETING": "held"}))
        good(pyinfra(bookworm.name, playbook="playbooks/restart.py", data={**data, "app": "hello"}))
    assert counts.failures == []
    # Requests that wait in the socket would reach gunicorn in uWSGI's protocol.
    live = bookworm.live("hello")
    other = {"apps": ["hello"], "app.hello.release.strategy": "restart"}
    run = release(bookworm, other)
    assert run.status != 0
    assert "another `server.type` cannot take over with `release.strategy: restart`" in run.stderr
    assert bookworm.live("hello") == live
    assert bookworm.get("/health", "hello.test").status_code == 200
    good(release(bookworm, {"apps": ["hello"], **UWSGI, **BRIEF}))


def test_a_release_keeps_its_strategy_whatever_the_settings_say(bookworm: LabHost) -> None:
    held: dict[str, Any] = {
        "apps": ["hello"],
        **BRIEF,
        "app.hello.env.GREETING": "held",
        "app.hello.release.strategy": "restart",
    }
    switched: dict[str, Any] = {"apps": ["hello"], **BRIEF, "app.hello.env.GREETING": "switched"}
    # What nginx has is the same for all of them.
    good(pyinfra(bookworm.name, data={**switched, "again": "hello"}))
    for left, kept, socket in ((held, switched, False), (switched, held, True)):
        good(release(bookworm, {**left, "again": "hello"}))
        serves(bookworm, left)
        good(rollback(bookworm, left))
        serves(bookworm, kept)
        run = good(release(bookworm, left))
        assert run.changed == []
        assert "stays live" in run.stderr
        serves(bookworm, kept)
        assert bookworm.shell.run("systemctl is-active hello.socket").succeeded is socket
        good(release(bookworm, {**left, "again": "hello"}))
        serves(bookworm, left)


def release(host: LabHost, data: Mapping[str, Any]) -> Run:
    """A release without what belongs to the host."""
    return pyinfra(host.name, data=data, playbook=RELEASE)


def rollback(host: LabHost, data: Mapping[str, Any]) -> Run:
    """With the settings that the release that is left was made with."""
    return pyinfra(host.name, playbook="playbooks/rollback.py", data={**data, "app": "hello"})


def serves(host: LabHost, data: Mapping[str, Any]) -> None:
    """Answers come, from the release with these settings."""
    answer = host.get("/", "hello.test")
    assert answer.status_code == 200
    assert data["app.hello.env.GREETING"] in answer.text


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"type": "uwsgi", "options": {"htp-timeout": 90}}, "unknown config directive"),
        ({"options": {"capture_outptu": True}}, "gunicorn knows no capture_outptu"),
    ],
)
def test_a_value_that_the_server_refuses_never_gets_a_request(
    bookworm: LabHost, source: Path, server: dict[str, Any], said: str
) -> None:
    good(release(bookworm, {"apps": ["hello"]}))
    fails(bookworm, source, said, data={"app.hello.server": server})


def test_back_to_the_manifest(converged: LabHost) -> None:
    """Leaves the hosts as the other tests expect them."""
    converged.out("rm -f /etc/systemd/system/*.wants/hello-asgi@* && systemctl daemon-reload")
    converged.out("systemctl stop 'hello-asgi@*'")
    good(pyinfra(converged.name))
    assert good(pyinfra(converged.name)).changed == []
