"""What sizes derive, and what the limits of a host's applications come to."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import GunicornServer, UwsgiServer
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.memory import in_bytes, memory_plan
from groundcrew.roles.gunicorn import Gunicorn
from groundcrew.roles.uvicorn.builders import Uvicorn
from groundcrew.sizes import GIB, SizeName, size_for, sized
from tests.unit.project import Project

UWSGI = {"type": "uwsgi"}


def app(**changes: Any) -> AppSettings:
    return AppSettings.model_validate({"source": {"directory": "x"}, "entry": "a:b", **changes})


@pytest.mark.parametrize(
    ("memory", "size"),
    [(1 * GIB, "small"), (3.8 * GIB, "small"), (7.7 * GIB, "medium"), (15.6 * GIB, "large")],
)
def test_a_size_is_chosen_by_memory(memory: float, size: SizeName) -> None:
    assert size_for(int(memory)) == size


@pytest.mark.parametrize(
    ("size", "uwsgi", "workers", "memory"),
    [
        ("small", (2, 1, 500), 2, "1536M"),
        ("medium", (4, 2, 1000), 6, "3072M"),
        ("large", (8, 4, 2000), 12, "6144M"),
    ],
)
def test_what_a_size_derives(
    size: SizeName, uwsgi: tuple[int, int, int], workers: int, memory: str
) -> None:
    server = sized(app(server=UWSGI), size).server
    assert isinstance(server, UwsgiServer)
    assert (server.processes, server.threads, server.max_requests) == uwsgi
    derived = sized(app(), size)
    assert isinstance(derived.server, GunicornServer)
    assert (derived.server.workers, derived.server.workers_max) == ("auto", workers)
    assert derived.limits.memory_max == memory


@pytest.mark.parametrize(
    ("cpus", "most", "workers"), [(1, None, 2), (8, None, 8), (8, 6, 6), (1, 6, 2), (4, 1, 1)]
)
def test_uvicorn_counts_when_it_starts(cpus: int, most: int | None, workers: int) -> None:
    server = UvicornServer.model_validate({"type": "uvicorn", "workers_max": most})
    [option, *_] = Uvicorn(server).options(app())
    shell = f"nproc() {{ echo {cpus}; }}; env() {{ nproc; }}; echo {option}"
    output = subprocess.check_output(["sh", "-c", shell], text=True)
    assert output == f"--workers {workers}\n"


def test_what_is_said_stays() -> None:
    server = {**UWSGI, "processes": 3, "max_requests": 7}
    derived = sized(app(server=server, limits={"memory_max": "2G"}), "large")
    assert isinstance(derived.server, UwsgiServer)
    assert (derived.server.processes, derived.server.threads, derived.server.max_requests) == (
        3,
        4,
        7,
    )
    assert derived.limits.memory_max == "2G"
    automatic = sized(app(server={**UWSGI, "processes": "auto"}), "small").server
    assert isinstance(automatic, UwsgiServer)
    assert automatic.processes == 2


@pytest.mark.parametrize(("size", "on"), [("small", "small"), ("auto", "small")])
def test_a_size_that_contradicts_what_is_set(tmp_path: Path, size: str, on: str) -> None:
    project = Project(tmp_path)
    project.app(more=f"size: {size}\nserver: {{type: uwsgi, cheaper: 3}}\n")
    assert project.error() == (
        "apps/shop.yml",
        "app.shop.size",
        f"on a {on} host, cheaper: 3 is not less than processes: 2",
    )


def test_instances_share_what_a_size_gives() -> None:
    assert sized(app(instances=3), "medium").limits.memory_max == "1024M"


@pytest.mark.parametrize(
    ("cpus", "worker_class", "most", "workers"),
    [
        (4, "sync", None, 9),
        (8, "sync", None, 17),
        (2, "gthread", None, 2),
        (8, "sync", 6, 6),
        (1, "sync", 6, 3),
    ],
)
def test_workers_by_cpus(
    monkeypatch: pytest.MonkeyPatch, cpus: int, worker_class: str, most: int | None, workers: int
) -> None:
    """2 x CPU + 1, counted where the server starts."""
    server = GunicornServer.model_validate({"worker_class": worker_class, "workers_max": most})
    text = Gunicorn(server).files(AppPaths("shop"), "R")["gunicorn.conf.py"]
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cpus)))
    values: dict[str, Any] = {}
    exec(text, values)
    assert values["workers"] == workers


def test_without_a_size_nothing_of_it_is_in_the_configuration() -> None:
    assert "min(" not in Gunicorn(GunicornServer()).files(AppPaths("shop"), "R")["gunicorn.conf.py"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("1K", 1024), ("3M", 3 << 20), ("2G", 2 << 30), ("1T", 1 << 40)],
)
def test_sizes_in_bytes(text: str, size: int) -> None:
    assert in_bytes(text) == size


def test_the_plan_sums_limits_up() -> None:
    one = app(
        instances=2,
        limits={"memory_max": "100M"},
        workers={
            "a": {"command": "x", "instances": 3, "limits": {"memory_max": "10M"}},
            "b": {"command": "x", "single": True, "limits": {"memory_max": "1M"}},
        },
        timers={"t": {"command": "x", "schedule": "daily", "limits": {"memory_max": "5M"}}},
    )
    two = app(limits={"memory_max": "300M"}, release={"strategy": "restart"})
    plan = memory_plan({"one": one, "two": two, "three": app()})
    assert plan.steady == (200 + 30 + 1 + 5 + 300) << 20
    assert plan.switching == plan.steady + (230 << 20)
    assert plan.unlimited == ["three web"]
